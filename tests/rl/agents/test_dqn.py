from typing import Any

import numpy as np
import pytest

from contracts.agents import AgentContract, AgentSmoke, live, steps
from pydeeprecsys.rl.agents.dqn import DQNAgent
from pydeeprecsys.rl.experience_replay.transition import Transition
from pydeeprecsys.rl.learning_statistics import LearningStatistics
from pydeeprecsys.rl.manager import CartpoleManager
from pydeeprecsys.rl.ops.values import Loss


def make(n_actions: int = 7, state_size: int = 3, seed: int = 0, **options: Any) -> DQNAgent:
    return DQNAgent(
        state_size,
        n_actions,
        **{
            "hidden_layers": [16],
            "network_update_frequency": 2,
            "network_sync_frequency": 5,
            "decay_rate": 0.9,
            "buffer_size": 64,
            "buffer_burn_in": 16,
            "batch_size": 8,
            "learning_rate": 0.01,
            "random_state": seed,
            "device": "cpu",
            **options,
        },
    )


class TestDQNContract(AgentContract):
    has_probabilities = True

    def make(self, n_actions: int, state_size: int, seed: int) -> DQNAgent:
        return make(n_actions, state_size, seed)


class TestDoubleMultiStepDQNContract(AgentSmoke):
    has_probabilities = True

    def make(self, n_actions: int, state_size: int, seed: int) -> DQNAgent:
        return make(n_actions, state_size, seed, double=True, n_steps=3)


class TestDQNWithItemFeaturesContract(AgentSmoke):
    has_probabilities = True

    def make(self, n_actions: int, state_size: int, seed: int) -> DQNAgent:
        features = np.random.default_rng(0).random((n_actions, 4))
        return make(n_actions, state_size, seed, item_features=features)


def test_the_founding_defaults() -> None:
    agent = DQNAgent(3, 4, device="cpu")
    weights = [tuple(parameter.shape) for parameter in agent.network.parameters() if parameter.ndim == 2]
    assert weights == [(128, 3), (128, 128), (4, 128)]
    assert agent.memory.update_frequency == 3
    assert agent.exploration is not None
    assert agent.exploration.epsilon == 1.0
    assert not agent.double
    agent = DQNAgent(3, 4, [], 7, 0.5, 0.9, 0.1, 600, 50, 20, 0.8, 0.01, 1, device="cpu")
    assert [tuple(parameter.shape) for parameter in agent.network.parameters()] == [(4, 3), (4,)]


def test_exploration_replaces_whole_slates_of_so_many_rows() -> None:
    agent = make(50, initial_exploration_probability=0.3, decay_rate=1.0)
    live(agent, steps(3, 30, seed=0))
    states = np.random.default_rng(0).random((4000, 3), dtype=np.float32)
    best = agent.top_k_actions_for_states(states, 5, explore=False)
    slates = agent.top_k_actions_for_states(states, 5)
    same = (slates == best).sum(axis=1)
    # A random slate agrees with the best one in few places; one that is not random, in all.
    assert (same == 5).mean() == pytest.approx(0.7, abs=0.03)
    assert (same[same < 5] <= 3).all()
    explored = slates[same < 5]
    np.testing.assert_allclose(np.bincount(explored.ravel(), minlength=50) / explored.size, 0.02, atol=0.01)


def test_exploration_decays_with_every_episode_once_it_learns() -> None:
    agent = make(initial_exploration_probability=0.8, decay_rate=0.5, minimum_exploration_probability=0.15)
    agent.statistics = LearningStatistics()
    state = np.zeros((4, 3))
    terminated = np.array([True, False, False, False])
    truncated = np.array([False, True, False, False])
    for _ in range(5):
        agent.store_experiences(
            Transition(state, np.zeros(4, dtype=np.int64), np.ones(4), terminated, truncated, state)
        )
    # Its memory was full enough with the fourth step; each has two ends.
    epsilons = agent.statistics.epsilon_values
    assert epsilons is not None
    assert epsilons.tolist() == [0.4, 0.2, 0.15, 0.15]


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "best"), [("squared", 1), ("huber", 0)])
def test_which_action_it_prefers_where_endings_are_random(loss: Loss, best: int) -> None:
    # Action 0 pays 1 and ends the session one time in five, which costs 7 of what follows; action 1 pays 0.7.
    sizes = {"buffer_size": 10, "buffer_burn_in": 10, "batch_size": 10, "network_update_frequency": 10}
    agent = make(2, 1, hidden_layers=[], learning_rate=0.05, discount_factor=0.9, loss=loss, **sizes)
    state, actions = np.ones((10, 1)), np.arange(10) // 5
    step = Transition(
        state, actions, np.where(actions == 0, 1.0, 0.7), np.arange(10) == 0, np.zeros(10, np.bool_), state
    )
    for _ in range(800):
        agent.store_experiences(step)
    assert agent.actions_for_states(state[:1], explore=False).tolist() == [best]


@pytest.mark.slow
def test_cartpole() -> None:
    manager = CartpoleManager(seed=0)
    agent = DQNAgent(
        4,
        2,
        [64, 64],
        network_update_frequency=2,
        decay_rate=0.95,
        minimum_exploration_probability=0.01,
        buffer_burn_in=500,
        batch_size=64,
        random_state=0,
        double=True,
        n_steps=10,
        device="cpu",
    )
    manager.train(agent, max_steps=6000, max_episodes=None, should_print=False)
    lengths = [episode.timesteps for episode in manager.execute_episodes(agent, 20)]
    assert np.mean(lengths) >= 195
