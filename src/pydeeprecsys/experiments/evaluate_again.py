"""Later evaluations of the policy of a run that is done."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.config import RunConfig
from pydeeprecsys.experiments.evaluate import evaluate
from pydeeprecsys.experiments.provenance import provenance
from pydeeprecsys.experiments.run import policy_in
from pydeeprecsys.experiments.run_folder import RunFolder
from pydeeprecsys.experiments.trained import load_policy
from pydeeprecsys.simulation.movielens.simulator import Pool


def evaluate_again(
    folder: RunFolder,
    config: RunConfig,
    *,
    pool: Pool | None = None,
    episodes: int | None = None,
    env_options: Mapping[str, Any] | None = None,
) -> RunFolder:
    """Evaluate the policy of a run that is done once more, and leave the results of the run as they are.

    Args:
        folder: of the run.
        config: its settings.
        pool: of users; by default that of the run's own evaluation.
        episodes: by default as many as in the run's own evaluation.
        env_options: options of the environment that differ from those of the run.

    Returns:
        A folder in that of the run, with the files of the evaluation; one for each pool, number and options.

    Raises:
        InputError: the run is not done; or the policy does not fit the observations of the environment.
    """
    if pool is not None and not config.task.has_users:
        raise InputError(f"{config.task.env} has no pools of users; leave the pool out")
    policy, made = load_policy(config, folder), provenance(config.task.world)
    folder.check_data(made)
    options, pool = dict(env_options or {}), pool or config.evaluation_pool
    episodes = config.evaluation_episodes if episodes is None else episodes
    task = replace(config.task, env_options={**config.task.env_options, **options})
    manager = config.evaluation_manager(task, pool)
    before, now = (each.env.observation_space for each in (config.training_manager(), manager))
    if before.shape != now.shape:
        raise InputError(f"the policy was trained on observations of {before}, which are now of {now}")
    words = [pool, str(episodes), *(f"{name}={value}" for name, value in options.items())]
    again = folder.again(re.sub(r"[^\w=.,+-]", "_", "-".join(filter(None, words))))
    settings = {"kind": "evaluation", "pool": pool, "episodes": episodes, "env_options": options}
    with again.claimed():
        again.begin(settings | {"provenance": made})
        again.write_evaluation(evaluate(policy_in(config, policy, manager), manager, episodes))
    return again
