import numpy as np
import pytest

from pydeeprecsys.data.observed import damped_means
from pydeeprecsys.errors import InputError


def test_means_are_damped_by_hand() -> None:
    # Item 0 is rated 5 and 3, item 1 is rated 1 and 3, item 2 is rated 4, item 3 is not rated.
    # Within: (1 + 1 + 1 + 1) / (5 - 3) = 2. Around the mean of all ratings, 3.2, the items' means 4, 2 and 4 make
    # 2 · 0.64 + 2 · 1.44 + 0.64 = 4.8; between: (4.8 - (3 - 1) · 2) / (5 - (4 + 4 + 1) / 5) = 0.8 / 3.2 = 0.25.
    # So d = 8: an item has a weight of 2 / 10, 2 / 10 and 1 / 9, and their weighted mean is (74 / 45) / (23 / 45).
    m = 74 / 23
    expected = [(8 + 8 * m) / 10, (4 + 8 * m) / 10, (4 + 8 * m) / 9, m]
    means = damped_means([0, 1, 2, 0, 1], [5, 1, 4, 3, 3], 4)
    np.testing.assert_allclose(means, expected, rtol=1e-14)


def test_ratings_without_noise_are_not_damped() -> None:
    assert damped_means([0, 0, 1, 1], [2, 2, 4, 4], 3).tolist() == [2, 4, 3]


@pytest.mark.parametrize(
    ("items", "ratings", "mean"),
    [
        ([0], [4], 4.0),
        ([0, 0], [1, 5], 3.0),
        ([0, 1, 2], [1, 3, 5], 3.0),  # no item has two ratings: nothing tells noise and items apart
        ([0, 0, 1, 1], [1, 5, 1, 5], 3.0),  # items differ less than chance makes them
    ],
)
def test_items_that_nothing_tells_apart_have_the_same_mean(items: list[int], ratings: list[int], mean: float) -> None:
    assert damped_means(items, ratings, 4).tolist() == [mean] * 4


def test_the_estimates_are_those_that_ratings_were_drawn_from() -> None:
    # 4,000 items of standard deviation 0.5 with 1 to 40 ratings of noise 1.1: no shrinkage predicts them better.
    rng = np.random.default_rng(0)
    truth = 3.3 + 0.5 * rng.standard_normal(4000)
    items = np.repeat(np.arange(4000), rng.integers(1, 41, 4000))
    ratings = truth[items] + 1.1 * rng.standard_normal(len(items))
    counts, sums = np.bincount(items), np.bincount(items, ratings)
    d = 1.1**2 / 0.5**2
    np.testing.assert_allclose(damped_means(items, ratings, 4000), (sums + d * 3.3) / (counts + d), atol=0.03)


def test_no_ratings_have_no_mean() -> None:
    with pytest.raises(InputError, match="no ratings"):
        damped_means([], [], 3)
