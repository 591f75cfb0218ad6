from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from contracts.agents import AgentContract, assert_same_state, live, masked_steps, steps
from pydeeprecsys.rl.agents import ppo
from pydeeprecsys.rl.agents.ppo import PPOAgent
from pydeeprecsys.rl.experience_replay.transition import Transition
from pydeeprecsys.rl.learning_statistics import LearningStatistics
from pydeeprecsys.rl.manager import CartpoleManager
from pydeeprecsys.rl.ops.policies import clipped_surrogate_losses

QUICK: dict[str, Any] = {"steps_per_update": 16, "epochs": 2, "minibatch_size": 6, "device": "cpu"}


class TestPPOContract(AgentContract):
    has_probabilities = True
    generators = frozenset({"generator", "order"})

    def make(self, n_actions: int, state_size: int, seed: int) -> PPOAgent:
        return PPOAgent(n_actions, state_size, actor_learning_rate=0.01, **QUICK, random_state=seed)


@pytest.mark.slow
class TestPPOWithEverythingContract(AgentContract):
    has_probabilities = True
    generators = frozenset({"generator", "order"})

    def make(self, n_actions: int, state_size: int, seed: int) -> PPOAgent:
        return PPOAgent(
            n_actions,
            state_size,
            0.9,
            [8],
            [5],
            0.01,
            0.02,
            **QUICK,
            clip_range=0.1,
            gae_lambda=0.5,
            entropy_coefficient=0.1,
            entropy_decay=0.9,
            target_kl=0.01,
            item_features=np.random.default_rng(0).random((n_actions, 4)),
            standardize_states=True,
            random_state=seed,
        )


def test_it_learns_from_the_slate_that_was_shown() -> None:
    # Only the second item of a slate pays: what is chosen tells nothing of it.
    agent = PPOAgent(
        4, 2, actor_learning_rate=0.01, steps_per_update=64, epochs=4, minibatch_size=32, random_state=0, device="cpu"
    )
    states, ends = np.ones((16, 2), dtype=np.float32), np.ones(16, dtype=np.bool_)
    for _ in range(160):
        slates = agent.top_k_actions_for_states(states, 2)
        rewards = (slates[:, 1] == 3).astype(float)
        agent.store_experiences(
            Transition(
                states, slates[:, 0], rewards, ends, ~ends, states, slates=slates, choices=np.zeros(16, np.int64)
            )
        )
    drawn = agent.top_k_actions_for_states(np.ones((500, 2)), 2)
    assert np.mean(drawn[:, 1] == 3) > 0.9
    assert np.mean(drawn[:, 0] == 3) < 0.05


@pytest.mark.slow
def test_an_update_moves_probabilities_with_their_advantages_and_not_far() -> None:
    def probabilities(agent: PPOAgent) -> NDArray[np.float64]:
        return agent.policy_estimator.action_probabilities(np.ones(2)).detach().double().numpy()

    ratios = []
    for clip_range in (0.05, 0.3, 1e6):
        agent = PPOAgent(
            3, 2, 0.0, actor_learning_rate=2e-4, steps_per_update=30, epochs=200, minibatch_size=30,
            clip_range=clip_range, random_state=0, device="cpu",
        )  # fmt: skip
        before = probabilities(agent)
        flags = np.ones(30, dtype=np.bool_)
        actions = np.arange(30) % 3
        states = np.ones((30, 2), dtype=np.float32)
        agent.store_experiences(Transition(states, actions, (actions == 1).astype(float), flags, ~flags, states))
        ratios.append(probabilities(agent) / before)
    assert all(ratio[1] > 1 > max(ratio[0], ratio[2]) for ratio in ratios)
    # Adam's momentum carries it some way past the range.
    assert 1.05 < ratios[0][1] < 1.4 < ratios[1][1] < 0.8 * ratios[2][1]


def test_passes_end_when_the_policy_has_moved_far_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = []
    for target_kl in (None, 1e-6):
        agent = PPOAgent(7, 3, actor_learning_rate=0.01, **(QUICK | {"epochs": 8, "target_kl": target_kl}))
        update = Mock(wraps=agent.value_estimator.update)
        monkeypatch.setattr(agent.value_estimator, "update", update)
        live(agent, steps(4, 4, seed=0))
        counted.append(update.call_count)
    assert counted[0] == 8 * 3  # 16 steps in parts of 6
    assert counted[1] < counted[0]


