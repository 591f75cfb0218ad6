"""`pydeeprecsys compare`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from pydeeprecsys.cli.common import at_work, print_files, print_warnings, results_table, screen
from pydeeprecsys.cli.options import BY_DEFAULT
from pydeeprecsys.cli.settings import take_settings
from pydeeprecsys.errors import DivergenceError, InputError
from pydeeprecsys.evaluation.standings import BEST_CONSTANT
from pydeeprecsys.experiments.compare import Comparison, compare
from pydeeprecsys.experiments.registry import make_agent
from pydeeprecsys.experiments.run_folder import RunFolder
from pydeeprecsys.experiments.summary import LEVEL, Failures
from pydeeprecsys.experiments.sweep import Sweep
from pydeeprecsys.experiments.task import Task
from pydeeprecsys.rl.manager import Episode

_LOOK_EVERY = 5.0  # seconds, at the files of runs in other processes


def compare_agents(
    agents: list[str] | None, hyperparameters: dict[str, dict[str, Any]], arguments: dict[str, Any], out: Path
) -> None:
    """Compare agents, by default those that can act in the environment."""
    settings = take_settings(arguments, "compare")
    names = agents or _able(settings["task"])
    comparison = Comparison(**settings, agents=names, hyperparameters=hyperparameters)
    compare_with_progress(comparison, out, arguments["jobs"], arguments["ray"], overwrite=arguments["overwrite"])


def _able(task: Task) -> list[str]:
    """The default agents that can act in an environment."""
    manager = task.manager(0)
    able = []
    for name in BY_DEFAULT:
        try:
            make_agent(name, manager, 0)
        except InputError:
            continue
        able.append(name)
    return able


def compare_with_progress(
    comparison: Comparison, out: Path, jobs: int, ray_address: str | None = None, *, overwrite: bool = False
) -> None:
    """Run a comparison with a bar on screen, and print the table.

    Raises:
        DivergenceError: some runs failed; the table of the others was printed.
    """
    print_warnings(comparison)
    failures: Failures = {}
    planned, looked = comparison.runs(), time.monotonic()
    runs, total = [RunFolder(out).run(*place) for place in planned], sum(run.episodes or 0 for run in planned.values())
    is_here = jobs == 1 and ray_address is None
    with at_work(out) as (progress, stop_if_asked):
        bar = progress.add_task("comparing", total=total, unit="episodes")

        def on_episode(agent: str, seed: int, number: int, episode: Episode) -> None:
            if is_here:
                did = "evaluating" if number + 1 == comparison.episodes else f"return {sum(episode.rewards):.1f}"
                progress.update(bar, advance=1, description=f"{agent}, seed {seed}: {did}")

        def look() -> None:
            """Look how far other processes are, now and then."""
            nonlocal looked
            stop_if_asked()
            if not is_here and time.monotonic() - looked >= _LOOK_EVERY:
                progress.update(bar, completed=sum(run.episodes_so_far for run in runs))
                looked = time.monotonic()

        summary = compare(
            comparison,
            out,
            on_episode,
            jobs,
            stop_if_asked=look,
            ray_address=ray_address,
            overwrite=overwrite,
            failures=failures,
        )
    wide = not screen.is_terminal or screen.width >= 120
    paper = Console(width=max(screen.width, 120), markup=False, highlight=False) if wide else screen
    paper.print(_table(summary, wide) if comparison.swept is None else _front(RunFolder(out).front, comparison.swept))
    if BEST_CONSTANT in comparison.agents:
        screen.print(
            f"{BEST_CONSTANT} reads the simulator, not the user: for reference, not deployable", soft_wrap=True
        )
    if (summary["features"] == "features: world").any():
        screen.print("features: world are the simulator's own, an upper bound", soft_wrap=True)
    for note in dict.fromkeys((*summary["note"].dropna(), *summary["failure"].dropna())):
        screen.print(note, soft_wrap=True)
    print_files(out)
    if failures:
        named = ", ".join(f"{agent} from seed {seed}" for agent, seed in failures)
        raise DivergenceError(f"{next(iter(failures.values()))}; the table leaves out {named}")


def _table(summary: pd.DataFrame, wide: bool) -> Table:
    """The summary; on a narrow screen intervals stand below their numbers."""
    table = results_table(
        title="after training, without exploration, same episodes for all",
        caption="return: median over seeds; score: random is 0, the oracle 1; vs: paired difference to the best policy "
        "that does not learn; beats next: probability that a run returns more than one of the next row's; with 95 % "
        "intervals, from three seeds on",
    )
    apart = " " if wide else "\n"
    # Only if a part of what was shown is imputed, and only on a wide screen: rows have little room.
    imputed = ((summary["unmeasured"] > 0) & summary["violence"].notna()).any()
    reference = next(iter(summary["reference"].dropna()), None)
    columns: dict[str, Callable[[dict[Any, Any]], str]] = {
        "agent": lambda row: _marked(row, apart),
        "return": lambda row: _or_dash(row["median"], "{:.2f}"),
        "95 % interval": _interval,
        "score": lambda row: _or_dash(row["normalized"], "{:.2f}"),
    }
    if summary["difference"].notna().any():
        columns[f"vs {reference}"] = lambda row: _or_dash(
            row["difference"], "{:+.2f}" + apart + "({:.2f}..{:.2f})", row["difference_low"], row["difference_high"]
        )
    if summary["improvement"].notna().any():
        columns["beats next"] = lambda row: _or_dash(
            row["improvement"],
            "{:.0%}" + apart + "({:.0f}..{:.0f})",
            100 * row["improvement_low"],
            100 * row["improvement_high"],
        )
    if summary["coverage"].notna().any():  # there are items
        columns["violence"] = lambda row: (
            "not known" if pd.isna(row["violence"]) and row["seeds"] else _or_dash(row["violence"], "{:.3f}")
        )
    if imputed and wide:
        columns["unmeasured"] = lambda row: _or_dash(row["unmeasured"], "{:.0%}")
    if wide:
        columns["steps/s"] = lambda row: _or_dash(row["steps_per_second"], "{:,.0f}")
    for heading in columns:
        table.add_column(heading, justify="left" if heading == "agent" else "right", no_wrap=True)
    for row in summary.to_dict("records"):
        table.add_row(*(column(row) for column in columns.values()))
    return table


def _front(front: pd.DataFrame, sweep: Sweep) -> Table:
    """The front of a sweep; an agent that shows the same at every value has one row."""
    table = results_table(
        title="after training, without exploration, same episodes for all",
        caption=f"what is shown, medians over seeds; CVaR: mean violence of the worst {1 - LEVEL:.0%} of the sessions; "
        "dominated: another has no lower rating and no more violence; intervals are in front.csv",
    )
    shown = ["rating", "violence", "cvar"]
    for heading in ("agent", sweep.option, "rating", "violence", "CVaR", "return", "dominated"):
        table.add_column(heading, justify="left" if heading == "agent" else "right", no_wrap=heading != sweep.option)
    for agent, points in front.groupby("agent", sort=False):
        is_one = len(points) > 1 and len(points[shown].drop_duplicates()) == 1
        for row in points[:1].to_dict("records") if is_one else points.to_dict("records"):
            value = "any" if is_one else _or_dash(row["value"], "{:g}")
            reached = (
                f"{points['return'].min():.2f}..{points['return'].max():.2f}" if is_one else f"{row['return']:.2f}"
            )
            is_dominated = {True: "yes", False: "no"}.get(row["dominated"], "-")
            figures = [f"{row[name]:.3f}" for name in shown]
            table.add_row(*[str(agent), value, *figures, reached, is_dominated])
    return table


def _interval(row: dict[Any, Any]) -> str:
    if pd.isna(row["median_low"]):
        return f"not from {row['seeds']} seed{'s' * (row['seeds'] > 1)}" if row["seeds"] else "-"
    return f"{row['median_low']:.2f}..{row['median_high']:.2f}"


def _marked(row: dict[Any, Any], apart: str) -> str:
    """The agent's name, and beside it the source of its features and whether seeds failed or never updated."""
    marks = [row["agent"]]
    if not pd.isna(row["features"]):
        marks.append(f"({row['features']})")
    if row["failed"]:
        marks.append(f"({row['failed']} failed)")
    if not pd.isna(row["note"]):
        marks.append("(never updated)" if row["updates"] == 0 else "(some never updated)")
    return apart.join(marks)


def _or_dash(number: float, form: str, *ends: float) -> str:
    return "-" if pd.isna(number) else form.format(number, *ends)
