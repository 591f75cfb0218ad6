"""`pydeeprecsys train`."""

from __future__ import annotations

import json
import types
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import click
import torch

from pydeeprecsys.cli import SuggestingGroup
from pydeeprecsys.cli.common import WORLD_OPTIONS, choose_out, open_world_with_progress, progress_bars, screen
from pydeeprecsys.evaluation.plots import save_figure
from pydeeprecsys.experiments.registry import AGENTS, Option, agent_options, make_agent
from pydeeprecsys.files import whole_file
from pydeeprecsys.rl.learning_statistics import LearningStatistics
from pydeeprecsys.rl.manager import MovieLensFairnessManager


@click.group("train", cls=SuggestingGroup)
def command() -> None:
    """Train one agent on simulated users; each agent has its own options: 'pydeeprecsys train AGENT --help'."""


def _numbers(context: click.Context, parameter: click.Parameter, text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(number) for number in text.split(",")]
    except ValueError as error:
        raise click.BadParameter(
            "give whole numbers separated by commas, such as 128,128", context, parameter
        ) from error


def _click_option(option: Option) -> click.Option:
    """Turn a documented argument of an agent into an option of the command line."""
    kind = option.annotation
    if get_origin(kind) in (Union, types.UnionType):
        kind = next(argument for argument in get_args(kind) if argument is not type(None))
    flag = "--" + option.name.replace("_", "-")
    common: dict[str, Any] = {
        "help": option.help,
        "default": option.default,
        "show_default": option.default is not None,
    }
    if kind is bool:
        return click.Option([f"{flag}/--no-{flag[2:]}"], **common)
    if get_origin(kind) is list:
        return click.Option([flag], callback=_numbers, metavar="N,N,...", **common)
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
    delta: float,
    lambda_non_violent: float,
    pool: str,
    **options: Any,
) -> None:
    torch.set_num_threads(threads)
    out = choose_out(out, overwrite, agent)
    world_settings = {"delta": delta, "lambda_non_violent": lambda_non_violent, "pool": pool}
    world = open_world_with_progress(dataset)
    manager = MovieLensFairnessManager(seed, slate_size, n_envs, dataset=world, **world_settings)
    learner = make_agent(agent, manager, seed, **options)
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
    statistics = LearningStatistics(agent, "MovieLensFairness-v0")
    if hasattr(learner, "statistics"):
        learner.statistics = statistics
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
    except KeyboardInterrupt:
        screen.print(f"stopped; what was done is in {out}")
        raise
    finally:
        files = ["config.json"]
        if statistics.moving_rewards is not None:
            statistics.save_csv(out / "metrics.csv")
            save_figure(statistics.plot_learning_stats(), out / "learning", [".png"])
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
