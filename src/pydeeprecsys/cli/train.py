"""`pydeeprecsys train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydeeprecsys.cli.common import at_work, print_files, print_warnings, screen
from pydeeprecsys.cli.settings import take_settings
from pydeeprecsys.experiments.captions import figure_title
from pydeeprecsys.experiments.config import RunConfig
from pydeeprecsys.experiments.policy_search import open_players
from pydeeprecsys.experiments.run import check, run
from pydeeprecsys.rl.manager import MOVING_AVERAGE, Episode


def train(agent: str, hyperparameters: dict[str, Any], arguments: dict[str, Any], out: Path) -> None:
    """Train an agent with the settings that the arguments of a command hold."""
    config = RunConfig(**take_settings(arguments, "run"), agent=agent, hyperparameters=hyperparameters)
    check(config)
    jobs, ray_address = arguments.get("jobs", 1), arguments.get("ray")
    train_with_progress(config, out, jobs, ray_address, overwrite=arguments["overwrite"])


def train_with_progress(
    config: RunConfig, out: Path, jobs: int = 1, ray_address: str | None = None, *, overwrite: bool = False
) -> None:
    """Train an agent with a bar on screen, draw its learning curve, and print its return."""
    print_warnings(config)
    with (
        at_work(out) as (progress, stop_if_asked),
        open_players(config, out, jobs, ray_address, stop_if_asked=stop_if_asked) as play,
    ):
        bar = progress.add_task(config.agent, total=config.episodes, unit="episodes")

        def on_episode(number: int, episode: Episode) -> None:
            did = "evaluating" if number + 1 == config.episodes else f"return {sum(episode.rewards):.1f}"
            progress.update(bar, completed=number + 1, description=f"{config.agent}: {did}")
            stop_if_asked()

        folder = run(config, out, on_episode=on_episode, overwrite=overwrite, play=play)
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
    folder.save_learning(figure_title([config.agent], folder.config, [config.seed]))
    print_files(out)
