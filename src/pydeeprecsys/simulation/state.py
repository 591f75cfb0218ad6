"""What changes in a simulation, and what a step gives back."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray


class State(NamedTuple):
    """A batch of n sessions. Arrays are never changed in place: a state that is kept stays what it was.

    What the simulator's parts have no use for is an array of no columns.
    """

    seeds: NDArray[np.uint64]  # (n,) of each random stream
    episodes: NDArray[np.int64]  # (n,) sessions that the stream has begun before this one
    steps: NDArray[np.int64]  # (n,) slates shown in this session
    users: NDArray[np.int64]  # (n,) row of the user in the world
    vectors: NDArray[np.float64]  # (n, d) the user's vector, its affinities as they have moved so far
    last_items: NDArray[np.int64]  # (n,) the item chosen of the last slate, -1 for none and before the first
    last_ratings: NDArray[np.float64]  # (n,) what it was rated, 0 for none and before the first
    earlier_items: NDArray[np.int64]  # (n, h - 1) those of the slates before, the latest first
    earlier_ratings: NDArray[np.float64]  # (n, h - 1) likewise
    satiations: NDArray[np.float64]  # (n, 19 or 0) with each genre, 0 or more
    budgets: NDArray[np.float64]  # (n,) patience left, where patience is what ends the session
    allowed: NDArray[np.bool_]  # (n, items or 0) what was not consumed in this session

    def with_rows(self, rows: NDArray[np.int64], other: State, *, given_up: bool = False) -> State:
        """These sessions, but for `rows` (m,) the m others, which are of the same streams.

        Where nobody will look at this state again, it may be `given_up`: its mask, by far its largest array, is then
        written over and not copied.
        """
        allowed = self.allowed if given_up else self.allowed.copy()
        merged = State._make([self.seeds, *(array.copy() for array in self[1:-1]), allowed])
        _put(rows, *merged[1:-1], *other[1:-1])
        allowed[rows] = other.allowed
        return merged


class Response(NamedTuple):
    """What n users answer to a slate of k items each."""

    slates: NDArray[np.int64]  # (n, k) the items shown
    ratings: NDArray[np.float64]  # (n, k) in [1, 5], as given before anything moved
    violence: NDArray[np.float64]  # (n, k) of the items shown, in [0, 1]
    chosen: NDArray[np.int64]  # (n,) position of the chosen item in the slate, -1 for none
    rewards: NDArray[np.float64]  # (n,) in [0, 1]
    terminated: NDArray[np.bool_]  # (n,) the session is over
    truncated: NDArray[np.bool_]  # (n,) the session is cut off, though the user would have stayed


# Compiled, for as many indexed assignments take five times as long. A state as one argument would cost as much, too.
@njit(cache=True)
def _put(
    rows: NDArray[np.int64],
    episodes: NDArray[np.int64],
    steps: NDArray[np.int64],
    users: NDArray[np.int64],
    vectors: NDArray[np.float64],
    last_items: NDArray[np.int64],
    last_ratings: NDArray[np.float64],
    earlier_items: NDArray[np.int64],
    earlier_ratings: NDArray[np.float64],
    satiations: NDArray[np.float64],
    budgets: NDArray[np.float64],
    new_episodes: NDArray[np.int64],
    new_steps: NDArray[np.int64],
    new_users: NDArray[np.int64],
    new_vectors: NDArray[np.float64],
    new_last_items: NDArray[np.int64],
    new_last_ratings: NDArray[np.float64],
    new_earlier_items: NDArray[np.int64],
    new_earlier_ratings: NDArray[np.float64],
    new_satiations: NDArray[np.float64],
    new_budgets: NDArray[np.float64],
) -> None:
    """Write, in place, m sessions into `rows` (m,) of others: all of a state but its seeds and its mask."""
    for i in range(len(rows)):
        row = rows[i]
        episodes[row], steps[row], users[row] = new_episodes[i], new_steps[i], new_users[i]
        vectors[row], satiations[row], budgets[row] = new_vectors[i], new_satiations[i], new_budgets[i]
        last_items[row], last_ratings[row] = new_last_items[i], new_last_ratings[i]
        earlier_items[row], earlier_ratings[row] = new_earlier_items[i], new_earlier_ratings[i]
