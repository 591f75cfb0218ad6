"""Compiled parts of a step, where numpy would need several passes or copies.

Each covers what lies between two injected parts, because calls dominate the time of a step with few users.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from pydeeprecsys.arrays import Flags, Floats, Ints, Seeds, Singles
from pydeeprecsys.scale import MAX_RATING, MIN_RATING
from pydeeprecsys.simulation.choice import draw_choice
from pydeeprecsys.simulation.movielens.state import State
from pydeeprecsys.simulation.streams import USER_LANE, uniform_pair


@njit(cache=True)
def start_sessions(state: State, rows: Ints, pool: Ints, budget: float) -> None:
    """Write the start of a session into some rows of a state, in place, with a user drawn uniformly from the pool.

    Vectors and satiations are not written.
    """
    for row in rows:
        uniform, _ = uniform_pair(state.seeds[row], state.episodes[row], np.int64(0), USER_LANE)
        state.users[row] = pool[np.int64(uniform * len(pool))]
        state.steps[row], state.budgets[row] = 0, budget
        state.recent_items[row], state.recent_ratings[row], state.shown[row] = -1, 0.0, 0.0
        state.allowed[row] = True


@njit(cache=True)
def rate(
    vectors: Floats, item_vectors: Floats, violence: Singles, slates: Ints, allowed: Flags
) -> tuple[Floats, Floats]:
    """(n, k) ratings and violence of the items shown; items that are not allowed get the lowest rating.

    Compiled, because numpy would first copy a vector for every item.
    """
    n, k = slates.shape
    ratings, shown_violence = np.empty((n, k)), np.empty((n, k))
    for i in range(n):
        for j in range(k):
            item = slates[i, j]
            score = 0.0
            for c in range(vectors.shape[1]):
                score += vectors[i, c] * item_vectors[item, c]
            ratings[i, j] = min(max(score, MIN_RATING), MAX_RATING)
            shown_violence[i, j] = violence[item]
    # A loop of its own, so that the processor fetches from the masks of many users at once.
    if allowed.shape[1]:
        for i in range(n):
            for j in range(k):
                if not allowed[i, slates[i, j]]:
                    ratings[i, j] = MIN_RATING
    return ratings, shown_violence


@njit(cache=True)
def pick(
    probabilities: Floats, slates: Ints, ratings: Floats, violence: Floats, seeds: Seeds, episodes: Ints, steps: Ints
) -> tuple[Ints, Ints, Floats, Floats]:
    """Draw the (n,) chosen positions, -1 for none, and the (n, 1) item, rating and violence there, or -1, 0 and 0."""
    n = len(slates)
    chosen = draw_choice(probabilities, seeds, episodes, steps)
    items, item_ratings, item_violence = np.full((n, 1), -1), np.zeros((n, 1)), np.zeros((n, 1))
    for i in range(n):
        if chosen[i] >= 0:
            items[i, 0] = slates[i, chosen[i]]
            item_ratings[i, 0] = ratings[i, chosen[i]]
            item_violence[i, 0] = violence[i, chosen[i]]
    return chosen, items, item_ratings, item_violence


@njit(cache=True)
def shift_history(items: Ints, ratings: Floats, recent_items: Ints, recent_ratings: Floats) -> tuple[Ints, Floats]:
    """Put (n, 1) items and ratings in front of the (n, h) recent ones, of which the oldest are dropped."""
    shifted_items, shifted_ratings = np.empty_like(recent_items), np.empty_like(recent_ratings)
    shifted_items[:, :1], shifted_items[:, 1:] = items, recent_items[:, :-1]
    shifted_ratings[:, :1], shifted_ratings[:, 1:] = ratings, recent_ratings[:, :-1]
    return shifted_items, shifted_ratings


@njit(cache=True)
def show(shown: Singles, slates: Ints, chosen: Ints, ratings: Floats, steps: Ints) -> Singles:
    """Put (n, k) slates in front of the (n, h · (k + r + 1)) ones shown before, of which the oldest is dropped.

    Args:
        shown: the last slates, as `HistoryLayout` has them.
        slates: (n, k) items.
        chosen: (n,) position of the chosen item, -1 for none.
        ratings: (n, r) ratings of consumed items, 0 for none.
        steps: (n,) slates shown before.
    """
    (n, k), width = slates.shape, slates.shape[1] + ratings.shape[1] + 1
    after = np.empty_like(shown)
    for i in range(n):
        used = min((steps[i] + 1) * width, shown.shape[1])
        for j in range(width, used):  # a slice takes several times as long
            after[i, j] = shown[i, j - width]
        for j in range(used, shown.shape[1]):
            after[i, j] = 0.0
        for j in range(k):
            after[i, j] = slates[i, j] + 1
        for j in range(ratings.shape[1]):
            after[i, k + j] = ratings[i, j]
        after[i, width - 1] = chosen[i] + 1
    return after


@njit(cache=True)
def mark_consumed(
    allowed: Flags, items: Ints, steps: Ints, slate_size: int, terminated: Flags, truncated: Flags
) -> None:
    """Forbid, in place, (n, c) consumed items, -1 for none; terminate where too few are left to fill a slate.

    There the mask is reset: the session is over, and no agent meets a mask that allows nothing.
    """
    n_items = allowed.shape[1]
    for i in range(items.shape[0]):
        for j in range(items.shape[1]):
            if items[i, j] >= 0:
                allowed[i, items[i, j]] = False
        # Counting takes longer than the rest: only where enough was shown to matter.
        if steps[i] * items.shape[1] > n_items - slate_size:
            left = 0
            for item in range(n_items):
                left += allowed[i, item]
            if left < slate_size:
                terminated[i], truncated[i] = True, False
                allowed[i] = True
