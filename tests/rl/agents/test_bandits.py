import math
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.agents import AgentContract, AgentSmoke, assert_same_state, live, steps
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.agents.bandits import LinearBandit, LinUCBAgent, ThompsonSamplingAgent, observations
from pydeeprecsys.rl.experience_replay.transition import Transition
from pydeeprecsys.rl.ops.ridge import ItemRegression, JointRegression, Observations

BANDITS: list[type[LinearBandit]] = [LinUCBAgent, ThompsonSamplingAgent]


def features(n_actions: int) -> NDArray[np.float64]:
    return np.random.default_rng(0).random((n_actions, 4))


class TestLinUCBContract(AgentContract):
    def make(self, n_actions: int, state_size: int, seed: int) -> LinUCBAgent:
        return LinUCBAgent(n_actions, state_size, update_frequency=4, random_state=seed)


class TestLinUCBWithItemFeaturesContract(AgentSmoke):
    test_other_seeds_give_other_lives = None  # where no scores tie, there is no chance to it

    def make(self, n_actions: int, state_size: int, seed: int) -> LinUCBAgent:
        table = features(n_actions)
        return LinUCBAgent(n_actions, state_size, update_frequency=4, item_features=table, random_state=seed)


class TestThompsonSamplingContract(AgentSmoke):
    def make(self, n_actions: int, state_size: int, seed: int) -> ThompsonSamplingAgent:
        return ThompsonSamplingAgent(n_actions, state_size, update_frequency=4, random_state=seed)


@pytest.mark.slow
class TestThompsonSamplingWithItemFeaturesContract(AgentContract):
    def make(self, n_actions: int, state_size: int, seed: int) -> ThompsonSamplingAgent:
        table = features(n_actions)
        return ThompsonSamplingAgent(n_actions, state_size, update_frequency=4, item_features=table, random_state=seed)


def step(
    states: Any,
    actions: Any,
    rewards: Any,
    slates: Any = None,
    choices: Any = None,
    item_rewards: Any = None,
) -> Transition:
    states, rewards = np.asarray(states, dtype=np.float64), np.asarray(rewards, dtype=np.float64)
    over = np.zeros(len(states), dtype=np.bool_)
    return Transition(
        states,
        np.asarray(actions),
        rewards,
        over,
        over,
        states,
        slates=None if slates is None else np.asarray(slates),
        choices=None if choices is None else np.asarray(choices),
        item_rewards=None if item_rewards is None else np.asarray(item_rewards, dtype=np.float64),
    )


@pytest.fixture
def by_hand() -> JointRegression:
    """λ = 2, items −1 and 1, one observation: state 1, item 1, reward 3.

    φ = (1, 1) ⊗ (1, 1), all ones. A = 2·I + 1·1^T, so A^-1 = I/2 − 1·1^T/12; b = 3·1, A^-1 b = 3·(1/2 − 4/12) = 1/2.
    """
    regression = JointRegression(1, np.array([[-1.0], [1.0]]), 2.0)
    regression.add(Observations(np.array([[1.0]]), np.array([1]), np.array([3.0])))
    return regression


def test_a_posterior_by_hand(by_hand: JointRegression) -> None:
    # The mean is (1 + state) · (1 ± 1) / 2; the variance 2 − 16/12 of what was seen, 2 of what is orthogonal to it.
    np.testing.assert_allclose(by_hand.means(np.array([[1.0], [3.0]])), [[0, 2], [0, 4]], atol=1e-12)
    np.testing.assert_allclose(by_hand.deviations(np.array([[1.0]])), [[math.sqrt(2), math.sqrt(2 / 3)]])
    # State 3 makes φ = (1, ∓1, 3, ∓3): squared length 20, sums 0 and 8.
    expected = [[math.sqrt(20 / 2), math.sqrt(20 / 2 - 64 / 12)]]
    np.testing.assert_allclose(by_hand.deviations(np.array([[3.0]])), expected)


def test_linucb_weighs_means_and_deviations_by_hand() -> None:
    # As above, for the features 0 and 1 are −1 and 1 when standardised: item 0 has the score 0 + scale · 1.414, item 1
    # has 2 + scale · 0.816; they are equal at the scale 3.346.
    for scale, best in ((3.3, 1), (3.4, 0)):
        agent = LinUCBAgent(
            2, 1, exploration_scale=scale, regularization=2.0, update_frequency=1, item_features=[[0.0], [1.0]]
        )
        agent.store_experiences(step([[1.0]], [1], [3.0]))
        assert agent.action_for_state(np.array([1.0])) == best
        assert agent.action_for_state(np.array([1.0]), explore=False) == 1


