"""Exposure of items and categories: how often each was shown, over how much of the catalogue, and how unequally.

Figures are of (items,) exposures, a number each, or of (..., items), such as those of the slates of each step, stacked,
an array each. They are as well of categories, with their exposures from `category_exposures`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pydeeprecsys.arrays import Floats, Ints
from pydeeprecsys.errors import InputError
from pydeeprecsys.metrics.checks import check_counts, check_slates, divided, number_or_array
from pydeeprecsys.metrics.novelty import slate_means


def exposures(slates: ArrayLike, n_items: int) -> Ints:
    """Exposure of each item: how often it was shown, at any position; (n, k) slates to (items,).

    Raises:
        InputError: slates are not (n, k) items in 0..n_items-1.
    """
    return np.bincount(check_slates(slates, n_items).ravel(), minlength=n_items)


def category_shares(categories: ArrayLike) -> Floats:
    """Share of each item that counts in each category, if an item of several counts in equal shares.

    Args:
        categories: (items, c) flags.

    Returns:
        (items, c), rows that add up to 1; zeros for an item without any category.

    Raises:
        InputError: flags that are not a table.
    """
    flags = np.asarray(categories, dtype=np.bool_)
    if flags.ndim != 2 or not flags.size:
        raise InputError(f"categories must be flags of shape (items, c), their shape is {flags.shape}")
    shares: Floats = flags / np.maximum(flags.sum(axis=1, keepdims=True), 1)
    return shares


def category_exposures(exposure: ArrayLike, categories: ArrayLike, shared: bool = True) -> Floats:
    """Exposure of each category: the sum over its items.

    Args:
        exposure: (..., items) how often, or with how much attention, each item was shown.
        categories: (items, c) flags; items without any count in no category.
        shared: divide an item of several categories equally among them, so that the sum over categories is that over
            their items; otherwise it counts in full in each.

    Returns:
        (..., c).

    Raises:
        InputError: a number below 0, or flags that are not a row for each item.
    """
    counts, shares = check_counts("exposure", exposure, rows=True), category_shares(categories)
    if len(shares) != counts.shape[-1]:
        raise InputError(f"categories are of {len(shares)} items, exposure of {counts.shape[-1]}; give both for all")
    found: Floats = counts @ (shares if shared else shares > 0)
    return found


def coverage(exposure: ArrayLike) -> Any:
    """Catalogue coverage: share of all items that were shown at least once.

    Ge, Delgado-Battenfeld & Jannach, Beyond Accuracy: Evaluating Recommender Systems by Coverage and Serendipity, 2010.

    Args:
        exposure: (..., items) how often each item was shown, see `exposures`.

    Returns:
        In [0, 1]; NaN where nothing was shown.

    Raises:
        InputError: no items, or a number below 0.
    """
    shown = check_counts("exposure", exposure, rows=True) > 0
    return number_or_array(np.where(shown.any(axis=-1), shown.mean(axis=-1), np.nan))


def gini(exposure: ArrayLike) -> Any:
    """Gini coefficient of exposure: 0 for equal exposure, 1 − 1/items where only one item was shown.

    Half the mean absolute difference between two items' exposures, divided by the mean exposure; with exposures x in
    ascending order, Σ (2·i − items − 1) · x_i / (items · Σ x), i from 1. Fleder & Hosanagar, Blockbuster Culture's Next
    Rise or Fall, 2009, for recommendations; over the whole catalogue, items that were never shown included.

    Args:
        exposure: (..., items) how often each item was shown, see `exposures`.

    Returns:
        In [0, 1]; NaN where nothing was shown.

    Raises:
        InputError: no items, or a number below 0.
    """
    ascending = np.sort(check_counts("exposure", exposure, rows=True), axis=-1)
    n = ascending.shape[-1]
    spread = ascending @ (2 * np.arange(1, n + 1) - n - 1)
    # Rounding may leave less than 0 where all are equal.
    return number_or_array(np.maximum(divided(spread, n * ascending.sum(axis=-1)), 0))


def entropy(exposure: ArrayLike, normalized: bool = False) -> Any:
    """Shannon entropy of the shares of exposure, −Σ share · ln share, in nats.

    Args:
        exposure: (..., items) how often each item was shown, see `exposures`.
        normalized: divide by ln(items), the entropy of equal exposure.

    Returns:
        From 0, where only one item was shown, to ln(items), or 1; NaN where nothing was shown, and normalized for one
        item, which has nothing to share with.

    Raises:
        InputError: no items, or a number below 0.
    """
    from scipy.special import entr

    counts = check_counts("exposure", exposure, rows=True)
    nats = np.asarray(entr(divided(counts, counts.sum(axis=-1, keepdims=True))).sum(axis=-1))
    return number_or_array(divided(nats, np.log(counts.shape[-1])) if normalized else nats)


def min_max_ratio(exposure: ArrayLike) -> Any:
    """Lowest exposure of an item divided by the highest.

    Args:
        exposure: (..., items) how often each item was shown, see `exposures`.

    Returns:
        In [0, 1], 1 for equal exposure; NaN where nothing was shown.

    Raises:
        InputError: no items, or a number below 0.
    """
    counts = check_counts("exposure", exposure, rows=True)
    return number_or_array(divided(counts.min(axis=-1), counts.max(axis=-1)))


def worst_share(exposure: ArrayLike, r: int) -> Any:
    """Max-min fairness at r (MMF@r): share of all exposure that the r least exposed groups have together.

    Max-min fairness makes it as large as possible. Xu, Chen, Xu, Shen, Zhang, Wang & Dong, P-MMF: Provider Max-min
    Fairness Re-ranking in Recommender System, 2023, with r = 1.

    Args:
        exposure: (..., groups) exposure of categories, providers or items.
        r: number of groups, at most all of them.

    Returns:
        From 0 to r/groups, for equal exposure; NaN where nothing was shown.

    Raises:
        InputError: no groups, a number below 0, or `r` outside 1..groups.
    """
    counts = check_counts("exposure", exposure, rows=True)
    if r not in range(1, counts.shape[-1] + 1):
        raise InputError(f"r must be a number of groups, 1 to {counts.shape[-1]}, it is {r}")
    worst = np.partition(counts, r - 1, axis=-1)[..., :r].sum(axis=-1)
    return number_or_array(divided(worst, counts.sum(axis=-1)))


def popularity(slates: ArrayLike, rating_counts: ArrayLike) -> Floats:
    """Popularity of what is shown: mean over the slate of how often its items were rated.

    Its mean over users is the average recommendation popularity of Abdollahpouri, Burke & Mobasher, Managing Popularity
    Bias in Recommender Systems with Personalized Re-ranking, 2019.

    Args:
        slates: (n, k) items.
        rating_counts: (items,) how often each item was rated, or its share of all ratings or of all users.

    Returns:
        (n,) in the unit of `rating_counts`.

    Raises:
        InputError: an item without a count, or a count below 0.
    """
    counts = check_counts("rating_counts", rating_counts)
    means: Floats = slate_means(check_slates(slates, len(counts)), counts)
    return means
