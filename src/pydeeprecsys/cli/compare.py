"""`pydeeprecsys compare`."""

from __future__ import annotations

from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import click
import pandas as pd
import torch
from rich.box import SIMPLE_HEAD
from rich.table import Table

from pydeeprecsys.cli.agent_options import click_type
from pydeeprecsys.cli.common import (
    WORLD_OPTIONS,
    choose_out,
    open_world_with_progress,
    progress_bars,
    screen,
    stop_between_episodes,
    world_options,
)
from pydeeprecsys.errors import DivergenceError, InputError
from pydeeprecsys.experiments.compare import Comparison, compare
from pydeeprecsys.experiments.registry import AGENTS, agent_class, agent_option
from pydeeprecsys.rl.manager import Episode

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
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Trainings of each agent.")
@click.option(
    "--evaluation-episodes",
    type=click.IntRange(1),
    default=500,
    show_default=True,
    help="Sessions that each trained agent is judged in, without exploration.",
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
    evaluation_episodes: int,
    settings: tuple[str, ...],
    jobs: int,
    dataset: str,
    episodes: int,
    n_envs: int,
    slate_size: int,
    threads: int,
    out: Path | None,
    overwrite: bool,
    **world: Any,
) -> None:
    """Train several agents on simulated users and put them side by side.

    Writes all_metrics.csv, summary.csv, learning_curves.png and learning_curves.pdf; for slates also DCG and NDCG of
    every training step, relevance_metrics.csv, and their description, relevance_metrics_describe.csv. Stopped with
    Ctrl-C, it leaves the files of what was done.
    """
    torch.set_num_threads(threads)
    names, agent_settings = agents.split(","), _agent_options(settings)
    for name in (*names, *agent_settings):
        agent_class(name)  # said before a world is built
    out = choose_out(out, overwrite, "compare")
    comparison = Comparison(
        open_world_with_progress(dataset),
        names,
        episodes,
        seeds,
        slate_size,
        n_envs,
        evaluation_episodes,
        world_options(**world),
        agent_settings,
    )
    try:
        with stop_between_episodes() as stop_if_asked, progress_bars() as progress:
            task = progress.add_task("", total=len(comparison.agents) * seeds * episodes)

            def on_episode(agent: str, seed: int, number: int, episode: Episode) -> None:
                progress.update(task, advance=1, description=f"{agent}, seed {seed}: return {sum(episode.rewards):.1f}")

            summary = compare(comparison, out, on_episode, jobs, stop_if_asked)
    except (KeyboardInterrupt, DivergenceError):
        screen.print(f"stopped; what was done is in {out}")
        raise
    except BrokenProcessPool as error:
        raise click.ClickException(
            f"a process was killed, perhaps for want of memory; what was done is in {out}; try fewer --jobs"
        ) from error
    screen.print(_table(summary))
    screen.print(f"files in {out}: {', '.join(sorted(path.name for path in out.iterdir()))}", soft_wrap=True)


command.params.extend(WORLD_OPTIONS)


def _agent_options(settings: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    options: dict[str, dict[str, Any]] = {}
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


def _table(summary: pd.DataFrame) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=0, title="after training, without exploration, same users")
    for heading in ("agent", "return", "95 % interval", "of oracle", "in training", "violence", "steps/s"):
        table.add_column(heading, justify="left" if heading == "agent" else "right", no_wrap=True)
    for row in summary.to_dict("records"):
        table.add_row(
            row["agent"],
            f"{row['mean_return']:.2f}",
            "one seed" if pd.isna(row["low"]) else f"{row['low']:.2f}..{row['high']:.2f}",
            f"{row['share_of_oracle']:.1%}",
            "-" if pd.isna(row["training_return"]) else f"{row['training_return']:.2f}",
            f"{row['violence']:.3f}",
            "-" if pd.isna(row["steps_per_second"]) else f"{row['steps_per_second']:,.0f}",
        )
    return table
