"""Lists that are good and varied: scores less a penalty for overlap with the categories just had.

Maximal marginal relevance (Carbonell and Goldstein, The Use of MMR, Diversity-Based Reranking, 1998) with a memory that
decays: the categories of an item are a vector of unit length u, 0 if none is known; the memory is c ← decay · (c + u)
after each item, from 0; the overlap of an item with the memory is u · c. Memories of several decays have a weight each.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from pydeeprecsys.arrays import Floats, Ints, Singles


class Kinds(NamedTuple):
    """Items grouped by their categories; all items of a kind have the same ones."""

    units: Floats  # (c, kinds) unit vector u of each kind
    of: Ints  # (items,) kind of each item
    items: Ints  # (items,) the items, kind by kind
    starts: Ints  # (kinds + 1,) where each kind starts in `items`


class Penalty(NamedTuple):
    """Weights of the overlaps with memories of several decays."""

    weights: Floats  # (s,) in units of the scores
    decays: Floats  # (s,) in [0, 1]


def kinds_of(categories: ArrayLike) -> Kinds:
    """Group items by their categories: (items, c) flags."""
    flags, of = np.unique(np.asarray(categories, dtype=np.bool_), axis=0, return_inverse=True)
    units = np.ascontiguousarray((flags / np.sqrt(np.maximum(flags.sum(axis=1, keepdims=True), 1))).T)
    starts = np.concatenate([[0], np.cumsum(np.bincount(of))])
    return Kinds(units, of=of, items=np.argsort(of, kind="stable"), starts=starts)


@njit(cache=True)
def memories(consumed: Ints, kinds: Kinds, decays: Floats) -> Floats:
    """(n, s, c) the memories after (n, m) consumed items, oldest first; -1 for none, which changes nothing."""
    remembered = np.zeros((len(consumed), len(decays), len(kinds.units)))
    for i in range(consumed.shape[0]):
        for j in range(consumed.shape[1]):
            if consumed[i, j] >= 0:
                _remember(remembered[i], kinds.units[:, kinds.of[consumed[i, j]]], decays)
    return remembered


@njit(cache=True)
def overlaps(consumed: Ints, kinds: Kinds, decay: float) -> Floats:
    """(n, m) overlap of each of (n, m) consumed items, oldest first, with those before it; 0 where there is none."""
    found = np.zeros(consumed.shape)
    for i in range(consumed.shape[0]):
        memory = np.zeros(len(kinds.units))
        for j in range(consumed.shape[1]):
            if consumed[i, j] >= 0:
                for category in range(len(memory)):
                    unit = kinds.units[category, kinds.of[consumed[i, j]]]
                    found[i, j] += unit * memory[category]
                    memory[category] = decay * (memory[category] + unit)
    return found


@njit(cache=True)
def less_overlap(scores: Floats | Singles, memories: Floats, kinds: Kinds, weights: Floats) -> Floats | Singles:
    """(n, items) scores - Σ weight · overlap with (n, s, c) memories, over weights (s,)."""
    less = np.empty_like(scores)
    for i in range(scores.shape[0]):
        penalty = _penalty(memories[i], kinds.units, weights)
        for item in range(scores.shape[1]):
            less[i, item] = scores[i, item] - penalty[kinds.of[item]]
    return less


@njit(cache=True)
def varied_slates(scores: Floats | Singles, memories: Floats, kinds: Kinds, penalty: Penalty, k: int) -> Ints:
    """Fill slates greedily by score - Σ weight · overlap; the memories continue after each item of the slate.

    Args:
        scores: (n, items) how good each is by itself; minus infinity where it is not allowed, with k others per row.
        memories: (n, s, c) what each slate starts from.
        kinds: of the items.
        penalty: weights and decays of the memories.
        k: items per slate.

    Returns:
        (n, k) slates, no item twice; among equals the first kind, and in it the first item of the catalogue.
    """
    slates = np.empty((len(scores), k), dtype=np.int64)
    heads = np.empty(kinds.units.shape[1], dtype=np.int64)
    for i in range(len(scores)):
        # Among items of a kind, the best one left comes first: only one per kind is compared.
        left = scores[i][kinds.items]
        for kind in range(len(heads)):
            heads[kind] = kinds.starts[kind] + np.argmax(left[kinds.starts[kind] : kinds.starts[kind + 1]])
        memory = memories[i].copy()
        for place in range(k):
            less = _penalty(memory, kinds.units, penalty.weights)
            best, chosen = -np.inf, 0
            for kind in range(len(heads)):
                score = left[heads[kind]] - less[kind]
                if score > best:
                    best, chosen = score, kind
            slates[i, place] = kinds.items[heads[chosen]]
            left[heads[chosen]] = -np.inf
            heads[chosen] = kinds.starts[chosen] + np.argmax(left[kinds.starts[chosen] : kinds.starts[chosen + 1]])
            _remember(memory, kinds.units[:, chosen], penalty.decays)
    return slates


@njit(cache=True)
def _remember(memory: Floats, unit: Floats, decays: Floats) -> None:
    for s in range(len(decays)):
        for category in range(len(unit)):
            memory[s, category] = decays[s] * (memory[s, category] + unit[category])


@njit(cache=True)
def _penalty(memory: Floats, units: Floats, weights: Floats) -> Floats:
    """(kinds,) Σ weight · overlap with the memories (s, c)."""
    # Not by BLAS, whose sums depend on the number of rows.
    penalty, overlap = np.zeros(units.shape[1]), np.empty(units.shape[1])
    for s in range(len(weights)):
        if weights[s] != 0:
            overlap[:] = 0.0
            for category in range(len(units)):
                if memory[s, category] != 0:
                    for kind in range(len(overlap)):
                        overlap[kind] += memory[s, category] * units[category, kind]
            for kind in range(len(overlap)):
                penalty[kind] += weights[s] * overlap[kind]
    return penalty


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
    nothing, penalty = np.zeros((1, 1, len(kinds.units))), Penalty(np.array([weight]), np.array([decay]))
    order: Ints = varied_slates(worth, nothing, kinds=kinds, penalty=penalty, k=worth.size)[0]
    return order
