"""Agents in environments whose observation is the items shown, from which the masks follow."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from contracts.agents import assert_same_state
from contracts.quick import QUICK, quick_run
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments import registry
from pydeeprecsys.experiments.registry import make_agent
from pydeeprecsys.experiments.run import run
from pydeeprecsys.experiments.task import Task
from pydeeprecsys.history import HistoryLayout
from pydeeprecsys.rl.agents.agent import ReinforcementLearning
from pydeeprecsys.rl.manager import CartpoleManager, Episode, Manager, MovieLensFairnessManager
from pydeeprecsys.simulation.movielens.patience import Patience


class Reader(ReinforcementLearning):
    """An agent that needs the history."""

    def __init__(self, history: HistoryLayout) -> None:
        self.history = history


def manager_of(world: World, slate_size: int = 1, **options: Any) -> MovieLensFairnessManager:
    given = {"version": 1, "observation": "items", "patience": Patience(budget=4)} | options
    return MovieLensFairnessManager(0, slate_size, n_envs=3, dataset=world, **given)


def train(manager: Manager, agent: ReinforcementLearning, episodes: int, on_episode: Any = None) -> None:
    manager.train(agent, max_episodes=episodes, should_print=False, on_episode=on_episode)


def holds_masks(state: Any) -> bool:
    """Whether the columns of any memory in a state of an agent hold masks."""
    if not isinstance(state, dict):
        return False
    return any(name.endswith("action_masks") for name in state.get("columns", ())) or any(
        map(holds_masks, state.values())
    )


VARIANTS: list[tuple[str, int, dict[str, Any]]] = [
    ("reinforce", 1, {"episodes_per_update": 5}),
    ("actor-critic", 3, {}),
    ("dqn", 1, {}),
    ("dqn", 3, {"n_steps": 3}),
    ("rainbow", 1, {"n_steps": 2}),
    ("rainbow", 1, {"prioritized": False, "noisy": False}),
    ("ppo", 1, {}),
    ("ppo", 3, {}),
    ("sac", 1, {"n_steps": 2}),
    ("sac", 3, {"prioritized": True}),
    ("sac", 1, {"item_features": "ratings"}),
    ("slate-q", 1, {}),
    ("slate-q", 3, {"target": "sarsa"}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "slate_size", "options"), VARIANTS, ids=lambda part: str(part))
def test_learning_with_derived_masks_is_learning_with_stored_ones(
    world: World, name: str, slate_size: int, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    lives = []
    for stores in (False, True):
        if stores:
            monkeypatch.setitem(registry._FACTS, "history", lambda manager: None)
        manager = manager_of(world, slate_size)
        agent = make_agent(name, manager, 1, **QUICK[name] | options)
        returns: list[list[float]] = []
        train(manager, agent, 15, lambda number, episode, returns=returns: returns.append(episode.rewards))
        assert agent.updates
        state = agent.state_dict()
        assert holds_masks(state) == stores
        lives.append((returns, {k: part for k, part in state.items() if k != "memory"}))
    assert lives[0][0] == lives[1][0]
    assert_same_state(lives[0][1], lives[1][1])


@pytest.mark.parametrize("name", ["dqn", "ppo", "reinforce"])
@pytest.mark.parametrize("options", [{"history_length": 5}, {"observation": "history"}])
def test_masks_that_do_not_follow_are_stored(world: World, name: str, options: dict[str, Any]) -> None:
    manager = manager_of(world, **options)
    agent = make_agent(name, manager, 1, **QUICK[name])
    train(manager, agent, 3)
    assert holds_masks(agent.state_dict())


class FewerItems(gym.Wrapper[Any, Any, Any, Any]):
    """Forbids the first item."""

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(**options)
        return observation, info | {"action_mask": info["action_mask"] & (np.arange(len(info["action_mask"])) > 0)}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        *rest, info = self.env.step(action)
        return *rest, info | {"action_mask": info["action_mask"] & (np.arange(len(info["action_mask"])) > 0)}  # type: ignore[return-value]


@pytest.mark.parametrize("name", ["dqn", "ppo", "reinforce"])
def test_masks_that_forbid_more_are_not_lost(world: World, name: str) -> None:
    for length, message in ((None, "info\\['action_mask'\\] forbids other items than those consumed"), (5, "")):
        options = {} if length is None else {"history_length": length}
        inner = gym.make("MovieLensFairness-v1", dataset=world, observation="items", **options)
        manager = Manager(env=FewerItems(inner))
        agent = make_agent(name, manager, 1, **QUICK[name])
        if message:
            with pytest.raises(InputError, match=message):
                train(manager, agent, 1)
        else:
            train(manager, agent, 1)


def test_an_agent_that_needs_the_history_gets_it_or_says_so(world: World) -> None:
    needs, manager = f"{__name__}:Reader", manager_of(world)
    agent: Any = make_agent(needs, manager, 0)
    assert agent.history == manager.env.unwrapped.history_layout  # type: ignore[attr-defined]
    for other in (manager_of(world, observation="last"), CartpoleManager(0)):
        with pytest.raises(InputError, match=r"Reader' cannot act here: it reads .* with observation='items'"):
            make_agent(needs, other, 0)


@pytest.mark.parametrize(("version", "slate_size"), [(0, 1), (0, 3), (1, 1), (1, 3)])
def test_win_stay_reads_the_rating_of_the_chosen_item(world: World, version: int, slate_size: int) -> None:
    lives = []
    for observation in ("last", "items"):
        manager = manager_of(world, slate_size, version=version, observation=observation)
        agent = make_agent("win-stay", manager, 0, threshold=3.0)
        lives.append(manager.execute_episodes(agent, 6))
    assert lives[0] == lives[1]


def test_win_stay_without_a_rating(world: World) -> None:
    with pytest.raises(InputError, match="give rating_index or history"):
        registry.agent_class("win-stay")(np.ones(30), rating_index=None)  # type: ignore[call-arg]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["reinforce", "dqn", "ppo", "sac", "slate-q"])
def test_a_stopped_run_goes_on_to_the_bit(world: World, tmp_path: Path, name: str) -> None:
    def stop(number: int, episode: Episode) -> None:
        if number == 5:
            raise KeyboardInterrupt

    task = Task(
        env="MovieLensFairness-v1",
        env_options={"slate_size": 2, "observation": "items", "patience": Patience(budget=4)},
        world=world,
    )
    config = quick_run(name, world, task=task)
    with pytest.raises(KeyboardInterrupt):
        run(config, tmp_path / "stopped", on_episode=stop)
    whole, stopped = (run(config, tmp_path / folder) for folder in ("whole", "stopped"))
    assert whole.result["updates"] == stopped.result["updates"]
    texts = [(tmp_path / folder / "evaluation.csv").read_text() for folder in ("whole", "stopped")]
    assert texts[0] == texts[1]
