"""Storage of transitions in one array per column."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pydeeprecsys.rl.experience_replay.transition import Transition

Layout = dict[str, tuple[tuple[int, ...], np.dtype[Any]]]
"""Shape and type of one row of each column, by name."""


def layout_of(transitions: Transition) -> Layout:
    """The layout of transitions with one leading axis."""
    return {name: (column.shape[1:], column.dtype) for name, column in transitions.columns().items()}


def n_bytes(layout: Layout, n: int) -> int:
    """Memory that n stored rows take."""
    stored = (_stored(*of_row) for of_row in layout.values())
    return n * sum(math.prod(shape) * dtype.itemsize for shape, dtype in stored)


def _stored(shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    if not _is_packed(shape, dtype):
        return shape, dtype
    return (*shape[:-1], -(-shape[-1] // 8)), np.dtype(np.uint8)


def _is_packed(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    return dtype == np.bool_ and len(shape) > 0


class Columns:
    """Rows of transitions, each column in an array of its own.

    Columns of several booleans per row, such as action masks, are stored as bits along their last axis.

    Args:
        capacity: number of rows.

    Attributes:
        arrays: by name, (capacity, ...) as stored, in the order of `Transition`; none before `allocate`.
        layout: by name, shape and type of a row as written and read.
    """

    def __init__(self, capacity: int = 0) -> None:
        self.capacity = capacity
        self.arrays: dict[str, NDArray[Any]] = {}
        self.layout: Layout = {}

    def allocate(self, layout: Layout) -> None:
        """Take the memory for rows of this layout; previous rows are forgotten."""
        self.layout, self.arrays = layout, {}
        for name, (shape, dtype) in layout.items():
            stored, stored_dtype = _stored(shape, dtype)
            # np.zeros would only promise the memory; what is written to is there.
            self.arrays[name] = np.empty((self.capacity, *stored), dtype=stored_dtype)
            self.arrays[name].fill(0)

    def reserve(self, n: int) -> None:
        """Make room for at least n rows, by doubling; new rows are zero."""
        if n > self.capacity:
            more = max(n, 2 * self.capacity) - self.capacity
            for name, array in self.arrays.items():
                self.arrays[name] = np.concatenate([array, np.zeros((more, *array.shape[1:]), dtype=array.dtype)])
            self.capacity += more

    def write(self, rows: NDArray[np.int64] | slice, transitions: Transition) -> None:
        """Write transitions of this layout into rows."""
        for name, column in transitions.columns().items():
            packed = _is_packed(*self.layout[name])
            self.arrays[name][rows] = np.packbits(column, axis=-1) if packed else column

    def read(self, rows: NDArray[np.int64]) -> Transition:
        """Copies of rows (n,)."""
        return self._transitions({name: array.take(rows, axis=0) for name, array in self.arrays.items()})

    def by_time(self, time: int, n: int) -> Transition:
        """The first time · n rows as (time, n, ...), views unless they are stored as bits."""
        flat = self._transitions({name: array[: time * n] for name, array in self.arrays.items()})
        return flat.map(lambda column: column.reshape(time, n, *column.shape[1:]))

    def _transitions(self, stored: dict[str, NDArray[Any]]) -> Transition:
        for name, column in stored.items():
            shape, dtype = self.layout[name]
            if _is_packed(shape, dtype):
                stored[name] = np.unpackbits(column, axis=-1, count=shape[-1]).view(np.bool_)
        return Transition(**stored)

    def move_to_front(self, rows: NDArray[np.int64]) -> None:
        """Make these rows (n,) the first n."""
        for array in self.arrays.values():
            array[: len(rows)] = array[rows]

    def state_dict(self, rows: NDArray[Any] | slice) -> dict[str, Any]:
        """Copies of some rows as stored, and the widths of columns stored as bits."""
        widths = {name: shape[-1] for name, (shape, dtype) in self.layout.items() if _is_packed(shape, dtype)}
        return {"columns": {name: np.array(array[rows]) for name, array in self.arrays.items()}, "widths": widths}

    def load_state_dict(self, rows: NDArray[Any] | slice, state: dict[str, Any]) -> None:
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
