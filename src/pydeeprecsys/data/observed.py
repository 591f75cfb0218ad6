"""What ratings say of items by themselves, without a model of the users."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pydeeprecsys.arrays import Floats
from pydeeprecsys.errors import InputError


def damped_means(items: ArrayLike, ratings: ArrayLike, n_items: int) -> Floats:
    """Mean rating of each item, shrunk towards the mean of all items: the more, the fewer ratings it has.

    Empirical Bayes for the one-way random-effects model, rating = m + item + noise, with variance B between items and W
    within them: (sum of ratings + d m) / (count + d), d = W / B. W and B are the unbiased analysis-of-variance
    estimates for unequal counts, m is the generalized-least-squares mean of the items (Searle, Casella and McCulloch,
    Variance Components, 1992, chapter 3). Where items differ no more than by chance, or none has two ratings, all means
    are m.

    Args:
        items: (ratings,) rows of items, in 0..n_items-1.
        ratings: (ratings,) any numbers.
        n_items: how many items there are.

    Returns:
        (n_items,) the means; m for items without a rating.

    Raises:
        InputError: there are no ratings.
    """
    rows, values = np.asarray(items), np.asarray(ratings, dtype=np.float64)
    n = len(rows)
    if not n:
        raise InputError("there are no ratings to take means of; choose users who have rated something")
    counts = np.bincount(rows, minlength=n_items)
    rated = counts > 0
    means = np.bincount(rows, values, n_items) / np.maximum(counts, 1)
    more = n - np.count_nonzero(rated)  # ratings beyond the first of each item: they alone tell W
    within = np.sum((values - means[rows]) ** 2) / max(more, 1)
    spread = np.sum(counts * (means - values.mean()) ** 2) - (np.count_nonzero(rated) - 1) * within
    if not more or spread <= 0:
        return np.full(n_items, values.mean())
    between = spread / (n - np.sum(counts.astype(np.float64) ** 2) / n)
    # count / (count + d), which is defined without noise too.
    trust = np.divide(counts * between, counts * between + within, out=np.zeros(n_items), where=rated)
    overall = np.sum(trust * means) / np.sum(trust)
    damped: Floats = trust * means + (1 - trust) * overall
    return damped
