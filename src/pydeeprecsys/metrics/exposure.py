"""Exposure of items: how often each was shown, over how much of the catalogue, and how unequally."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pydeeprecsys.arrays import Ints
from pydeeprecsys.metrics.checks import check_counts, check_slates


def exposures(slates: ArrayLike, n_items: int) -> Ints:
    """Exposure of each item: how often it was shown, at any position; (n, k) slates to (items,).

    Raises:
        InputError: slates are not (n, k) items in 0..n_items-1.
    """
    return np.bincount(check_slates(slates, n_items).ravel(), minlength=n_items)


def coverage(exposure: ArrayLike) -> float:
    """Catalogue coverage: share of all items that were shown at least once.

    Ge, Delgado-Battenfeld & Jannach, Beyond Accuracy: Evaluating Recommender Systems by Coverage and Serendipity, 2010.

    Args:
        exposure: (items,) how often each item was shown, see `exposures`.

    Returns:
        In [0, 1]; NaN where nothing was shown.

    Raises:
        InputError: no items, or a number below 0.
    """
    shown = check_counts("exposure", exposure) > 0
    return float(shown.mean()) if shown.any() else float("nan")


def gini(exposure: ArrayLike) -> float:
    """Gini coefficient of exposure: 0 for equal exposure, 1 − 1/items where only one item was shown.

    Half the mean absolute difference between two items' exposures, divided by the mean exposure; with exposures x in
    ascending order, Σ (2·i − items − 1) · x_i / (items · Σ x), i from 1. Fleder & Hosanagar, Blockbuster Culture's Next
    Rise or Fall, 2009, for recommendations; over the whole catalogue, items that were never shown included.

    Args:
        exposure: (items,) how often each item was shown, see `exposures`.

    Returns:
        In [0, 1]; NaN where nothing was shown.

    Raises:
        InputError: no items, or a number below 0.
    """
    ascending = np.sort(check_counts("exposure", exposure))
    n, total = len(ascending), ascending.sum()
    if total == 0:
        return float("nan")
    # Rounding may leave less than 0 where all are equal.
    return max(0.0, float((2 * np.arange(1, n + 1) - n - 1) @ ascending / (n * total)))
