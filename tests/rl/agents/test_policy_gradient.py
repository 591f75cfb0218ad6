"""The expected update of the policy-gradient agents, over all that can happen, against the exact policy gradient."""

import math
from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.agents import masked_steps
from pydeeprecsys.rl.agents import actor_critic
from pydeeprecsys.rl.agents.actor_critic import ActorCriticAgent
from pydeeprecsys.rl.agents.policy_gradient import PolicyGradientAgent
from pydeeprecsys.rl.agents.reinforce import ReinforceAgent

# Three steps at most; action 1 ends the episode, action 0 goes on. The policy differs from step to step.
REWARDS = np.array([[1.0, 2.5], [-0.5, 1.0], [4.0, 0.25]])  # (time, action)
POLICY = np.array([[0.7, 0.3], [0.6, 0.4], [0.2, 0.8]])  # (time, action)
EPISODES = [(1,), (0, 1), (0, 0, 0), (0, 0, 1)]


class Update(NamedTuple):
    """What a policy is updated with."""

    times: NDArray[np.int64]
    advantages: NDArray[np.float64]
    actions: NDArray[np.int64]
    n_episodes: int
    log_probabilities: NDArray[np.float64]


def exact_gradient(discount: float) -> NDArray[np.float64]:
    """(time, action) gradient of the expected return by the logits, from the values by backward induction."""
    values = np.zeros(4)
    action_values = np.zeros((3, 2))
    for t in (2, 1, 0):
        action_values[t] = REWARDS[t] + discount * np.array([values[t + 1], 0])
        values[t] = POLICY[t] @ action_values[t]
    reached = np.array([1, POLICY[0, 0], POLICY[0, 0] * POLICY[1, 0]])
    return reached[:, None] * POLICY * (action_values - values[:3, None])


def expected_gradient(make: Callable[[], PolicyGradientAgent], n_episodes: int) -> NDArray[np.float64]:
    """(time, action) mean over all outcomes of so many episodes of the gradient that the agent takes a step along."""
    gradient = np.zeros((3, 2))
    for outcome in product(EPISODES, repeat=n_episodes):
        chance = np.prod([POLICY[t, a] for episode in outcome for t, a in enumerate(episode)])
        update = play(make(), outcome)[-1]
        for t, advantage, action in zip(update.times, update.advantages, update.actions, strict=True):
            gradient[t] += chance * advantage * (np.eye(2)[action] - POLICY[t]) / update.n_episodes
    return gradient


def play(agent: PolicyGradientAgent, episodes: Any) -> list[Update]:
    """The updates of an agent that lives through some episodes, one after the other; its networks stay as they are."""
    updates = []

    def record(states: Any, advantages: Any, actions: Any, n_episodes: int, **others: Any) -> float:
        updates.append(Update(states.argmax(axis=1), advantages, actions, n_episodes, others["log_probabilities"]))
        return 0.0

    agent.policy_estimator.update = record  # type: ignore[method-assign]
    agent._learn_values = lambda states, returns: None  # type: ignore[method-assign]
    states = np.eye(4)
    for episode in episodes:
        for t, action in enumerate(episode):
            agent.store_experience(states[t], action, REWARDS[t, action], t == len(episode) - 1, states[t + 1])
    return updates


@pytest.mark.parametrize("discount", [1.0, 0.9])
@pytest.mark.parametrize("n_episodes", [1, 2, 3])
def test_reinforce_follows_the_exact_gradient(n_episodes: int, discount: float) -> None:
    def make() -> ReinforceAgent:
        return ReinforceAgent(2, 4, [], discount, episodes_per_update=n_episodes, device="cpu")

    np.testing.assert_allclose(expected_gradient(make, n_episodes), exact_gradient(discount), atol=1e-12)


@pytest.mark.parametrize("n_episodes", [1, 2])
def test_reinforce_follows_the_exact_gradient_after_earlier_updates(n_episodes: int) -> None:
    def make() -> ReinforceAgent:
        agent = ReinforceAgent(2, 4, [], 1.0, episodes_per_update=n_episodes, device="cpu")
        assert len(play(agent, [EPISODES[3], EPISODES[1]] * n_episodes)) == 2
        return agent

    np.testing.assert_allclose(expected_gradient(make, n_episodes), exact_gradient(1.0), atol=1e-12)


