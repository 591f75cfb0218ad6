import inspect
import warnings
from typing import Any, get_type_hints

import numpy as np
import pytest

from contracts.agents import AgentContract, AgentSmoke, live, steps
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.agents.rainbow import RainbowDQNAgent
from pydeeprecsys.rl.experience_replay.priority_replay_buffer import PrioritizedExperienceReplayBuffer
from pydeeprecsys.rl.learning_statistics import LearningStatistics
from pydeeprecsys.rl.manager import CartpoleManager
from pydeeprecsys.rl.neural_networks.noisy_layer import NoisyLayer

ALL_SIX = {"n_steps": 3, "categorical": True, "n_atoms": 11, "v_min": -1.0, "v_max": 10.0}
NONE_OF_THEM = {"double": False, "dueling": False, "noisy": False, "prioritized": False}


def make(n_actions: int = 7, state_size: int = 3, seed: int = 0, **options: Any) -> RainbowDQNAgent:
    return RainbowDQNAgent(
        state_size,
        n_actions,
        **{
            "network_update_frequency": 2,
            "network_sync_frequency": 5,
            "buffer_size": 64,
            "buffer_burn_in": 16,
            "batch_size": 8,
            "learning_rate": 0.01,
            "noise_sigma": 0.5,
            "hidden_layers": [16, 16, 8, 8],
            "random_state": seed,
            "device": "cpu",
            **options,
        },
    )


class TestRainbowContract(AgentContract):
    def make(self, n_actions: int, state_size: int, seed: int) -> RainbowDQNAgent:
        return make(n_actions, state_size, seed)


@pytest.mark.slow
class TestAllSixContract(AgentContract):
    def make(self, n_actions: int, state_size: int, seed: int) -> RainbowDQNAgent:
        return make(n_actions, state_size, seed, **ALL_SIX)


class TestNoneOfThemContract(AgentSmoke):
    has_probabilities = True

    def make(self, n_actions: int, state_size: int, seed: int) -> RainbowDQNAgent:
        return make(n_actions, state_size, seed, **NONE_OF_THEM)


class TestIndependentNoiseContract(AgentSmoke):
    def make(self, n_actions: int, state_size: int, seed: int) -> RainbowDQNAgent:
        return make(n_actions, state_size, seed, noise_kind="independent", noise_sigma=0.05)


class TestItemFeaturesContract(AgentSmoke):
    def make(self, n_actions: int, state_size: int, seed: int) -> RainbowDQNAgent:
        return make(n_actions, state_size, seed, item_features=np.random.default_rng(0).random((n_actions, 4)))


@pytest.mark.slow
class TestCategoricalWithItemFeaturesContract(AgentSmoke):
    def make(self, n_actions: int, state_size: int, seed: int) -> RainbowDQNAgent:
        features = np.random.default_rng(0).random((n_actions, 4))
        return make(n_actions, state_size, seed, item_features=features, **ALL_SIX)


def test_the_founding_defaults() -> None:
    agent = RainbowDQNAgent(3, 4, device="cpu")
    assert agent.double
    assert agent.exploration is None
    assert agent.network.n_atoms == 1
    assert agent.network.dueling
    assert agent.memory.n_steps.n_steps == 1
    assert agent.memory.update_frequency == 5
    assert agent.network_sync_frequency == 200
    buffer = agent.memory.buffer
    assert isinstance(buffer, PrioritizedExperienceReplayBuffer)
    assert (buffer.per_parameters.alpha, buffer.per_parameters.beta_growth, buffer.beta) == (0.6, 0.001, 0.01)
    assert agent.network.model["common_2"].sigma_weight[0, 0].item() == pytest.approx(0.017 / 16)
    statistics = LearningStatistics()
    layers = [8, 7, 6, 5]
    agent = RainbowDQNAgent(3, 4, 2, 100, 0.4, 0.01, 500, 40, 20, 0.5, 0.9, 1e-3, layers, 1, statistics, device="cpu")
    assert agent.statistics is statistics
    assert agent.network.model["common_1"].weight.shape == (8, 3)


@pytest.mark.parametrize("sigma", [0.0, 5.0])
def test_it_explores_by_noise(sigma: float) -> None:
    agent = make(noise_sigma=sigma)
    live(agent, steps(3, 20, seed=0))
    with_noise = {str(agent.actions_for_states(np.full((30, 3), 0.5))) for _ in range(20)}
    assert (len(with_noise) > 1) == (sigma > 0)


