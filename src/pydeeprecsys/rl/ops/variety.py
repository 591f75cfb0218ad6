"""Lists that are good and varied: the mathematics."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pydeeprecsys.arrays import Ints


def varied_order(scores: ArrayLike, genres: ArrayLike, weight: float, decay: float) -> Ints:
    """Order all items greedily by score - weight · overlap with the genres of the items before.

    Maximal marginal relevance (Carbonell and Goldstein, The Use of MMR, Diversity-Based Reranking, 1998) with a memory
    that fades: an item's genres are a vector of unit length u, the memory is c ← decay · (c + u) after each item, from
    0, and the overlap is u · c.

    Args:
        scores: (items,) how good each is by itself.
        genres: (items, genres) flags; an item of which none is known overlaps with none.
        weight: of the overlap, in units of the scores, 0 or more.
        decay: of the memory, in [0, 1].

    Returns:
        (items,) the items in their order.
    """
    worth, flags = np.asarray(scores, dtype=np.float64), np.asarray(genres, dtype=np.bool_)
    # Among items with the same genres, the best one left comes first: only one per kind needs to be compared.
    kinds, kind_of = np.unique(flags, axis=0, return_inverse=True)
    units = kinds / np.sqrt(np.maximum(kinds.sum(axis=1, keepdims=True), 1))
    best_first = np.argsort(-worth, kind="stable")
    queue = best_first[np.argsort(kind_of[best_first], kind="stable")]  # the items, kind by kind
    ends = np.cumsum(np.bincount(kind_of))
    heads = np.concatenate([[0], ends[:-1]])
    best_left = worth[queue[heads]]  # (kinds,)
    memory = np.zeros(flags.shape[1])
    order = np.empty(len(worth), dtype=np.int64)
    for place in range(len(worth)):
        # Not a product of BLAS, whose last bits may depend on the number of threads.
        kind = np.argmax(best_left - weight * (units * memory).sum(axis=1))
        order[place] = queue[heads[kind]]
        heads[kind] += 1
        best_left[kind] = worth[queue[heads[kind]]] if heads[kind] < ends[kind] else -np.inf
        memory = decay * (memory + units[kind])
    return order
