"""Environments as people write them."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.registry import make_agent
from pydeeprecsys.rl.manager import Manager

AGENTS = ("random", "dqn", "rainbow", "reinforce", "actor-critic", "ppo", "sac", "linucb")
OPTIONS: dict[str, dict[str, Any]] = {
    "dqn": {"hidden_layers": [8], "buffer_burn_in": 20, "batch_size": 8},
    "rainbow": {"hidden_layers": [8] * 4, "buffer_burn_in": 20, "batch_size": 8},
    "ppo": {"steps_per_update": 20, "epochs": 2, "minibatch_size": 10},
    "sac": {"hidden_layers": [8], "batch_size": 8, "timesteps_to_start_predicting": 20},
}
NUMBERS, THREE = spaces.Box(0, 1, (3,)), spaces.Discrete(3)
DICT = spaces.Dict({"a": spaces.Box(0, 1, (2,)), "b": spaces.Discrete(3, start=2)})


class Own(gym.Env[Any, Any]):
    """Six steps long; keeps the actions it gets."""

    def __init__(
        self,
        observations: gym.Space[Any] = NUMBERS,
        actions: gym.Space[Any] = THREE,
        reward: Callable[[], Any] = lambda: 1.0,
    ) -> None:
        self.observation_space, self.action_space, self.reward = observations, actions, reward
        self.taken: list[Any] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.time = 0
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        self.time += 1
        self.taken.append(action)
        return self.observation_space.sample(), self.reward(), self.time == 6, False, {}


def train(agent: str, env: gym.Env[Any, Any]) -> None:
    manager = Manager(env=env, seed=0)
    made = make_agent(agent, manager, 0, **OPTIONS.get(agent, {}))
    manager.train(made, max_episodes=8, should_print=False)
    manager.execute_episodes(made, 2)


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("start", [5, -1])
def test_numbered_actions_may_begin_anywhere(agent: str, start: int) -> None:
    env = Own(actions=spaces.Discrete(3, start=start))
    train(agent, env)
    assert len(env.taken) == 60
    assert {int(action) for action in env.taken} <= {start, start + 1, start + 2}
    assert len({int(action) for action in env.taken}) > 1 or agent != "random"


@pytest.mark.parametrize("agent", ["dqn", "ppo", "linucb"])
@pytest.mark.parametrize(
    ("space", "size"),
    [
        (DICT, 5),
        (spaces.Tuple((spaces.Discrete(2), spaces.MultiBinary(3))), 5),
        (spaces.Discrete(4), 4),
        (spaces.MultiDiscrete([2, 3]), 5),
    ],
)
def test_observations_of_other_spaces_are_flattened(agent: str, space: gym.Space[Any], size: int) -> None:
    env = Own(space)
    assert Manager(env=env).env.observation_space.shape == (size,)
    train(agent, env)


def test_many_side_by_side_are_adapted_too() -> None:
    gym.register("Own-v0", lambda: Own(DICT, spaces.Discrete(3, start=5)))
    manager = Manager("Own-v0", seed=0, n_envs=3)
    manager.train(make_agent("ppo", manager, 0, **OPTIONS["ppo"]), max_episodes=9, should_print=False)
    for env in manager.batch.unwrapped.envs:
        assert {int(action) for action in env.unwrapped.taken} <= {5, 6, 7}


@pytest.mark.parametrize("agent", [name for name in AGENTS if name != "random"])
@pytest.mark.parametrize("space", [spaces.MultiDiscrete([3, 5]), spaces.MultiDiscrete([4, 4])])
def test_several_actions_at_once_are_refused_unless_they_are_slates(agent: str, space: gym.Space[Any]) -> None:
    with pytest.raises(InputError, match=rf"^the agent '{agent}' cannot act here: actions of MultiDiscrete"):
        train(agent, Own(actions=space))


@pytest.mark.parametrize("reward", [np.array([2.0]), np.float32(2), 2, True])
def test_a_reward_is_any_single_number(reward: Any) -> None:
    manager = Manager(env=Own(reward=lambda: reward))
    (episode,) = manager.execute_episodes(make_agent("random", manager, 0), 1)
    assert episode.reward_sum == 6 * float(np.asarray(reward).item())


def changed(**methods: Any) -> Own:
    return type("Changed", (Own,), methods)()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("env", "match"),
    [
        (lambda: Own(reward=lambda: np.ones(2)), r"^a reward of <.*> has the shape \(2,\); give a single number$"),
        (lambda: Own(spaces.Graph(spaces.Box(0, 1), None)), "^observations of Graph.* cannot be flattened"),
        (lambda: changed(step=lambda self, action: (0, 1.0, True, {})), "^step of <.*> gave 4 values, not 5"),
        (lambda: changed(reset=lambda self, **k: np.zeros(3)), "^reset of <.*> gave no tuple"),
        (lambda: changed(reset=lambda self: (0, {})), "^reset of <.*> takes no seed"),
        (
            lambda: changed(reset=lambda self, **k: (np.zeros(4), {})),
            r"^an observation of <.*> has the shape \(4,\); the observation space says \(3,\)$",
        ),
        (lambda: Own, "^env must be one environment of Gymnasium, made already; it is <class"),
        (lambda: gym.make_vec("CartPole-v1", 2), "^env must be one environment of Gymnasium"),
    ],
)
def test_what_is_not_of_the_interface_is_one_line(env: Callable[[], Any], match: str) -> None:
    with pytest.raises(InputError, match=match):
        train("random", env())
