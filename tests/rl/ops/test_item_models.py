import numpy as np
from scipy.sparse import csr_array

from pydeeprecsys.rl.ops.item_models import ease_weights, item_similarities, nearest_neighbours

DEVIATIONS = [[1.0, 2.0, 0.0], [2.0, -1.0, 0.0], [0.0, 2.0, -3.0]]


def test_similarities_by_hand() -> None:
    # Items 0 and 1 have 2 common raters and the product 1·2 - 2·1 = 0; 1 and 2 have one, and -6 / (3 · 3).
    np.testing.assert_allclose(
        item_similarities(csr_array(DEVIATIONS), shrinkage=0), [[0, 0, 0], [0, 0, -2 / 3], [0, -2 / 3, 0]], rtol=1e-6
    )
    shrunk = item_similarities(csr_array(DEVIATIONS), shrinkage=3)  # one common rater of 1 + 3
    np.testing.assert_allclose(shrunk[1, 2], -2 / 3 / 4, rtol=1e-6)


def test_the_nearest_neighbours_are_above_0_and_at_most_k() -> None:
    similarities = np.array([[0, 0.5, 0.2, -0.9], [0.5, 0, 0.6, 0.7], [0.2, 0.6, 0, -0.1], [-0.9, 0.7, -0.1, 0]])
    expected = [[0, 0.5, 0.2, 0], [0, 0, 0.6, 0.7], [0.2, 0.6, 0, 0], [0, 0.7, 0, 0]]
    np.testing.assert_allclose(nearest_neighbours(similarities.astype(np.float32), 2), expected, rtol=1e-6)
    np.testing.assert_allclose(nearest_neighbours(similarities.astype(np.float32), 9), np.maximum(similarities, 0))


def test_ease_of_two_items_by_hand() -> None:
    # Two users have both items, one the first alone: item 1 from item 0 is 2 / (3 + 1), item 0 from item 1 2 / (2 + 1).
    weights = ease_weights(csr_array([[1.0, 1.0], [1.0, 1.0], [1.0, 0.0]]), regularization=1.0)
    np.testing.assert_allclose(weights, [[0, 2 / 4], [2 / 3, 0]], rtol=1e-6)


def test_ease_is_the_ridge_regression_of_each_item_on_all_others() -> None:
    profiles = np.random.default_rng(0).normal(size=(40, 6))
    weights = ease_weights(csr_array(profiles), regularization=7.0)
    for item in range(6):
        others = np.delete(np.arange(6), item)
        x = profiles[:, others]
        expected = np.linalg.solve(x.T @ x + 7 * np.eye(5), x.T @ profiles[:, item])
        np.testing.assert_allclose(weights[others, item], expected, rtol=1e-5)
    assert not weights.diagonal().any()
