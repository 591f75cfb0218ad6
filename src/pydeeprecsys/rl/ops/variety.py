"""Lists that are good and varied: scores less a penalty for overlap with the categories just had.

Maximal marginal relevance (Carbonell and Goldstein, The Use of MMR, Diversity-Based Reranking, 1998) with a memory that
decays: the categories of an item are a vector of unit length u, 0 if none is known; the memory is c ← decay · (c + u)
after each item, from 0; the overlap of an item with the memory is u · c.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from pydeeprecsys.arrays import Floats, Ints


class Kinds(NamedTuple):
    """Items grouped by their categories; all items of a kind have the same ones."""

    units: Floats  # (c, kinds) unit vector u of each kind
    of: Ints  # (items,) kind of each item
    items: Ints  # (items,) the items, kind by kind
    starts: Ints  # (kinds + 1,) where each kind starts in `items`


def kinds_of(categories: ArrayLike) -> Kinds:
    """Group items by their categories: (items, c) flags."""
    flags, of = np.unique(np.asarray(categories, dtype=np.bool_), axis=0, return_inverse=True)
    units = np.ascontiguousarray((flags / np.sqrt(np.maximum(flags.sum(axis=1, keepdims=True), 1))).T)
    starts = np.concatenate([[0], np.cumsum(np.bincount(of))])
    return Kinds(units, of=of, items=np.argsort(of, kind="stable"), starts=starts)


@njit(cache=True)
def memories(consumed: Ints, kinds: Kinds, decay: float) -> Floats:
    """(n, c) the memory after (n, m) consumed items, oldest first; -1 for none, which changes nothing."""
    remembered = np.zeros((len(consumed), len(kinds.units)))
    for i in range(consumed.shape[0]):
        for j in range(consumed.shape[1]):
            if consumed[i, j] >= 0:
                _remember(remembered[i], kinds.units[:, kinds.of[consumed[i, j]]], decay)
    return remembered


@njit(cache=True)
def less_overlap(scores: Floats, memories: Floats, kinds: Kinds, weight: float) -> Floats:
    """(n, items) scores - weight · overlap with (n, c) memories."""
    overlap = np.empty(kinds.units.shape[1])
    less = np.empty_like(scores)
    for i in range(scores.shape[0]):
        _overlap(memories[i], kinds.units, overlap)
        for item in range(scores.shape[1]):
            less[i, item] = scores[i, item] - weight * overlap[kinds.of[item]]
    return less


@njit(cache=True)
def varied_slates(scores: Floats, memories: Floats, kinds: Kinds, weight: float, decay: float, k: int) -> Ints:
    """Fill slates greedily by score - weight · overlap; the memory continues after each item of the slate.

    Args:
        scores: (n, items) how good each is by itself; minus infinity where it is not allowed, with k others per row.
        memories: (n, c) what each slate starts from.
        kinds: of the items.
        weight: of the overlap, in units of the scores, 0 or more.
        decay: of the memory, in [0, 1].
        k: items per slate.

    Returns:
        (n, k) slates, no item twice; among equals the first kind, and in it the first item of the catalogue.
    """
    slates = np.empty((len(scores), k), dtype=np.int64)
    heads = np.empty(kinds.units.shape[1], dtype=np.int64)
    overlap = np.empty(len(heads))
    for i in range(len(scores)):
        # Among items of a kind, the best one left comes first: only one per kind is compared.
        left = scores[i][kinds.items]
        for kind in range(len(heads)):
            heads[kind] = kinds.starts[kind] + np.argmax(left[kinds.starts[kind] : kinds.starts[kind + 1]])
        memory = memories[i].copy()
        for place in range(k):
            _overlap(memory, kinds.units, overlap)
            best, chosen = -np.inf, 0
            for kind in range(len(heads)):
                score = left[heads[kind]] - weight * overlap[kind]
                if score > best:
                    best, chosen = score, kind
            slates[i, place] = kinds.items[heads[chosen]]
            left[heads[chosen]] = -np.inf
            heads[chosen] = kinds.starts[chosen] + np.argmax(left[kinds.starts[chosen] : kinds.starts[chosen + 1]])
            _remember(memory, kinds.units[:, chosen], decay)
    return slates


@njit(cache=True)
def _remember(memory: Floats, unit: Floats, decay: float) -> None:
    for category in range(len(memory)):
        memory[category] = decay * (memory[category] + unit[category])


@njit(cache=True)
def _overlap(memory: Floats, units: Floats, overlap: Floats) -> None:
    # Not by BLAS, whose sums depend on the number of rows.
    overlap[:] = 0.0
    for category in range(len(memory)):
        if memory[category] != 0:
            for kind in range(len(overlap)):
                overlap[kind] += memory[category] * units[category, kind]


def varied_order(scores: ArrayLike, genres: ArrayLike, weight: float, decay: float) -> Ints:
    """Order all items greedily by score - weight · overlap with the genres of the items before.

    Args:
        scores: (items,) how good each is by itself.
        genres: (items, genres) flags; an item of which none is known overlaps with none.
        weight: of the overlap, in units of the scores, 0 or more.
        decay: of the memory, in [0, 1].

    Returns:
        (items,) the items in their order.
    """
    worth, kinds = np.asarray(scores, dtype=np.float64)[None], kinds_of(genres)
    nothing = np.zeros((1, len(kinds.units)))
    order: Ints = varied_slates(worth, nothing, kinds=kinds, weight=weight, decay=decay, k=worth.size)[0]
    return order
