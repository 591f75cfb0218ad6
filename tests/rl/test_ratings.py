import numpy as np

from pydeeprecsys.rl.ratings import Ratings


def ratings(third: float = 2.0) -> Ratings:
    users, items = np.array([0, 0, 2], np.int32), np.array([0, 1, 1], np.int32)
    return Ratings(users, items, stars=np.array([5, 3, third], np.float32), mean_ratings=np.array([3.0, 2.5]))


def test_ratings_of_the_same_content_are_equal() -> None:
    assert ratings() == ratings()
    assert hash(ratings()) == hash(ratings())
    assert ratings() != ratings(third=2.5)


def test_ratings_are_centred_by_item_and_user() -> None:
    # Deviations 2 and 0.5 of user 0, whose offset is 2.5 / 7; -0.5 of user 2, whose offset is -0.5 / 6.
    np.testing.assert_allclose(ratings().centred, [2 - 2.5 / 7, 0.5 - 2.5 / 7, -0.5 + 0.5 / 6])


def test_the_matrix_has_a_row_for_each_user() -> None:
    matrix = ratings().matrix([1, 2, 3])
    assert matrix.toarray().tolist() == [[1, 2], [0, 0], [0, 3]]
