"""`pydeeprecsys train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import torch

from pydeeprecsys.arguments import Argument
from pydeeprecsys.cli import SuggestingGroup
from pydeeprecsys.cli.agent_options import click_type, read_options
from pydeeprecsys.cli.common import (
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
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import DivergenceError, InputError
from pydeeprecsys.evaluation.plots import save_figure
from pydeeprecsys.experiments.registry import AGENTS, agent_options
from pydeeprecsys.experiments.run import RunConfig, carry_out, check
from pydeeprecsys.rl.manager import Episode
from pydeeprecsys.simulation.movielens.simulator import Pool


@click.group("train", cls=SuggestingGroup)
def command() -> None:
    """Train one agent on simulated users; each agent has its own options: 'pydeeprecsys train AGENT --help'."""


def _click_option(option: Argument) -> click.Option:
    """The command-line option of a hyperparameter."""
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
    evaluation_episodes: int,
    n_envs: int,
    slate_size: int,
    seed: int,
    threads: int,
    checkpoint_every: float,
    out: Path | None,
    overwrite: bool,
    version: int,
    delta: float | None,
    observe_time: bool | None,
    lambda_non_violent: float,
    train_pool: Pool,
    evaluation_pool: Pool,
    **options: Any,
) -> None:
    torch.set_num_threads(threads)
    out = choose_out(out, overwrite, agent)
    world_settings = world_options(
        version=version, delta=delta, observe_time=observe_time, lambda_non_violent=lambda_non_violent
    )
    world = open_world_with_progress(dataset)
    config = RunConfig(
        agent=agent,
        seed=seed,
        dataset=dataset,
        episodes=episodes,
        n_envs=n_envs,
        slate_size=slate_size,
        evaluation_episodes=evaluation_episodes,
        world_options=world_settings,
        options=options,
        checkpoint_every=checkpoint_every,
        train_pool=train_pool,
        evaluation_pool=evaluation_pool,
    )
    check(config, world)
    train_with_progress(config, world, out, overwrite=overwrite)


def train_with_progress(config: RunConfig, world: World, out: Path, *, overwrite: bool = False) -> None:
    """Carry out a run with a bar on screen, draw how it learned, and say what it reached."""
    say_who_is_met(config.train_pool, config.evaluation_pool)
    try:
        with stop_between_episodes() as stop_if_asked, progress_bars() as progress:
            task = progress.add_task(config.agent, total=config.episodes)

            def on_episode(number: int, episode: Episode) -> None:
                description = f"{config.agent}: return {sum(episode.rewards):.1f}"
                progress.update(task, completed=number + 1, description=description)
                stop_if_asked()

            run = carry_out(config, world, out, on_episode=on_episode, overwrite=overwrite)
    except (KeyboardInterrupt, DivergenceError):
        screen.print(f"stopped; what was done is in {out}; go on with: pydeeprecsys resume {out}", soft_wrap=True)
        raise
    import matplotlib.pyplot as plt

    figure = run.statistics.plot_learning_stats()
    save_figure(figure, out / "learning", [".png"])
    plt.close(figure)
    judged = f"return {run.evaluation['return'].mean():.2f} when judged without exploration in {len(run.evaluation)}"
    moving = run.statistics.moving_rewards
    if moving is not None:  # a comparison has runs that are only judged, which may be resumed by themselves
        judged += f", {moving.iloc[-1]:.2f} in the last {min(100, config.episodes)} training episodes"
    screen.print(f"{config.agent}: {judged}", soft_wrap=True)
    if run.note:
        screen.print(run.note, soft_wrap=True)
    files = sorted(path.name for path in out.iterdir() if not path.name.startswith("."))
    screen.print(f"files in {out}: {', '.join(files)}", soft_wrap=True)


def _make_command(agent: str) -> click.Command:
    def callback(**arguments: Any) -> None:
        _train(agent, **arguments)

    def take_options(ctx: click.Context, param: click.Parameter, path: Path | None) -> None:
        """Let a file's options stand for the defaults: what is given besides counts more."""
        if path is not None:
            name, options = read_options(path)
            if name != agent:
                raise InputError(f"{path} is of the agent {name!r}, not of {agent!r}")
            ctx.default_map = {name: value for name, value in options.items() if value is not None}

    doc = (AGENTS[agent].__doc__ or "").split("Args:")[0].strip()
    config = click.Option(
        ["--config"],
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        is_eager=True,
        expose_value=False,
        callback=take_options,
        help="Options of the agent to take for its defaults, as 'pydeeprecsys tune' finds them: its best.json.",
    )
    seed = click.Option(["--seed"], type=click.IntRange(0), default=0, show_default=True, help="Of users and agent.")
    own = [_click_option(option) for option in agent_options(agent)]
    return click.Command(
        agent, callback=callback, help=doc, params=[*WORLD_OPTIONS, *pool_options("test"), seed, config, *own]
    )


for _name in AGENTS:
    command.add_command(_make_command(_name))
