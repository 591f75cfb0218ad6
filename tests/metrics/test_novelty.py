from typing import Any

import numpy as np
import pytest

from pydeeprecsys.errors import InputError
from pydeeprecsys.metrics.novelty import novelty, self_information


def test_novelty_by_hand() -> None:
    # Laplace's rule: of 11 ratings and 5 items the shares are 8, 4, 2, 1 and 1 sixteenths.
    counts = [7, 3, 1, 0, 0]
    np.testing.assert_allclose(self_information(counts), [1, 2, 3, 4, 4])
    np.testing.assert_allclose(novelty([[0, 1], [2, 4], [3, 3]], counts), [1.5, 3.5, 4])
    assert novelty([[0]], [5]).tolist() == [0]
    # Where nothing was rated all items are equally likely.
    assert self_information([0, 0, 0, 0]).tolist() == [2, 2, 2, 2]


def test_a_batch_is_its_rows_to_the_bit() -> None:
    rng = np.random.default_rng(0)
    slates, counts = rng.integers(30, size=(50, 10)), rng.integers(100, size=30)
    assert novelty(slates, counts).tolist() == [novelty(slates[[i]], counts)[0] for i in range(50)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: novelty([[0]], [[1]]), "rating_counts"),
        (lambda: novelty([[1]], [1]), "items are 0 to 0"),
    ],
)
def test_what_cannot_be_is_refused(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
