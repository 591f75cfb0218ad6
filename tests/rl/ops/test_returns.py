import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pydeeprecsys.rl.ops.returns import (
    discounted_returns,
    generalized_advantages,
    n_step_returns,
    n_step_transitions,
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


# Rewards 1, 2, 4, 8 with discount factor 0.5.
@pytest.mark.parametrize(
    ("discounts", "ended", "n_steps", "expected", "expected_discounts", "expected_last"),
    [
        # One step each is what was given.
        ([0.5] * 4, [0, 0, 0, 0], 1, [1, 2, 4, 8], [0.5, 0.5, 0.5, 0.5], [0, 1, 2, 3]),
        # 1 + 0.5 · 2 = 2, 2 + 0.5 · 4 = 4, 4 + 0.5 · 8 = 8; nothing follows the last row.
        ([0.5] * 4, [0, 0, 0, 0], 2, [2, 4, 8, 8], [0.25, 0.25, 0.25, 0.5], [1, 2, 3, 3]),
        # 1 + 0.5 · 2 + 0.25 · 4 = 3, 2 + 0.5 · 4 + 0.25 · 8 = 6.
        ([0.5] * 4, [0, 0, 0, 0], 3, [3, 6, 8, 8], [0.125, 0.125, 0.25, 0.5], [2, 3, 3, 3]),
        # More steps than rows: 3 + 0.125 · 8 = 4.
        ([0.5] * 4, [0, 0, 0, 0], 9, [4, 6, 8, 8], [0.0625, 0.125, 0.25, 0.5], [3, 3, 3, 3]),
        # Terminated with the second step: nothing counts after its reward.
        ([0.5, 0, 0.5, 0.5], [0, 1, 0, 0], 3, [2, 2, 8, 8], [0, 0, 0.25, 0.5], [1, 1, 3, 3]),
        # Truncated there: the state it led to counts, the rewards of the next episode do not.
        ([0.5] * 4, [0, 1, 0, 0], 3, [2, 2, 8, 8], [0.25, 0.5, 0.25, 0.5], [1, 1, 3, 3]),
    ],
)
def test_n_step_transitions_hand_computed(
    discounts: list[float],
    ended: list[int],
    n_steps: int,
    expected: list[float],
    expected_discounts: list[float],
    expected_last: list[int],
) -> None:
    rewards, products, last = n_step_transitions(
        column(1, 2, 4, 8), column(*discounts), column(*ended).astype(bool), n_steps
    )
    np.testing.assert_allclose(rewards, column(*expected))
    np.testing.assert_allclose(products, column(*expected_discounts))
    np.testing.assert_array_equal(last, column(*expected_last))


def test_n_step_returns_hand_computed() -> None:
    # Truncated with the second step: 2 + 0.25 · 20 = 7, 2 + 0.5 · 20 = 12, 8 + 0.25 · 40 = 18, 8 + 0.5 · 40 = 28.
    ended = column(0, 1, 0, 0).astype(bool)
    returns = n_step_returns(column(1, 2, 4, 8), np.full((4, 1), 0.5), ended, column(10, 20, 30, 40), 3)
    np.testing.assert_allclose(returns, column(7, 12, 18, 28))


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


@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_n_step_returns_agree_with_a_walk_over_each_step(seed: int, n_steps: int) -> None:
    r_t, discount_t, ended_t, _, v_t = episodes(seed)
    returns = n_step_returns(r_t, discount_t, ended_t, v_t, n_steps)
    for start, column_ in np.ndindex(r_t.shape):
        expected, discount, row = 0.0, 1.0, start
        for row in range(start, min(start + n_steps, len(r_t))):
            expected += discount * r_t[row, column_]
            discount *= discount_t[row, column_]
            if ended_t[row, column_]:
                break
        assert returns[start, column_] == pytest.approx(expected + discount * v_t[row, column_])


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
    n_step_returns(r_t, discount_t, ended_t, v_t, 3)
    generalized_advantages(r_t, discount_t, ended_t, v_tm1, v_t, 0.5)
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_arguments_that_cannot_be_are_refused() -> None:
    r_t, discount_t, ended_t, v_tm1, v_t = episodes(0)
    with pytest.raises(ValueError, match="n_steps must be at least 1, it is 0"):
        n_step_transitions(r_t, discount_t, ended_t, 0)
    with pytest.raises(ValueError, match="ended_t"):
        n_step_transitions(r_t, discount_t, ended_t[:, :1], 2)
    with pytest.raises(ValueError, match="v_t"):
        n_step_returns(r_t, discount_t, ended_t, v_t[:1], 2)
    with pytest.raises(ValueError, match=r"lambda_ must lie in 0\.\.1, it is 1\.5"):
        generalized_advantages(r_t, discount_t, ended_t, v_tm1, v_t, 1.5)
    with pytest.raises(ValueError, match="v_tm1"):
        generalized_advantages(r_t, discount_t, ended_t, v_tm1[:1], v_t, 0.5)
