import math
from typing import Any

import numpy as np
import pytest

from pydeeprecsys.envs.vector import MovieLensFairnessVector
from pydeeprecsys.errors import InputError
from pydeeprecsys.simulation.ranking import (
    coverage,
    dcg,
    discounts,
    exposures,
    gini,
    hit_rate,
    intra_list_diversity,
    ndcg,
    ndcg_of_possible,
    novelty,
    self_information,
)

LOG3 = 1 / math.log2(3)  # 0.631, what the second position counts for


def test_dcg_by_hand() -> None:
    np.testing.assert_allclose(discounts(3), [1, LOG3, 1 / 2])
    np.testing.assert_allclose(dcg([[3, 2, 4], [0, 0, 1]]), [3 + 2 * LOG3 + 4 / 2, 1 / 2])
    assert dcg([[4.5]]).tolist() == [4.5]


def test_ndcg_against_fives_by_hand() -> None:
    ideal = 5 + 5 * LOG3
    np.testing.assert_allclose(ndcg([[5, 5], [5, 1], [1, 5]]), [1, (5 + LOG3) / ideal, (1 + 5 * LOG3) / ideal])
    np.testing.assert_allclose(ndcg([[0.5], [1.0]], best=1.0), [0.5, 1])


def test_dcg_and_ndcg_are_those_of_the_environment() -> None:
    env = MovieLensFairnessVector(num_envs=4, slate_size=3)
    env.reset(seed=0)
    _, _, _, _, infos = env.step(np.arange(12).reshape(4, 3))
    np.testing.assert_allclose(dcg(infos["ratings"]), infos["dcg"], rtol=1e-12)
    np.testing.assert_allclose(ndcg(infos["ratings"]), infos["ndcg"], rtol=1e-12)


def test_a_batch_is_its_rows_to_the_bit() -> None:
    rng = np.random.default_rng(0)
    relevance, slates = rng.random((50, 30)), rng.integers(30, size=(50, 10))
    vectors, counts = rng.random((30, 7)), rng.integers(100, size=30)
    for whole, rows in (
        (dcg(relevance), [dcg(relevance[i : i + 1]) for i in range(50)]),
        (ndcg_of_possible(slates, relevance), [ndcg_of_possible(slates[[i]], relevance[[i]]) for i in range(50)]),
        (intra_list_diversity(slates, vectors), [intra_list_diversity(slates[[i]], vectors) for i in range(50)]),
        (novelty(slates, counts), [novelty(slates[[i]], counts) for i in range(50)]),
    ):
        assert whole.tobytes() == np.concatenate(rows).tobytes()


def test_ndcg_against_the_best_possible_slate_by_hand() -> None:
    relevance = [[1.0, 4.0, 2.0, 3.0]]
    ideal = 4 + 3 * LOG3
    for slate, gain in (
        ([1, 3], ideal),
        ([3, 1], 3 + 4 * LOG3),
        ([0, 2], 1 + 2 * LOG3),
        ([1, 1], 4),  # what is held again brings nothing
        ([0, 0], 1),
    ):
        np.testing.assert_allclose(ndcg_of_possible([slate], relevance), [gain / ideal])
    # Without item 1 the best are 3 and 2, and with item 0 alone there is one position to fill.
    masks = [[True, False, True, True]]
    np.testing.assert_allclose(ndcg_of_possible([[3, 2]], relevance, masks), [1])
    np.testing.assert_allclose(ndcg_of_possible([[1, 3]], relevance, masks), [3 * LOG3 / (3 + 2 * LOG3)])
    np.testing.assert_allclose(ndcg_of_possible([[2, 0]], relevance, [[True, False, False, False]]), [LOG3])
    # The whole catalogue, a slate of one, and users for whom nothing is relevant, or allowed.
    np.testing.assert_allclose(ndcg_of_possible([[1, 3, 2, 0]], relevance), [1])
    np.testing.assert_allclose(ndcg_of_possible([[3], [3]], relevance * 2), [3 / 4] * 2)
    assert ndcg_of_possible([[0, 1]], [[0, 0, 0]]).tolist() == [1]
    assert ndcg_of_possible([[0, 1]], [[3, 2, 1]], [[False] * 3]).tolist() == [1]


