import math
from typing import Any

import numpy as np
import pytest

from pydeeprecsys.envs.vector import MovieLensFairnessVector
from pydeeprecsys.errors import InputError
from pydeeprecsys.metrics.relevance import dcg, discounts, ndcg, ndcg_of_fives, recall

LOG3 = 1 / math.log2(3)  # 0.631, the discount of the second position


def test_dcg_by_hand() -> None:
    np.testing.assert_allclose(discounts(3), [1, LOG3, 1 / 2])
    np.testing.assert_allclose(dcg([[3, 2, 4], [0, 0, 1]]), [3 + 2 * LOG3 + 4 / 2, 1 / 2])
    assert dcg([[4.5]]).tolist() == [4.5]


def test_ndcg_against_fives_by_hand() -> None:
    ideal = 5 + 5 * LOG3
    np.testing.assert_allclose(ndcg_of_fives([[5, 5], [5, 1], [1, 5]]), [1, (5 + LOG3) / ideal, (1 + 5 * LOG3) / ideal])
    np.testing.assert_allclose(ndcg_of_fives([[0.5], [1.0]], best=1.0), [0.5, 1])


@pytest.mark.slow
def test_dcg_and_ndcg_are_those_of_the_environment() -> None:
    env = MovieLensFairnessVector(num_envs=4, slate_size=3)
    env.reset(seed=0)
    _, _, _, _, infos = env.step(np.arange(12).reshape(4, 3))
    assert dcg(infos["ratings"]).tolist() == infos["dcg"].tolist()
    assert ndcg_of_fives(infos["ratings"]).tolist() == infos["ndcg"].tolist()


def test_ndcg_against_the_best_possible_slate_by_hand() -> None:
    relevance = [[1.0, 4.0, 2.0, 3.0]]
    ideal = 4 + 3 * LOG3
    for slate, gain in (
        ([1, 3], ideal),
        ([3, 1], 3 + 4 * LOG3),
        ([0, 2], 1 + 2 * LOG3),
        ([1, 1], 4),  # a repeated item has no gain
        ([0, 0], 1),
    ):
        np.testing.assert_allclose(ndcg([slate], relevance), [gain / ideal])
    # Without item 1 the best are 3 and 2, and with item 0 alone there is one position to fill.
    masks = [[True, False, True, True]]
    np.testing.assert_allclose(ndcg([[3, 2]], relevance, masks), [1])
    np.testing.assert_allclose(ndcg([[1, 3]], relevance, masks), [3 * LOG3 / (3 + 2 * LOG3)])
    np.testing.assert_allclose(ndcg([[2, 0]], relevance, [[True, False, False, False]]), [LOG3])
    # The whole catalogue, a slate of one, and users for whom nothing is relevant, or allowed.
    np.testing.assert_allclose(ndcg([[1, 3, 2, 0]], relevance), [1])
    np.testing.assert_allclose(ndcg([[3], [3]], relevance * 2), [3 / 4] * 2)
    assert ndcg([[0, 1]], [[0, 0, 0]]).tolist() == [1]
    assert ndcg([[0, 1]], [[3, 2, 1]], [[False] * 3]).tolist() == [1]


def test_no_slate_is_better_than_the_best() -> None:
    rng = np.random.default_rng(3)
    relevance, masks = rng.random((500, 6)), rng.random((500, 6)) < 0.6
    slates = rng.integers(6, size=(500, 4))
    for given in (None, masks):
        values = ndcg(slates, relevance, given)
        assert values.min() >= 0
        assert values.max() <= 1
        best = np.argsort(-(relevance if given is None else np.where(given, relevance, -1)), axis=1)[:, :4]
        np.testing.assert_allclose(ndcg(best, relevance, given), 1)


def test_recall_by_hand() -> None:
    relevant = [[True, False, True, True], [True, False, False, False], [False] * 4]
    np.testing.assert_allclose(recall([[0, 1, 2], [1, 2, 3], [0, 1, 2]], relevant), [2 / 3, 0, np.nan])
    assert recall([[0, 0]], [[True, True]]).tolist() == [0.5]  # one item, shown twice
    assert recall([[0, 4]], [[True] * 3 + [False] * 2]).tolist() == [0.5]  # two of three at most


def test_ndcg_of_what_is_relevant_or_not() -> None:
    # Hits at positions 0 and 2; the ideal slate of three has all three relevant items.
    gained, ideal = 1 + 1 / math.log2(4), 1 + 1 / math.log2(3) + 1 / math.log2(4)
    np.testing.assert_allclose(ndcg([[0, 1, 2]], [[True, False, True, True]]), [gained / ideal])


def test_a_batch_is_its_rows_to_the_bit() -> None:
    rng = np.random.default_rng(0)
    relevance, slates = rng.random((50, 30)), rng.integers(30, size=(50, 10))
    assert dcg(relevance).tolist() == [dcg(relevance[[i]])[0] for i in range(50)]
    assert ndcg(slates, relevance).tolist() == [ndcg(slates[[i]], relevance[[i]])[0] for i in range(50)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dcg([1.0, 2.0]), r"relevance .* \(2,\)"),
        (lambda: dcg([[1.0, math.nan]]), "relevance must be finite"),
        (lambda: dcg(np.zeros((0, 3))), "relevance"),
        (lambda: ndcg_of_fives([[1.0]], best=0.0), "above 0"),
        (lambda: ndcg([[0]], [[1.0], [2.0]]), "a row of both"),
        (lambda: ndcg([[0, 0, 0]], [[1.0, 2.0]]), "no more positions"),
        (lambda: ndcg([[0]], [[1.0, -2.0]]), "0 or more, one is -2"),
        (lambda: ndcg([[0]], [[1.0, 2.0]], [[True]]), "masks must have the shape"),
        (lambda: ndcg([[2]], [[1.0, 2.0]]), "items are 0 to 1"),
        (lambda: ndcg([[-1]], [[1.0, 2.0]]), "items are 0 to 1"),
        (lambda: recall([[0]], [True, False]), "a row of items for each"),
        (lambda: recall([[0]], [[True, False]] * 2), "a row of items for each"),
        (lambda: recall([[2]], [[True, False]]), "items are 0 to 1"),
    ],
)
def test_what_cannot_be_is_refused(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
