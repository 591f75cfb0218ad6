"""Storage of transitions in one array per column."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pydeeprecsys.arrays import Array, Ints
from pydeeprecsys.rl.experience_replay.transition import Transition

Layout = dict[str, tuple[tuple[int, ...], np.dtype[Any]]]
"""Shape and type of one row of each column, by name."""


def layout_of(transitions: Transition) -> Layout:
    """The layout of transitions with one leading axis."""
    named = zip(transitions._fields, transitions, strict=True)
    return {name: (column.shape[1:], column.dtype) for name, column in named if column is not None}


def n_bytes(layout: Layout, n: int) -> int:
    """Memory that n stored rows take."""
    return n * sum(math.prod(shape) * dtype.itemsize for shape, dtype in _stored(layout).values())


def _stored(layout: Layout) -> Layout:
    """The layout with booleans as bytes of eight."""
    packed = {name: ((*layout[name][0][:-1], -(-n // 8)), np.dtype(np.uint8)) for name, n in _widths(layout).items()}
    return layout | packed


def _widths(layout: Layout) -> dict[str, int]:
    """Length of the last axis of each column that is stored as bits."""
    return {name: shape[-1] for name, (shape, dtype) in layout.items() if shape and dtype == np.bool_}


class Columns:
    """Rows of transitions, each column in an array of its own.

    Columns of several booleans per row, such as action masks, are stored as bits along their last axis.

    Args:
        capacity: number of rows.

    Attributes:
        arrays: by name, (capacity, ...) as stored, in the order of `Transition`; none before `allocate`.
        layout: by name, shape and type of a row as written and read.
        widths: by name, length of the last axis of each column that is stored as bits.
    """

    def __init__(self, capacity: int = 0) -> None:
        self.capacity = capacity
        self.arrays: dict[str, Array] = {}
        self.layout: Layout = {}
        self.widths: dict[str, int] = {}

    def allocate(self, layout: Layout) -> None:
        """Take the memory for rows of this layout; previous rows are forgotten."""
        self.layout, self.widths, self.arrays = layout, _widths(layout), {}
        for name, (shape, dtype) in _stored(layout).items():
            # np.zeros would only promise the memory; what is written to is there.
            self.arrays[name] = np.empty((self.capacity, *shape), dtype=dtype)
            self.arrays[name].fill(0)

    def reserve(self, n: int) -> None:
        """Make room for at least n rows, by doubling; new rows are zero."""
        if n > self.capacity:
            more = max(n, 2 * self.capacity) - self.capacity
            for name, array in self.arrays.items():
                self.arrays[name] = np.concatenate([array, np.zeros((more, *array.shape[1:]), dtype=array.dtype)])
            self.capacity += more

    def write(self, rows: Ints | slice, transitions: Transition) -> None:
        """Write transitions of this layout into rows."""
        for name, array in self.arrays.items():
            column = getattr(transitions, name)
            array[rows] = np.packbits(column, axis=-1) if name in self.widths else column

    def read(self, rows: Ints) -> Transition:
        """Copies of rows (n,)."""
        return self._transitions({name: array.take(rows, axis=0) for name, array in self.arrays.items()})

    def by_time(self, time: int, n: int) -> Transition:
        """The first time · n rows as (time, n, ...), views unless they are stored as bits."""
        flat = self._transitions({name: array[: time * n] for name, array in self.arrays.items()})
        return flat.map(lambda column: column.reshape(time, n, *column.shape[1:]))

    def _transitions(self, stored: dict[str, Array]) -> Transition:
        for name, width in self.widths.items():
            stored[name] = np.unpackbits(stored[name], axis=-1, count=width).view(np.bool_)
        return Transition(**stored)

    def move_to_front(self, rows: Ints) -> None:
        """Make these rows (n,) the first n."""
        for array in self.arrays.values():
            array[: len(rows)] = array[rows]

    def state_dict(self, rows: Array | slice) -> dict[str, Any]:
        """Copies of some rows as stored, and the widths of columns stored as bits."""
        columns = {name: np.array(array[rows]) for name, array in self.arrays.items()}
        return {"columns": columns, "widths": dict(self.widths)}

    def load_state_dict(self, rows: Array | slice, state: dict[str, Any]) -> None:
        """Write what `state_dict` gave into rows, after `allocate` with its layout."""
        for name, column in state["columns"].items():
            self.arrays[name][rows] = column


def layout_of_state(state: dict[str, Any]) -> Layout:
    """The layout of what `Columns.state_dict` gave."""
    widths, layout = state["widths"], {}
    for name, column in state["columns"].items():
        packed = name in widths
        shape = (*column.shape[1:-1], widths[name]) if packed else column.shape[1:]
        layout[name] = (shape, np.dtype(np.bool_) if packed else column.dtype)
    return layout
