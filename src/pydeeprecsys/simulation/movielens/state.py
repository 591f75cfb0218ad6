"""State and response of the MovieLens world."""

from __future__ import annotations

from typing import NamedTuple

from pydeeprecsys.arrays import Flags, Floats, Ints, Seeds, Singles


class State(NamedTuple):
    """A batch of n sessions. Arrays are never changed in place, so that a kept state stays what it was.

    An array that the simulator's parts do not need has no columns.
    """

    seeds: Seeds  # (n,) of each random stream
    episodes: Ints  # (n,) sessions that the stream began before this one
    steps: Ints  # (n,) slates shown in this session
    users: Ints  # (n,) row of the user in the world
    vectors: Floats  # (n, d) the user's vector, with the affinities as they are now
    recent_items: Ints  # (n, h) the item chosen from each of the last slates, latest first; -1 for none
    recent_ratings: Floats  # (n, h) the rating of each, 0 for none
    satiations: Floats  # (n, categories or 0) with each category, 0 or more
    budgets: Floats  # (n,) patience left
    shown: Singles  # (n, h · (k + r + 1) or 0) the last slates with choices and ratings, see `HistoryLayout`
    allowed: Flags  # (n, items or 0) the items not consumed in this session

    @property
    def last_items(self) -> Ints:
        """(n,) the item chosen from the last slate, -1 for none and before the first."""
        return self.recent_items[:, 0]

    @property
    def last_ratings(self) -> Floats:
        """(n,) the rating of that item, 0 for none."""
        return self.recent_ratings[:, 0]


class Response(NamedTuple):
    """Responses of n users to slates of k items."""

    slates: Ints  # (n, k) the items shown
    ratings: Floats  # (n, k) in [1, 5], given before any affinity moved
    violence: Floats  # (n, k) of the items shown, in [0, 1], measured or imputed; NaN where unknown
    chosen: Ints  # (n,) position of the chosen item in the slate, -1 for none
    rewards: Floats  # (n,) in [0, 1]
    terminated: Flags  # (n,) the session is over
    truncated: Flags  # (n,) the session is cut off, though the user would have stayed