def test_thompson_draws_have_the_posterior_s_moments(by_hand: JointRegression) -> None:
    scores = by_hand.samples(np.full((40_000, 1), 1.0), 0.5, np.random.default_rng(0))
    # Standard errors: of the means 0.5 · 1.41 / 200 at most, of the variances that squared by √2.
    np.testing.assert_allclose(scores.mean(axis=0), [0, 2], atol=0.014)
    # The two are orthogonal directions, of which 1·1^T takes from one only: uncorrelated.
    np.testing.assert_allclose(np.cov(scores.T), np.diag([0.25 * 2, 0.25 * 2 / 3]), atol=0.014)


def test_the_posterior_is_that_of_the_joint_features_written_out() -> None:
    rng = np.random.default_rng(1)
    items, regularization = rng.normal(size=(6, 3)), 0.7
    regression = JointRegression(2, items, regularization)
    precision, response = regularization * np.eye(12), np.zeros(12)
    for m in (5, 1, 2500):
        seen = Observations(rng.normal(size=(m, 2)), rng.integers(6, size=m), rng.normal(size=m))
        regression.add(seen)
        for state, item, reward in zip(*seen, strict=True):
            joint = np.kron([1, *state], [1, *items[item]])
            precision += np.outer(joint, joint)
            response += reward * joint
        states = rng.normal(size=(20, 2))
        joints = np.array([[np.kron([1, *state], [1, *item]) for item in items] for state in states])
        np.testing.assert_allclose(regression.means(states), joints @ np.linalg.solve(precision, response), atol=1e-9)
        variances = np.einsum("nid,de,nie->ni", joints, np.linalg.inv(precision), joints)
        np.testing.assert_allclose(regression.deviations(states), np.sqrt(variances), rtol=1e-8)


def test_means_of_items_by_hand() -> None:
    regression = ItemRegression(3, 2.0)
    assert regression.means(np.zeros((1, 4))).tolist() == [[0, 0, 0]]
    seen = Observations(np.zeros((4, 4)), np.array([0, 0, 2, 0]), np.array([1.0, 0.0, 6.0, 1.0]))
    regression.add(seen)
    # The mean of all is 2: (2 · 2 + 2) / (2 + 3), 2 · 2 / 2, (2 · 2 + 6) / (2 + 1).
    np.testing.assert_allclose(regression.means(np.zeros((2, 4))), [[6 / 5, 2, 10 / 3]] * 2)
    np.testing.assert_allclose(regression.deviations(np.zeros((2, 4))), [[5**-0.5, 2**-0.5, 3**-0.5]] * 2)
    scores = regression.samples(np.zeros((40_000, 4)), 0.5, np.random.default_rng(0))
    np.testing.assert_allclose(scores.mean(axis=0), [6 / 5, 2, 10 / 3], atol=0.009)
    np.testing.assert_allclose(np.cov(scores.T), np.diag([0.25 / 5, 0.25 / 2, 0.25 / 3]), atol=0.005)


def test_what_slates_say_of_items() -> None:
    seen = observations(
        step([[0.1], [0.2], [0.3]], [4, 7, 9], [0.5, 0.0, 0.25], [[5, 4], [7, 8], [9, 1]], choices=[1, -1, 0])
    )
    order = np.argsort(seen.items)
    assert seen.items[order].tolist() == [4, 7, 8, 9]
    assert seen.states[order].tolist() == [[0.1], [0.2], [0.2], [0.3]]
    assert seen.rewards[order].tolist() == [0.5, 0, 0, 0.25]
    seen = observations(step([[0.1], [0.2]], [4, 7], [0.5, 0.75]))
    assert (seen.items.tolist(), seen.rewards.tolist(), seen.states.tolist()) == ([4, 7], [0.5, 0.75], [[0.1], [0.2]])


def test_of_a_consumed_slate_each_item_has_its_own_reward() -> None:
    nan = math.nan
    seen = observations(
        step(
            [[0.1], [0.2], [0.3]], [4, 7, 9], [0.5, 0.0, 0.2], [[5, 4], [7, 8], [9, 1]],
            choices=[1, -1, 0], item_rewards=[[0.4, 0.6], [nan, nan], [0.2, nan]],
        )
    )  # fmt: skip
    # Both of the first slate, none of the second, of which each item is refused, and one of the third.
    assert seen.items.tolist() == [5, 4, 9, 7, 8]
    assert seen.rewards.tolist() == [0.4, 0.6, 0.2, 0, 0]
    assert seen.states.tolist() == [[0.1], [0.1], [0.3], [0.2], [0.2]]


