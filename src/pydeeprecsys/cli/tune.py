"""`pydeeprecsys tune`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from pydeeprecsys.cli.common import at_work, print_warnings, screen
from pydeeprecsys.cli.settings import take_settings
from pydeeprecsys.errors import DivergenceError
from pydeeprecsys.experiments.run_folder import RunFolder
from pydeeprecsys.experiments.search import Outcome
from pydeeprecsys.experiments.tune import best_of, note_on, tune
from pydeeprecsys.experiments.tuning import Tuning


def tune_agent(agent: str, arguments: dict[str, Any], out: Path) -> None:
    """Tune an agent with the settings that the arguments of a command hold."""
    tuning = Tuning(**take_settings(arguments, "tune"), agent=agent)
    tune_with_progress(tuning, out, arguments["jobs"], arguments["ray"], overwrite=arguments["overwrite"])


def tune_with_progress(
    tuning: Tuning, out: Path, jobs: int = 1, ray_address: str | None = None, *, overwrite: bool = False
) -> None:
    """Search for good hyperparameters with a bar on screen, and print the best beside the defaults."""
    print_warnings(tuning)
    with at_work(out) as (progress, stop_if_asked):
        bar = progress.add_task("trials", total=tuning.trials)
        done: list[Outcome] = []

        def on_trial(outcome: Outcome) -> None:
            before = best_of(done)
            done.append(outcome)
            best = best_of(done)
            if best is not before and best is not None:
                screen.print(f"trial {best.number}: return {best.mean_return:.2f}, the best so far")
            progress.update(bar, completed=len(done))

        def on_episode(trial: int, episodes: int) -> None:
            share = episodes / tuning.episodes / tuning.seeds
            progress.update(bar, completed=trial + share, description=f"trial {trial}")

        outcomes = tune(
            tuning,
            out,
            on_trial,
            on_episode,
            jobs=jobs,
            stop_if_asked=stop_if_asked,
            ray_address=ray_address,
            overwrite=overwrite,
        )
    folder = RunFolder(out)
    best = best_of(outcomes)
    if best is None:
        why = next((f"; trial {each.number}: {each.note}" for each in outcomes if each.note), "")
        raise DivergenceError(f"no trial was completed; see {folder.trials_file}{why}")
    screen.print(_table(tuning, outcomes[0], best))
    if note := note_on(tuning, best, out):
        screen.print(f"trial {best.number}: {note}", soft_wrap=True)
    states = [outcome.state for outcome in outcomes]
    screen.print(
        f"{len(outcomes)} trials: {states.count('complete')} complete, {states.count('pruned')} pruned, "
        f"{states.count('failed')} failed; use the best with: pydeeprecsys train {tuning.agent} "
        f"--config {folder.best_file}",
        soft_wrap=True,
    )


def _table(tuning: Tuning, default: Outcome, best: Outcome) -> Table:
    table = Table(
        box=SIMPLE_HEAD,
        pad_edge=False,
        title=f"{tuning.agent}: return in the evaluation, mean of {tuning.seeds} trainings",
        caption="the best of many looks better than it is: compare it on other seeds",
    )
    for heading in ("", "default", f"trial {best.number}"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    table.add_row("return", f"{default.mean_return:.2f}", f"{best.mean_return:.2f}", end_section=True)
    for name, value in best.hyperparameters.items():
        table.add_row(name, _text(default.hyperparameters[name]), _text(value))
    return table


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return "-" if value is None else f"{value}"
