"""Agents that bound the cost of sessions, or learn for the worst group."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

from contracts.agents import AgentContract, AgentSmoke, assert_same_state, live, steps
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.agents.actor_critic import ActorCriticAgent
from pydeeprecsys.rl.agents.agent import ReinforcementLearning
from pydeeprecsys.rl.agents.dqn import DQNAgent
from pydeeprecsys.rl.agents.ppo import PPOAgent
from pydeeprecsys.rl.agents.rainbow import RainbowDQNAgent
from pydeeprecsys.rl.agents.reinforce import ReinforceAgent
from pydeeprecsys.rl.experience_replay.transition import Transition
from pydeeprecsys.rl.learning_statistics import LearningStatistics

TAIL: dict[str, Any] = {"cost_limit": 0.3, "cvar_level": 0.5, "multiplier_rate": 2.0, "quantile_rate": 0.1}
Make = Callable[..., ReinforcementLearning]


def ppo(n_actions: int = 3, state_size: int = 1, seed: int = 0, **options: Any) -> PPOAgent:
    sizes: dict[str, Any] = {"steps_per_update": 160, "epochs": 4, "minibatch_size": 80, "actor_learning_rate": 0.005}
    return PPOAgent(n_actions, state_size, device="cpu", random_state=seed, **{**sizes, **options})


def reinforce(n_actions: int = 3, state_size: int = 1, seed: int = 0, **options: Any) -> ReinforceAgent:
    return ReinforceAgent(n_actions, state_size, [16], 0.5, 0.01, device="cpu", random_state=seed, **options)


def actor_critic(n_actions: int = 3, state_size: int = 1, seed: int = 0, **options: Any) -> ActorCriticAgent:
    return ActorCriticAgent(
        n_actions, state_size, 0.5, [16], [16], 0.01, 0.01, device="cpu", random_state=seed, **options
    )


def dqn(n_actions: int = 3, state_size: int = 1, seed: int = 0, **options: Any) -> DQNAgent:
    sizes: dict[str, Any] = {"buffer_burn_in": 64, "decay_rate": 0.97, "network_sync_frequency": 50}
    return DQNAgent(
        state_size,
        n_actions,
        [16],
        **sizes,
        discount_factor=0.5,
        learning_rate=0.01,
        device="cpu",
        random_state=seed,
        **options,
    )


def rainbow(n_actions: int = 3, state_size: int = 1, seed: int = 0, **options: Any) -> RainbowDQNAgent:
    return RainbowDQNAgent(
        state_size,
        n_actions,
        buffer_burn_in=64,
        noise_sigma=0.5,
        discount_factor=0.5,
        learning_rate=0.005,
        hidden_layers=[16, 16, 8, 8],
        device="cpu",
        random_state=seed,
        **options,
    )


class TestConstrainedPPOContract(AgentContract):
    test_storing_one_step_is_storing_a_batch_of_one = None  # one step has no cost
    has_probabilities = True
    generators = frozenset({"generator", "order"})

    def make(self, n_actions: int, state_size: int, seed: int) -> PPOAgent:
        quick: dict[str, Any] = {"steps_per_update": 16, "epochs": 2, "minibatch_size": 6}
        return ppo(n_actions, state_size, seed, **TAIL, worst_group_rate=0.1, **quick)


class TestConstrainedReinforceContract(AgentSmoke):
    has_probabilities = True

    def make(self, n_actions: int, state_size: int, seed: int) -> ReinforceAgent:
        return reinforce(n_actions, state_size, seed, **TAIL, worst_group_rate=0.1)


class TestConstrainedActorCriticContract(AgentSmoke):
    has_probabilities = True

    def make(self, n_actions: int, state_size: int, seed: int) -> ActorCriticAgent:
        return actor_critic(n_actions, state_size, seed, **TAIL, worst_group_rate=0.1)


class TestConstrainedDQNContract(AgentSmoke):
    has_probabilities = True
    generators = frozenset({"generator", "exploration"})

    def make(self, n_actions: int, state_size: int, seed: int) -> DQNAgent:
        return DQNAgent(
            state_size,
            n_actions,
            [8],
            2,
            buffer_burn_in=8,
            batch_size=4,
            cost_limit=0.3,
            device="cpu",
            random_state=seed,
        )


class Shop(gym.Env[np.ndarray[Any, np.dtype[np.float32]], np.int64]):
    """Sessions of eight sales: action 0 pays 1 and costs 1, action 1 pays 0.6 and costs 0.2, action 2 nothing.

    Customers of the group 1, the observation, are paid a tenth by action 0, and 1 by action 2.
    """

    observation_space, action_space = Box(0, 1, (1,), np.float32), Discrete(3)

    def __init__(self, with_groups: bool = False) -> None:
        self.with_groups = with_groups

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.sales, self.group = 0, int(self.with_groups and self.np_random.random() < 0.3)
        return np.array([self.group * 0.0], dtype=np.float32), {}

    def step(self, action: np.int64) -> Any:
        self.sales += 1
        reward, cost = ((1.0, 1.0), (0.6, 0.2), (0.0, 0.0))[action]
        if self.group:
            reward = (0.1, 0.6, 1.0)[action]
        infos = {"cost": cost, "group": self.group} if self.with_groups else {"cost": cost}
        return np.zeros(1, dtype=np.float32), reward, self.sales == 8, False, infos


def trained(agent: ReinforcementLearning, n_steps: int, **shop: Any) -> ReinforcementLearning:
    from pydeeprecsys.rl.manager import Manager

    gym.register("Shop-v0", Shop, kwargs=shop)
    manager = Manager("Shop-v0", seed=1, n_envs=8)
    manager.reward_threshold = float("inf")
    manager.train(agent, LearningStatistics(), max_steps=n_steps, max_episodes=n_steps, should_print=False)
    return agent


def shares(agent: ReinforcementLearning) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Probabilities of the actions."""
    state = np.zeros((3, 1), dtype=np.float32)
    return np.exp(agent.log_probabilities(state, np.arange(3)[:, None]))


