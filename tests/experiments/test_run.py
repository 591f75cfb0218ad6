import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import safetensors.numpy

from contracts.quick import QUICK
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import DivergenceError, InputError
from pydeeprecsys.experiments.registry import AGENTS
from pydeeprecsys.experiments.run import RunConfig, carry_out
from pydeeprecsys.rl.checkpoint import load_checkpoint, save_checkpoint
from pydeeprecsys.rl.manager import Episode


def quick(agent: str, **changes: Any) -> RunConfig:
    """A run of some 200 steps with networks as small as can learn."""
    options = {"options": QUICK.get(agent, {}), "evaluation_episodes": 7, "checkpoint_every": 0.0} | changes
    return RunConfig(agent, 1, **({"episodes": 8, "slate_size": 5, "n_envs": 3} | options))


def stop_after(last: int) -> Any:
    def on_episode(number: int, episode: Episode) -> None:
        if number == last:
            raise KeyboardInterrupt

    return on_episode


def assert_same(one: Path, other: Path) -> None:
    """Both folders hold the same run: networks, memories, generators, environment and measurements, to the bit."""
    for name in ("metrics.csv", "evaluation.csv", "exposure.csv", "sessions.json", "relevance.csv"):
        assert (one / name).exists() == (other / name).exists()
        if (one / name).exists():
            assert (one / name).read_bytes() == (other / name).read_bytes(), name
    states = [load_checkpoint(folder / "checkpoint.safetensors") for folder in (one, other)]
    for state in states:
        assert state.pop("seconds") >= 0
    same(states[0], states[1])
    if (one / "agent.safetensors").exists():
        weights = [safetensors.numpy.load_file(folder / "agent.safetensors") for folder in (one, other)]
        same(weights[0], weights[1])


def same(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            same(one[key], other[key])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            same(a, b)
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        assert one.tobytes() == other.tobytes()
    else:
        assert one == other


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("agent", AGENTS)
def test_a_stopped_run_goes_on_to_the_same_bits(world: World, tmp_path: Path, agent: str, version: int) -> None:
    config = quick(agent, world_options={"version": version}, slate_size=1 + 2 * version)
    carry_out(config, world, tmp_path / "whole")
    for last in (1, 4, 5):
        with pytest.raises(KeyboardInterrupt):
            carry_out(config, world, tmp_path / "parts", on_episode=stop_after(last))
    run = carry_out(config, world, tmp_path / "parts")
    assert_same(tmp_path / "whole", tmp_path / "parts")
    assert len(run.evaluation) == 7
    returns = run.statistics.episode_rewards
    assert returns is not None
    assert len(returns) == 8
