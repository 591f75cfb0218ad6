import math
from typing import Any

import numpy as np
import pytest

from pydeeprecsys.errors import InputError
from pydeeprecsys.metrics.drift import concentration, cosine_distance, distance, effective_categories, share_shifts


def test_distances_by_hand() -> None:
    assert distance([3, 0], [0, 4]) == 5
    assert cosine_distance([3, 0], [0, 4]) == 1
    assert cosine_distance([1, 1], [1, 0]) == pytest.approx(1 - math.sqrt(0.5))
    # Tastes that double keep their direction, those that turn round have the opposite one.
    assert distance([1, 2], [2, 4]) == pytest.approx(math.sqrt(5))
    assert cosine_distance([1, 2], [2, 4]) == pytest.approx(0, abs=1e-15)
    assert cosine_distance([1, -2], [-1, 2]) == pytest.approx(2)
    assert math.isnan(cosine_distance([0, 0], [1, 1]))


def test_shares_shift_towards_the_category_that_grew() -> None:
    # Negative affinities have no share: before 1/4, 3/4 and 0, after 1/2, 1/4 and 1/4.
    shifts = share_shifts([1, 3, -5], [2, 1, 1])
    assert shifts.tolist() == [0.25, -0.5, 0.25]
    assert np.isnan(share_shifts([-1, -1], [1, 0])).all()


def test_concentration_and_effective_number_of_categories() -> None:
    equal, one, mixed = [2, 2, 2, 2], [0, 7, -1, 0], [2, 1, 1, -4]
    assert (effective_categories(equal), concentration(equal)) == (pytest.approx(4), pytest.approx(0))
    assert (effective_categories(one), concentration(one)) == (1, 1)
    # Shares 1/2, 1/4, 1/4: an entropy of 1.5 bits, where four equal categories have 2.
    assert (effective_categories(mixed), concentration(mixed)) == (pytest.approx(2**1.5), pytest.approx(0.25))
    assert math.isnan(concentration([-1, -2]))
    assert math.isnan(effective_categories([0, -2]))


def test_users_and_steps_are_leading_axes() -> None:
    rng = np.random.default_rng(3)
    before, after = rng.normal(size=(4, 1, 6)), rng.normal(size=(4, 9, 6))
    for figure in (distance, cosine_distance, share_shifts):
        assert figure(before, after)[2, 5] == pytest.approx(figure(before[2, 0], after[2, 5]))
    for figure in (concentration, effective_categories):
        assert figure(after).shape == (4, 9)
        assert figure(after)[2, 5] == pytest.approx(figure(after[2, 5]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: distance([1, 2], [1, np.nan]), "after must be finite numbers"),
        (lambda: distance(1, [1, 2]), "before must be finite numbers"),
        (lambda: cosine_distance([1, 2], [1]), "both of the same users"),
        (lambda: share_shifts([[1, 2]] * 3, [[1, 2]] * 2), "both of the same users"),
        (lambda: concentration([1]), "two categories or more"),
        (lambda: effective_categories([]), "affinities must be finite"),
    ],
)
def test_bad_input_is_refused(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
