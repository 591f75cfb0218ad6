"""A finished run that is trained for longer ends as one that was begun with as many episodes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contracts.quick import quick_run
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.config import RunConfig
from pydeeprecsys.experiments.run import run
from pydeeprecsys.experiments.run_folder import RunFolder


def content(folder: Path) -> dict[str, bytes]:
    """What a run reached, and its settings."""
    names = ("config.json", "metrics.csv", "evaluation.csv", "agent.safetensors")
    return {name: (folder / name).read_bytes() for name in names if (folder / name).exists()}


@pytest.mark.slow
@pytest.mark.parametrize("agent", ["win-stay", "thompson", "reinforce", "dqn", "ppo", "slate-q", "cma-es", "es"])
@pytest.mark.parametrize("n_envs", [1, 3])
def test_it_ends_as_if_it_had_been_begun_so(world: World, tmp_path: Path, agent: str, n_envs: int) -> None:
    config = quick_run(agent, world, n_envs=n_envs, checkpoint_every=60.0)
    for episodes in (3, 4, 8):
        run(replace(config, episodes=episodes), tmp_path / "longer")
    assert run(config, tmp_path / "whole").series("episode_rewards")
    assert content(tmp_path / "longer") == content(tmp_path / "whole")


def config_of(world: World, **changes: Any) -> RunConfig:
    return quick_run("win-stay", world, **{"evaluation_episodes": 2, **changes})


def test_steps_are_counted_likewise(world: World, tmp_path: Path) -> None:
    for steps in (70, 200):
        run(config_of(world, episodes=None, steps=steps), tmp_path / "longer")
    run(config_of(world, episodes=None, steps=200), tmp_path / "whole")
    assert content(tmp_path / "longer") == content(tmp_path / "whole")
    with pytest.raises(InputError, match=r"^the budget of .*longer is in steps; give more steps, not episodes$"):
        run(config_of(world, episodes=9), tmp_path / "longer")


def test_a_run_that_was_only_evaluated_may_be_trained(world: World, tmp_path: Path) -> None:
    for episodes in (0, 3):
        run(config_of(world, episodes=episodes), tmp_path / "longer")
    run(config_of(world, episodes=3), tmp_path / "whole")
    assert content(tmp_path / "longer") == content(tmp_path / "whole")


def test_what_is_done_cannot_be_undone(world: World, tmp_path: Path) -> None:
    run(config_of(world, episodes=4), tmp_path)
    before = content(tmp_path)
    for changes, match in (
        ({"episodes": 3}, "has 4 episodes of training behind it; give more$"),
        ({"episodes": 9, "seed": 2}, "holds another run: its seed is 1, not 2"),
    ):
        with pytest.raises(InputError, match=match):
            run(config_of(world, **changes), tmp_path)
    RunFolder(tmp_path).drop_checkpoint()
    with pytest.raises(InputError, match=r"kept no state to train on from; train again in another folder$"):
        run(config_of(world, episodes=9), tmp_path)
    assert RunFolder(tmp_path).is_done
    assert content(tmp_path) == before


def test_a_stop_before_it_is_done_loses_nothing(world: World, tmp_path: Path) -> None:
    def stop(number: int, episode: Any) -> None:
        if number == 5:
            raise KeyboardInterrupt

    run(config_of(world, episodes=4), tmp_path / "longer")
    with pytest.raises(KeyboardInterrupt):
        run(config_of(world, episodes=8), tmp_path / "longer", on_episode=stop)
    assert not RunFolder(tmp_path / "longer").is_done
    run(config_of(world, episodes=8), tmp_path / "longer")
    run(config_of(world, episodes=8), tmp_path / "whole")
    assert content(tmp_path / "longer") == content(tmp_path / "whole")
