import math
from typing import Any

import numpy as np
import pytest

from pydeeprecsys.errors import InputError
from pydeeprecsys.metrics.diversity import intra_list_diversity


def test_intra_list_diversity_by_hand() -> None:
    genres = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0]], dtype=bool)
    half = 1 / math.sqrt(2)
    values = intra_list_diversity([[0, 1, 2], [0, 0, 0], [0, 2, 0]], genres)
    # Cosines of the three pairs: 1/√2, 0, 0; all 1; one of three.
    np.testing.assert_allclose(values, [1 - half / 3, 0, 2 / 3], atol=1e-15)
    # Pairs with an item of unknown genres are not counted; without a pair there is nothing to tell.
    values = intra_list_diversity([[0, 3, 1], [3, 2, 3], [3, 3, 3]], genres)
    np.testing.assert_allclose(values, [1 - half, np.nan, np.nan], atol=1e-15)
    # Lengths do not matter; opposites are at the distance 2.
    np.testing.assert_allclose(intra_list_diversity([[0, 1], [0, 2]], [[2.0, 0], [5, 0], [-1, 0]]), [0, 2], atol=1e-15)
    assert np.isnan(intra_list_diversity([[0], [3]], genres)).all()


def test_a_batch_is_its_rows_to_the_bit() -> None:
    rng = np.random.default_rng(0)
    slates, vectors = rng.integers(30, size=(50, 10)), rng.random((30, 7))
    rows = [intra_list_diversity(slates[[i]], vectors)[0] for i in range(50)]
    assert intra_list_diversity(slates, vectors).tolist() == rows


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: intra_list_diversity([[0]], [[math.inf]]), "vectors"),
    ],
)
def test_what_cannot_be_is_refused(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
