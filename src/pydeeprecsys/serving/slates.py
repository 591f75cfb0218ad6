"""Slates from scores, in numpy: the best, drawn ones with their propensities, and those of the highest value.

Scores are (n, items), minus infinity for items that are not allowed. Slates are (n, k) items, in their order; where a
row has fewer than k allowed items, -1 follows them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from pydeeprecsys.arrays import Array, Floats, Ints
from pydeeprecsys.serving.contract import Item

_ROUNDING = 1e-6  # relative error of the value of a slate, as in `rl.ops.slates`


class Blocks(NamedTuple):
    """Items in blocks of equal categories, so that an item is found in two short steps: its block, then its place."""

    items: Ints  # (items,) the items, block by block
    starts: Ints  # (blocks,) where each block starts in `items`
    sizes: Ints  # (blocks,) at most about the root of the number of items
    units: Floats  # (blocks, c) the unit vector of the categories, zeros if there are none


class Variety(NamedTuple):
    """What lowers the scores of later items of a slate: overlap with the categories of those before, see `fill`."""

    weights: Floats  # (n, s)
    memories: Floats  # (n, s, c) before the slate
    decays: Floats  # (s,)


def blocks_of(items: Sequence[Item], categories: Sequence[str]) -> Blocks:
    """Blocks of items; without categories all items are alike."""
    place = {name: i for i, name in enumerate(categories)}
    kinds: dict[tuple[int, ...], int] = {}
    columns = (tuple(place[name] for name in item.categories if name in place) for item in items)
    of = np.array([kinds.setdefault(each, len(kinds)) for each in columns], dtype=np.int64)
    flags = np.zeros((len(kinds), len(place)))
    for kind, each in enumerate(kinds):
        flags[kind, list(each)] = 1
    units = flags / np.sqrt(np.maximum(flags.sum(axis=1, keepdims=True), 1))
    ordered = np.argsort(of, kind="stable")
    within = np.arange(len(of)) - np.searchsorted(of[ordered], of[ordered])
    starts = np.flatnonzero(within % _block_size(len(of)) == 0)
    return Blocks(ordered, starts, sizes=np.diff(starts, append=len(of)), units=units[of[ordered[starts]]])


def top_k(scores: Array, k: int) -> Ints:
    """The slates of the k highest scores, the highest first; among equals in a slate, the first item first.

    They lie in the k blocks whose maxima are the highest: only few items are compared, however many equals there are.
    """
    (n, size), width = scores.shape, _block_size(scores.shape[1])
    starts = np.arange(0, size, width)
    blocks = _largest(np.maximum.reduceat(scores, starts, axis=1), min(k, len(starts)))
    columns = (starts[blocks][:, :, None] + np.arange(width)).reshape(n, -1)
    inside = np.where(columns < size, np.take_along_axis(scores, np.minimum(columns, size - 1), axis=1), -np.inf)
    places = _largest(inside, k)
    items, found = np.take_along_axis(columns, places, axis=1), np.take_along_axis(inside, places, axis=1)
    order = np.lexsort((items, -found))
    return np.take_along_axis(np.where(np.isneginf(found), -1, items), order, axis=1)


def _largest(scores: Array, k: int) -> Ints:
    """(n, k) columns of the k highest scores, in any order."""
    return np.argpartition(scores, scores.shape[1] - k, axis=1)[:, scores.shape[1] - k :]


def _block_size(n_items: int) -> int:
    """About the root: as many blocks as items in a block."""
    return math.isqrt(n_items - 1) + 1


def fill(
    scores: Array, k: int, blocks: Blocks, *, variety: Variety, random: np.random.Generator | None = None
) -> tuple[Ints, Floats]:
    """Fill slates item by item: by the highest score, or, with a generator, in proportion to the exponentials.

    Drawn slates follow the Plackett-Luce model (Plackett, The Analysis of Permutations, 1975): without replacement,
    each item in proportion to exp(score) among those that are left. Variety lowers the scores of later items by
    Σ weight · unit vector · (memory - memory before the slate), in which a memory becomes decay · (memory + unit
    vector) after each item.

    Returns:
        The slates, and (n, k) the probability of each item given those before it: 1 without a generator.
    """
    rows, width = np.arange(len(scores)), np.arange(blocks.sizes.max())
    total = np.maximum if random is None else np.logaddexp
    left = scores[:, blocks.items].astype(np.float64)
    worth = total.reduceat(left, blocks.starts, axis=1)
    slates, probabilities = np.full((len(scores), k), -1), np.ones((len(scores), k))
    memories, less = variety.memories, np.zeros(worth.shape)
    for place in range(k):
        lowered = worth - less
        block = _pick(lowered, random)
        columns = np.minimum(blocks.starts[block][:, None] + width, left.shape[1] - 1)
        inside = np.where(width < blocks.sizes[block][:, None], left[rows[:, None], columns], -np.inf)
        found = _pick(inside, random)
        score, column = inside[rows, found], columns[rows, found]
        is_left = score > -np.inf
        slates[:, place] = np.where(is_left, blocks.items[column], -1)
        if random is not None:
            of_all = total.reduce(lowered, axis=1)
            drawn = np.subtract(score - less[rows, block], of_all, out=np.zeros(len(rows)), where=is_left)
            probabilities[:, place] = np.exp(drawn)
        inside[rows, found] = left[rows, column] = -np.inf
        worth[rows, block] = total.reduce(inside, axis=1)
        if variety.weights.size:
            memories = variety.decays[:, None] * (memories + blocks.units[block][:, None])
            less = np.einsum("ns,nsc->nc", variety.weights, memories - variety.memories) @ blocks.units.T
    return slates, probabilities


def _pick(scores: Floats, random: np.random.Generator | None) -> Ints:
    """(n,) columns of the highest score; with a generator, drawn in proportion to the exponentials.

    The largest of scores plus Gumbel noise is such a draw.
    """
    picked: Ints = np.argmax(scores if random is None else scores + random.gumbel(size=scores.shape), axis=1)
    return picked


class Choice(NamedTuple):
    """Values and positive choice weights of items and of choosing nothing; SlateQ's (Ie et al. 2019)."""

    values: Floats  # (n, items) minus infinity for items that are not allowed
    weights: Floats  # (n, items)
    nothing: Floats  # (n, 1) the value of choosing nothing
    weight_of_nothing: Floats  # (n, 1)

    def of_slates(self, slates: Ints) -> Floats:
        """(n, 1) the values of slates: those of items and of nothing, in proportion to their weights."""
        shown = slates >= 0
        weights = np.where(shown, np.take_along_axis(self.weights, slates, axis=1), 0.0)
        each = np.where(shown, np.take_along_axis(self.values, slates, axis=1), 0.0)
        mass = weights.sum(axis=1, keepdims=True) + self.weight_of_nothing
        total = (weights * each).sum(axis=1, keepdims=True) + self.weight_of_nothing * self.nothing
        values: Floats = np.divide(total, mass, out=np.zeros_like(mass), where=mass > 0)
        return values


