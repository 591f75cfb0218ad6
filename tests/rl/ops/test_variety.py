import numpy as np
import pytest

from pydeeprecsys.rl.ops.variety import varied_order

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
