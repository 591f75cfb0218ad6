"""Diversity of slates: how different the items of a slate are from each other."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from pydeeprecsys.arrays import Floats, Ints
from pydeeprecsys.metrics.checks import check_slates, check_table


def unit_vectors(vectors: ArrayLike) -> Floats:
    """Vectors (items, f) scaled to unit length; zero vectors, which stand for unknown ones, stay zero.

    Raises:
        InputError: vectors are not a table of finite numbers.
    """
    table = check_table("vectors", vectors)
    lengths = np.linalg.norm(table, axis=1, keepdims=True)
    units: Floats = np.divide(table, lengths, out=np.zeros_like(table), where=lengths > 0)
    return units


def intra_list_diversity(slates: ArrayLike, vectors: ArrayLike) -> Floats:
    """Intra-list diversity: 1 − mean cosine similarity over pairs of positions whose vectors are known.

    Ziegler, McNee, Konstan & Lausen, Improving Recommendation Lists through Topic Diversification, 2005; with the mean
    in place of the sum, as in Zhang & Hurley, Avoiding Monotony, 2008.

    Args:
        slates: (n, k) items.
        vectors: (items, f) category flags or other vectors of the items; zeros where unknown.

    Returns:
        (n,) in [0, 1] for flags, in [0, 2] for other vectors; NaN for slates with fewer than two known vectors.

    Raises:
        InputError: an item without a vector, or vectors that are not finite.
    """
    units = unit_vectors(vectors)
    found: Floats = diversities(check_slates(slates, len(units)), units)
    return found


@njit(cache=True)
def diversities(slates: Ints, units: Floats) -> Floats:
    """`intra_list_diversity` of checked (n, k) slates and (items, f) `unit_vectors`: (n,)."""
    n, k = slates.shape
    found = np.full(n, np.nan)
    for i in range(n):
        known = 0
        for j in range(k):
            known += units[slates[i, j]].any()
        if known < 2:
            continue
        # The squared length of the sum of all is the sum over all pairs, each position with itself included.
        pairs = 0.0
        for f in range(units.shape[1]):
            total, squares = 0.0, 0.0
            for j in range(k):
                value = units[slates[i, j], f]
                total += value
                squares += value * value
            pairs += total * total - squares
        found[i] = 1 - pairs / (known * (known - 1))
    return found