@pytest.mark.parametrize("standardize", [False, True])
def test_ratios_are_to_the_policy_that_acted(standardize: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = PPOAgent(7, 3, **(QUICK | {"epochs": 1, "minibatch_size": 16}), standardize_states=standardize)
    agent._order = Mock(permutation=np.arange)  # the rows in their order
    acted, updates = [], []

    def losses(after: Tensor, before: Tensor, advantage: Tensor, clip_range: float) -> Tensor:
        updates.append((after.detach(), before.tolist()))
        return clipped_surrogate_losses(after, before, advantage, clip_range)

    monkeypatch.setattr(ppo, "clipped_surrogate_losses", losses)
    for step in masked_steps(4, 12, seed=0):
        taken = step._replace(actions=agent.actions_for_states(step.observations, action_masks=step.action_masks))
        acted += agent.policy_estimator.log_probabilities(taken.observations, taken.shown, taken.action_masks).tolist()
        agent.store_experiences(taken)
    assert [value for _, before in updates for value in before] == pytest.approx(acted, rel=1e-5)
    for after, before in updates:
        # Nothing has changed before the first gradient step, unless the standardizer has.
        assert (torch.exp(after - torch.tensor(before)) == 1).all() == (not standardize)


def test_states_are_standardised_by_all_that_was_learned_from() -> None:
    agent = PPOAgent(2, 1, **QUICK, standardize_states=True)
    zeros = np.zeros(2, dtype=np.int64)
    for t in range(24):  # of two environments: three updates
        states = np.full((2, 1), float(t))
        agent.store_experiences(Transition(states, zeros, np.full(2, float(t)), zeros > 0, zeros > 0, states + 1))
    for network in (agent.policy_estimator, agent.value_estimator):
        assert network.standardizer is not None
        assert network.standardizer.count == 48
        np.testing.assert_allclose(network.standardizer.mean, np.mean(range(24)))
        np.testing.assert_allclose(network.standardizer.variance, np.var(range(24)))


def test_statistics_and_entropy_decay() -> None:
    agent = PPOAgent(7, 3, **(QUICK | {"entropy_coefficient": 0.5, "entropy_decay": 0.5}))
    agent.statistics = LearningStatistics()
    live(agent, steps(4, 9, seed=0))
    assert agent.entropy_coefficient == 0.125
    for name in ("loss", "critic_loss"):
        recorded = agent.statistics.get_metrics(name)
        assert recorded is not None
        assert len(recorded) == 2


def test_a_saved_agent_decides_and_values_the_same(tmp_path: Path) -> None:
    saved, loaded = PPOAgent(7, 3, **QUICK, random_state=0), PPOAgent(7, 3, **QUICK, random_state=1)
    live(saved, steps(4, 20, seed=0))
    saved.save(tmp_path / "agent.safetensors")
    loaded.load(tmp_path / "agent.safetensors")
    states = np.random.default_rng(0).random((50, 3), dtype=np.float32)
    for choice in (lambda agent: agent.actions_for_states(states, explore=False),
                   lambda agent: agent.value_estimator.predict(states)):  # fmt: skip
        assert choice(saved).tolist() == choice(loaded).tolist()


@pytest.mark.parametrize("bad", ["rewards", "next_observations"])
def test_broken_numbers_stop_it_before_parameters_change(bad: str) -> None:
    agent = PPOAgent(7, 3, **QUICK)
    before = agent.policy_estimator.learning_state()
    walk = list(steps(4, 4, seed=0))
    walk[-1] = walk[-1]._replace(**{bad: np.full_like(getattr(walk[-1], bad), np.nan)})

    def run() -> None:
        for step in walk:
            agent.store_experiences(step)

    with pytest.raises(FloatingPointError, match="nan"):
        run()
    assert_same_state(agent.policy_estimator.learning_state(), before)


def test_it_learns_the_same_from_steps_that_it_did_not_act_in() -> None:
    acting, watching = PPOAgent(7, 3, **QUICK), PPOAgent(7, 3, **QUICK)
    for step in steps(4, 12, seed=0):
        observations = step.observations.copy()
        acting.actions_for_states(observations)
        acting.store_experiences(step._replace(observations=observations))
        observations[:] = 0.5  # as environments do that write into one array
        watching.store_experiences(step)
    assert watching.updates == 3
    for name in "policy_estimator", "value_estimator":
        assert_same_state(getattr(acting, name).parameter_arrays(), getattr(watching, name).parameter_arrays())


def test_learning_rates_decay_with_the_updates(tmp_path: Path) -> None:
    agent, restored = (
        PPOAgent(7, 3, actor_learning_rate=0.5, critic_learning_rate=0.25, learning_rate_decay=0.5, **QUICK)
        for _ in range(2)
    )
    live(agent, steps(4, 12, seed=0))
    assert agent.updates == 3
    restored.load_state_dict(agent.state_dict())
    for each in (agent, restored):
        rates = [net.optimizer.param_groups[0]["lr"] for net in (each.policy_estimator, each.value_estimator)]
        assert rates == [0.5 / 8, 0.25 / 8]


def _return_on_the_pole(seed: int) -> float:
    manager = CartpoleManager(0, 8)
    manager.reward_threshold = np.inf
    agent = PPOAgent(
        2, 4, 0.98, actor_learning_rate=1e-3, steps_per_update=256, minibatch_size=256, epochs=20, gae_lambda=0.8,
        random_state=seed, device="cpu",
    )  # fmt: skip
    manager.train(agent, max_episodes=None, max_steps=25_000, should_print=False)
    outputs = CartpoleManager(1_000_000).execute_episodes(agent, 10)
    return float(np.mean([output.reward_sum for output in outputs]))


@pytest.mark.slow
def test_it_balances_the_pole() -> None:
    assert np.median([_return_on_the_pole(seed) for seed in range(3)]) >= 250
