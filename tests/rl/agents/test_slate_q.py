from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from contracts.agents import N_ACTIONS, STATE_SIZE, AgentContract, live, steps
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.agents.slate_q import SlateQAgent
from pydeeprecsys.rl.experience_replay.transition import Transition
from pydeeprecsys.rl.learning_statistics import LearningStatistics
from pydeeprecsys.rl.manager import Manager
from pydeeprecsys.rl.neural_networks.item_scores import ItemScores

QUICK: dict[str, Any] = {
    "hidden_layers": [8],
    "buffer_size": 100,
    "buffer_burn_in": 20,
    "batch_size": 10,
    "network_sync_frequency": 30,
    "learning_rate": 0.01,
    "device": "cpu",
}


class TestSlateQContract(AgentContract):
    has_probabilities = True
    test_without_exploration_the_highest_scores_are_chosen = None  # slates are optimized

    def make(self, n_actions: int, state_size: int, seed: int) -> SlateQAgent:
        return SlateQAgent(n_actions, state_size, **QUICK, random_state=seed)


@pytest.mark.slow
class TestSlateSarsaContract(AgentContract):
    has_probabilities = True
    test_without_exploration_the_highest_scores_are_chosen = None  # slates are optimized

    def make(self, n_actions: int, state_size: int, seed: int) -> SlateQAgent:
        features = np.random.default_rng(0).random((n_actions, 4))
        options = QUICK | {"serving": "greedy", "target": "sarsa", "item_features": features}
        return SlateQAgent(n_actions, state_size, **options, random_state=seed)


def test_its_scores_are_the_values_of_the_items() -> None:
    agent = SlateQAgent(N_ACTIONS, STATE_SIZE, **QUICK)
    states = np.random.default_rng(0).random((4, STATE_SIZE), dtype=np.float32)
    with torch.no_grad():
        values = agent.network(torch.from_numpy(states)).numpy()
    np.testing.assert_array_equal(agent.scores(states), values[:, :N_ACTIONS])


def slate_step(states: NDArray[Any], slates: Any, choices: Any, rewards: Any, ends: Any, new: Any) -> Transition:
    slates, choices, ends = np.asarray(slates), np.asarray(choices), np.asarray(ends)
    items = slates[np.arange(len(slates)), np.maximum(choices, 0)]
    return Transition(
        states, items, np.asarray(rewards, float), ends, np.zeros_like(ends), new, slates=slates, choices=choices
    )


def logits_of(table: list[list[float]]) -> Any:
    """Choice scores for states that say which row they are."""
    scores = np.log(np.array(table))
    return lambda states: scores[states[:, 0].astype(int)]


