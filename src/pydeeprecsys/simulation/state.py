"""What changes in a simulation, and what a step gives back."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
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

    def copied(self, *, given_up: bool = False) -> State:
        """A state like it, of arrays that may be written to, but for the streams' seeds.

        Where nobody will look at this state again, it may be `given_up`: its mask, by far its largest array, is then
        handed on and not copied.
        """
        allowed = self.allowed if given_up else self.allowed.copy()
        return State._make([self.seeds, *(array.copy() for array in self[1:-1]), allowed])


class Response(NamedTuple):
    """What n users answer to a slate of k items each."""

    slates: NDArray[np.int64]  # (n, k) the items shown
    ratings: NDArray[np.float64]  # (n, k) in [1, 5], as given before anything moved
    violence: NDArray[np.float64]  # (n, k) of the items shown, in [0, 1], measured or imputed; NaN where none is known
    chosen: NDArray[np.int64]  # (n,) position of the chosen item in the slate, -1 for none
    rewards: NDArray[np.float64]  # (n,) in [0, 1]
    terminated: NDArray[np.bool_]  # (n,) the session is over
    truncated: NDArray[np.bool_]  # (n,) the session is cut off, though the user would have stayed
