"""What a run that is done has trained."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.config import RunConfig
from pydeeprecsys.experiments.provenance import provenance
from pydeeprecsys.experiments.registry import make_agent
from pydeeprecsys.experiments.run_folder import RunFolder
from pydeeprecsys.rl.agents.agent import ReinforcementLearning


class TrainedRun(NamedTuple):
    """A run that is done.

    Attributes:
        agent: the agent, as it was evaluated.
        world: users and items of the data set; None in an environment without.
        config: the settings, which make the same environments again: `config.training_manager()`.
    """

    agent: ReinforcementLearning
    world: World | None
    config: RunConfig


def check_done(folder: RunFolder) -> None:
    """Raise an InputError unless the run is done."""
    if not folder.is_done:
        raise InputError(f"{folder.path} is not finished; continue it with 'pydeeprecsys resume {folder.path}'")


def load_policy(config: RunConfig, folder: RunFolder) -> ReinforcementLearning:
    """The agent of a run that is done, as it was evaluated.

    Raises:
        InputError: the run is not done, or a file of it is damaged or missing.
    """
    check_done(folder)
    agent = make_agent(config.agent, config.training_manager(), config.seed, **config.hyperparameters)
    if (best := folder.load_checkpoint(best=True)) is not None:
        agent.load_state_dict(best)
    elif (state := folder.load_checkpoint()) is not None:
        agent.load_state_dict(state["agent"])
    elif hasattr(agent, "load"):
        agent.load(folder.agent_file)
    return agent


def load_run(path: str | Path) -> TrainedRun:
    """The agent, the world and the settings of a run that is done.

    Args:
        path: folder of the run.

    Raises:
        InputError: it is not the folder of a run, or the run is not done, or a file of it is damaged or missing, or
            the ratings are not those that it was trained on.
    """
    folder = RunFolder(path)
    if folder.kind != RunConfig.kind:
        raise InputError(f"{folder.path} holds several runs; give one of the folders in {folder.path / 'runs'}")
    check_done(folder)
    folder.check_settings([each.name for each in fields(RunConfig) if each.name != "task"])
    config = RunConfig.from_json(folder.config)
    folder.check_data(provenance(config.task.world))
    return TrainedRun(load_policy(config, folder), config.task.world, config)
