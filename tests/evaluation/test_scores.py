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
    # Each resample of two seeds against two: the ones' wins over 1 are 0, a half or 1 (a quarter, a half, a quarter),
    # whatever is drawn of the others, who are all equal.
    assert improvement_interval([0.0, 2.0], [1.0, 1.0], confidence=0.8) == (0.0, 1.0)
    assert improvement_interval([0.0, 2.0], [1.0, 1.0], confidence=0.4) == (0.5, 0.5)
    assert improvement_interval([1.0, 1.0], [0.0, 2.0], confidence=0.4) == (0.5, 0.5)
    assert improvement_interval([2.0, 3.0], [0.0, 1.0]) == (1.0, 1.0)


def test_an_interval_against_resamples_drawn_one_by_one() -> None:
    draws = np.random.default_rng(8)
    scores, others = draws.normal(0.3, 1, size=(6, 2)), draws.normal(0, 1, size=(5, 2))
    resampled = []
    for _ in range(4000):
        ours = np.stack([draws.choice(scores[:, task], 6) for task in range(2)], axis=1)
        theirs = np.stack([draws.choice(others[:, task], 5) for task in range(2)], axis=1)
        resampled.append(probability_of_improvement(ours, theirs))
    low, high = improvement_interval(scores, others)
    assert (low, high) == pytest.approx(np.quantile(resampled, [0.025, 0.975]), abs=0.03)
    assert low < probability_of_improvement(scores, others) < high


def test_how_often_it_holds_the_true_probability() -> None:
    # For two normal scores of variance 1, one higher by d, the probability is Φ(d / √2).
    truth = stats.norm.cdf(0.5 / math.sqrt(2))
    draws = np.random.default_rng(2)
    held = []
    for _ in range(300):
        low, high = improvement_interval(draws.normal(0.5, 1, 20), draws.normal(0, 1, 20), resamples=400)
        held.append(low <= truth <= high)
    assert 0.88 <= np.mean(held) <= 0.98


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


def test_a_band_is_the_quantiles_of_a_binomial() -> None:
    # Of 20 runs 12 are above: a resample has Binomial(20, 0.6) of them above.
    scores = np.repeat([1.0, 0.0], [12, 8])
    low, high = profile_band(scores, [-1.0, 0.5, 2.0], resamples=20_000)
    ends = stats.binom.ppf([0.025, 0.975], 20, 0.6) / 20
    np.testing.assert_allclose(low, [1.0, ends[0], 0.0])
    np.testing.assert_allclose(high, [1.0, ends[1], 0.0])


def test_tasks_are_resampled_apart() -> None:
    # Together the two tasks of a seed would always have one run of two above.
    low, high = profile_band([[0.0, 1.0], [1.0, 0.0]], [0.5], confidence=0.8)
    assert low[0] < 0.5 < high[0]
    low_improvement, high_improvement = improvement_interval([[0.0, 1.0], [1.0, 0.0]], [[0.5, 0.5]] * 2, confidence=0.8)
    assert low_improvement < 0.5 < high_improvement


def test_a_single_seed_has_no_interval() -> None:
    assert all(map(math.isnan, improvement_interval([4.0], [1.0, 2.0])))
    assert all(map(math.isnan, improvement_interval([4.0, 5.0], [1.0])))
    assert np.isnan(profile_band([[4.0, 2.0]], [0.0, 3.0])).all()


def test_the_same_seed_gives_the_same_interval() -> None:
    scores, others = np.random.default_rng(0).normal(size=(2, 9))
    once = improvement_interval(scores, others, resamples=51, seed=4)
    assert once == improvement_interval(scores, others, resamples=51, seed=4)
    assert once != improvement_interval(scores, others, resamples=51, seed=5)


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
        (lambda: improvement_interval([1.0], [1.0], resamples=0), "resamples"),
        (lambda: performance_profile([1.0], []), "thresholds"),
        (lambda: performance_profile([1.0], [math.inf]), "thresholds"),
        (lambda: profile_band([1.0], [0.0], confidence=0.0), "confidence"),
    ],
)
def test_what_cannot_be_is_refused(call: Callable[[], object], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        call()
