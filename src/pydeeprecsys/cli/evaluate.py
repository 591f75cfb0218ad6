"""`pydeeprecsys evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydeeprecsys.cli.common import progress_bars, screen
from pydeeprecsys.cli.resume import read_settings
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.compare import Comparison
from pydeeprecsys.experiments.config import RunConfig
from pydeeprecsys.experiments.environments import read_env_option
from pydeeprecsys.experiments.evaluate_again import evaluate_again
from pydeeprecsys.experiments.run_folder import RunFolder
from pydeeprecsys.simulation.movielens.simulator import Pool


def evaluate(folder: Path, pool: Pool | None, sessions: int | None, env_options: Sequence[str]) -> None:
    """Evaluate the policies in a folder again; the options of the environment are NAME=VALUE."""
    settings, results = read_settings(folder), RunFolder(folder)
    if isinstance(settings, RunConfig):
        runs = [(settings.agent, results, settings)]
    elif isinstance(settings, Comparison):
        runs = [(place[0], results.run(*place), config) for place, config in settings.runs().items()]
        runs = [each for each in runs if each[1].is_done]
    else:
        raise InputError(f"{folder} is of a search; give one of the runs in it")
    options = dict(read_env_option(settings.task.env, text) for text in env_options)
    with progress_bars() as progress:
        bar = progress.add_task("evaluating", total=len(runs), unit="runs")
        for name, run, config in runs:
            again = evaluate_again(run, config, pool=pool, episodes=sessions, env_options=options)
            returns = again.evaluation["return"]
            screen.print(
                f"{name}, seed {config.seed}: return {returns.mean():.2f} in {len(returns)} episodes; "
                f"files in {again.path}",
                soft_wrap=True,
            )
            progress.advance(bar)
