import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydeeprecsys.rl.ops.constraints import (
    next_group_weights,
    next_multiplier,
    next_value_at_risk,
    session_sums,
    tail_excess,
)


def test_sums_restart_where_a_session_ended_or_was_abandoned() -> None:
    numbers = np.array([[1.0, 1], [2, 2], [4, 4], [8, 8]])
    ended = np.array([[0, 0], [1, 0], [0, 0], [0, 0]], dtype=bool)
    began = np.array([[0, 1], [0, 0], [1, 1], [0, 0]], dtype=bool)
    running = np.array([10.0, 10.0])
    # In the first column a session that has 10 ends with the second step; in the second, one is abandoned.
    assert session_sums(numbers, began, ended, running).tolist() == [[11, 1], [13, 3], [4, 4], [12, 12]]
    assert running.tolist() == [12, 12]
    assert session_sums(numbers[:1], began[1:2], ended[1:2], running).tolist() == [[13, 13]]
    assert running.tolist() == [0, 13]


def test_shapes_of_sums_must_agree() -> None:
    no = np.zeros((2, 3), dtype=bool)
    with pytest.raises(ValueError, match="running is of shape"):
        session_sums(np.ones((2, 3)), no, no, np.zeros(2))


def test_excess_over_the_value_at_risk_hand_computed() -> None:
    np.testing.assert_allclose(tail_excess(np.array([0.2, 0.5, 0.9]), 0.5, 0.75), [0, 0, 1.6])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.sampled_from([0.0, 0.5, 0.9]))
def test_the_value_at_risk_minimizes_its_sum_with_the_mean_excess(costs: list[float], level: float) -> None:
    c = np.array(costs)
    best = min(v + tail_excess(c, v, level).mean() for v in [0.0, *costs])
    tail = np.sort(c)[::-1]
    size = (1 - level) * len(c)
    weights = np.clip(size - np.arange(len(c)), 0, 1)  # the last session of the tail counts in part
    assert best == pytest.approx((weights * tail).sum() / size)


# v = 0.5, λ = 2, rate 0.1: two of four costs are at least v, so the slope is 1 - 0.5 / (1 - α).
@pytest.mark.parametrize(("level", "expected"), [(0.75, 0.5 + 0.2), (0.5, 0.5), (0.0, 0.5 - 0.1)])
def test_steps_of_the_value_at_risk_hand_computed(level: float, expected: float) -> None:
    costs = np.array([0.1, 0.2, 0.5, 0.6])
    assert next_value_at_risk(0.5, costs, level, multiplier=2.0, rate=0.1) == pytest.approx(expected)


@pytest.mark.parametrize(("costs", "expected"), [([0.0, 0.0], 0.0), ([1.0, 1.0], 1.0)])
def test_the_value_at_risk_stays_a_cost(costs: list[float], expected: float) -> None:
    assert next_value_at_risk(0.5, np.array(costs), 0.5, multiplier=100.0, rate=1.0) == expected


def test_the_value_at_risk_settles_at_the_quantile() -> None:
    costs, value = np.random.default_rng(0).random(10_000), 0.2
    for _ in range(2000):
        value = next_value_at_risk(value, costs, 0.9, multiplier=1.0, rate=0.001)
    assert value == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize(("violation", "expected"), [(0.1, 3.0), (-0.1, 1.0), (-1.0, 0.0), (9.0, 50.0)])
def test_multipliers_rise_with_a_violation_and_stay_in_their_bounds(violation: float, expected: float) -> None:
    assert next_multiplier(2.0, violation, rate=10.0, largest=50.0) == pytest.approx(expected)


def test_group_weights_hand_computed() -> None:
    # Means 1 and 3, over all 2.5: weights as 1/4 · e^(0.15) and 1/4 · e^(-0.05), and 1/2 of the group that is absent.
    returns, groups = np.array([1.0, 2, 3, 4]), np.array([0, 1, 1, 1])
    following = next_group_weights(np.array([0.25, 0.25, 0.5]), returns, groups, rate=0.1)
    expected = np.array([np.exp(0.15), np.exp(-0.05), 2.0])
    np.testing.assert_allclose(following, expected / expected.sum())


def test_group_weights_move_to_the_worst_group() -> None:
    weights = np.full(3, 1 / 3)
    for _ in range(200):
        weights = next_group_weights(weights, np.array([5.0, 4.0, 6.0]), np.array([0, 1, 2]), rate=0.1)
    assert weights[1] > 0.99


def test_a_group_that_was_well_off_for_long_can_become_the_worst() -> None:
    weights, groups = np.array([0.5, 0.5]), np.array([0, 1])
    for _ in range(100):
        weights = next_group_weights(weights, np.array([50.0, 0.0]), groups, rate=50.0)
    assert weights[0] == pytest.approx(1e-6, rel=1e-3)
    assert next_group_weights(weights, np.array([0.0, 50.0]), groups, rate=50.0)[0] > 0.99


def test_equal_returns_leave_group_weights() -> None:
    weights = np.array([0.7, 0.3])
    np.testing.assert_allclose(next_group_weights(weights, np.full(4, 1e6), np.array([0, 1, 1, 1]), rate=1.0), weights)