@pytest.mark.slow
@pytest.mark.parametrize("tail", [{}, {"cvar_level": 0.5, "multiplier_rate": 5.0, "quantile_rate": 0.01}])
@pytest.mark.parametrize("make", [ppo, reinforce, actor_critic])
def test_policies_meet_a_bound_that_the_best_without_one_violates(make: Make, tail: dict[str, Any]) -> None:
    free = shares(trained(make(), 16_000))
    assert free[0] > 0.8  # cost 0.8 and more
    bound = shares(trained(make(cost_limit=0.4, **{"multiplier_rate": 0.5, **tail}), 40_000))
    cost = bound[0] + 0.2 * bound[1]
    assert cost < 0.4 + 0.08  # the mean is below the CVaR; λ oscillates about its value
    assert bound[0] + 0.6 * bound[1] > 0.45  # at the bound, actions 0 and 1 a quarter and three quarters pay 0.7


@pytest.mark.slow
@pytest.mark.parametrize("make", [dqn, rainbow])
def test_values_meet_a_bound_that_the_best_without_one_violates(make: Make) -> None:
    state = np.zeros((1, 1), dtype=np.float32)
    assert trained(make(), 6000).actions_for_states(state, explore=False).tolist() == [0]
    bound = trained(make(cost_limit=0.3, multiplier_rate=0.01), 12_000)
    # Greedy policies that alternate between actions 0 and 1 cost 0.3 on average: either may be the last.
    assert isinstance(bound, DQNAgent | RainbowDQNAgent)
    assert bound.cost_critic is not None
    # At λ = 0.5 the two are worth the same: 1 - λ and 0.6 - 0.2 λ.
    assert bound.cost_critic.constraint.multiplier == pytest.approx(0.5, abs=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("make", [ppo, reinforce, actor_critic])
def test_group_weights_raise_the_return_of_the_worst_group(make: Make) -> None:
    # Seven of ten customers want action 0, the others action 2; both are content with action 1.
    free = shares(trained(make(), 16_000, with_groups=True))
    assert free[0] > 0.8  # the second group is paid 0.1
    fair = shares(trained(make(worst_group_rate=0.02), 40_000, with_groups=True))
    worst = min(fair @ [1, 0.6, 0], fair @ [0.1, 0.6, 1])
    assert worst > 0.5


@pytest.mark.parametrize("make", [ppo, reinforce, actor_critic, dqn, rainbow])
def test_a_constraint_needs_costs(make: Make) -> None:
    agent = make(3, 3, cost_limit=0.5)
    with pytest.raises(InputError, match=r"cost_limit bounds info\['cost'\], which the environment does not give"):
        agent.store_experiences(next(steps(2, 1, seed=0))._replace(costs=None))


@pytest.mark.parametrize("make", [ppo, reinforce, actor_critic])
def test_group_weights_need_groups(make: Make) -> None:
    with pytest.raises(InputError, match=r"say --env-option group=sex"):
        make(worst_group_rate=0.5).store_experiences(next(steps(2, 1, seed=0))._replace(groups=None))


@pytest.mark.parametrize("make", [ppo, reinforce, actor_critic, dqn, rainbow])
def test_a_bound_that_nothing_violates_changes_little_of_what_is_kept(make: Make) -> None:
    state = make(3, 3, cost_limit=0.5).state_dict()
    with pytest.raises(InputError):
        make(3, 3).load_state_dict(state)
    other = make(3, 3, seed=1, cost_limit=0.5)
    other.load_state_dict(state)
    assert_same_state(other.state_dict(), state)


@pytest.mark.parametrize("make", [dqn, rainbow])
def test_only_a_limit_has_a_multiplier_rate(make: Make) -> None:
    with pytest.raises(InputError, match="multiplier_rate is of a constraint: give cost_limit too, or leave it out"):
        make(multiplier_rate=1.0)


@pytest.mark.parametrize("make", [ppo, reinforce, actor_critic, dqn, rainbow])
def test_an_agent_says_that_its_constraint_is_not_met(make: Make) -> None:
    agent = make(3, 3, cost_limit=0.1, multiplier_rate=1e6)
    assert agent.note == ""
    walk = (step._replace(costs=np.full(4, 0.7)) for step in steps(4, 120, seed=0))
    live(agent, walk)
    assert "the constraint is not met in training: the cost is 0.7 over the last" in agent.note


def test_the_multiplier_is_logged() -> None:
    agent, statistics = ppo(3, 3, steps_per_update=40, minibatch_size=20, cost_limit=0.1), LearningStatistics()
    agent.statistics = statistics
    live(agent, steps(4, 30, seed=0))
    for name in ("session_cost", "multiplier"):
        logged = statistics.get_metrics(name)
        assert logged is not None
        assert len(logged) == 3


def test_unconstrained_agents_keep_no_costs() -> None:
    agent = ppo(3, 3)
    live(agent, steps(4, 3, seed=0))
    kept = agent.memory.steps()
    assert isinstance(kept, Transition)
    assert (kept.costs, kept.groups) == (None, None)
