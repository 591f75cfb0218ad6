import math
from typing import Any

import numpy as np
import pytest

from pydeeprecsys.errors import InputError
from pydeeprecsys.metrics.exposure import (
    category_exposures,
    category_shares,
    coverage,
    entropy,
    exposures,
    gini,
    min_max_ratio,
    popularity,
    worst_share,
)


def test_coverage_and_gini_by_hand() -> None:
    shown = exposures([[0, 1], [1, 2], [1, 1]], 5)
    assert shown.tolist() == [1, 4, 1, 0, 0]
    assert coverage(shown) == 3 / 5
    # Differences of all 25 ordered pairs add up to 2 · (3 + 0 + 1 + 1 + 3 + 4 + 4 + 1 + 1 + 0) = 36; half their mean is
    # 18 / 25, the mean exposure 6 / 5.
    assert gini(shown) == pytest.approx(18 / 25 / (6 / 5))
    assert gini([3, 3, 3]) == 0
    assert gini([0, 0, 7, 0]) == pytest.approx(1 - 1 / 4)
    # Where nothing was shown there is nothing to tell.
    assert math.isnan(gini([0, 0]))
    assert math.isnan(coverage([0, 0]))


def test_gini_is_half_the_relative_mean_difference() -> None:
    for seed in range(20):
        exposure = np.random.default_rng(seed).integers(9, size=13)
        differences = abs(exposure[:, None] - exposure[None])
        assert gini(exposure) == pytest.approx(differences.mean() / 2 / exposure.mean())


def test_entropy_ratio_and_worst_share_by_hand() -> None:
    shown = [1, 2, 0, 1]
    # Shares 1/4, 1/2, 0, 1/4.
    assert entropy(shown) == pytest.approx(1.5 * math.log(2))
    assert entropy(shown, normalized=True) == pytest.approx(1.5 / 2)
    assert entropy([5, 5, 5], normalized=True) == pytest.approx(1)
    assert (entropy([0, 7]), entropy([0, 7], normalized=True)) == (0, 0)
    assert (min_max_ratio(shown), min_max_ratio([2, 8, 4]), min_max_ratio([3, 3])) == (0, 1 / 4, 1)
    assert [worst_share(shown, r) for r in (1, 2, 3, 4)] == [0, 1 / 4, 2 / 4, 1]
    assert worst_share([6, 1, 3], 2) == pytest.approx(4 / 10)
    for figure in (entropy([0, 0]), min_max_ratio([0, 0]), worst_share([0, 0], 1), entropy([3], normalized=True)):
        assert math.isnan(figure)


def test_exposures_of_each_step_give_a_figure_each() -> None:
    steps = np.array([[1, 2, 0, 1], [0, 0, 0, 0], [5, 5, 5, 5]])
    for figure in (coverage, gini, entropy, min_max_ratio, lambda exposure: worst_share(exposure, 2)):
        assert figure(steps) == pytest.approx([figure(step) for step in steps], nan_ok=True)


def test_exposure_of_categories_is_shared_or_counts_in_full() -> None:
    # The third item has no category.
    flags = [[True, False, False], [True, True, False], [False, False, False]]
    assert category_shares(flags).tolist() == [[1, 0, 0], [0.5, 0.5, 0], [0, 0, 0]]
    assert category_exposures([3, 4, 9], flags).tolist() == [5, 2, 0]
    assert category_exposures([3, 4, 9], flags, shared=False).tolist() == [7, 4, 0]
    assert category_exposures([[3, 4, 9], [0, 1, 0]], flags).tolist() == [[5, 2, 0], [0.5, 0.5, 0]]


def test_popularity_is_the_mean_of_what_is_shown() -> None:
    assert popularity([[0, 1], [2, 2]], [10, 20, 4]).tolist() == [15, 4]
    assert popularity([[0, 1], [2, 2]], [0.1, 0.2, 0.04]) == pytest.approx([0.15, 0.04])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: exposures([[0.5]], 2), "whole numbers"),
        (lambda: exposures([0, 1], 2), "whole numbers"),
        (lambda: coverage([]), "exposure"),
        (lambda: gini([-1, 2]), "exposure"),
        (lambda: entropy([np.nan, 1]), "exposure"),
        (lambda: min_max_ratio([]), "exposure"),
        (lambda: worst_share([1, 2], 3), "1 to 2, it is 3"),
        (lambda: worst_share([1, 2], 0), "1 to 2, it is 0"),
        (lambda: category_shares([True, False]), "flags of shape"),
        (lambda: category_exposures([1, 2], [[True]]), "categories are of 1 items, exposure of 2"),
        (lambda: popularity([[2]], [1, 1]), "items are 0 to 1"),
    ],
)
def test_what_cannot_be_is_refused(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
