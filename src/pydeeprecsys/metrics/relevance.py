"""Relevance of slates: discounted cumulative gain, alone and normalized, and recall.

Slates are (n, k) items, the top position first. Positions count from 0.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from pydeeprecsys.arrays import Flags, Floats, Ints
from pydeeprecsys.errors import InputError
from pydeeprecsys.metrics.checks import check_slates, check_table
from pydeeprecsys.scale import MAX_RATING


def discounts(k: int) -> Floats:
    """Position discounts, 1 / log2(position + 2): (k,), from 1 downwards."""
    return 1 / np.log2(np.arange(k) + 2)


@njit(cache=True)
def discounted_sums(relevance: Floats, discounts: Floats) -> Floats:
    """DCG of checked (n, k) relevance and (k,) `discounts`: (n,), each summed from the top position down."""
    sums = np.zeros(len(relevance))
    # Not by BLAS, whose sums depend on the number of rows.
    for i in range(relevance.shape[0]):
        for j in range(relevance.shape[1]):
            sums[i] += relevance[i, j] * discounts[j]
    return sums


def dcg(relevance: ArrayLike) -> Floats:
    """Discounted cumulative gain: Σ relevance / log2(position + 2).

    Järvelin & Kekäläinen, Cumulated Gain-Based Evaluation of IR Techniques, 2002; the gain is the relevance itself, not
    2^relevance − 1.

    Args:
        relevance: (n, k) of the items shown, in their order.

    Returns:
        (n,) the gains.

    Raises:
        InputError: relevance is not a table of finite numbers.
    """
    table = check_table("relevance", relevance)
    gains: Floats = discounted_sums(table, discounts(table.shape[1]))
    return gains


def ndcg(slates: ArrayLike, relevance: ArrayLike, masks: ArrayLike | None = None) -> Floats:
    """Normalized DCG: DCG divided by that of the ideal slate, the k most relevant items, best first.

    Järvelin & Kekäläinen, 2002, with the ideal over all items that were allowed. A repeated item and an item that was
    not allowed have no gain, so that no slate exceeds the ideal.

    Args:
        slates: (n, k) items, in their order.
        relevance: (n, items) of every item to each user, 0 or more.
        masks: (n, items) which items were allowed; all by default.

    Returns:
        (n,) in [0, 1]; 1 where no allowed item has any relevance.

    Raises:
        InputError: shapes that do not fit together, or a relevance below 0.
    """
    worth = check_table("relevance", relevance)
    shown = check_slates(slates, worth.shape[1])
    n, k = shown.shape
    if len(worth) != n or k > worth.shape[1]:
        raise InputError(
            f"slates have the shape {shown.shape}, relevance {worth.shape}; give a row of both for each user, and no "
            "more positions than items"
        )
    if worth.min() < 0:
        raise InputError(f"relevance must be 0 or more, one is {worth.min():g}")
    if masks is not None:
        allowed = np.asarray(masks, dtype=np.bool_)
        if allowed.shape != worth.shape:
            raise InputError(f"masks must have the shape of relevance, {worth.shape}, they have {allowed.shape}")
        worth = np.where(allowed, worth, 0.0)
    gains = dcg(np.where(_repeated(shown), 0.0, np.take_along_axis(worth, shown, axis=1)))
    most = np.partition(worth, worth.shape[1] - k, axis=1)[:, worth.shape[1] - k :]
    ideal = dcg(np.sort(most, axis=1)[:, ::-1])
    return np.divide(gains, ideal, out=np.ones(n), where=ideal > 0)


def recall(slates: ArrayLike, relevant: ArrayLike) -> Floats:
    """Recall: relevant items in the slate, over the most that it could hold, min(k, relevant items).

    As in Liang et al., Variational Autoencoders for Collaborative Filtering, 2018, section 4.2.

    Args:
        slates: (n, k) items; a repeated item counts once.
        relevant: (n, items) flags of what is relevant to each user.

    Returns:
        (n,) in [0, 1]; NaN where no item is relevant.

    Raises:
        InputError: shapes that do not fit together.
    """
    flags = np.asarray(relevant, dtype=np.bool_)
    if flags.ndim != 2 or len(flags) != len(np.asarray(slates)):
        raise InputError(f"relevant has the shape {flags.shape}; give a row of items for each of the slates")
    shown = check_slates(slates, flags.shape[1])
    most = np.minimum(np.count_nonzero(flags, axis=1), shown.shape[1])
    hits = np.count_nonzero(np.take_along_axis(flags, shown, axis=1) & ~_repeated(shown), axis=1)
    shares: Floats = np.divide(hits, most, out=np.full(len(shown), np.nan), where=most > 0)
    return shares


def ndcg_of_fives(relevance: ArrayLike, best: float = MAX_RATING) -> Floats:
    """DCG divided by that of a slate in which every item has the highest relevance possible.

    This is the `ndcg` of the notebook of 2021, and of `env.ndcg`, `info["ndcg"]` and `relevance_metrics.csv`. It does
    not depend on the catalogue, and reaches 1 only where k items have the highest relevance.

    Args:
        relevance: (n, k) of the items shown, in their order.
        best: the highest relevance possible, above 0.

    Returns:
        (n,) at most 1 where no relevance exceeds `best`.

    Raises:
        InputError: relevance is not a table of finite numbers, or `best` is not above 0.
    """
    if not 0 < best < np.inf:
        raise InputError(f"the best relevance must be a finite number above 0, it is {best:g}")
    gains = dcg(relevance)
    # Summed in the same order, or rounding could lift a slate of fives above 1.
    shares: Floats = gains / dcg(np.full((1, np.shape(relevance)[1]), best))
    return shares


def _repeated(slates: Ints) -> Flags:
    """(n, k) whether an earlier position of the slate holds the same item."""
    order = np.argsort(slates, axis=1, kind="stable")
    ascending = np.take_along_axis(slates, order, axis=1)
    repeated = np.zeros(slates.shape, dtype=np.bool_)
    np.put_along_axis(repeated, order[:, 1:], ascending[:, 1:] == ascending[:, :-1], axis=1)
    return repeated
