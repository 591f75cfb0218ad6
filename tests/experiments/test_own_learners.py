"""Agents of a user's own that learn, and do not say what."""

from pathlib import Path
from typing import Any

import pytest

from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.config import RunConfig
from pydeeprecsys.experiments.run import check, run
from pydeeprecsys.experiments.task import Task


def config(world: World, **settings: Any) -> RunConfig:
    given = {"episodes": 20, "evaluation_episodes": 3, "checkpoint_every": 0.0}
    return RunConfig(task=Task(world=world), agent="contracts.own:Counting", **given | settings)


def test_a_stopped_training_begins_anew_and_says_so(world: World, tmp_path: Path) -> None:
    def stop(number: int, episode: Any) -> None:
        if number == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(config(world), tmp_path / "stopped", on_episode=stop)
    assert not list((tmp_path / "stopped").glob("*.safetensors"))
    assert "no checkpoints are kept, and a stopped run begins anew" in (tmp_path / "stopped" / "log.txt").read_text()
    stopped, whole = run(config(world), tmp_path / "stopped"), run(config(world), tmp_path / "whole")
    assert stopped.series("episode_rewards") == whole.series("episode_rewards")
    assert stopped.evaluation.equals(whole.evaluation)


def test_the_best_of_its_policies_cannot_be_kept(world: World, tmp_path: Path) -> None:
    for act in (lambda given: check(given), lambda given: run(given, tmp_path)):
        with pytest.raises(InputError, match=r"Counting' has no state_dict, so evaluate_every cannot keep its best"):
            act(config(world, evaluate_every=5))
