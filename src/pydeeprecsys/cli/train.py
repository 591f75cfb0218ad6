"""`pydeeprecsys train`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import torch

from pydeeprecsys.cli import SuggestingGroup
from pydeeprecsys.cli.agent_options import click_type
from pydeeprecsys.cli.common import (
    WORLD_OPTIONS,
    choose_out,
    open_world_with_progress,
    progress_bars,
    screen,
    world_options,
)
from pydeeprecsys.errors import DivergenceError
from pydeeprecsys.evaluation.plots import save_figure
from pydeeprecsys.experiments.registry import AGENTS, Option, agent_options, make_agent
from pydeeprecsys.files import whole_file
from pydeeprecsys.rl.learning_statistics import LearningStatistics
from pydeeprecsys.rl.manager import MovieLensFairnessManager


@click.group("train", cls=SuggestingGroup)
def command() -> None:
    """Train one agent on simulated users; each agent has its own options: 'pydeeprecsys train AGENT --help'."""


def _click_option(option: Option) -> click.Option:
    """Turn a documented argument of an agent into an option of the command line."""
    flag = "--" + option.name.replace("_", "-")
    kind = click_type(option)
    common: dict[str, Any] = {
        "help": option.help,
        "default": option.default,
        "show_default": option.default is not None,
    }
    if kind is click.BOOL:
        return click.Option([f"{flag}/--no-{flag[2:]}"], **common)
    return click.Option([flag], type=kind, **common)


def _train(
    agent: str,
    dataset: str,
    episodes: int,
    n_envs: int,
    slate_size: int,
    seed: int,
    threads: int,
    out: Path | None,
    overwrite: bool,
    version: int,
    delta: float | None,
    lambda_non_violent: float,
    pool: str,
    **options: Any,
) -> None:
    torch.set_num_threads(threads)
    out = choose_out(out, overwrite, agent)
    world_settings = world_options(version=version, delta=delta, lambda_non_violent=lambda_non_violent, pool=pool)
    world = open_world_with_progress(dataset)
    manager = MovieLensFairnessManager(seed, slate_size, n_envs, dataset=world, **world_settings)
    statistics = LearningStatistics(agent, f"MovieLensFairness-v{version}")
    learner = make_agent(agent, manager, seed, statistics=statistics, **options)
    settings = {"episodes": episodes, "n_envs": n_envs, "slate_size": slate_size, "seed": seed}
    config = {
        "agent": agent,
        "dataset": dataset,
        **settings,
        **world_settings,
        "options": options,
        "world": world.record,
    }
    with whole_file(out / "config.json") as path:
        path.write_text(json.dumps(config, indent=2))
    try:
        with progress_bars() as progress:
            task = progress.add_task(agent, total=episodes)
            manager.train(
                learner,
                statistics,
                episodes,
                should_print=False,
                on_episode=lambda number, episode: progress.update(
                    task, advance=1, description=f"{agent}: return {sum(episode.rewards):.1f}"
                ),
            )
    except (KeyboardInterrupt, DivergenceError):
        screen.print(f"stopped; what was done is in {out}")
        raise
    finally:
        files = ["config.json"]
        if statistics.moving_rewards is not None:
            statistics.save_csv(out / "metrics.csv")
            import matplotlib.pyplot as plt

            figure = statistics.plot_learning_stats()
            save_figure(figure, out / "learning", [".png"])
            plt.close(figure)
            files += ["metrics.csv", "learning.png"]
        if hasattr(learner, "save"):
            learner.save(out / "agent.safetensors")
            files.append("agent.safetensors")
    moving = statistics.moving_rewards
    assert moving is not None
    screen.print(f"{agent}: return {moving.iloc[-1]:.2f}, mean of the last {min(100, episodes)} episodes")
    screen.print(f"files in {out}: {', '.join(files)}")


def _make_command(agent: str) -> click.Command:
    def callback(**arguments: Any) -> None:
        _train(agent, **arguments)

    doc = (AGENTS[agent].__doc__ or "").split("Args:")[0].strip()
    seed = click.Option(["--seed"], type=click.IntRange(0), default=0, show_default=True, help="Of users and agent.")
    own = [_click_option(option) for option in agent_options(agent)]
    return click.Command(agent, callback=callback, help=doc, params=[*WORLD_OPTIONS, seed, *own])


for _name in AGENTS:
    command.add_command(_make_command(_name))
