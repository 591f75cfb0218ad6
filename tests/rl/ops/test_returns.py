import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pydeeprecsys.rl.ops.returns import (
    discounted_returns,
    generalized_advantages,
    last_steps,
    shuffled_episodes,
    steps_in_episode,
)

GAMMA = 0.9


@pytest.mark.parametrize(
    ("rewards", "discounts", "expected"),
    [
        ([1.0, 1.0, 1.0], [0.5, 0.5, 0.5], [1.75, 1.5, 1.0]),
        ([1.0, 2.0, 4.0], [1.0, 1.0, 1.0], [7.0, 6.0, 4.0]),
        ([1.0, 2.0, 4.0], [0.0, 0.0, 0.0], [1.0, 2.0, 4.0]),
        # Two episodes, the first of two steps.
        ([1.0, 2.0, 4.0, 8.0], [0.5, 0.0, 0.5, 0.0], [2.0, 2.0, 8.0, 8.0]),
        ([], [], []),
    ],
)
def test_hand_computed(rewards: list[float], discounts: list[float], expected: list[float]) -> None:
    returns = discounted_returns(np.array(rewards)[:, None], np.array(discounts)[:, None])
    np.testing.assert_allclose(returns[:, 0], expected)


def test_columns_are_independent() -> None:
    rewards = np.array([[1.0, 0.0], [1.0, 8.0]])
    discounts = np.array([[0.5, 0.25], [0.0, 0.0]])
    np.testing.assert_allclose(discounted_returns(rewards, discounts), [[1.5, 2.0], [1.0, 8.0]])


def test_integer_rewards_give_fractions() -> None:
    returns = discounted_returns(np.array([[1], [1]]), np.full((2, 1), 0.5))
    assert returns.dtype == np.float64
    assert returns[0, 0] == 1.5


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"discount_t.*\(3, 1\).*time = 3, n = 2"):
        discounted_returns(np.ones((3, 2)), np.ones((3, 1)))


def column(*numbers: float) -> NDArray[np.float64]:
    return np.array(numbers)[:, None]


# Rewards 1, 2, 4, discount factor and lambda 0.5, values 1, 1, 3 of the states where the steps started.
@pytest.mark.parametrize(
    ("discounts", "ended", "values", "expected"),
    [
        # δ = 1 + 0.5 · 1 − 1 = 0.5, 2 + 0.5 · 3 − 1 = 2.5, 4 + 0.5 · 5 − 3 = 3.5;
        # A = 3.5, 2.5 + 0.25 · 3.5 = 3.375, 0.5 + 0.25 · 3.375 = 1.34375.
        ([0.5] * 3, [0, 0, 0], [1, 3, 5], [1.34375, 3.375, 3.5]),
        # Terminated with the second step: δ = 2 − 1 = 1 there, and A = 0.5 + 0.25 · 1 before it.
        ([0.5, 0, 0.5], [0, 1, 0], [1, 9, 5], [0.75, 1, 3.5]),
        # Truncated there, in a state of value 7: δ = 2 + 0.5 · 7 − 1 = 4.5, and A = 0.5 + 0.25 · 4.5 before it.
        ([0.5] * 3, [0, 1, 0], [1, 7, 5], [1.625, 4.5, 3.5]),
    ],
)
def test_generalized_advantages_hand_computed(
    discounts: list[float], ended: list[int], values: list[float], expected: list[float]
) -> None:
    advantages = generalized_advantages(
        column(1, 2, 4), column(*discounts), column(*ended).astype(bool), column(1, 1, 3), column(*values), 0.5
    )
    np.testing.assert_allclose(advantages, column(*expected))


Episodes = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]


def episodes(seed: int, time: int = 9, n: int = 3) -> Episodes:
    """Rewards, discounts, ends and values before and after, of episodes terminated, truncated and unfinished."""
    rng = np.random.default_rng(seed)
    terminated, truncated = rng.random((2, time, n)) < 0.2
    v_tm1 = rng.normal(size=(time, n))
    v_t = np.vstack([v_tm1[1:], rng.normal(size=(1, n))])
    ended = terminated | truncated
    v_t[ended] = rng.normal(size=ended.sum())
    return rng.normal(size=(time, n)), GAMMA * ~terminated, ended, v_tm1, v_t


