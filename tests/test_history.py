import numpy as np
import pytest

from pydeeprecsys.errors import InputError
from pydeeprecsys.history import HistoryLayout

CHOSEN = HistoryLayout(n_items=7, slate_size=2, n_rated=1, length=3)
WHOLE = HistoryLayout(n_items=7, slate_size=2, n_rated=2, length=2)
USER = [0.0, 1.0, 0.5, 0.25]


def test_a_row_of_chosen_items() -> None:
    row = CHOSEN.row(USER, slates=[[6, 0], [3, 4]], choices=[1, -1], ratings=[[4.5], [0]])
    np.testing.assert_array_equal(row, [*USER, 7, 1, 4.5, 2, 4, 5, 0, 0, 0, 0, 0, 0])
    assert CHOSEN.size == len(row) == len(CHOSEN.highest)
    np.testing.assert_array_equal(CHOSEN.highest[4:8], [7, 7, 5, 2])


def test_what_is_read_of_chosen_items() -> None:
    history = CHOSEN.read(CHOSEN.row(USER, slates=[[6, 0], [3, 4]], choices=[1, -1], ratings=[[4.5], [0]])[None])
    np.testing.assert_array_equal(history.demographics, [USER])
    np.testing.assert_array_equal(history.slates, [[[6, 0], [3, 4], [-1, -1]]])
    np.testing.assert_array_equal(history.choices, [[1, -1, -1]])
    np.testing.assert_array_equal(history.items, [[0, -1, -1]])
    np.testing.assert_array_equal(history.ratings, [[4.5, 0, 0]])
    np.testing.assert_array_equal(history.steps, [2])


def test_what_is_read_of_whole_slates() -> None:
    row = WHOLE.row(USER, slates=[[6, 0]], choices=[0], ratings=[[1, 5]])
    history = WHOLE.read(row[None])
    np.testing.assert_array_equal(history.items, [[6, 0, -1, -1]])
    np.testing.assert_array_equal(history.ratings, [[1, 5, 0, 0]])
    np.testing.assert_array_equal(WHOLE.allowed(row[None]), [[False, True, True, True, True, True, False]])


def test_the_last_rating_is_that_of_the_chosen_item() -> None:
    rows = [
        CHOSEN.row(USER, slates=[[6, 0], [3, 4]], choices=[1, 0], ratings=[[4.5], [3]]),
        CHOSEN.row(USER, slates=[[6, 0], [3, 4]], choices=[-1, 0], ratings=[[0], [3]]),
        CHOSEN.row(USER, slates=[], choices=[], ratings=[]),
    ]
    np.testing.assert_array_equal(CHOSEN.read(np.stack(rows)).last_ratings, [4.5, 0, 0])
    whole = [WHOLE.row(USER, slates=[[6, 0]], choices=[choice], ratings=[[1, 5]]) for choice in (0, 1, -1)]
    np.testing.assert_array_equal(WHOLE.read(np.stack(whole)).last_ratings, [1, 5, 0])


@pytest.mark.parametrize(
    ("slates", "choices", "ratings", "match"),
    [
        ([[0, 1]] * 4, [0] * 4, [[3]] * 4, "has 4 slates; give the last 3"),
        ([[0, 7]], [0], [[3]], "the item 7; items are 0 to 6"),
        ([[0, -1]], [0], [[3]], "the item -1; items are 0 to 6"),
        ([[0, 1]], [0], [[5.5]], r"a rating of 5\.5; ratings are 1 to 5 stars"),
        ([[0, 1]], [0], [[float("nan")]], "a rating of nan"),
        ([[0, 1]], [2], [[3]], "a choice out of a slate of 2"),
        ([[0, 1, 2]], [0], [[3]], "a slate has 3 items and 1 ratings; give 2 and 1"),
        ([[0, 1]], [0], [[3, 4]], "a slate has 2 items and 2 ratings; give 2 and 1"),
        ([[0, 1]], [0, 0], [[3]], "1 slates have 2 choices and 1 ratings"),
    ],
)
def test_histories_that_cannot_be(
    slates: list[list[int]], choices: list[int], ratings: list[list[float]], match: str
) -> None:
    with pytest.raises(InputError, match=match):
        CHOSEN.row(USER, slates, choices, ratings=ratings)


def test_observations_of_another_size() -> None:
    with pytest.raises(InputError, match=r"takes \(n, 16\)"):
        CHOSEN.read(np.zeros((2, 15)))
