"""`pydeeprecsys compare`."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import click
import pandas as pd
import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from pydeeprecsys.cli.agent_options import click_type, read_options
from pydeeprecsys.cli.common import (
    RAY_OPTION,
    WORLD_OPTIONS,
    choose_out,
    open_world_with_progress,
    pool_options,
    progress_bars,
    say_who_is_met,
    screen,
    stop_between_episodes,
    world_options,
)
from pydeeprecsys.errors import DivergenceError, InputError
from pydeeprecsys.evaluation.standings import BEST_CONSTANT
from pydeeprecsys.experiments.compare import Comparison, Failure, compare
from pydeeprecsys.experiments.registry import AGENTS, agent_class, agent_option
from pydeeprecsys.rl.manager import Episode
from pydeeprecsys.simulation.movielens.simulator import Pool

# The oracle is always judged along; soft actor-critic, which learns at every step, takes an hour over such catalogues;
# the others want more than 300 sessions, or slates.
_NOT_BY_DEFAULT = ("oracle", "sac", "ppo", "linucb", "thompson", "slate-q")


@click.command("compare")
@click.option(
    "--agents",
    default=",".join(name for name in AGENTS if name not in _NOT_BY_DEFAULT),
    show_default=True,
    help=f"Agents to compare, separated by commas, of: {', '.join(AGENTS)}.",
)
@click.option("--seeds", type=click.IntRange(1), default=5, show_default=True, help="Trainings of each agent.")
@click.option(
    "--config",
    "configs",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    help="An agent's options, as 'pydeeprecsys tune' finds them: its best.json; may be repeated.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="AGENT.OPTION=VALUE",
    help="Set an agent's option, such as reinforce.learning_rate=0.003; may be repeated.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Processes side by side; the numbers are the same for any.",
)
def command(
    agents: str,
    seeds: int,
    configs: tuple[Path, ...],
    settings: tuple[str, ...],
    jobs: int,
    ray: str | None,
    dataset: str,
    episodes: int,
    evaluation_episodes: int,
    n_envs: int,
    slate_size: int,
    threads: int,
    checkpoint_every: float,
    out: Path | None,
    overwrite: bool,
    train_pool: Pool,
    evaluation_pool: Pool,
    **world: Any,
) -> None:
    """Train several agents on simulated users and put them side by side.

    Writes all_metrics.csv, summary.csv, learning_curves.png and learning_curves.pdf, and a folder for each run; for
    slates also DCG and NDCG of every training step, relevance_metrics.csv, and their description,
    relevance_metrics_describe.csv. Stopped with Ctrl-C, or killed, it goes on with 'pydeeprecsys resume'.
    """
    torch.set_num_threads(threads)
    names, agent_settings = agents.split(","), _agent_options(configs, settings)
    for name in (*names, *agent_settings):
        agent_class(name)  # said before a world is built
    out = choose_out(out, overwrite, "compare")
    comparison = Comparison(
        world=open_world_with_progress(dataset),
        agents=names,
        episodes=episodes,
        seeds=seeds,
        slate_size=slate_size,
        n_envs=n_envs,
        evaluation_episodes=evaluation_episodes,
        world_options=world_options(**world),
        agent_options=agent_settings,
        dataset=dataset,
        checkpoint_every=checkpoint_every,
        train_pool=train_pool,
        evaluation_pool=evaluation_pool,
    )
    compare_with_progress(comparison, out, jobs, ray, overwrite=overwrite)


def compare_with_progress(
    comparison: Comparison, out: Path, jobs: int, ray_address: str | None = None, *, overwrite: bool = False
) -> None:
    """Carry out a comparison with a bar on screen, and print the table.

    Raises:
        DivergenceError: some runs diverged; the table of the others was printed.
    """
    say_who_is_met(comparison.train_pool, comparison.evaluation_pool)
    failures: list[Failure] = []
    try:
        with stop_between_episodes() as stop_if_asked, progress_bars() as progress:
            task = progress.add_task("", total=len(comparison.agents) * comparison.seeds * comparison.episodes)

            def on_episode(agent: str, seed: int, number: int, episode: Episode) -> None:
                progress.update(task, advance=1, description=f"{agent}, seed {seed}: return {sum(episode.rewards):.1f}")

            summary = compare(comparison, out, on_episode, jobs, stop_if_asked, ray_address, overwrite, failures.append)
    except KeyboardInterrupt:
        screen.print(f"stopped; what was done is in {out}; go on with: pydeeprecsys resume {out}", soft_wrap=True)
        raise
    except BrokenProcessPool as error:
        raise click.ClickException(
            f"a process was killed, perhaps for want of memory; what was done is in {out}; "
            f"go on with fewer: pydeeprecsys resume {out} --jobs 1"
        ) from error
    wide = not screen.is_terminal or screen.width >= 120
    paper = Console(width=max(screen.width, 120), markup=False, highlight=False) if wide else screen
    paper.print(_table(summary, wide))
    if BEST_CONSTANT in comparison.agents:
        screen.print(f"{BEST_CONSTANT} reads the simulator, not the user: a yardstick, not deployable", soft_wrap=True)
    for note in summary["note"].dropna():
        screen.print(note, soft_wrap=True)
    files = sorted(path.name for path in out.iterdir() if not path.name.startswith("."))
    screen.print(f"files in {out}: {', '.join(files)}", soft_wrap=True)
    if failures:
        named = ", ".join(f"{failure.agent} from seed {failure.seed}" for failure in failures)
        raise DivergenceError(f"{failures[0].message}; the table leaves out {named}")


command.params.extend([RAY_OPTION, *WORLD_OPTIONS, *pool_options("test")])


def _agent_options(configs: tuple[Path, ...], settings: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    options: dict[str, dict[str, Any]] = dict(map(read_options, configs))
    for setting in settings:
        target, _, text = setting.partition("=")
        agent, _, name = target.partition(".")
        if not text or not name:
            raise InputError(f"--set takes AGENT.OPTION=VALUE, such as reinforce.learning_rate=0.003, not {setting!r}")
        option = agent_option(agent, name.replace("-", "_"))
        try:
            value = click_type(option).convert(text, None, None)
        except click.BadParameter as error:
            raise InputError(f"--set {setting}: {error.message}") from error
        options.setdefault(agent, {})[option.name] = value
    return options


def _table(summary: pd.DataFrame, wide: bool) -> Table:
    """The summary; on a narrow screen intervals stand below their numbers."""
    table = Table(
        box=SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        padding=0,
        title="after training, without exploration, same users",
        caption="return: median over seeds; score: random is 0, the oracle 1; vs: paired difference to the best policy "
        "that does not learn; beats next: probability that a run returns more than one of the next row's; with 95 % "
        "intervals, from three seeds on",
        caption_justify="left",
    )
    apart = " " if wide else "\n"
    # Only where a part of what was shown is imputed, and only on a wide screen: rows have little room.
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
    """The agent's name, and beside it whether some of its seeds diverged or never updated."""
    marks = [row["agent"]]
    if row["failed"]:
        marks.append(f"({row['failed']} diverged)")
    if not pd.isna(row["note"]):
        marks.append("(never updated)" if row["updates"] == 0 else "(some never updated)")
    return apart.join(marks)


def _or_dash(number: float, form: str, *ends: float) -> str:
    return "-" if pd.isna(number) else form.format(number, *ends)
