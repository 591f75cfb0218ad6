"""`pydeeprecsys compare`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from pydeeprecsys.cli.agent_options import read_options
from pydeeprecsys.cli.common import at_work, choose_out, print_files, print_warnings, screen
from pydeeprecsys.cli.settings import JOBS, RAY, settings_options, take_settings
from pydeeprecsys.errors import DivergenceError, InputError
from pydeeprecsys.evaluation.standings import BEST_CONSTANT
from pydeeprecsys.experiments.compare import Comparison, Failures, compare
from pydeeprecsys.experiments.registry import AGENTS, agent_class, agent_option, make_agent
from pydeeprecsys.experiments.task import Task
from pydeeprecsys.rl.manager import Episode

# The oracle is always evaluated along; soft actor-critic, which learns at every step, takes an hour over catalogues of
# thousands; the others want more than 300 sessions, or slates.
_NOT_BY_DEFAULT = ("oracle", "sac", "ppo", "linucb", "thompson", "slate-q")
_BY_DEFAULT = [name for name in AGENTS if name not in _NOT_BY_DEFAULT]


@click.command("compare")
@click.option(
    "--agents",
    show_default=f"{','.join(_BY_DEFAULT)}, those that can act in the environment",
    help=f"Agents to compare, separated by commas, of: {', '.join(AGENTS)}; or your own, as package.module:Class.",
)
@click.option(
    "--config",
    "configs",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    help="An agent's hyperparameters, as 'pydeeprecsys tune' finds them: its best.json; may be repeated.",
)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="AGENT.OPTION=VALUE",
    help="Set a hyperparameter of an agent, such as reinforce.learning_rate=0.003; may be repeated.",
)
def command(agents: str | None, configs: tuple[Path, ...], changes: tuple[str, ...], **arguments: Any) -> None:
    """Train several agents, by default on simulated users, and put them side by side.

    Writes all_metrics.csv, summary.csv, learning_curves.png and learning_curves.pdf, and a folder for each run; for
    slates also DCG and NDCG of every training step, relevance_metrics.csv, and their description,
    relevance_metrics_describe.csv. Continue a stopped or killed comparison with 'pydeeprecsys resume'.
    """
    names = agents.split(",") if agents is not None else None
    hyperparameters = _hyperparameters(configs, changes)
    for name in (*(names or ()), *hyperparameters):
        agent_class(name)  # before a world is built
    out = choose_out(arguments["out"], arguments["overwrite"], "compare")
    settings = take_settings(arguments, Comparison)
    comparison = Comparison(**settings, agents=names or _able(settings["task"]), hyperparameters=hyperparameters)
    compare_with_progress(comparison, out, arguments["jobs"], arguments["ray"], overwrite=arguments["overwrite"])


command.params.extend([JOBS, RAY, *settings_options(Comparison)])


def _able(task: Task) -> list[str]:
    """The default agents that can act in an environment."""
    manager = task.manager(0)
    able = []
    for name in _BY_DEFAULT:
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
        DivergenceError: some runs diverged; the table of the others was printed.
    """
    print_warnings(comparison)
    failures: Failures = {}
    with at_work(out) as (progress, stop_if_asked):
        bar = progress.add_task("", total=len(comparison.agents) * comparison.seeds * comparison.episodes)

        def on_episode(agent: str, seed: int, number: int, episode: Episode) -> None:
            progress.update(bar, advance=1, description=f"{agent}, seed {seed}: return {sum(episode.rewards):.1f}")

        summary = compare(
            comparison,
            out,
            on_episode,
            jobs,
            stop_if_asked=stop_if_asked,
            ray_address=ray_address,
            overwrite=overwrite,
            failures=failures,
        )
    wide = not screen.is_terminal or screen.width >= 120
    paper = Console(width=max(screen.width, 120), markup=False, highlight=False) if wide else screen
    paper.print(_table(summary, wide))
    if BEST_CONSTANT in comparison.agents:
        screen.print(
            f"{BEST_CONSTANT} reads the simulator, not the user: for reference, not deployable", soft_wrap=True
        )
    if (summary["features"] == "features: world").any():
        screen.print("features: world are the simulator's own, an upper bound", soft_wrap=True)
    for note in summary["note"].dropna():
        screen.print(note, soft_wrap=True)
    print_files(out)
    if failures:
        named = ", ".join(f"{agent} from seed {seed}" for agent, seed in failures)
        raise DivergenceError(f"{next(iter(failures.values()))}; the table leaves out {named}")


def _hyperparameters(configs: tuple[Path, ...], changes: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    hyperparameters: dict[str, dict[str, Any]] = {}
    for path in configs:
        agent, options = read_options(path)
        if agent in hyperparameters:
            raise InputError(f"--config {path}: the hyperparameters of {agent} are given twice")
        hyperparameters[agent] = options
    changed: set[str] = set()
    for change in changes:
        target, _, text = change.partition("=")
        agent, _, name = target.rpartition(".")
        if not text or not agent:
            raise InputError(f"--set takes AGENT.OPTION=VALUE, such as reinforce.learning_rate=0.003, not {change!r}")
        option = agent_option(agent, name.replace("-", "_"))
        if (target := f"{agent}.{option.name}") in changed:
            raise InputError(f"--set {change}: {target} is given twice")
        changed.add(target)
        try:
            hyperparameters.setdefault(agent, {})[option.name] = option.read(text)
        except InputError as error:
            raise InputError(f"--set {change}: {error}") from error
    return hyperparameters


def _table(summary: pd.DataFrame, wide: bool) -> Table:
    """The summary; on a narrow screen intervals stand below their numbers."""
    table = Table(
        box=SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        padding=0,
        title="after training, without exploration, same episodes for all",
        caption="return: median over seeds; score: random is 0, the oracle 1; vs: paired difference to the best policy "
        "that does not learn; beats next: probability that a run returns more than one of the next row's; with 95 % "
        "intervals, from three seeds on",
        caption_justify="left",
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


def _interval(row: dict[Any, Any]) -> str:
    if pd.isna(row["median_low"]):
        return f"not from {row['seeds']} seed{'s' * (row['seeds'] > 1)}" if row["seeds"] else "-"
    return f"{row['median_low']:.2f}..{row['median_high']:.2f}"


def _marked(row: dict[Any, Any], apart: str) -> str:
    """The agent's name, and beside it the source of its features and whether seeds diverged or never updated."""
    marks = [row["agent"]]
    if not pd.isna(row["features"]):
        marks.append(f"({row['features']})")
    if row["failed"]:
        marks.append(f"({row['failed']} diverged)")
    if not pd.isna(row["note"]):
        marks.append("(never updated)" if row["updates"] == 0 else "(some never updated)")
    return apart.join(marks)


def _or_dash(number: float, form: str, *ends: float) -> str:
    return "-" if pd.isna(number) else form.format(number, *ends)
