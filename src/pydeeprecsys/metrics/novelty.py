"""Novelty of slates: how rarely their items are rated."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from pydeeprecsys.arrays import Floats, Ints
from pydeeprecsys.metrics.checks import check_counts, check_slates


def self_information(rating_counts: ArrayLike) -> Floats:
    """Self-information of each item in bits, −log2 of its share of all ratings.

    The share is estimated by Laplace's rule of succession, (count + 1) / (total + items), and so is never 0.

    Args:
        rating_counts: (items,) how often each item was rated.

    Returns:
        (items,) 0 or more, higher for rarer items; log2(items) each where nothing was rated.

    Raises:
        InputError: no items, or a number below 0.
    """
    counts = check_counts("rating_counts", rating_counts) + 1.0
    bits: Floats = np.log2(counts.sum()) - np.log2(counts)
    return bits


def novelty(slates: ArrayLike, rating_counts: ArrayLike) -> Floats:
    """Mean self-information of the items of a slate, see `self_information`.

    Zhou, Kuscsik, Liu, Medo, Wakeling & Zhang, Solving the Apparent Diversity-Accuracy Dilemma of Recommender Systems,
    2010, who take the share of users that have the item: for every item a constant less than with the share of ratings.

    Args:
        slates: (n, k) items.
        rating_counts: (items,) how often each item was rated.

    Returns:
        (n,) bits, 0 or more.

    Raises:
        InputError: an item without a count, or a count below 0.
    """
    bits = self_information(rating_counts)
    novelties: Floats = slate_means(check_slates(slates, len(bits)), bits)
    return novelties


@njit(cache=True)
def slate_means(slates: Ints, values: Floats) -> Floats:
    """Mean over each of the checked (n, k) slates of the (items,) values: (n,); `novelty` for `self_information`."""
    means = np.zeros(len(slates))
    for i in range(slates.shape[0]):
        for j in range(slates.shape[1]):
            means[i] += values[slates[i, j]]
        means[i] /= slates.shape[1]
    return means
