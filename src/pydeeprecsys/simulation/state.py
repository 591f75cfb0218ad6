"""What changes in a simulation, and what a step gives back."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class State(NamedTuple):
    """A batch of n sessions. Arrays are never changed in place: a state that is kept stays what it was."""

    seeds: NDArray[np.uint64]  # (n,) of each random stream
    episodes: NDArray[np.int64]  # (n,) sessions that the stream has begun before this one
    steps: NDArray[np.int64]  # (n,) slates shown in this session
    users: NDArray[np.int64]  # (n,) row of the user in the world
    vectors: NDArray[np.float64]  # (n, d) the user's vector, its affinities as they have moved so far
    last_items: NDArray[np.int64]  # (n,) the item chosen last, -1 before the first
    last_ratings: NDArray[np.float64]  # (n,) what it was rated, 0 before the first

    def where(self, mask: NDArray[np.bool_], other: State) -> State:
        """These sessions where `mask` (n,) is set, the others' elsewhere."""
        return State(
            *(
                np.where(mask if mine.ndim == 1 else mask[:, None], mine, theirs)
                for mine, theirs in zip(self, other, strict=True)
            )
        )


class Response(NamedTuple):
    """What n users answer to a slate of k items each."""

    ratings: NDArray[np.float64]  # (n, k) in [1, 5], as given before any affinity moved
    violence: NDArray[np.float64]  # (n, k) of the items shown, in [0, 1]
    chosen: NDArray[np.int64]  # (n,) position of the chosen item in the slate
    rewards: NDArray[np.float64]  # (n,) in [0, 1]
    terminated: NDArray[np.bool_]  # (n,) the session is over
