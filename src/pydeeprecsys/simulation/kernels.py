"""The compiled parts of a step: what numpy would need several passes, or copies, for.

Each does as much as lies between two of the parts that are injected, for of few users the calls take longest.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pydeeprecsys.simulation.choice import position
from pydeeprecsys.simulation.streams import CHOICE_LANE, USER_LANE, uniform_pair

MIN_RATING, MAX_RATING = 1.0, 5.0


@njit(cache=True)
def restart(
    rows: NDArray[np.int64],
    seeds: NDArray[np.uint64],
    episodes: NDArray[np.int64],
    pool: NDArray[np.int64],
    budget: float,
    steps: NDArray[np.int64],
    users: NDArray[np.int64],
    last_items: NDArray[np.int64],
    last_ratings: NDArray[np.float64],
    earlier_items: NDArray[np.int64],
    earlier_ratings: NDArray[np.float64],
    budgets: NDArray[np.float64],
    allowed: NDArray[np.bool_],
) -> None:
    """Write what sessions begin with into some rows of a state; the user is any of the pool, all equally likely."""
    for row in rows:
        uniform, _ = uniform_pair(seeds[row], episodes[row], np.int64(0), USER_LANE)
        users[row] = pool[np.int64(uniform * len(pool))]
        steps[row], budgets[row] = 0, budget
        last_items[row], last_ratings[row] = -1, 0.0
        earlier_items[row], earlier_ratings[row] = -1, 0.0
        allowed[row] = True


@njit(cache=True)
def rate(
    vectors: NDArray[np.float64],
    item_vectors: NDArray[np.float64],
    violence: NDArray[np.float32],
    slates: NDArray[np.int64],
    allowed: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n, k) ratings, the lowest of what is not allowed, and violence of the items shown.

    Compiled, for numpy would first copy a vector for every item.
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
    # By itself, so that the processor fetches from the masks of many users at once.
    if allowed.shape[1]:
        for i in range(n):
            for j in range(k):
                if not allowed[i, slates[i, j]]:
                    ratings[i, j] = MIN_RATING
    return ratings, shown_violence


@njit(cache=True)
def take(
    slates: NDArray[np.int64],
    ratings: NDArray[np.float64],
    violence: NDArray[np.float64],
    probabilities: NDArray[np.float64],
    seeds: NDArray[np.uint64],
    episodes: NDArray[np.int64],
    steps: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Draw what is chosen: (n,) positions, items, ratings and violence, -1, -1, 0 and 0 for nothing.

    Without probabilities, (n, 0), it is the first of each slate.
    """
    n = len(slates)
    chosen = np.zeros(n, dtype=np.int64)
    items, item_ratings, item_violence = np.full(n, -1, dtype=np.int64), np.zeros(n), np.zeros(n)
    for i in range(n):
        if probabilities.shape[1]:
            uniform, _ = uniform_pair(seeds[i], episodes[i], steps[i], CHOICE_LANE)
            chosen[i] = position(probabilities[i], uniform)
        if chosen[i] >= 0:
            items[i] = slates[i, chosen[i]]
            item_ratings[i] = ratings[i, chosen[i]]
            item_violence[i] = violence[i, chosen[i]]
    return chosen, items, item_ratings, item_violence


@njit(cache=True)
def ended(
    budgets: NDArray[np.float64], steps: NDArray[np.int64], max_steps: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(n,) where patience is used up, and where it is not but the session is cut off."""
    terminated, truncated = np.empty(len(steps), dtype=np.bool_), np.empty(len(steps), dtype=np.bool_)
    for i in range(len(steps)):
        terminated[i] = budgets[i] <= 0
        truncated[i] = steps[i] >= max_steps and not terminated[i]
    return terminated, truncated


@njit(cache=True)
def strike(
    allowed: NDArray[np.bool_],
    terminated: NDArray[np.bool_],
    truncated: NDArray[np.bool_],
    consumed: NDArray[np.int64],
    steps: NDArray[np.int64],
    slate_size: int,
) -> None:
    """Take, in place, (n, c) items off what is allowed, -1 for none; where no slate can be filled any more, end.

    There, all is told to be allowed: the session is over, and nobody meets a mask that allows nothing.
    """
    n_items = allowed.shape[1]
    for i in range(consumed.shape[0]):
        for j in range(consumed.shape[1]):
            if consumed[i, j] >= 0:
                allowed[i, consumed[i, j]] = False
        # Counting what is left takes longer than the rest: only where so much was shown that it can matter.
        if steps[i] * consumed.shape[1] > n_items - slate_size:
            left = 0
            for item in range(n_items):
                left += allowed[i, item]
            if left < slate_size:
                terminated[i], truncated[i] = True, False
                allowed[i] = True


@njit(cache=True)
def pushed(
    items: NDArray[np.int64],
    ratings: NDArray[np.float64],
    earlier_items: NDArray[np.int64],
    earlier_ratings: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(n,) items and ratings put before (n, h - 1) earlier ones each, of which the last go."""
    pushed_items, pushed_ratings = np.empty_like(earlier_items), np.empty_like(earlier_ratings)
    pushed_items[:, 0], pushed_items[:, 1:] = items, earlier_items[:, :-1]
    pushed_ratings[:, 0], pushed_ratings[:, 1:] = ratings, earlier_ratings[:, :-1]
    return pushed_items, pushed_ratings