def heaviest(choice: Choice, k: int) -> Ints:
    """The slates of the highest weight · value (Ie et al. 2019, section 5.2)."""
    return top_k(choice.weights * choice.values, k)


def greedy(choice: Choice, k: int) -> Ints:
    """Slates built item by item, each time by the one that raises the value most (Ie et al. 2019, section 5.2)."""
    rows, left = np.arange(len(choice.values)), choice.values.copy()
    total, mass = choice.weight_of_nothing * choice.nothing, choice.weight_of_nothing
    slates = np.full((len(left), k), -1)
    for place in range(k):
        added = np.argmax((total + choice.weights * left) / (mass + choice.weights), axis=1)
        weight, value = choice.weights[rows, added], left[rows, added]
        slates[:, place] = np.where(value > -np.inf, added, -1)
        total, mass = total + (weight * value)[:, None], mass + weight[:, None]
        left[rows, added] = -np.inf
    return slates


def optimal(choice: Choice, k: int) -> Ints:
    """The slates of the highest value, by Dinkelbach's method (On Nonlinear Fractional Programming, 1967).

    The highest weight · (value - value of the slate) is first.
    """
    slates = heaviest(choice, k)
    level = choice.of_slates(slates)
    while True:
        better = top_k(choice.weights * (choice.values - level), k)
        value = choice.of_slates(better)
        # A level that was rounded up may be above all values, and what is best there may be far from good.
        slates = np.where(value >= level - _ROUNDING * np.abs(level), better, slates)
        if not (value > level).any():
            return slates
        level = np.maximum(level, value)


OPTIMIZERS: dict[str, Callable[[Choice, int], Ints]] = {"top-k": heaviest, "greedy": greedy, "optimal": optimal}
"""Functions of values and k that give slates, by the names in contracts."""
