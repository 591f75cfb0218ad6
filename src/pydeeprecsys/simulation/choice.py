"""Which item of a slate the user chooses."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Choice(Protocol):
    """A choice model: ratings of the items shown and one random number a user to one position a user."""

    def __call__(self, ratings: NDArray[np.float64], uniforms: NDArray[np.float64]) -> NDArray[np.int64]:
        """Map (n, k) ratings and (n,) numbers in [0, 1) to (n,) positions in 0..k-1."""
        ...


def uniform_choice(ratings: NDArray[np.float64], uniforms: NDArray[np.float64]) -> NDArray[np.int64]:
    """Every item of the slate is equally likely."""
    positions: NDArray[np.int64] = (uniforms * ratings.shape[1]).astype(np.int64)
    return positions
