"""`pydeeprecsys train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pydeeprecsys.cli import SuggestingGroup
from pydeeprecsys.cli.agent_options import read_options
from pydeeprecsys.cli.common import at_work, choose_out, print_files, print_warnings, screen
from pydeeprecsys.cli.settings import JOBS, RAY, click_option, settings_options, take_settings
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.captions import figure_title
from pydeeprecsys.experiments.config import RunConfig
from pydeeprecsys.experiments.policy_search import open_players
from pydeeprecsys.experiments.registry import AGENTS, agent_class, agent_options
from pydeeprecsys.experiments.run import check, run
from pydeeprecsys.rl.agents.policy_search import PolicySearch
from pydeeprecsys.rl.manager import MOVING_AVERAGE, Episode


class _Agents(SuggestingGroup):
    """A command for each agent: those of this package, and the user's own as package.module:Class."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the agents of this package."""
        return list(AGENTS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Make the command of an agent."""
        return _make_command(cmd_name) if cmd_name in AGENTS or ":" in cmd_name else None


@click.group("train", cls=_Agents)
def command() -> None:
    """Train one agent, by default on simulated users; each has its own options: 'pydeeprecsys train AGENT --help'.

    An agent of your own is package.module:Class.
    """


def train_with_progress(
    config: RunConfig, out: Path, jobs: int = 1, ray_address: str | None = None, *, overwrite: bool = False
) -> None:
    """Train an agent with a bar on screen, draw its learning curve, and print its return."""
    print_warnings(config)
    with (
        at_work(out) as (progress, stop_if_asked),
        open_players(config, out, jobs, ray_address, stop_if_asked=stop_if_asked) as play,
    ):
        bar = progress.add_task(config.agent, total=config.episodes)

        def on_episode(number: int, episode: Episode) -> None:
            description = f"{config.agent}: return {sum(episode.rewards):.1f}"
            progress.update(bar, completed=number + 1, description=description)
            stop_if_asked()

        folder = run(config, out, on_episode=on_episode, overwrite=overwrite, play=play)
    import matplotlib.pyplot as plt

    figure = folder.statistics.plot_learning_stats(figure_title([config.agent], folder.config, [config.seed]))
    folder.save_learning(figure)
    plt.close(figure)
    returns = folder.evaluation["return"]
    text = f"return {returns.mean():.2f} in the evaluation without exploration, {len(returns)} episodes"
    moving = folder.series("moving_rewards")
    if moving:  # a comparison has runs that are only evaluated, which may be resumed by themselves
        text += f"; {moving[-1]:.2f} in the last {min(MOVING_AVERAGE, len(moving))} training episodes"
    screen.print(f"{config.agent}: {text}", soft_wrap=True)
    if folder.parameters:
        found = ", ".join(f"{name} {value:.4g}" for name, value in folder.parameters.items())
        screen.print(f"parameters found: {found}", soft_wrap=True)
    if folder.note:
        screen.print(folder.note, soft_wrap=True)
    print_files(out)


def _make_command(agent: str) -> click.Command:
    own = agent_options(agent)
    several = [JOBS, RAY] if issubclass(agent_class(agent), PolicySearch) else []

    def train(**arguments: Any) -> None:
        out = choose_out(arguments["out"], arguments["overwrite"], agent)
        hyperparameters = {option.name: arguments[option.name] for option in own}
        config = RunConfig(**take_settings(arguments, RunConfig), agent=agent, hyperparameters=hyperparameters)
        check(config)
        jobs, ray_address = arguments.get("jobs", 1), arguments.get("ray")
        train_with_progress(config, out, jobs, ray_address, overwrite=arguments["overwrite"])

    def take_config(ctx: click.Context, param: click.Parameter, path: Path | None) -> None:
        """Let a file's hyperparameters replace the defaults; what is given on the command line replaces both."""
        if path is not None:
            name, hyperparameters = read_options(path)
            if name != agent:
                raise InputError(f"{path} is of the agent {name!r}, not of {agent!r}")
            ctx.default_map = {name: value for name, value in hyperparameters.items() if value is not None}

    doc = (agent_class(agent).__doc__ or "").split("Args:")[0].strip()
    config = click.Option(
        ["--config"],
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        is_eager=True,
        expose_value=False,
        callback=take_config,
        help="Hyperparameters in place of the agent's defaults, as 'pydeeprecsys tune' finds them: its best.json.",
    )
    params = [*settings_options(RunConfig), *several, config, *map(click_option, own)]
    return click.Command(agent, callback=train, help=doc, params=params)
