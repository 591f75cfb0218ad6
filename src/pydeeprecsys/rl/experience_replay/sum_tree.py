"""A sum tree: sampling in proportion to priorities that change."""

from __future__ import annotations

import numpy as np
from numba import njit

from pydeeprecsys.arrays import Floats, Ints


class SumTree:
    """A binary tree of priorities: every inner node holds the sum and the minimum of the leaves below it.

    Sums are recomputed from the children in float64, never corrected by differences: after any number of changes the
    tree equals, to the bit, one built from its leaves. A priority of 0 marks an empty leaf, which the minimum ignores.

    Args:
        n_leaves: number of priorities, at least 1; all are 0 at first.
    """

    def __init__(self, n_leaves: int) -> None:
        self.n_leaves = n_leaves
        # (2, nodes) sums and minima. Node i has the children 2i and 2i + 1, the root is 1, leaves are the second half.
        self._nodes = np.zeros((2, self.n_nodes(n_leaves)))
        self._nodes[1] = np.inf

    @staticmethod
    def n_nodes(n_leaves: int) -> int:
        """Number of nodes of a tree."""
        return 2 << (n_leaves - 1).bit_length()

    @property
    def total(self) -> float:
        """Sum of all priorities."""
        return float(self._nodes[0, 1])

    @property
    def smallest(self) -> float:
        """The smallest priority above 0; infinity where all are 0."""
        return float(self._nodes[1, 1])

    @property
    def priorities(self) -> Floats:
        """(n_leaves,) a view of the priorities; write by `update` and `fill` only."""
        first = self._nodes.shape[1] // 2
        return self._nodes[0, first : first + self.n_leaves]

    def update(self, indices: Ints, priorities: Floats) -> None:
        """Set some priorities; for an index that occurs twice, the last one counts.

        Args:
            indices: (n,) leaves, in 0..n_leaves - 1.
            priorities: (n,) finite numbers, 0 or more.

        Raises:
            ValueError: the shapes differ.
            IndexError: there is no such leaf; nothing has changed.
        """
        if indices.ndim != 1 or indices.shape != priorities.shape:
            raise ValueError(f"indices are of shape {indices.shape}, priorities of shape {priorities.shape}")
        _update(self._nodes, self.n_leaves, indices, priorities)

    def fill(self, start: int, n: int, priority: float) -> None:
        """Set n leaves from start on to one priority, wrapping around after the last; n in 0..n_leaves."""
        if n == 0:
            return
        if not (0 <= start < self.n_leaves and 0 < n <= self.n_leaves):
            raise IndexError(f"there are no {n} leaves from {start} on in a tree of {self.n_leaves}")
        before_wrap = min(n, self.n_leaves - start)
        _fill(self._nodes, start, before_wrap, priority)
        if before_wrap < n:
            _fill(self._nodes, 0, n - before_wrap, priority)

    def sample(self, uniforms: Floats) -> tuple[Ints, Floats]:
        """Sample leaves in proportion to their priorities, stratified as in Schaul et al. (2016, appendix B.2.1).

        The sum of all priorities is divided into n equal ranges, and one sample is drawn from each. A leaf of priority
        0 is never drawn.

        Args:
            uniforms: (n,) random numbers in [0, 1), the position of each sample within its range.

        Returns:
            (n,) indices of leaves in ascending order and (n,) their priorities.

        Raises:
            ValueError: all priorities are 0.
        """
        if not self.total > 0:
            raise ValueError("all priorities are 0, there is nothing to draw")
        return _sample(self._nodes, uniforms)


@njit(cache=True)
def _set(nodes: Floats, leaf: int, priority: float) -> None:
    nodes[0, leaf] = priority
    nodes[1, leaf] = priority if priority > 0 else np.inf


@njit(cache=True)
def _join(nodes: Floats, node: int) -> None:
    nodes[0, node] = nodes[0, 2 * node] + nodes[0, 2 * node + 1]
    nodes[1, node] = min(nodes[1, 2 * node], nodes[1, 2 * node + 1])


@njit(cache=True)
def _update(nodes: Floats, n_leaves: int, indices: Ints, priorities: Floats) -> None:
    for index in indices:
        if not 0 <= index < n_leaves:
            raise IndexError("an index is outside of the tree")
    first = nodes.shape[1] // 2
    for i in range(len(indices)):
        _set(nodes, first + indices[i], priorities[i])
    # Level by level, so that the processor fetches the nodes of many rows at once.
    parents = first + indices
    while first > 1:
        first >>= 1
        for i in range(len(parents)):
            node = parents[i] >> 1
            _join(nodes, node)
            parents[i] = node


@njit(cache=True)
def _fill(nodes: Floats, start: int, n: int, priority: float) -> None:
    left = nodes.shape[1] // 2 + start
    right = left + n - 1
    for node in range(left, right + 1):
        _set(nodes, node, priority)
    while left > 1:
        left, right = left >> 1, right >> 1
        for node in range(left, right + 1):
            _join(nodes, node)


@njit(cache=True)
def _sample(nodes: Floats, uniforms: Floats) -> tuple[Ints, Floats]:
    sums, n = nodes[0], len(uniforms)
    found = np.ones(n, dtype=np.int64)
    rest = np.empty(n)
    for i in range(n):
        rest[i] = (i + uniforms[i]) / n * sums[1]
    # Level by level, so that the processor fetches the nodes of many draws at once.
    first = len(sums) // 2
    level = 1
    while level < first:
        level *= 2
        for i in range(n):
            left = sums[2 * found[i]]
            # Rounding may leave a rest as large as the whole sum; it must not lead to where there is nothing.
            goes_right = (rest[i] >= left) & (sums[2 * found[i] + 1] > 0.0)
            found[i] = 2 * found[i] + goes_right
            rest[i] -= left * goes_right
    return found - first, sums[found]
