from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reproductions.resume_after_kill import differences, kill_and_go_on

from contracts.quick import quick_run
from pydeeprecsys.data.world import World
from pydeeprecsys.experiments.registry import AGENTS
from pydeeprecsys.experiments.run import run
from pydeeprecsys.rl.checkpoint import load_checkpoint, save_checkpoint
from pydeeprecsys.rl.manager import Episode

pytestmark = pytest.mark.slow


def stop_after(last: int) -> Any:
    def on_episode(number: int, episode: Episode) -> None:
        if number == last:
            raise KeyboardInterrupt

    return on_episode


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("agent", AGENTS)
def test_a_stopped_run_goes_on_to_the_same_bits(world: World, tmp_path: Path, agent: str, version: int) -> None:
    config = quick_run(agent, world, version=version, slate_size=1 + 2 * version)
    run(config, tmp_path / "whole")
    for last in (1, 4, 5):
        with pytest.raises(KeyboardInterrupt):
            run(config, tmp_path / "parts", on_episode=stop_after(last))
    results = run(config, tmp_path / "parts")
    assert differences(tmp_path / "whole", tmp_path / "parts") == []
    assert len(results.evaluation) == 7
    returns = results.statistics.episode_rewards
    assert returns is not None
    assert len(returns) == 8


@pytest.mark.parametrize("agent", ["rainbow", "ppo"])
def test_a_run_killed_at_any_moment_goes_on_to_the_same_bits(world: World, tmp_path: Path, agent: str) -> None:
    config = quick_run(agent, world, episodes=300)
    run(config, tmp_path / "whole")
    kill_and_go_on(config, tmp_path / "parts", 4, 1.5, np.random.default_rng(0))
    assert differences(tmp_path / "whole", tmp_path / "parts") == []


def test_what_was_not_carried_over_is_seen(world: World, tmp_path: Path) -> None:
    config = quick_run("dqn", world)
    run(config, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(config, tmp_path / "parts", on_episode=stop_after(4))
    path = tmp_path / "parts" / "checkpoint.safetensors"
    state = load_checkpoint(path)
    state["agent"]["networks"]["network"]["optimizer"]["0"]["step"] += 1
    save_checkpoint(path, state)
    run(config, tmp_path / "parts")
    found = differences(tmp_path / "whole", tmp_path / "parts")
    assert any(name.startswith("checkpoint.agent.networks.network.parameters") for name in found)