def test_without_noise_it_explores_by_epsilon() -> None:
    agent = make(**NONE_OF_THEM, initial_exploration_probability=0.6, decay_rate=0.5)
    agent.statistics = LearningStatistics()
    assert not any(isinstance(module, NoisyLayer) for module in agent.network.modules())
    states = np.full((2000, 3), 0.5, dtype=np.float32)
    for _ in range(16):
        agent.store_experience(states[0], 1, 1.0, False, states[0])
    best = agent.actions_for_states(states, explore=False)
    # Of random actions one in seven is the best one.
    assert (agent.actions_for_states(states) != best).mean() == pytest.approx(0.6 * 6 / 7, abs=0.04)
    agent.store_experience(states[0], 1, 1.0, True, states[0])
    assert agent.statistics.epsilon_values is not None
    assert agent.statistics.epsilon_values.tolist() == [0.3]


@pytest.mark.parametrize("categorical", [False, True])
def test_experiences_get_their_errors_as_priorities(categorical: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = make(categorical=categorical)
    buffer = agent.memory.buffer
    assert isinstance(buffer, PrioritizedExperienceReplayBuffer)
    updated = []

    def record(indices: np.ndarray, errors: np.ndarray) -> None:
        updated.append((indices.copy(), errors.copy()))
        PrioritizedExperienceReplayBuffer.update_priorities(buffer, indices, errors)

    monkeypatch.setattr(buffer, "update_priorities", record)
    for step in steps(1, 18, seed=0):
        agent.store_experiences(step._replace(actions=np.array([1])))
    assert len(updated) == 1
    indices, errors = updated[0]
    assert errors.shape == (8,)
    assert len(set(errors.tolist())) > 1
    # Values begin near 0 and rewards lie in 0..1; the divergence from 51 nearly equal probabilities is at most log 51.
    assert (np.abs(errors) < (4 if categorical else 2)).all()
    np.testing.assert_allclose(buffer.priorities[indices], (np.abs(errors.astype(np.float64)) + 0.01) ** 0.6)


def test_experiences_without_priorities_are_all_equal() -> None:
    agent = make(prioritized=False)
    live(agent, steps(3, 30, seed=0))
    assert not isinstance(agent.memory.buffer, PrioritizedExperienceReplayBuffer)
    assert set(agent.memory.sample().weights.tolist()) == {1.0}


def test_the_founding_spelling_is_taken_with_a_warning() -> None:
    with pytest.warns(DeprecationWarning, match="priority_weight_growth") as caught:
        agent = make(priority_weigth_growth=0.02)
    assert caught[0].filename == __file__
    buffer = agent.memory.buffer
    assert isinstance(buffer, PrioritizedExperienceReplayBuffer)
    assert buffer.per_parameters.beta_growth == 0.02
    with pytest.raises(InputError, match="both spellings"), pytest.warns(DeprecationWarning, match="spelled"):
        make(priority_weigth_growth=0.02, priority_weight_growth=0.02)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make(priority_weight_growth=0.02)


def test_the_old_spelling_is_no_option() -> None:
    assert "priority_weigth_growth" not in inspect.signature(RainbowDQNAgent).parameters
    assert list(inspect.signature(RainbowDQNAgent).parameters)[:2] == ["input_size", "output_size"]
    assert get_type_hints(RainbowDQNAgent.__init__)["categorical"] is bool


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hidden_layers": [8, 8]}, "four sizes"),
        ({"categorical": True, "loss": "squared"}, "leave out loss='squared'"),
        ({"categorical": True, "v_min": 3.0, "v_max": 3.0}, "v_max must be above v_min"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(**arguments)


@pytest.mark.slow
def test_cartpole() -> None:
    manager = CartpoleManager(seed=0)
    agent = RainbowDQNAgent(
        4,
        2,
        network_update_frequency=2,
        buffer_burn_in=500,
        batch_size=64,
        noise_sigma=0.1,
        learning_rate=1e-3,
        hidden_layers=[64, 64, 32, 32],
        random_state=0,
        n_steps=10,
        device="cpu",
    )
    manager.train(agent, max_steps=6000, max_episodes=None, should_print=False)
    lengths = [episode.timesteps for episode in manager.execute_episodes(agent, 20)]
    assert np.mean(lengths) >= 195