def test_no_slate_is_better_than_the_best() -> None:
    rng = np.random.default_rng(3)
    relevance, masks = rng.random((500, 6)), rng.random((500, 6)) < 0.6
    slates = rng.integers(6, size=(500, 4))
    for given in (None, masks):
        values = ndcg_of_possible(slates, relevance, given)
        assert values.min() >= 0
        assert values.max() <= 1
        best = np.argsort(-(relevance if given is None else np.where(given, relevance, -1)), axis=1)[:, :4]
        np.testing.assert_allclose(ndcg_of_possible(best, relevance, given), 1)


def test_hit_rate_by_hand() -> None:
    assert hit_rate(np.array([[1, 4], [2, 3], [5, 5]]) >= 4) == pytest.approx(2 / 3)
    assert hit_rate(np.array([0, -1, 3, 1])) == 3 / 4


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


def test_intra_list_diversity_by_hand() -> None:
    genres = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0]], dtype=bool)
    half = 1 / math.sqrt(2)
    values = intra_list_diversity([[0, 1, 2], [0, 0, 0], [0, 2, 0]], genres)
    # Cosines of the three pairs: 1/√2, 0, 0; all 1; one of three.
    np.testing.assert_allclose(values, [1 - half / 3, 0, 2 / 3], atol=1e-15)
    # Pairs with an item of unknown genres are not counted; without a pair there is nothing to tell.
    values = intra_list_diversity([[0, 3, 1], [3, 2, 3], [3, 3, 3]], genres)
    np.testing.assert_allclose(values, [1 - half, np.nan, np.nan], atol=1e-15)
    # Lengths do not matter; opposites are at the distance 2.
    np.testing.assert_allclose(intra_list_diversity([[0, 1], [0, 2]], [[2.0, 0], [5, 0], [-1, 0]]), [0, 2], atol=1e-15)
    assert np.isnan(intra_list_diversity([[0], [3]], genres)).all()


def test_novelty_by_hand() -> None:
    # Laplace's rule: of 11 ratings and 5 items the shares are 8, 4, 2, 1 and 1 sixteenths.
    counts = [7, 3, 1, 0, 0]
    np.testing.assert_allclose(self_information(counts), [1, 2, 3, 4, 4])
    np.testing.assert_allclose(novelty([[0, 1], [2, 4], [3, 3]], counts), [1.5, 3.5, 4])
    assert novelty([[0]], [5]).tolist() == [0]
    # Where nothing was rated all items are equally likely.
    assert self_information([0, 0, 0, 0]).tolist() == [2, 2, 2, 2]


VECTORS, COUNTS = np.eye(4), [8, 4, 2, 2]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dcg([1.0, 2.0]), r"relevance .* \(2,\)"),
        (lambda: dcg([[1.0, math.nan]]), "relevance must be finite"),
        (lambda: dcg(np.zeros((0, 3))), "relevance"),
        (lambda: ndcg([[1.0]], best=0.0), "above 0"),
        (lambda: ndcg_of_possible([[0]], [[1.0], [2.0]]), "a row of both"),
        (lambda: ndcg_of_possible([[0, 0, 0]], [[1.0, 2.0]]), "no more positions"),
        (lambda: ndcg_of_possible([[0]], [[1.0, -2.0]]), "0 or more, one is -2"),
        (lambda: ndcg_of_possible([[0]], [[1.0, 2.0]], [[True]]), "masks must have the shape"),
        (lambda: ndcg_of_possible([[2]], [[1.0, 2.0]]), "items are 0 to 1"),
        (lambda: ndcg_of_possible([[-1]], [[1.0, 2.0]]), "items are 0 to 1"),
        (lambda: exposures([[0.5]], 2), "whole numbers"),
        (lambda: exposures([0, 1], 2), "whole numbers"),
        (lambda: hit_rate([[1, 0]]), "true or false"),
        (lambda: hit_rate(np.zeros(0, dtype=int)), "true or false"),
        (lambda: coverage([]), "exposure"),
        (lambda: gini([-1, 2]), "exposure"),
        (lambda: novelty([[0]], [[1]]), "rating_counts"),
        (lambda: novelty([[1]], [1]), "items are 0 to 0"),
        (lambda: intra_list_diversity([[0]], [[math.inf]]), "vectors"),
    ],
)
def test_what_cannot_be_is_refused(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