@pytest.mark.slow
def test_values_of_a_two_step_world_are_those_computed_by_hand() -> None:
    # State 0: whichever item is chosen brings 0 and leads to state 1; nothing ends the session. In state 1, item 0
    # brings 8, item 1 brings 2, nothing brings 0, and all end it. Weights there are 1, 3 and 1 for nothing.
    agent = SlateQAgent(
        2, 1, [16], buffer_size=400, buffer_burn_in=100, batch_size=50, discount_factor=0.5, learning_rate=0.01,
        network_update_frequency=1, network_sync_frequency=50,
        choice_scores=logits_of([[1, 1, 1], [1, 3, 1]]), random_state=0, device="cpu",
    )  # fmt: skip
    rng = np.random.default_rng(0)
    pay = np.array([8.0, 2.0, 0.0])
    for _ in range(1200):
        choice = int(rng.integers(-1, 2))
        start, later = np.zeros((1, 1), np.float32), np.ones((1, 1), np.float32)
        agent.store_experiences(slate_step(start, [[0, 1]], [choice], [0.0], [choice < 0], later))
        choice = int(rng.integers(-1, 2))
        agent.store_experiences(slate_step(later, [[0, 1]], [choice], [pay[choice]], [True], start))
    values = agent.network(torch.tensor([[0.0], [1.0]])).detach()
    # After state 0: half of (8 + 3 · 2 + 0) / 5.
    np.testing.assert_allclose(values, [[1.4, 1.4, 0.0], [8, 2, 0]], atol=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(("target", "expected"), [("optimal", 0.5 * 10 / 2), ("sarsa", 0.5 * 4 / 2)])
def test_sarsa_judges_by_the_slate_that_was_shown_next(target: Any, expected: float) -> None:
    # In state 1 item 0 is worth 10 and item 1 is worth 4, against nothing; item 1 is always shown.
    agent = SlateQAgent(
        2, 1, [16], target=target, buffer_size=400, buffer_burn_in=100, batch_size=50, discount_factor=0.5,
        learning_rate=0.01, network_update_frequency=1, network_sync_frequency=50,
        choice_scores=logits_of([[1, 1, 1], [1, 1, 1]]), random_state=0, device="cpu",
    )  # fmt: skip
    start, later = np.zeros((2, 1), np.float32), np.ones((2, 1), np.float32)
    rng = np.random.default_rng(0)
    for _ in range(900):
        agent.store_experiences(slate_step(start, [[0], [0]], [0, 0], [0.0, 0.0], [False, False], later))
        choices = rng.integers(-1, 1, size=2)
        # The second environment shows item 0 in an episode of its own, so that its value is known.
        agent.store_experiences(
            slate_step(later, [[1], [1]], choices, np.where(choices < 0, 0.0, 4.0), [True, True], start)
        )
        choices = rng.integers(-1, 1, size=2)
        agent.store_experiences(
            slate_step(later + 0, [[0], [0]], choices, np.where(choices < 0, 0.0, 10.0), [True, True], start)
        )
    values = agent.network(torch.tensor([[0.0], [1.0]])).detach()
    np.testing.assert_allclose(values[1], [10, 4, 0], atol=0.3)
    assert values[0, 0] == pytest.approx(expected, abs=0.25)


def test_the_next_slate_of_an_episode_that_was_left_is_the_best_known_one() -> None:
    # The states say nothing: row 0 begins another episode in the state where the last one was left.
    agent = SlateQAgent(3, 1, **QUICK, serving="greedy", target="sarsa", choice_scores=lambda s: np.zeros((len(s), 4)))
    states, no = np.zeros((2, 1), np.float32), np.zeros(2, dtype=np.bool_)
    best = agent.top_k_actions_for_states(states, 1, explore=False)[0, 0]
    other = np.array([[(best + 1) % 3]] * 2)
    for began in ([True, True], [True, False]):
        step = slate_step(states, other, [0, 0], np.zeros(2), no, states)._replace(began=np.array(began))
        agent.store_experiences(step)
    next_slates = agent.memory.buffer.state_dict()["experiences"]["columns"]["next_slates"]
    assert next_slates.tolist() == [[best], other[1].tolist()]


class TakenInTurns(gym.Env[Any, Any]):
    """Sessions of one step: every second user takes what is shown, which pays 8; leaving it pays 2."""

    observation_space = gym.spaces.Box(0, 1, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)
    users = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.users += 1
        taken = self.users % 2 == 0
        return np.zeros(1, np.float32), 8.0 if taken else 2.0, True, False, {"chosen_action": 0 if taken else -1}


@pytest.mark.slow
def test_with_slates_of_one_it_learns_the_value_of_choosing_nothing() -> None:
    agent = SlateQAgent(2, 1, **QUICK, network_update_frequency=1, choice_scores=logits_of([[1, 1, 1]]))
    Manager(env=TakenInTurns()).train(agent, None, None, should_print=False, max_steps=1200)
    np.testing.assert_allclose(agent.network(torch.zeros(1, 1)).detach(), [[8, 8, 2]], atol=0.2)


@pytest.mark.parametrize("target", ["optimal", "sarsa"])
def test_slates_of_which_several_items_are_consumed_are_refused(target: Any) -> None:
    agent = SlateQAgent(3, 1, **QUICK, target=target)
    states, ends = np.zeros((2, 1), np.float32), np.ones(2, dtype=np.bool_)
    step = slate_step(states, [[0, 1], [1, 2]], [0, 1], [1.0, 1.0], ends, states)
    agent.store_experiences(step._replace(item_rewards=np.array([[1.0, np.nan], [np.nan, 1.0]])))
    with pytest.raises(InputError, match=r"several items of a slate are consumed .*; use ppo, .* dqn or linucb"):
        agent.store_experiences(step._replace(item_rewards=np.array([[1.0, np.nan], [1.0, 1.0]])))


@pytest.mark.slow
def test_it_learns_how_users_choose() -> None:
    # Item i is chosen in proportion to i + 1, nothing to 2.
    options = QUICK | {"buffer_size": 5000, "batch_size": 50, "buffer_burn_in": 50, "learning_rate": 3e-3}
    agent = SlateQAgent(4, 1, **options, network_update_frequency=4)
    rng = np.random.default_rng(0)
    states, ends = np.ones((20, 1), np.float32), np.ones(20, dtype=np.bool_)
    for _ in range(300):
        slates = rng.permuted(np.tile(np.arange(4), (20, 1)), axis=1)[:, :2]
        weights = np.column_stack([np.full(20, 2.0), slates + 1.0])
        cumulative = (weights / weights.sum(axis=1, keepdims=True)).cumsum(axis=1)
        choices = (rng.random((20, 1)) > cumulative).sum(axis=1) - 1
        agent.store_experiences(slate_step(states, slates, choices, np.zeros(20), ends, states))
    logits = agent.choice_network(torch.ones(1, 1)).detach()[0]
    np.testing.assert_allclose(torch.exp(logits - logits[4]) * 2, [1, 2, 3, 4, 2], rtol=0.25)


def test_a_given_choice_model_is_not_learned() -> None:
    agent = SlateQAgent(N_ACTIONS, STATE_SIZE, **QUICK, choice_scores=lambda states: np.zeros((len(states), 8)))
    before = agent.choice_network.state_dict()["model.nothing.0.weight"].clone()
    live(agent, steps(3, 40, seed=0))
    assert torch.equal(agent.choice_network.state_dict()["model.nothing.0.weight"], before)


def test_each_way_of_serving_is_its_own() -> None:
    q = torch.tensor([[4.0, 7.0, 7.0, 0.0]])
    chosen = {}
    for way in ("top-k", "greedy", "optimal"):
        agent = SlateQAgent(3, 1, **QUICK, serving=way, choice_scores=logits_of([[100, 1, 1, 1]]))
        agent.network.forward = lambda states: q  # type: ignore[method-assign]
        chosen[way] = agent.top_k_actions_for_states(np.zeros((1, 1)), 2, explore=False)[0].tolist()
    assert chosen["top-k"][0] == 0
    assert chosen["greedy"] == [0, 1]
    assert sorted(chosen["optimal"]) == [1, 2]


def test_candidates_are_scored_by_what_the_state_says_of_them() -> None:
    network = ItemScores(2 + 3 * 4, 3, [8], 1e-3, candidate_features=4, device="cpu")
    states = torch.rand(5, 14, generator=torch.Generator().manual_seed(0))
    scores = network(states)
    assert scores.shape == (5, 4)
    turned = torch.cat([states[:, :2], states[:, 6:], states[:, 2:6]], dim=1)
    torch.testing.assert_close(network(turned), scores[:, [1, 2, 0, 3]])


def test_misfitting_features_are_refused() -> None:
    with pytest.raises(InputError, match="cannot describe 3 items"):
        ItemScores(12, 3, [8], 1e-3, candidate_features=4)
    with pytest.raises(InputError, match="one of the two"):
        ItemScores(14, 3, [8], 1e-3, candidate_features=4, item_features=np.eye(3))


def test_statistics() -> None:
    agent = SlateQAgent(N_ACTIONS, STATE_SIZE, **QUICK)
    agent.statistics = LearningStatistics()
    live(agent, steps(3, 40, seed=0))
    for name in ("loss", "choice_loss", "epsilon_values"):
        recorded = agent.statistics.get_metrics(name)
        assert recorded is not None
        assert len(recorded)


def test_a_saved_agent_decides_the_same(tmp_path: Path) -> None:
    saved, loaded = (SlateQAgent(N_ACTIONS, STATE_SIZE, **QUICK, random_state=seed) for seed in (0, 1))
    live(saved, steps(4, 30, seed=0))
    saved.save(tmp_path / "agent.safetensors")
    loaded.load(tmp_path / "agent.safetensors")
    states = np.random.default_rng(0).random((50, STATE_SIZE), dtype=np.float32)
    slates = [agent.top_k_actions_for_states(states, 3, explore=False).tolist() for agent in (saved, loaded)]
    assert slates[0] == slates[1]


def test_a_burn_in_above_the_size_of_the_buffer_is_refused() -> None:
    with pytest.raises(InputError, match="must hold, they are 64, 1000000 and 50000"):
        SlateQAgent(3, 2, buffer_burn_in=10**6)
