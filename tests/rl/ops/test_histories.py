import numpy as np

from pydeeprecsys.rl.ops.histories import centred, linear_scores, user_offset

MEANS = np.array([3.0, 4.0, 2.0])


def test_offsets_are_shrunk_towards_0_where_there_are_few_ratings() -> None:
    # Five ratings, half a star above the items on average, count half.
    np.testing.assert_allclose(user_offset(np.array([0.0, 1.0, 2.5]), np.array([0, 1, 5])), [0, 1 / 6, 0.25])


def test_ratings_are_centred_by_item_and_user() -> None:
    items, deviations, offsets = centred(
        np.array([[0, -1, 1], [-1, -1, -1]]), np.array([[5, 0, 3.5], [0, 0, 0]]), MEANS
    )
    # Deviations of 2 and -0.5: the offset is 1.5 / 7.
    np.testing.assert_allclose(offsets, [1.5 / 7, 0])
    np.testing.assert_allclose(deviations, [[2 - 1.5 / 7, 0, -0.5 - 1.5 / 7], [0, 0, 0]])
    np.testing.assert_array_equal(items, [[0, -1, 1], [-1, -1, -1]])


def test_of_an_item_rated_again_the_latest_rating_counts() -> None:
    items, deviations, _ = centred(np.array([[2, 0, 2]]), np.array([[2.0, 3.0, 5.0]]), MEANS)
    np.testing.assert_array_equal(items, [[2, 0, -1]])
    np.testing.assert_allclose(deviations, 0)


def test_scores_are_sums_over_the_history() -> None:
    weights = np.array([[0, 1, 2], [3, 0, 4], [5, 6, 0]], np.float32)
    scores = linear_scores(np.array([[0, 2], [-1, 1], [-1, -1]]), np.array([[1.0, -0.5], [9, 2], [9, 9]]), weights)
    np.testing.assert_allclose(scores, [[-2.5, -2, 2], [6, 0, 8], [0, 0, 0]])
