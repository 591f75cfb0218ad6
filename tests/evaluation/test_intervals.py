import math

import numpy as np
import pytest
from scipy import stats

from pydeeprecsys.errors import InputError
from pydeeprecsys.evaluation.intervals import interquartile_mean, median_interval, proportion_interval


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


def test_an_interval_of_few_seeds_worked_out_by_hand() -> None:
    # All three seeds lie on one side of the median with probability 1/4, so the range holds it in 75 % of cases; that
    # much is left as it is. For 15/16 it is extended by (16^(1/2) / 2 - 1) = 1 range at either end.
    assert median_interval([4.0, 0.0, 1.0], confidence=0.75) == pytest.approx([0.0, 4.0])
    assert median_interval([4.0, 0.0, 1.0], confidence=15 / 16) == pytest.approx([-4.0, 8.0])
    # The range of five holds it in 15 of 16 cases, and for 80/81 is extended by (81^(1/4) / 2 - 1) = 1/2 of itself.
    assert median_interval([3.0, 1.0, 0.0, 2.0, 4.0], confidence=15 / 16) == pytest.approx([0.0, 4.0])
    assert median_interval([3.0, 1.0, 0.0, 2.0, 4.0], confidence=80 / 81) == pytest.approx([-2.0, 6.0])


def test_an_interval_between_order_statistics_worked_out_by_hand() -> None:
    # Of six seeds the range holds the median in 31 of 32 cases, the second to the fifth in 25 of 32. Half-way between
    # them, 28 of 32, Hettmansperger & Sheather take (6 - 1) / 2 / (1 + (6 - 2) / 2) = 5/6 of the step inwards.
    scores = [0.0, 6.0, 7.0, 8.0, 9.0, 15.0]
    assert median_interval(scores, confidence=31 / 32) == pytest.approx([0.0, 15.0])
    assert median_interval(scores, confidence=25 / 32) == pytest.approx([6.0, 9.0])
    assert median_interval(scores, confidence=28 / 32) == pytest.approx([5.0, 10.0])
    low, high = median_interval(scores, confidence=0.01)  # next to nothing is left
    assert 7.0 < low < 7.5 < high < 8.0


def test_columns_have_intervals_of_their_own() -> None:
    scores = np.random.default_rng(0).normal(size=(7, 2, 3))
    together = median_interval(scores)
    assert together.shape == (2, 2, 3)
    np.testing.assert_array_equal(together[:, 1, 2], median_interval(scores[:, 1, 2]))


@pytest.mark.parametrize(
    ("seeds", "distribution"), [(3, "uniform"), (4, "normal"), (5, "uniform"), (30, "exponential")]
)
def test_how_often_it_holds_the_true_median(seeds: int, distribution: str) -> None:
    # In 4,000 tables the share that holds it, 0.95, has a standard error of 0.0035; here are four of them.
    truth = {"uniform": 0.5, "normal": 0.0, "exponential": math.log(2)}[distribution]
    tables = getattr(np.random.default_rng(2), {"uniform": "random"}.get(distribution, distribution))
    low, high = median_interval(tables(size=(seeds, 4000)))
    held = np.mean((low <= truth) & (truth <= high))
    assert held >= 0.936
    assert held <= 0.964 or distribution == "normal"  # falls away from its median faster than it has to


def test_what_few_seeds_cannot_tell_is_left_open() -> None:
    for scores in ([4.0], [4.0, 5.0], [4.0, 4.0, 4.0], [4.0, 4.0, 4.0, 4.0]):
        assert np.isnan(median_interval(scores)).all()
    # Five are equal by chance in less than one case of sixteen where the true median is another number.
    assert median_interval([4.0] * 5).tolist() == [4.0, 4.0]
    np.testing.assert_array_equal(np.isnan(median_interval([[1.0, 2.0], [1.0, 3.0], [1.0, 5.0]])), [[True, False]] * 2)


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_the_interval_of_a_proportion_is_that_of_scipy(confidence: float) -> None:
    for trials in (1, 3, 10):
        ours = proportion_interval(np.arange(trials + 1), trials, confidence)
        for won in range(trials + 1):
            theirs = stats.binomtest(won, trials).proportion_ci(confidence)
            assert ours[:, won] == pytest.approx([theirs.low, theirs.high])
    # Half a success, by symmetry.
    low, high = proportion_interval(0.5, 1)
    assert 0 < low < 0.5 < high < 1
    assert low == pytest.approx(1 - high)


def test_what_is_no_table_of_numbers_is_refused() -> None:
    for scores in ([], [1.0, math.nan], 3.0):
        with pytest.raises(InputError, match="finite numbers"):
            interquartile_mean(scores)  # type: ignore[arg-type]
        with pytest.raises(InputError, match="finite numbers"):
            median_interval(scores)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="finite numbers"):
        interquartile_mean([[[1.0]]])
    for confidence in (0.0, 1.0, math.nan):
        with pytest.raises(InputError, match="confidence"):
            median_interval([1.0, 2.0, 3.0], confidence)
        with pytest.raises(InputError, match="confidence"):
            proportion_interval(1, 2, confidence)
