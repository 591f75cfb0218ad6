from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from contracts.agents import AgentContract, assert_same_state
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.agents.actor_critic import ActorCriticAgent
from pydeeprecsys.rl.experience_replay.transition import Transition
from pydeeprecsys.rl.learning_statistics import LearningStatistics
from pydeeprecsys.rl.manager import CartpoleManager


class TestActorCriticContract(AgentContract):
    has_probabilities = True

    def make(self, n_actions: int, state_size: int, seed: int) -> ActorCriticAgent:
        return ActorCriticAgent(n_actions, state_size, actor_learning_rate=0.01, random_state=seed, device="cpu")


@pytest.mark.slow
class TestActorCriticWithEverythingContract(AgentContract):
    has_probabilities = True

    def make(self, n_actions: int, state_size: int, seed: int) -> ActorCriticAgent:
        return ActorCriticAgent(
            n_actions,
            state_size,
            actor_learning_rate=0.01,
            gae_lambda=0.9,
            minibatches=3,
            normalize_advantages=False,
            episodes_per_update=2,
            entropy_coefficient=0.1,
            entropy_decay=0.99,
            item_features=np.random.default_rng(0).random((n_actions, 4)),
            standardize_states=True,
            random_state=seed,
            device="cpu",
        )


class Told(ActorCriticAgent):
    """Its critic says of a state what the state's number is."""

    def __init__(self, **options: object) -> None:
        super().__init__(3, 1, 0.5, normalize_advantages=False, device="cpu", **options)  # type: ignore[arg-type]
        self.value_estimator.predict = lambda state: np.asarray(state, dtype=np.float32)  # type: ignore[method-assign]


def one_episode(terminated: bool) -> Transition:
    """Two steps of one environment, from states 1 and 2 to 3, with rewards 4 and 8: (2, 1, ...)."""
    last = np.array([[False], [True]])
    return Transition(
        np.array([[[1.0]], [[2.0]]]),
        np.array([[0], [1]]),
        np.array([[4.0], [8.0]]),
        last & terminated,
        last & (not terminated),
        np.array([[[2.0]], [[3.0]]]),
    )


@pytest.mark.parametrize(
    ("gae_lambda", "terminated", "advantages"),
    [
        # Monte Carlo: 4 + 0.5 * 8 - 1; 8 - 2.
        (1.0, True, [7.0, 6.0]),
        # One step: 4 + 0.5 * 2 - 1; 8 - 2.
        (0.0, True, [4.0, 6.0]),
        # Between: 4 + 0.5 * 0.5 * 6; 6.
        (0.5, True, [5.5, 6.0]),
        # Cut off, it goes on with the value 3 of the last state: 8 + 0.5 * 3 - 2; 4 + 0.5 * (8 + 0.5 * 3) - 1.
        (1.0, False, [7.75, 7.5]),
    ],
)
def test_advantages_and_returns_are_those_computed_by_hand(
    gae_lambda: float, terminated: bool, advantages: list[float]
) -> None:
    agent = Told(gae_lambda=gae_lambda)
    got, returns = agent._advantages_and_returns(one_episode(terminated), np.ones((2, 1), dtype=np.bool_))
    np.testing.assert_allclose(got, advantages, rtol=1e-6)
    np.testing.assert_allclose(returns[:, 0], np.add(advantages, [1.0, 2.0]), rtol=1e-6)


def test_the_critic_learns_the_returns_and_the_actor_the_rescaled_advantages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    agent = ActorCriticAgent(3, 1, 0.5, minibatches=2, device="cpu")
    actor: list[tuple[list[float], list[float], list[int]]] = []
    critic: list[tuple[list[float], list[list[float]]]] = []
    agent.value_estimator.predict = lambda state: np.asarray(state, dtype=np.float32)  # type: ignore[method-assign]

    def update_actor(
        states: NDArray[np.float32],
        advantages: NDArray[np.float64],
        actions: NDArray[np.int64],
        n_episodes: int,
        **options: object,
    ) -> float:
        actor.append((states[:, 0].tolist(), advantages.tolist(), actions.tolist()))
        return 1.5

    def update_critic(states: NDArray[np.float32], returns: NDArray[np.float64]) -> float:
        critic.append((states[:, 0].tolist(), returns.tolist()))
        return 2.5

    monkeypatch.setattr(agent.policy_estimator, "update", update_actor)
    monkeypatch.setattr(agent.value_estimator, "update", update_critic)
    agent.statistics = LearningStatistics()
    agent.store_experience(np.array([1.0]), 2, 4.0, False, np.array([2.0]))
    agent.store_experience(np.array([2.0]), 1, 8.0, True, np.array([3.0]))
    # Advantages 7 and 6, of root mean square √42.5; returns 8 and 8.
    scale = 42.5**0.5
    assert actor == [([1.0], [pytest.approx(7 / scale)], [2]), ([2.0], [pytest.approx(6 / scale)], [1])]
    assert critic == [([1.0], [[8.0]]), ([2.0], [[8.0]])]
    assert agent.statistics.loss_values is not None
    assert agent.statistics.loss_values.tolist() == [3.0]
    critic_losses = agent.statistics.get_metrics("critic_loss")
    assert critic_losses is not None
    assert critic_losses.tolist() == [2.5, 2.5]


