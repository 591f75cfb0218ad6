"""`pydeeprecsys evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from pydeeprecsys.cli.common import screen
from pydeeprecsys.cli.resume import read_settings
from pydeeprecsys.cli.settings import ENV_OPTION
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.compare import Comparison
from pydeeprecsys.experiments.config import RunConfig
from pydeeprecsys.experiments.run import evaluate_again
from pydeeprecsys.experiments.run_folder import RunFolder
from pydeeprecsys.experiments.task import read_env_option
from pydeeprecsys.simulation.movielens.simulator import Pool


@click.command("evaluate")
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--pool", type=click.Choice(get_args(Pool)), help="Pool of users; by default that of the run's evaluation."
)
@click.option("--sessions", type=click.IntRange(1), help="Number of episodes; by default as in the run.")
def command(folder: Path, pool: Pool | None, sessions: int | None, env_option: tuple[str, ...]) -> None:
    """Evaluate the policy in the folder RUN again, on other users, in more sessions or with other options.

    RUN is the folder of a run that is done, or of a comparison, of which all runs that are done are evaluated. The
    results of the run stay as they are: the files of the evaluation go to RUN/evaluations.
    """
    settings, results = read_settings(folder), RunFolder(folder)
    if isinstance(settings, RunConfig):
        runs = [(results, settings)]
    elif isinstance(settings, Comparison):
        runs = [(results.run(run.agent, run.seed), run) for run in settings.runs()]
        runs = [(run, config) for run, config in runs if run.is_done]
    else:
        raise InputError(f"{folder} is of a search; give one of the runs in it")
    options = dict(read_env_option(settings.task.env, text) for text in env_option)
    for run, config in runs:
        again = evaluate_again(run, config, pool=pool, episodes=sessions, env_options=options)
        returns = again.evaluation["return"]
        screen.print(
            f"{config.agent}, seed {config.seed}: return {returns.mean():.2f} in {len(returns)} episodes; "
            f"files in {again.path}",
            soft_wrap=True,
        )


command.params.append(ENV_OPTION)
