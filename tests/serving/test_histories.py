"""Histories as services know them, in the arrays of the graph."""

from typing import Any

import numpy as np
import pytest

from contracts.policies import contract
from pydeeprecsys.serving.histories import Batch, BatchError, Reader

NUMBERS = {name: number for number, name in enumerate("abcdefgh")}


def read(*histories: Any, skip_unknown: bool = False, **changes: Any) -> Batch:
    return Reader(contract(**changes), NUMBERS).read([None] * len(histories), histories, skip_unknown)


def test_the_latest_slate_is_last_and_shorter_histories_are_padded_in_front() -> None:
    batch = read([("a", 4.0), ("b", None), ("c", 2)], [])
    assert batch.items.tolist() == [[[0], [1], [2]], [[-1], [-1], [-1]]]
    assert batch.ratings.tolist() == [[[4], [0], [2]], [[0], [0], [0]]]
    assert batch.chosen.tolist() == [[[True], [False], [True]], [[False], [False], [False]]]
    assert batch.demographics.tolist() == [[0.5] * 4] * 2
    assert [array.dtype.name for array in batch[:4]] == ["float32", "int64", "bool", "float32"]


def test_a_new_user_has_one_slate_of_nothing() -> None:
    assert read([]).items.tolist() == [[[-1]]]


def test_slates_are_padded_at_their_end() -> None:
    batch = read([[("a", None), ("b", 3.0), ("c", None)], ("d", 1.0), [("e", None)]])
    assert batch.items.tolist() == [[[0, 1, 2], [3, -1, -1], [4, -1, -1]]]
    assert batch.ratings.tolist() == [[[0, 3, 0], [1, 0, 0], [0, 0, 0]]]
    assert batch.chosen.tolist() == [[[False, True, False], [True, False, False], [False] * 3]]


def test_the_first_of_the_highest_rated_items_of_a_slate_is_the_chosen_one() -> None:
    batch = read([[("a", 2.0), ("b", 5.0), ("c", 5.0)]], consumption="slate")
    assert batch.chosen.tolist() == [[[False, True, False]]]
    assert batch.ratings.tolist() == [[[2, 5, 5]]]


def test_ratings_are_mapped_from_their_scale_to_stars() -> None:
    batch = read([("a", 0.5), ("b", 10.0), ("c", 5.25)], rating_scale=[0.5, 10])
    assert batch.ratings[0, :, 0].tolist() == [1, 5, 3]
    zero = read([("a", 0.0), ("b", None)], rating_scale=[0, 1])  # 0 is a rating too
    assert (zero.ratings[0, :, 0].tolist(), zero.chosen[0, :, 0].tolist()) == ([1, 0], [True, False])


def test_earlier_slates_than_the_graph_reads_say_what_was_consumed() -> None:
    long = [[("a", 3.0), ("b", None)], ("c", None), ("d", 1.0), *[(name, None) for name in "efga"]]
    batch = read([("h", 2.0)], long)
    assert batch.items[1, :, 0].tolist() == [4, 5, 6, 0]
    assert [column.tolist() for column in batch.earlier] == [[1, 1], [0, 3]]


def test_unknown_items_are_left_out_where_that_is_asked_for() -> None:
    batch = read([("x", 3.0), [("a", None), ("y", 4.0), ("b", None)], [("z", None)], ("c", 5.0)], skip_unknown=True)
    assert batch.items.tolist() == [[[0, 1], [2, -1]]]
    assert batch.ratings.tolist() == [[[0, 0], [5, 0]]]
    assert read([("x", 3.0)], skip_unknown=True).items.tolist() == [[[-1]]]


def test_lists_and_numpy_scalars_are_pairs_too() -> None:
    batch = read([["a", np.float32(4)], [[np.str_("b"), np.int64(3)], ["c", None]]])
    assert batch.items.tolist() == [[[0, -1], [1, 2]]]
    assert batch.ratings.tolist() == [[[4, 0], [3, 0]]]


PAIR = "an entry of a history is a pair of an item's id, a text, and its rating or None, or the list of pairs of a "
GOOD = ("a", 4.0)


