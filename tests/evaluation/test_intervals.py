import math

import numpy as np
import pytest
from scipy import stats

from pydeeprecsys.errors import InputError
from pydeeprecsys.evaluation.intervals import bootstrap_interval, interquartile_mean


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([7.0], 7.0),
        ([1.0, 2.0, 6.0], 3.0),  # a quarter of three is less than one: nothing is left out
        ([0.0, 10.0, 20.0, 1000.0], 15.0),
        ([500.0, 9.0, 480.0, 490.0, 500.0], 490.0),  # (480 + 490 + 500) / 3
        ([8.0, 1.0, 2.0, 7.0, 3.0, 6.0, 4.0, 5.0], 4.5),  # two at either end
        ([[1.0, 100.0], [2.0, 200.0]], 51.0),  # of all four: (2 + 100) / 2
        ([[1.0, 5.0, 9.0], [2.0, 6.0, 10.0]], 5.5),  # one of six at either end: (2 + 5 + 6 + 9) / 4
    ],
)
def test_the_mean_of_the_middle_half(scores: object, expected: float) -> None:
    assert interquartile_mean(scores) == pytest.approx(expected)  # type: ignore[arg-type]


def test_an_interval_worked_out_by_hand() -> None:
    # Two seeds: a resample is (0, 0), (0, 1), (1, 0) or (1, 1), so its mean is 0, a half or 1: a quarter, a half, a
    # quarter. 80 % leaves a tenth at either end, which lies among the zeros and ones; 40 % lies among the halves.
    assert bootstrap_interval([0.0, 1.0], confidence=0.8) == (0.0, 1.0)
    assert bootstrap_interval([0.0, 1.0], confidence=0.4) == (0.5, 0.5)
    assert bootstrap_interval([3.0, 3.0, 3.0, 3.0, 3.0]) == (3.0, 3.0)


def test_tasks_are_resampled_apart() -> None:
    # Together the two tasks of a seed would always add up to 1, and their mean be a half.
    low, high = bootstrap_interval([[0.0, 1.0], [1.0, 0.0]], confidence=0.8)
    assert low < 0.5 < high
    # A task that is the same in all seeds adds nothing to the width; mixed up with the other, it would.
    scores = np.array([[0.0, 100.0], [0.0, 100.0], [0.0, 100.0], [0.0, 100.0]])
    assert bootstrap_interval(scores) == (50.0, 50.0)


def test_the_interval_is_that_of_scipy() -> None:
    scores = np.random.default_rng(3).normal(40, 5, size=12)
    theirs = stats.bootstrap(
        (scores,),
        lambda sample, axis: stats.trim_mean(sample, 0.25, axis=axis),
        method="percentile",
        n_resamples=20_000,
        rng=np.random.default_rng(1),
    ).confidence_interval
    ours = bootstrap_interval(scores, resamples=20_000)
    width = theirs.high - theirs.low
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.05 * width)


def test_the_same_seed_gives_the_same_interval() -> None:
    scores = np.random.default_rng(0).normal(size=5)
    assert bootstrap_interval(scores, resamples=50, seed=4) == bootstrap_interval(scores, resamples=50, seed=4)
    assert bootstrap_interval(scores, resamples=50, seed=4) != bootstrap_interval(scores, resamples=50, seed=5)


@pytest.mark.parametrize(("seeds", "least", "most"), [(5, 0.86, 0.94), (20, 0.90, 0.97)])
def test_how_often_it_holds_the_true_value(seeds: int, least: float, most: float) -> None:
    samples = np.random.default_rng(0).normal(10.0, 2.0, size=(500, seeds))
    intervals = [bootstrap_interval(sample, resamples=400) for sample in samples]
    held = np.mean([low <= 10.0 <= high for low, high in intervals])
    assert least <= held <= most


def test_a_single_seed_has_no_interval() -> None:
    assert all(map(math.isnan, bootstrap_interval([4.0])))


def test_what_is_no_table_of_numbers_is_refused() -> None:
    for scores in ([], [1.0, math.nan], [[[1.0]]], 3.0):
        with pytest.raises(InputError, match="finite numbers"):
            interquartile_mean(scores)  # type: ignore[arg-type]
        with pytest.raises(InputError, match="finite numbers"):
            bootstrap_interval(scores)  # type: ignore[arg-type]
    for arguments in ({"confidence": 1.0}, {"confidence": 0.0}, {"resamples": 0}):
        with pytest.raises(InputError, match="confidence"):
            bootstrap_interval([1.0, 2.0], **arguments)  # type: ignore[arg-type]
