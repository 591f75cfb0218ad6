import math
from typing import Any

import numpy as np
import pytest

from pydeeprecsys.errors import InputError
from pydeeprecsys.metrics.harm import cvar, mean, share_beyond, value_at_risk

TO_TEN = np.arange(1.0, 11)


def test_the_worst_share_ends_between_costs_or_within_one() -> None:
    assert mean(TO_TEN) == 5.5
    # At 0.7 seven of ten costs are at most 7, and the worst three are 8, 9 and 10.
    assert value_at_risk(TO_TEN, 0.7) == 7
    assert cvar(TO_TEN, 0.7) == pytest.approx(9)
    # At 0.75 the worst 2.5 costs are 10, 9 and half of the 8.
    assert value_at_risk(TO_TEN, 0.75) == 8
    assert cvar(TO_TEN, 0.75) == pytest.approx((10 + 9 + 0.5 * 8) / 2.5)
    # Beyond 0.9 only a part of the worst cost remains.
    assert cvar(TO_TEN, 0.99) == pytest.approx(10)
    # 0.28 of 25 costs are seven, although 0.28 · 25 is more than 7 in floating point.
    assert value_at_risk(range(1, 26), 0.28) == 7
    assert value_at_risk(TO_TEN, 0) == 1
    assert cvar(TO_TEN, 0) == pytest.approx(5.5)


def test_equal_costs_at_the_value_at_risk_count_in_part() -> None:
    # The worst 30 %: one 3, and two of the four 1s.
    assert value_at_risk([0, 0, 0, 0, 0, 1, 1, 1, 1, 3], 0.7) == 1
    assert cvar([0, 0, 0, 0, 0, 1, 1, 1, 1, 3], 0.7) == pytest.approx((3 + 1 + 1) / 3)


def test_cvar_is_the_least_value_of_its_formula_over_all_thresholds() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        costs, level = rng.choice(rng.random(9), size=rng.integers(1, 30)), rng.random()
        values = [v + np.maximum(costs - v, 0).mean() / (1 - level) for v in costs]
        assert cvar(costs, level) == pytest.approx(min(values))


def test_share_of_users_beyond_a_threshold() -> None:
    assert share_beyond([0.2, 0.5, 0.9, 0.6], 0.5) == 2 / 4
    # By user: means 0.35, 0.9 and 0.6.
    assert share_beyond([0.2, 0.5, 0.9, 0.6], 0.5, users=["a", "a", "b", "c"]) == 2 / 3


def test_each_step_is_a_column_of_its_own() -> None:
    costs = np.column_stack([TO_TEN, TO_TEN[::-1] / 10])
    assert mean(costs) == pytest.approx([5.5, 0.55])
    assert value_at_risk(costs, 0.7) == pytest.approx([7, 0.7])
    assert cvar(costs, 0.7) == pytest.approx([9, 0.9])
    assert share_beyond(costs, 0.8) == pytest.approx([1, 0.2])
    assert share_beyond(costs, 0.8, users=np.arange(10) // 5) == pytest.approx([1, 0])


def test_unknown_costs_are_left_out_and_are_not_zero() -> None:
    nothing = [np.nan, np.nan]
    known = [4.0, np.nan, 2.0, np.nan]
    assert (mean(known), value_at_risk(known, 0.5), cvar(known, 0.5)) == (3, 2, 4)
    assert share_beyond(known, 3) == 1 / 2
    assert share_beyond(known, 3, users=[0, 1, 0, 1]) == 0
    for figure in (mean(nothing), value_at_risk(nothing, 0.5), cvar(nothing, 0.5), share_beyond(nothing, 0.5)):
        assert math.isnan(figure)
    assert cvar([[1.0, np.nan], [3.0, np.nan]], 0.5) == pytest.approx([3, np.nan], nan_ok=True)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean([]), "at least one"),
        (lambda: mean([1, np.inf]), "finite or NaN"),
        (lambda: mean(["much"]), "must be numbers"),
        (lambda: cvar(np.zeros((2, 2, 2)), 0.5), r"\(n, steps\)"),
        (lambda: cvar([1], 1), r"in \[0, 1\), it is 1"),
        (lambda: value_at_risk([1], -0.1), "-0.1"),
        (lambda: value_at_risk([1], np.nan), "nan"),
        (lambda: share_beyond([1], np.nan), "threshold"),
        (lambda: share_beyond([1, 2], 0.5, users=[1]), "each of the 2 sessions"),
    ],
)
def test_bad_input_is_refused(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