def test_the_actor_follows_the_exact_gradient_whatever_the_critic_says() -> None:
    def make() -> ActorCriticAgent:
        return ActorCriticAgent(2, 4, 1.0, [], [3], normalize_advantages=False, device="cpu")

    np.testing.assert_allclose(expected_gradient(make, 1), exact_gradient(1.0), atol=1e-12)


@pytest.mark.parametrize("n_episodes", [1, 2, 3])
def test_centered_advantages_of_the_actor_follow_it_too(n_episodes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actor_critic, "rescale", lambda values: values)  # by a number of each batch's own

    def make() -> ActorCriticAgent:
        return ActorCriticAgent(2, 4, 1.0, [], [3], episodes_per_update=n_episodes, device="cpu")

    np.testing.assert_allclose(expected_gradient(make, n_episodes), exact_gradient(1.0), atol=1e-12)


def test_normalized_advantages_of_the_actor_keep_their_signs_and_proportions() -> None:
    normalized, plain = (
        play(ActorCriticAgent(2, 4, 1.0, [], [3], normalize_advantages=normalize, device="cpu"), [EPISODES[2]])[0]
        for normalize in (True, False)
    )
    expected = plain.advantages / np.sqrt(np.mean(plain.advantages**2))
    np.testing.assert_allclose(normalized.advantages, expected, rtol=1e-12)


def test_with_one_environment_no_step_is_of_an_earlier_policy() -> None:
    for update in play(ReinforceAgent(2, 4, [], episodes_per_update=1, device="cpu"), [(0, 1), (1,), (0, 0, 1)]):
        assert np.isnan(update.log_probabilities).all()


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("kind", [ReinforceAgent, ActorCriticAgent])
def test_steps_of_an_earlier_policy_come_with_its_log_probabilities(
    kind: type[PolicyGradientAgent], standardize: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = kind(n_actions=7, state_size=3, standardize_states=standardize, episodes_per_update=1, device="cpu")
    policy, given = agent.policy_estimator, []
    update = policy.update

    def record(*arguments: Any, **others: Any) -> float:
        given.append(others["log_probabilities"].tolist())
        return update(*arguments, **others)

    monkeypatch.setattr(policy, "update", record)
    acted: list[list[float]] = []
    # Two environments: the first's episodes are of one and three steps, the other's is of three.
    for step, ends in zip(masked_steps(2, 4, seed=0), ([1, 0], [0, 0], [0, 1], [1, 0]), strict=True):
        taken = step._replace(actions=agent.actions_for_states(step.observations, action_masks=step.action_masks))
        acted.append(policy.log_probabilities(taken.observations, taken.shown, taken.action_masks).tolist())
        over = np.array(ends, dtype=np.bool_)
        agent.store_experiences(taken._replace(terminated=over, truncated=over & False, began=np.zeros(2) > 0))
    (a, b), (c, d), (e, _), _ = acted
    assert given[0] == pytest.approx([math.nan], nan_ok=True)
    assert given[1] == pytest.approx([b, math.nan, math.nan], nan_ok=True)
    assert given[2] == pytest.approx([c, e, math.nan], nan_ok=True)
    assert len({a, b, c, d, e}) == 5


def test_the_running_mean_of_the_returns_by_hand() -> None:
    agent = ReinforceAgent(2, 4, [], 1.0, episodes_per_update=1, device="cpu")
    updates = play(agent, [(0, 1), (1,), (0, 0, 1)])
    # Returns 2, 1; then 2.5; then 0.75, −0.25, 0.25. Before the third update the first step's mean is
    # (0.95 · 2 + 2.5) / (0.95 + 1), the second's 1.
    np.testing.assert_allclose(updates[0].advantages, [2, 1])
    np.testing.assert_allclose(updates[1].advantages, [0.5])
    np.testing.assert_allclose(updates[2].advantages, [0.75 - 4.4 / 1.95, -0.25 - 1, 0.25])


def test_the_normalized_returns_of_the_notebook_by_hand() -> None:
    agent = ReinforceAgent(2, 4, [], 1.0, baseline="normalized", episodes_per_update=1, device="cpu")
    # Returns 2 and 1.
    np.testing.assert_allclose(play(agent, [(0, 1)])[0].advantages, [1, -1])


def test_the_base_without_advantages_is_no_agent() -> None:
    with pytest.raises(TypeError, match=r"abstract method '?_advantages_and_returns"):
        PolicyGradientAgent(n_actions=2, state_size=1)  # type: ignore[abstract]