@pytest.mark.parametrize(
    ("history", "pair", "reason"),
    [
        ([GOOD, ("x", 4.0)], 1, "the item 'x' is not in the catalogue of 8 items"),
        ([GOOD, ("", None)], 1, "the item '' is not in the catalogue of 8 items"),
        ([[GOOD, ("x", None)]], 1, "the item 'x' is not in the catalogue of 8 items"),
        ([("a", 6.0)], 0, "the rating 6.0 of the item 'a' is off the scale, 1 to 5"),
        ([("a", 0)], 0, "the rating 0 of the item 'a' is off the scale, 1 to 5"),
        ([GOOD, ("b", float("nan"))], 1, "the rating nan of the item 'b' is off the scale, 1 to 5"),
        ([("a", float("inf"))], 0, "the rating inf of the item 'a' is off the scale, 1 to 5"),
        ([("a", 10**400)], 0, "of the item 'a' is off the scale, 1 to 5"),
        ([("a", "4")], 0, f"{PAIR}slate, not ('a', '4')"),
        ([("a", True)], 0, f"{PAIR}slate, not ('a', True)"),
        ([(1193, 4.0)], 0, f"{PAIR}slate, not (1193, 4.0)"),
        ([("a",)], 0, f"{PAIR}slate, not ('a',)"),
        ([("a", 4.0, 978300760)], 0, f"{PAIR}slate, not ('a', 4.0, 978300760)"),
        ([("a", 4.0, "b", 3.0)], 0, f"{PAIR}slate, not ('a', 4.0, 'b', 3.0)"),
        (["a"], 0, f"{PAIR}slate, not 'a'"),
        (["ab"], 0, f"{PAIR}slate, not 'ab'"),
        ([GOOD, []], 1, f"{PAIR}slate, not []"),
        ([None], 0, f"{PAIR}slate, not None"),
        ([{"item": "a", "rating": 4.0}], 0, f"{PAIR}slate, not {{'item': 'a', 'rating': 4.0}}"),
        ([[GOOD, "b"]], 0, f"{PAIR}slate, not [('a', 4.0), 'b']"),
        ([[(name, None) for name in "abcd"]], 0, "a slate has 4 items; the policy's have at most 3"),
        ([GOOD, [("b", None), ("b", 3.0)]], 1, "a slate has an item twice: [('b', None), ('b', 3.0)]"),
        ([[GOOD, ("b", 3.0)]], 0, "a slate has several ratings, of which users give one at most here: [('a', 4.0), "),
        ("ab", None, "a history is a list, not 'ab'"),
        ({"a": 4.0}, None, "a history is a list, not {'a': 4.0}"),
        ({("a", 4.0)}, None, "a history is a list, not {('a', 4.0)}"),  # without an order
        (None, None, "a history is a list, not None"),
        (3, None, "a history is a list, not 3"),
    ],
)
def test_a_history_that_cannot_be_is_one_line_with_its_place(history: Any, pair: int | None, reason: str) -> None:
    with pytest.raises(BatchError) as caught:
        read([GOOD, GOOD], history)
    assert reason in caught.value.reason
    assert str(caught.value) == f"user 1: {caught.value.reason}"
    assert (caught.value.user, caught.value.pair) == (1, pair)


def test_the_first_fault_is_reported() -> None:
    with pytest.raises(BatchError, match=r"^user 0: the item 'x' is not in the catalogue of 8 items$"):
        read([GOOD, ("x", None), ("a", 9)], [("y", None)])


def test_pairs_are_counted_one_by_one() -> None:
    with pytest.raises(BatchError) as caught:
        read([[GOOD, ("b", None)], GOOD, [("c", None), ("x", None)]])
    assert caught.value.pair == 4


def test_demographics_that_cannot_be_name_their_user() -> None:
    with pytest.raises(BatchError, match=r"^user 1: sex must be one of F, M, it is 'W'$"):
        Reader(contract(), NUMBERS).read([{"sex": "F"}, {"sex": "W"}], [[], []], skip_unknown=False)
