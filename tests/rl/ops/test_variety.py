import numpy as np
import pytest

from pydeeprecsys.rl.ops.variety import Penalty, kinds_of, less_overlap, memories, overlaps, varied_order, varied_slates

SCORES = [5.0, 4.9, 4.6, 4.0, 3.9]
GENRES = [[1, 0], [1, 0], [1, 1], [0, 1], [0, 0]]


@pytest.mark.parametrize(
    ("weight", "decay", "order"),
    [
        (0.0, 0.5, [0, 1, 2, 3, 4]),
        # After item 0 the memory is (0.5, 0): 4.9 - 0.5, 4.6 - 0.5 / √2, 4, 3.9. After item 1, (0.75, 0):
        # 4.6 - 0.75 / √2 = 4.07, 4, 3.9. After item 2, (0.75 + 1 / √2, 1 / √2) / 2: 4 - 0.35, 3.9.
        (1.0, 0.5, [0, 1, 2, 4, 3]),
        # After item 0: 4.9 - 2 · 0.5, 4.6 - 2 · 0.5 / √2, 4, 3.9. After item 3, (0.25, 0.5): 4.4, 3.54, 3.9.
        # After item 1, (0.625, 0.25): 4.6 - 2 · 0.875 / √2 = 3.36, 3.9.
        (2.0, 0.5, [0, 3, 1, 4, 2]),
        (1.0, 0.0, [0, 1, 2, 3, 4]),  # nothing is remembered
    ],
)
def test_hand_computed(weight: float, decay: float, order: list[int]) -> None:
    assert varied_order(SCORES, GENRES, weight, decay).tolist() == order


def test_it_is_the_greedy_order_written_out() -> None:
    rng = np.random.default_rng(0)
    scores, genres = rng.normal(size=60), rng.random((60, 4)) < 0.4
    units = genres / np.sqrt(np.maximum(genres.sum(axis=1, keepdims=True), 1))
    memory, left, expected = np.zeros(4), list(range(60)), []
    while left:
        best = max(left, key=lambda item: scores[item] - 0.7 * units[item] @ memory)
        left.remove(best)
        expected.append(best)
        memory = 0.9 * (memory + units[best])
    assert varied_order(scores, genres, 0.7, 0.9).tolist() == expected


def test_kinds_are_the_items_of_the_same_categories() -> None:
    kinds = kinds_of(GENRES)  # in the order of their flags: none, the second, the first, both
    np.testing.assert_allclose(kinds.units, [[0, 0, 1, 0.5**0.5], [0, 1, 0, 0.5**0.5]])
    assert kinds.of.tolist() == [2, 2, 3, 1, 0]
    assert kinds.items.tolist() == [4, 3, 0, 1, 2]
    assert kinds.starts.tolist() == [0, 1, 2, 4, 5]


def test_memories_decay_with_each_consumed_item_and_with_nothing_else() -> None:
    # Item 0, then 3: 0.5 · (0.5 · (1, 0) + (0, 1)).
    consumed = np.array([[-1, -1, -1], [0, -1, 3], [4, -1, -1]])
    np.testing.assert_allclose(
        memories(consumed, kinds_of(GENRES), np.array([0.5]))[:, 0], [[0, 0], [0.25, 0.5], [0, 0]]
    )


def test_overlaps_are_with_the_items_before() -> None:
    # The memory before the third item is (0.75, 0), before the fourth (0.375 + 0.5 / √2, 0.5 / √2).
    consumed = np.array([[0, 0, 2, 3, 4], [-1, 3, -1, 3, 0]])
    expected = [[0, 0.5, 0.75 / 2**0.5, 0.5 / 2**0.5, 0], [0, 0, 0, 0.5, 0]]
    np.testing.assert_allclose(overlaps(consumed, kinds_of(GENRES), 0.5), expected)


def test_weights_of_several_decays_add_up() -> None:
    # Memories after item 3, with decays 0.5 and 0.25: (0, 0.5) and (0, 0.25).
    kinds, penalty = kinds_of(GENRES), Penalty(np.array([1.0, -2.0]), np.array([0.5, 0.25]))
    start = memories(np.array([[3]]), kinds, penalty.decays)
    np.testing.assert_allclose(start, [[[0, 0.5], [0, 0.25]]])
    less = less_overlap(np.array([[1.0, 1.0, 1.0, 1.5, 0.9]]), start, kinds=kinds, weights=np.array([1.0, -2.0]))
    np.testing.assert_allclose(less, [[1, 1, 1, 1.5, 0.9]])
    # After item 3 again: (0, 0.75) and (0, 0.3125), so that items with its category are worth 0.125 less.
    slates = varied_slates(np.array([[1.0, 0.9, 1.05, 1.5, 0.99]]), start, kinds=kinds, penalty=penalty, k=2)
    assert slates.tolist() == [[3, 0]]  # 1.05 - 0.125 / √2 is 0.96


def test_scores_less_the_overlap() -> None:
    less = less_overlap(np.array([SCORES]), np.array([[[0.25, 0.5]]]), kinds=kinds_of(GENRES), weights=np.array([2.0]))
    np.testing.assert_allclose(less, [[4.5, 4.4, 4.6 - 1.5 / 2**0.5, 3.0, 3.9]])


def test_slates_go_on_from_what_was_had() -> None:
    # From (0, 2): 5, 4.9, 4.6 - 2 / √2, 2, 3.9. After item 0, (0.5, 1): 4.4, 4.6 - 1.5 / √2, 3, 3.9.
    scores = np.array([SCORES, SCORES])
    scores[1, 0] = -np.inf
    start, penalty = np.array([[[0.0, 2.0]]] * 2), Penalty(np.array([1.0]), np.array([0.5]))
    slates = varied_slates(scores, start, kinds=kinds_of(GENRES), penalty=penalty, k=2)
    assert slates.tolist() == [[0, 1], [1, 4]]  # without item 0: item 1, and then 4.6 - 1.5 / √2 is below 3.9


@pytest.mark.parametrize("weight", [0.0, 0.7])
def test_slates_are_the_greedy_ones_written_out(weight: float) -> None:
    rng = np.random.default_rng(1)
    scores, genres, start = rng.normal(size=(5, 60)), rng.random((60, 4)) < 0.4, rng.random((5, 1, 4))
    scores[rng.random((5, 60)) < 0.3] = -np.inf
    units = genres / np.sqrt(np.maximum(genres.sum(axis=1, keepdims=True), 1))
    penalty = Penalty(np.array([weight]), np.array([0.9]))
    slates = varied_slates(scores, start, kinds=kinds_of(genres), penalty=penalty, k=9)
    for row, memory, slate in zip(scores, start[:, 0], slates, strict=True):
        left = row.copy()
        for item in slate:
            assert item == np.argmax(left - weight * units @ memory)
            left[item] = -np.inf
            memory = 0.9 * (memory + units[item])