@pytest.mark.parametrize("bandit", BANDITS)
def test_it_learns_as_often_as_it_says(bandit: type[LinearBandit]) -> None:
    agent = bandit(3, 1, update_frequency=4, update_growth=0.5)
    learned = []
    for _ in range(20):
        agent.store_experiences(step([[0.0]], [0], [1.0]))
        learned.append(int(agent.regression.arrays()["counts"].sum()))
    # After 4, 4 again, then a half of 8, a half of 12 and of 18.
    assert learned == [0] * 3 + [4] * 4 + [8] * 4 + [12] * 6 + [18] * 3


def world(rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Eight states and eight items around a circle: the nearer, the better; a random pair is worth 1/2."""
    angles = np.arange(8) * math.pi / 4
    circle = np.column_stack([np.cos(angles), np.sin(angles)])
    items = circle[rng.permutation(8)]
    return circle, items, (1 + circle @ items.T) / 2


@pytest.mark.parametrize("bandit", BANDITS)
def test_it_learns_which_item_is_best_in_which_state(bandit: type[LinearBandit]) -> None:
    rng = np.random.default_rng(0)
    states, items, worth = world(rng)
    agent = bandit(8, 2, item_features=items, exploration_scale=0.2)

    def judge() -> float:
        return float(worth[np.arange(8), agent.actions_for_states(states, explore=False)].mean())

    assert judge() < 0.7
    for _ in range(100):
        rows = rng.integers(8, size=4)
        actions = agent.actions_for_states(states[rows])
        agent.store_experiences(step(states[rows], actions, worth[rows, actions] + rng.normal(0, 0.2, size=4)))
    assert judge() >= 0.99


@pytest.mark.parametrize("bandit", BANDITS)
def test_without_features_it_learns_which_item_is_best(bandit: type[LinearBandit]) -> None:
    rng = np.random.default_rng(0)
    worth = np.linspace(0.2, 0.8, 10)
    agent = bandit(10, 2, exploration_scale=0.2, update_frequency=1)
    shown = np.zeros(10)
    for _ in range(400):
        action = agent.action_for_state(np.zeros(2))
        shown[action] += 1
        agent.store_experiences(step([[0.0, 0.0]], [action], [worth[action] + rng.normal(0, 0.2)]))
    # Every item was tried, and the time was spent with the best ones.
    assert shown.min() >= 1
    assert shown @ worth / 400 >= 0.7
    assert agent.top_k_actions_for_state(np.zeros(2), 2, explore=False).tolist() == [9, 8]


def test_ties_are_broken_at_random_in_exploration() -> None:
    agent = LinUCBAgent(5, 1)
    shown = agent.top_k_actions_for_states(np.zeros((5000, 1)), 2)
    # 250 are expected of each of the 20 ordered pairs, with a standard deviation of 15.4.
    counts = np.bincount(shown[:, 0] * 5 + shown[:, 1], minlength=25).reshape(5, 5)
    assert abs(counts[~np.eye(5, dtype=bool)] - 250).max() < 4.5 * 15.4


def test_the_items_of_ignored_slates_lose() -> None:
    agent = LinUCBAgent(4, 1, exploration_scale=0.0, update_frequency=1)
    agent.store_experiences(step([[0.0], [0.0]], [0, 2], [1.0, 0.9], [[0, 1], [2, 3]], choices=[0, -1]))
    # Of three observations the mean is 1/3: it is what item 1, shown and not chosen, is thought to bring.
    np.testing.assert_allclose(agent.regression.means(np.zeros((1, 1))), [[4 / 6, 1 / 3, 1 / 6, 1 / 6]])


@pytest.mark.parametrize("bandit", BANDITS)
def test_many_items_take_little_memory(bandit: type[LinearBandit]) -> None:
    table = np.random.default_rng(0).random((4000, 40))
    agent = bandit(4000, 25, item_features=table, max_parameters=300)
    states = np.random.default_rng(1).random((64, 25))
    tracemalloc.start()
    try:
        agent.top_k_actions_for_states(states, 10)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The joint features of all would be 64 · 4000 · 286 numbers, 586 MB.
    assert peak < 40e6


def test_features_are_reduced_to_what_may_be_learned() -> None:
    rng = np.random.default_rng(0)
    strong, weak = rng.normal(size=(2, 30))
    table = np.column_stack([strong, 3 * strong + 1, -strong, weak, np.ones(30)])
    # (1 + 3) · (1 + 1) parameters leave room for the one direction that three of the four features share.
    agent = LinUCBAgent(30, 3, item_features=table, max_parameters=11)
    items = agent.regression.arrays()["items"]
    assert items.shape == (30, 2)
    assert abs(np.corrcoef(items[:, 1], strong)[0, 1]) > 0.95
    assert LinUCBAgent(30, 3, item_features=table).regression.arrays()["items"].shape == (30, 5)
    # Standardised and of unit length on average, whatever the scales.
    items = LinUCBAgent(30, 3, item_features=table * 1000).regression.arrays()["items"][:, 1:]
    assert (items**2).sum(axis=1).mean() == pytest.approx(1.0)


@pytest.mark.parametrize("bandit", BANDITS)
@pytest.mark.parametrize("table", [None, features(7)])
def test_saved_and_loaded(bandit: type[LinearBandit], table: NDArray[np.float64] | None, tmp_path: Path) -> None:
    def make(**options: Any) -> LinearBandit:
        return bandit(**{"n_actions": 7, "state_size": 3, "item_features": table, "update_frequency": 8, **options})

    # Principal components are settled up to rotation only: those that a bandit learned by come with what it learned.
    agent, loaded = make(), make(random_state=3, item_features=None if table is None else table[::-1])
    live(agent, steps(3, 25, seed=1))
    live(loaded, steps(3, 11, seed=2))
    agent.save(tmp_path / "folder" / "bandit.safetensors")
    loaded.load(tmp_path / "folder" / "bandit.safetensors")
    assert_same_state(loaded.state_dict()["regression"], agent.state_dict()["regression"])
    states = np.random.default_rng(0).random((20, 3))
    slates = agent.top_k_actions_for_states(states, 3, explore=False)
    assert loaded.top_k_actions_for_states(states, 3, explore=False).tolist() == slates.tolist()

    before = loaded.state_dict()
    other = make(n_actions=6, item_features=None if table is None else table[:6])
    other.save(tmp_path / "other")
    with pytest.raises(InputError, match=r"does not fit this .* of shape"):
        loaded.load(tmp_path / "other")
    with pytest.raises(InputError, match=r"does not fit this .* of shape"):
        loaded.load_state_dict(other.state_dict())
    (tmp_path / "damaged").write_bytes(b"what is this?")
    with pytest.raises(InputError, match="not a file of parameters"):
        loaded.load(tmp_path / "damaged")
    with pytest.raises(InputError, match="cannot read"):
        loaded.load(tmp_path / "nowhere")
    assert_same_state(loaded.state_dict(), before)


@pytest.mark.parametrize("bandit", BANDITS)
@pytest.mark.parametrize("table", [None, features(7)])
def test_broken_numbers_are_refused_and_what_was_learned_stays(
    bandit: type[LinearBandit], table: NDArray[np.float64] | None
) -> None:
    agent = bandit(7, 3, item_features=table, update_frequency=1)
    live(agent, steps(3, 10, seed=1))
    before = agent.state_dict()
    states = np.ones((2, 3))
    for broken in (math.nan, math.inf):
        with pytest.raises(FloatingPointError, match="rewards must be finite"):
            agent.store_experiences(step(states, [0, 1], [1.0, broken]))
        with pytest.raises(FloatingPointError, match="states must be finite"):
            agent.store_experiences(step(states * broken, [0, 1], [1.0, 1.0]))
    with pytest.raises(FloatingPointError, match="no longer finite"):
        agent.store_experiences(step(states, [0, 0], [1.7e308, 1.7e308]))
    if table is not None:
        # The sums are finite, but 1 is lost beside the squares of such states.
        with pytest.raises(FloatingPointError, match="too large"):
            agent.store_experiences(step(states * 1e12, [0, 1], [1.0, 1.0]))
    assert_same_state(agent.state_dict(), before)


@pytest.mark.parametrize("bandit", BANDITS)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"item_features": np.zeros(7)}, r"item_features .* \(7,\)"),
        ({"item_features": np.zeros((6, 2))}, r"for 7 items, it is \(6, 2\)"),
        ({"item_features": np.full((7, 2), math.nan)}, "item_features must be finite"),
        ({"item_features": np.ones((7, 2))}, "the same for all"),
        ({"item_features": features(7), "max_parameters": 7}, "give 8 or more"),
    ],
)
def test_item_features_that_do_not_fit_are_refused(
    bandit: type[LinearBandit], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        bandit(**{"n_actions": 7, "state_size": 3, **options})
