import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

from pydeeprecsys.errors import InputError
from pydeeprecsys.evaluation.scores import (
    improvement_interval,
    normalized_scores,
    paired_difference,
    performance_profile,
    probability_of_improvement,
    profile_band,
)


def test_scores_between_random_and_oracle() -> None:
    table = normalized_scores([35.0, 50.0, 42.5, 30.0, 53.0], random=35.0, oracle=50.0)
    np.testing.assert_allclose(table, [[0.0], [1.0], [0.5], [-1 / 3], [1.2]])
    # Each task has a scale of its own.
    table = normalized_scores([[35.0, 8.0], [50.0, 6.0]], random=[35.0, 6.0], oracle=[50.0, 10.0])
    np.testing.assert_allclose(table, [[0.0, 0.5], [1.0, 0.0]])


@pytest.mark.parametrize(
    ("scores", "others", "expected"),
    [
        ([1.0], [0.0], 1.0),
        ([0.0], [1.0], 0.0),
        ([1.0], [1.0], 0.5),
        ([1.0, 3.0], [2.0, 0.0], 0.75),  # of four pairs 1 < 2, 1 > 0, 3 > 2, 3 > 0
        ([1.0, 2.0, 3.0], [2.0], 0.5),  # lost, equal, won
        ([2.0, 2.0], [2.0, 1.0, 3.0], 0.5),  # equal, won, lost, twice
        # By task: 3 of 4 pairs, and 1 of 4 with a tie, (1 + 0.5) / 4; their mean is (0.75 + 0.375) / 2.
        ([[1.0, 5.0], [3.0, 6.0]], [[2.0, 5.0], [0.0, 7.0]], 0.5625),
    ],
)
def test_how_likely_one_is_better(scores: Any, others: Any, expected: float) -> None:
    assert probability_of_improvement(scores, others) == pytest.approx(expected)
    assert probability_of_improvement(others, scores) == pytest.approx(1 - expected)


def test_it_is_the_mann_whitney_statistic_of_scipy() -> None:
    draws = np.random.default_rng(5)
    scores, others = draws.integers(0, 6, size=(9, 3)), draws.integers(1, 7, size=(7, 3))  # with many ties
    theirs = [stats.mannwhitneyu(scores[:, task], others[:, task]).statistic / (9 * 7) for task in range(3)]
    assert probability_of_improvement(scores, others) == pytest.approx(np.mean(theirs))


def test_an_interval_of_the_probability_worked_out_by_hand() -> None:
    # All of three above all: at probability p three independent pairs are all won with p^3, which is 0.025 at 0.2924.
    # With more seeds of one alone it stays so.
    assert improvement_interval([7.0, 8.0, 9.0], [1.0, 2.0, 3.0]) == pytest.approx([0.025 ** (1 / 3), 1.0])
    assert improvement_interval([1.0, 2.0, 3.0], [7.0, 8.0, 9.0, 7.0]) == pytest.approx([0.0, 1 - 0.025 ** (1 / 3)])
    # Two tasks are twice as many pairs.
    above, below = np.ones((3, 2)), np.zeros((3, 2))
    assert improvement_interval(above, below) == pytest.approx([0.025 ** (1 / 6), 1.0])
    low, high = improvement_interval(above, above)
    assert 0 < low < 0.5 < high < 1


def test_differences_are_taken_by_seed() -> None:
    # Seeds 0, 2 and 5 are common to both: 1, 3, 2, whose range of 2 is extended by (20^0.5 / 2 - 1) of itself.
    scores, others = {0: 11.0, 2: 53.0, 5: 32.0, 7: 0.0}, {5: 30.0, 0: 10.0, 2: 50.0, 8: 99.0}
    beyond = 2 * (math.sqrt(20) / 2 - 1)
    assert paired_difference(scores, others) == pytest.approx((2.0, 1 - beyond, 3 + beyond))
    assert paired_difference(others, scores) == pytest.approx((-2.0, -3 - beyond, beyond - 1))
    del others[5]
    assert np.isnan(paired_difference(scores, others)).all()


def test_what_seeds_have_in_common_cancels() -> None:
    # Users of some seeds are easier for all agents: that moves returns by 10, and the differences not at all.
    draws = np.random.default_rng(4)
    users, one, other = 10 * draws.normal(size=5), draws.normal(1, 0.1, size=5), draws.normal(0, 0.1, size=5)
    difference, low, high = paired_difference(dict(enumerate(users + one)), dict(enumerate(users + other)))
    assert 0.5 < low < difference < high < 1.5


def test_the_share_of_runs_above_each_threshold() -> None:
    scores = [[0.2, 0.9], [0.4, 0.5]]
    np.testing.assert_allclose(performance_profile(scores, [0.0, 0.2, 0.45, 0.5, 0.9]), [1.0, 0.75, 0.5, 0.25, 0.0])
    np.testing.assert_allclose(performance_profile([3.0], [2.0, 3.0]), [1.0, 0.0])  # above, not at


def test_the_area_below_a_profile_is_the_mean_score() -> None:
    scores = np.random.default_rng(1).uniform(size=(5, 3))
    thresholds = np.linspace(0, 1, 20_001)
    assert integrate.trapezoid(performance_profile(scores, thresholds), thresholds) == pytest.approx(
        scores.mean(), abs=1e-4
    )


def test_a_band_is_the_interval_of_each_share() -> None:
    low, high = profile_band(np.repeat([1.0, 0.0], [12, 8]), [-1.0, 0.5, 2.0])
    for place, above in enumerate((20, 12, 0)):
        theirs = stats.binomtest(above, 20).proportion_ci()
        assert (low[place], high[place]) == pytest.approx((theirs.low, theirs.high))
    # Runs on two tasks count like runs from twice as many seeds.
    two = profile_band([[0.0, 1.0], [1.0, 0.0]], [0.5])
    np.testing.assert_allclose(two, profile_band([0.0, 1.0, 0.0, 1.0], [0.5]))


def test_too_few_seeds_have_no_interval() -> None:
    assert np.isnan(improvement_interval([4.0, 5.0], [1.0, 2.0])).all()
    assert np.isnan(improvement_interval([4.0, 5.0, 6.0], [1.0, 2.0])).all()
    np.testing.assert_allclose(profile_band([4.0], [3.0]), [[0.025], [1.0]])  # a share of one run says little, but that


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda: normalized_scores([], 0.0, 1.0), "finite numbers"),
        (lambda: normalized_scores([1.0], 2.0, 2.0), "above random"),
        (lambda: normalized_scores([1.0], math.nan, 2.0), "above random"),
        (lambda: normalized_scores([[1.0, 2.0]], [0.0, 0.0, 0.0], 2.0), "one a task"),
        (lambda: probability_of_improvement([1.0], [[1.0, 2.0]]), "1 tasks .* scores of 2"),
        (lambda: probability_of_improvement([1.0], [math.nan]), "finite numbers"),
        (lambda: improvement_interval([1.0], [1.0], confidence=1.0), "confidence"),
        (lambda: paired_difference(dict.fromkeys(range(3), math.inf), dict.fromkeys(range(3), 1.0)), "finite numbers"),
        (lambda: performance_profile([1.0], []), "thresholds"),
        (lambda: performance_profile([1.0], [math.inf]), "thresholds"),
        (lambda: profile_band([1.0], [0.0], confidence=0.0), "confidence"),
    ],
)
def test_what_cannot_be_is_refused(call: Callable[[], object], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        call()
