"""How what a user is shown changes the user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pydeeprecsys.errors import InputError

# Far above what 50 ratings can reach, (1 + 99) ** 50 = 1e100 times an affinity, and far below where products overflow.
_BOUND = 1e150


class Dynamics(Protocol):
    """A user dynamic: vectors before to vectors after the items of a slate."""

    def __call__(
        self,
        vectors: NDArray[np.float64],
        slates: NDArray[np.int64],
        ratings: NDArray[np.float64],
        genres: NDArray[np.bool_],
    ) -> NDArray[np.float64]:
        """Map (n, d) vectors, (n, k) items shown, (n, k) their ratings and (items, 19) genres to new (n, d) vectors."""
        ...


@dataclass(frozen=True)
class GenreReinforcement:
    """Liking an item moves the user's affinities for its genres.

    Item by item in the order of the slate: where the rating is at least `threshold`, the affinities for the item's
    genres are multiplied by 1 + delta, within a bound that keeps sessions of any length finite and that 50 ratings
    never reach.

    Attributes:
        delta: above 0 is addiction, below 0 boredom; in (-1, 99].
        threshold: the lowest rating that moves anything, in stars.

    Raises:
        InputError: delta is outside (-1, 99], or the threshold is not a number.
    """

    delta: float = 1.0
    threshold: float = 3.0

    def __post_init__(self) -> None:
        if not -1 < self.delta <= 99:
            raise InputError(f"delta is {self.delta}; give a number above -1 (boredom) and up to 99 (addiction)")
        if np.isnan(self.threshold):
            raise InputError("the threshold is not a number; give a rating in stars, such as 3.0")

    def __call__(
        self,
        vectors: NDArray[np.float64],
        slates: NDArray[np.int64],
        ratings: NDArray[np.float64],
        genres: NDArray[np.bool_],
    ) -> NDArray[np.float64]:
        """Map (n, d) vectors, (n, k) items shown and their ratings, and (items, 19) genres to new (n, d) vectors."""
        moved: NDArray[np.float64] = _reinforce(vectors, slates, ratings, genres, self.delta, self.threshold)
        return moved


@njit(cache=True)
def _reinforce(
    vectors: NDArray[np.float64],
    slates: NDArray[np.int64],
    ratings: NDArray[np.float64],
    genres: NDArray[np.bool_],
    delta: float,
    threshold: float,
) -> NDArray[np.float64]:
    moved = vectors.copy()
    n_genres = genres.shape[1]
    first = vectors.shape[1] - n_genres
    for i in range(slates.shape[0]):
        for j in range(slates.shape[1]):
            if ratings[i, j] >= threshold:
                for g in range(n_genres):
                    if genres[slates[i, j], g]:
                        affinity = moved[i, first + g] * (1 + delta)
                        moved[i, first + g] = min(max(affinity, -_BOUND), _BOUND)
    return moved
