"""Agents with state encoders."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Discrete

from contracts.agents import N_ACTIONS, AgentSmoke, assert_same_state, live, observations, steps
from pydeeprecsys.history import HistoryLayout
from pydeeprecsys.rl.agents.actor_critic import ActorCriticAgent
from pydeeprecsys.rl.agents.agent import ReinforcementLearning
from pydeeprecsys.rl.agents.dqn import DQNAgent
from pydeeprecsys.rl.agents.ppo import PPOAgent
from pydeeprecsys.rl.agents.rainbow import RainbowDQNAgent
from pydeeprecsys.rl.agents.reinforce import ReinforceAgent
from pydeeprecsys.rl.agents.slate_q import SlateQAgent
from pydeeprecsys.rl.agents.soft_actor_critic import SoftActorCritic
from pydeeprecsys.rl.experience_replay.buffer_parameters import ExperienceReplayBufferParameters
from pydeeprecsys.rl.item_estimates import ItemEstimates

LAYOUT = HistoryLayout(N_ACTIONS, slate_size=2, n_rated=1, length=4)
RNG = np.random.default_rng(0)
ESTIMATES = ItemEstimates(
    vectors=RNG.normal(size=(N_ACTIONS, 3)),
    offsets=np.full(N_ACTIONS, 3.0),
    prior_mean=np.zeros(3),
    prior_covariance=np.eye(3),
    noise=1.0,
    mean_ratings=np.full(N_ACTIONS, 3.0),
    counts=np.full(N_ACTIONS, 10),
    categories=RNG.random((N_ACTIONS, 2)) < 0.5,
)
REPLAY: dict[str, Any] = {"buffer_burn_in": 20, "batch_size": 8, "network_update_frequency": 10}
OFTEN: dict[str, Any] = {"actor_learning_rate": 0.01, "episodes_per_update": 4}
SAC: dict[str, Any] = {
    "timesteps_to_start_predicting": 30,
    "buffer_parameters": ExperienceReplayBufferParameters(500, 8, 8),
    "hidden_layers": [8],
    "update_frequency": 10,
}
ITEMS = RNG.random((N_ACTIONS, 4))

Made = Callable[..., ReinforcementLearning]
MAKERS: dict[str, Made] = {
    "reinforce": lambda n, size, **o: ReinforceAgent(n, size, [8], learning_rate=0.01, episodes_per_update=4, **o),
    "actor-critic": lambda n, size, **o: ActorCriticAgent(n, size, **OFTEN, **o),
    "ppo": lambda n, size, **o: PPOAgent(n, size, steps_per_update=60, epochs=2, minibatch_size=30, **o),
    "dqn": lambda n, size, **o: DQNAgent(size, n, [8], decay_rate=0.9, **REPLAY, **o),
    "rainbow": lambda n, size, **o: RainbowDQNAgent(size, n, hidden_layers=[8, 8, 8, 8], **REPLAY, **o),
    "sac": lambda n, size, **o: SoftActorCritic(Discrete(n), size, **SAC, **o),
    "sac-items": lambda n, size, **o: SoftActorCritic(Discrete(n), size, item_features=ITEMS, **SAC, **o),
    "slate-q": lambda n, size, **o: SlateQAgent(n, size, [8], **REPLAY, **o),
}


def make(agent: str, encoder: str, seed: int, **options: Any) -> ReinforcementLearning:
    facts = {"history": LAYOUT, "item_estimates": ESTIMATES, "random_state": seed, "device": "cpu"}
    return MAKERS[agent](N_ACTIONS, LAYOUT.size, state_encoder=encoder, **facts, **options)


class TestPPOWithGRUContract(AgentSmoke):
    layout, generators, has_probabilities = LAYOUT, frozenset({"generator", "order"}), True
    varies_slates = True

    def make(self, n_actions: int, state_size: int, seed: int) -> ReinforcementLearning:
        return make("ppo", "gru", seed, vary_slates=True, learning_rate_decay=0.5)


class TestDQNWithAttentionContract(AgentSmoke):
    layout, has_probabilities = LAYOUT, True

    def make(self, n_actions: int, state_size: int, seed: int) -> ReinforcementLearning:
        return make("dqn", "attention", seed)


class TestSACWithFoldInContract(AgentSmoke):
    layout, has_probabilities = LAYOUT, True

    def make(self, n_actions: int, state_size: int, seed: int) -> ReinforcementLearning:
        return make("sac", "fold-in", seed)


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["fold-in", "gru", "attention"])
@pytest.mark.parametrize("agent", MAKERS)
def test_every_agent_learns_with_every_encoder_and_goes_on_identically(agent: str, encoder: str) -> None:
    original, restored = (make(agent, encoder, seed) for seed in (0, 1))
    walk = list(steps(3, 80, 1, LAYOUT))
    live(original, iter(walk[:50]))
    assert original.updates
    restored.load_state_dict(original.state_dict())
    assert live(original, iter(walk[50:])) == live(restored, iter(walk[50:]))
    assert_same_state(original.state_dict(), restored.state_dict())


@pytest.mark.parametrize("agent", MAKERS)
def test_networks_with_encoders_are_saved_and_loaded(agent: str, tmp_path: Any) -> None:
    saved, loaded = (make(agent, "gru", seed) for seed in (0, 1))
    states = observations(np.random.default_rng(0), 50, LAYOUT)
    saved.save(tmp_path / "networks.safetensors")  # type: ignore[attr-defined]
    loaded.load(tmp_path / "networks.safetensors")  # type: ignore[attr-defined]
    first, second = (each.top_k_actions_for_states(states, 2, explore=False) for each in (saved, loaded))
    assert first.tolist() == second.tolist()
    encoders = {name for name in saved.networks if saved.networks[name].encoder.state_dict()}  # type: ignore[attr-defined]
    assert encoders == saved.networks.keys() - {"temperature"}  # type: ignore[attr-defined]