def test_states_are_standardised_by_all_that_was_learned_from() -> None:
    agent = ActorCriticAgent(3, 1, standardize_states=True, device="cpu")
    for t in range(6):  # three episodes of two steps: three updates
        states, last = np.array([[float(t)]]), np.array([t % 2 == 1])
        agent.store_experiences(
            Transition(states, np.array([0]), np.ones(1), last, np.zeros(1, dtype=np.bool_), states + 1)
        )
    for network in (agent.policy_estimator, agent.value_estimator):
        assert network.standardizer is not None
        assert network.standardizer.count == 6
        np.testing.assert_allclose(network.standardizer.mean, np.mean(range(6)))
        np.testing.assert_allclose(network.standardizer.variance, np.var(range(6)))


def test_the_critic_comes_to_know_the_values() -> None:
    agent = ActorCriticAgent(2, 1, 0.9, critic_hidden_layers=[16], critic_learning_rate=0.02, device="cpu")
    # From state 0 to state 1, which brings 1, to the end, which brings 2: values 1 + 0.9 * 2 and 2.
    for _ in range(300):
        agent.store_experience(np.zeros(1), agent.action_for_state(np.zeros(1)), 1.0, False, np.ones(1))
        agent.store_experience(np.ones(1), agent.action_for_state(np.ones(1)), 2.0, True, np.zeros(1))
    np.testing.assert_allclose(agent.value_estimator.predict([[0.0], [1.0]])[:, 0], [2.8, 2.0], atol=0.1)


def test_it_learns_which_action_of_a_mask_is_best() -> None:
    agent = ActorCriticAgent(4, 2, 0.0, actor_learning_rate=0.02, episodes_per_update=8, random_state=0, device="cpu")
    rng = np.random.default_rng(0)
    worth = np.array([0.0, 0.3, 0.6, 1.0])

    def masks(n: int) -> NDArray[np.bool_]:
        return np.asarray(rng.permuted(np.tile(np.arange(4) < 2, (n, 1)), axis=1))

    states = np.ones((8, 2))
    for _ in range(150):
        allowed = masks(8)
        actions = agent.actions_for_states(states, action_masks=allowed)
        ends = np.ones(8, dtype=np.bool_)
        agent.store_experiences(
            Transition(
                states,
                actions,
                worth[actions],
                ends,
                ~ends,
                states,
                action_masks=allowed,
                next_action_masks=np.zeros((8, 4), dtype=np.bool_),
            )
        )
    allowed = masks(50)
    chosen = agent.actions_for_states(np.ones((50, 2)), explore=False, action_masks=allowed)
    assert chosen.tolist() == np.where(allowed, worth, -1).argmax(axis=1).tolist()


def test_a_saved_agent_decides_and_values_the_same(tmp_path: Path) -> None:
    saved, loaded = (ActorCriticAgent(5, 3, random_state=seed, device="cpu") for seed in (0, 1))
    states = np.random.default_rng(0).normal(size=(40, 3))
    saved.save(tmp_path / "agent.safetensors")
    wanted = saved.top_k_actions_for_states(states, 3, explore=False).tolist()
    assert loaded.top_k_actions_for_states(states, 3, explore=False).tolist() != wanted
    loaded.load(tmp_path / "agent.safetensors")
    assert loaded.top_k_actions_for_states(states, 3, explore=False).tolist() == wanted
    assert_same_state(loaded.value_estimator.predict(states), saved.value_estimator.predict(states))


def test_a_file_of_another_agent_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    agent = ActorCriticAgent(5, 3, device="cpu")
    ActorCriticAgent(5, 3, critic_hidden_layers=[4], random_state=1, device="cpu").save(tmp_path / "other")
    before = agent.policy_estimator.learning_state()
    with pytest.raises(InputError, match="does not fit this ValueEstimator"):
        agent.load(tmp_path / "other")
    assert_same_state(agent.policy_estimator.learning_state(), before)


def test_features_of_too_few_items_are_refused() -> None:
    with pytest.raises(InputError, match="3 rows, there are 4 actions"):
        ActorCriticAgent(4, 3, item_features=np.zeros((3, 2)))


def test_default_layers_are_those_of_the_founding_document() -> None:
    agent = ActorCriticAgent(4, 6, device="cpu")
    sizes = [
        [tuple(p.shape) for p in network.parameters() if p.ndim == 2]
        for network in (agent.policy_estimator, agent.value_estimator)
    ]
    assert sizes == [[(12, 6), (12, 12), (4, 12)], [(12, 6), (3, 12), (1, 3)]]
    # The smallest state has half of a hidden unit, which is one.
    assert [p.shape[0] for p in ActorCriticAgent(4, 1, device="cpu").value_estimator.parameters()] == [2, 2, 1, 1, 1, 1]


@pytest.mark.slow
def test_it_balances_the_pole_for_a_while() -> None:
    manager = CartpoleManager(seed=0, n_envs=8)
    agent = ActorCriticAgent(
        2,
        4,
        actor_hidden_layers=[64],
        critic_hidden_layers=[64],
        actor_learning_rate=3e-3,
        critic_learning_rate=3e-3,
        gae_lambda=0.95,
        episodes_per_update=4,
        minibatches=4,
        random_state=0,
        device="cpu",
    )
    manager.train(agent, max_episodes=350, should_print=False)
    returns = [output.reward_sum for output in manager.execute_episodes(agent, 16)]
    assert np.mean(returns) > 100  # a random policy keeps it up for 22 steps
    assert torch.get_num_threads() == 1
