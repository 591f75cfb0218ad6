import numpy as np
import pytest

from pydeeprecsys.simulation.choice import uniform_choice


def test_numbers_become_positions() -> None:
    ratings = np.ones((6, 3))
    numbers = np.array([0.0, 0.333, 0.334, 0.666, 0.667, 0.999])
    assert uniform_choice(ratings, numbers).tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("slate_size", [1, 2, 3, 7, 10, 1023, 1024, 3883])
def test_the_largest_number_below_1_is_the_last_position(slate_size: int) -> None:
    assert uniform_choice(np.ones((1, slate_size)), np.array([np.nextafter(1.0, 0.0)])).tolist() == [slate_size - 1]


def test_ratings_have_no_say() -> None:
    numbers = np.random.default_rng(0).random(100)
    liked_first, liked_last = np.tile([5.0, 1.0, 1.0], (100, 1)), np.tile([1.0, 1.0, 5.0], (100, 1))
    assert uniform_choice(liked_first, numbers).tolist() == uniform_choice(liked_last, numbers).tolist()
