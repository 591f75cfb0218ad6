"""Scores of items that are linear in the ratings of a history."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from pydeeprecsys.arrays import Array, Floats, Ints, Singles

USER_DAMPING = 5.0  # ratings at which half of a user's mean deviation counts as the user's own


class Centred(NamedTuple):
    """Ratings of n histories, each item once."""

    items: Ints  # (n, m) -1 for none
    deviations: Floats  # (n, m) rating minus the item's mean and the user's offset, 0 for none
    offsets: Floats  # (n,) offsets of the users


def user_offset(totals: Array, counts: Array) -> Floats:
    """(n,) offsets of users: mean deviations from the items' means, shrunk towards 0 where there are few.

    Args:
        totals: (n,) sums of the deviations.
        counts: (n,) numbers of ratings.
    """
    offsets: Floats = totals / (counts + USER_DAMPING)
    return offsets


def centred(items: Ints, ratings: Singles, mean_ratings: Floats) -> Centred:
    """Centre the ratings of (n, m) items, latest first, -1 for none; if an item comes again, its latest rating counts.

    The baseline estimates of Koren, Factorization Meets the Neighborhood, 2008.
    """
    once = _latest(items)
    rated = once >= 0
    deviations = np.where(rated, ratings - mean_ratings[once], 0.0)
    offsets = user_offset(deviations.sum(axis=1), np.count_nonzero(rated, axis=1))
    return Centred(once, np.where(rated, deviations - offsets[:, None], 0.0), offsets)


@njit(cache=True)
def linear_scores(items: Ints, values: Floats, weights: Singles) -> Floats:
    """(n, items) sum of value · weights[item] over the (n, m) items of each history; -1 for none."""
    # Not by BLAS, whose sums depend on the number of rows.
    scores = np.zeros((len(items), weights.shape[1]))
    for i in range(items.shape[0]):
        for j in range(items.shape[1]):
            if items[i, j] >= 0 and values[i, j] != 0:
                row = weights[items[i, j]]
                for item in range(len(row)):
                    scores[i, item] += values[i, j] * row[item]
    return scores


@njit(cache=True)
def _latest(items: Ints) -> Ints:
    """(n, m) items, latest first, with -1 in place of those that come again."""
    once = items.copy()
    for i in range(items.shape[0]):
        for j in range(items.shape[1]):
            for later in range(j):
                if items[i, j] == items[i, later]:
                    once[i, j] = -1
                    break
    return once