def n_step_returns(
    r_t: NDArray[np.float64],
    discount_t: NDArray[np.float64],
    ended_t: NDArray[np.bool_],
    v_t: NDArray[np.float64],
    n_steps: int,
) -> NDArray[np.float64]:
    """Rewards of up to n_steps steps and the value of the state after them, by a walk from each step."""
    returns = np.empty(r_t.shape)
    for start, column_ in np.ndindex(r_t.shape):
        total, discount, row = 0.0, 1.0, start
        for row in range(start, min(start + n_steps, len(r_t))):
            total += discount * r_t[row, column_]
            discount *= discount_t[row, column_]
            if ended_t[row, column_]:
                break
        returns[start, column_] = total + discount * v_t[row, column_]
    return returns


@given(st.integers(0, 2**32 - 1))
def test_advantages_with_lambda_0_are_td_errors_and_with_1_returns_minus_values(seed: int) -> None:
    r_t, discount_t, ended_t, v_tm1, v_t = episodes(seed)
    np.testing.assert_allclose(
        generalized_advantages(r_t, discount_t, ended_t, v_tm1, v_t, 0.0), r_t + discount_t * v_t - v_tm1
    )
    # The value after the last step of an episode counts as one more reward with it, and none after it does.
    rewards = np.where(ended_t, r_t + discount_t * v_t, r_t)
    rewards[-1] = r_t[-1] + discount_t[-1] * v_t[-1]
    np.testing.assert_allclose(
        generalized_advantages(r_t, discount_t, ended_t, v_tm1, v_t, 1.0),
        discounted_returns(rewards, GAMMA * ~ended_t) - v_tm1,
        atol=1e-12,
    )


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_advantages_are_the_weighted_mean_of_all_n_step_advantages(seed: int, lambda_: float) -> None:
    # Their definition, (1 − λ) · Σ_k λ^(k−1) · A^(k), where A^(k) stays the same once k reaches the end.
    r_t, discount_t, ended_t, v_tm1, v_t = episodes(seed)
    time = len(r_t)
    weights = [(1 - lambda_) * lambda_ ** (k - 1) for k in range(1, time)] + [lambda_ ** (time - 1)]
    expected = sum(
        weight * (n_step_returns(r_t, discount_t, ended_t, v_t, k) - v_tm1) for k, weight in enumerate(weights, start=1)
    )
    np.testing.assert_allclose(
        generalized_advantages(r_t, discount_t, ended_t, v_tm1, v_t, lambda_), expected, atol=1e-12
    )


def test_no_argument_is_changed() -> None:
    arrays = episodes(0)
    copies = [array.copy() for array in arrays]
    r_t, discount_t, ended_t, v_tm1, v_t = arrays
    last_steps(ended_t, ended_t, ended_t)
    steps_in_episode(ended_t)
    generalized_advantages(r_t, discount_t, ended_t, v_tm1, v_t, 0.5)
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_arguments_that_cannot_be_are_refused() -> None:
    r_t, discount_t, ended_t, v_tm1, v_t = episodes(0)
    with pytest.raises(ValueError, match=r"lambda_ must be in \[0, 1\], it is 1\.5"):
        generalized_advantages(r_t, discount_t, ended_t, v_tm1, v_t, 1.5)
    with pytest.raises(ValueError, match="v_tm1"):
        generalized_advantages(r_t, discount_t, ended_t, v_tm1[:1], v_t, 0.5)


def test_steps_are_numbered_within_their_episodes() -> None:
    # One environment ends after its second step, the other after its first and third.
    ended = np.array([[0, 1], [1, 0], [0, 1], [0, 0]], dtype=np.bool_)
    assert steps_in_episode(ended).T.tolist() == [[0, 1, 0, 1], [0, 0, 1, 0]]


def test_the_last_steps_are_those_that_end_or_that_no_step_of_the_episode_follows() -> None:
    no = np.zeros((5, 1), dtype=np.bool_)
    terminated, truncated, began = no.copy(), no.copy(), no.copy()
    terminated[0] = truncated[2] = began[[0, 1, 3, 4]] = True  # the episode of step 3 was abandoned
    assert last_steps(terminated, truncated, began)[:, 0].tolist() == [True, False, True, True, False]


def test_episodes_are_shuffled_whole() -> None:
    # Episodes of the first environment: rows 0, 2 | 4, 6; of the second: 1 | 3, 5 | 7.
    ended = np.array([[False, True], [True, False], [False, True], [True, True]])
    orders = [shuffled_episodes(ended, np.random.default_rng(seed)).tolist() for seed in range(50)]
    for order in orders:
        assert sorted(order) == list(range(8))
        for first, second in ((0, 2), (4, 6), (3, 5)):
            assert order.index(second) == order.index(first) + 1
    assert len({tuple(order) for order in orders}) > 30
