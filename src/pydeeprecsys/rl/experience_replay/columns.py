"""Storage of transitions in one array per column."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pydeeprecsys.arrays import Array, Flags, Ints
from pydeeprecsys.errors import InputError
from pydeeprecsys.history import HistoryLayout
from pydeeprecsys.rl.experience_replay.transition import Transition

Layout = dict[str, tuple[tuple[int, ...], np.dtype[Any]]]
"""Shape and type of one row of each column, by name."""


def layout_of(transitions: Transition) -> Layout:
    """The layout of transitions with one leading axis."""
    named = zip(transitions._fields, transitions, strict=True)
    return {name: (column.shape[1:], column.dtype) for name, column in named if column is not None}


_MASKS = {"action_masks": "observations", "next_action_masks": "next_observations"}
"""Action masks, and the observations from which they follow if these hold whole sessions."""


def _widths(layout: Layout) -> dict[str, int]:
    """Length of the last axis of each column of several booleans."""
    return {name: shape[-1] for name, (shape, dtype) in layout.items() if shape and dtype == np.bool_}


class Columns:
    """Rows of transitions, each column in an array of its own.

    Columns of several booleans per row, such as action masks, are stored as bits along their last axis. Where the
    history in the observations holds whole sessions, action masks are not stored: they are derived when rows are read.

    Args:
        capacity: number of rows.
        history: layout of the observation "items"; None for other observations.

    Attributes:
        arrays: by name, (capacity, ...) as stored, in the order of `Transition`; none before `allocate`.
        layout: by name, shape and type of a row as written and read.
        widths: by name, length of the last axis of each column of several booleans.
    """

    def __init__(self, capacity: int = 0, history: HistoryLayout | None = None) -> None:
        self.capacity, self.history = capacity, history
        self._derived = _MASKS if history is not None and history.whole_session else {}
        self._begins = False  # nothing was written since the memory was taken
        self.arrays: dict[str, Array] = {}
        self.layout: Layout = {}
        self.widths: dict[str, int] = {}

    def allocate(self, layout: Layout) -> None:
        """Take the memory for rows of this layout; previous rows are forgotten."""
        self.layout, self.widths, self.arrays, self._begins = layout, _widths(layout), {}, True
        for name, (shape, dtype) in self._stored(layout).items():
            # np.zeros would only promise the memory; what is written to is there.
            self.arrays[name] = np.empty((self.capacity, *shape), dtype=dtype)
            self.arrays[name].fill(0)

    def n_bytes(self, layout: Layout) -> int:
        """Memory that rows of this layout would take."""
        stored = self._stored(layout).values()
        return self.capacity * sum(math.prod(shape) * dtype.itemsize for shape, dtype in stored)

    def _stored(self, layout: Layout) -> Layout:
        """The layout with booleans as bytes of eight, without masks that are derived."""
        packed = {
            name: ((*layout[name][0][:-1], -(-n // 8)), np.dtype(np.uint8)) for name, n in _widths(layout).items()
        }
        return {name: row for name, row in (layout | packed).items() if name not in self._derived}

    def reserve(self, n: int) -> None:
        """Make room for at least n rows, by doubling; new rows are zero."""
        if n > self.capacity:
            more = max(n, 2 * self.capacity) - self.capacity
            for name, array in self.arrays.items():
                self.arrays[name] = np.concatenate([array, np.zeros((more, *array.shape[1:]), dtype=array.dtype)])
            self.capacity += more

    def write(self, rows: Ints | slice, transitions: Transition) -> None:
        """Write transitions of this layout into rows.

        Raises:
            InputError: they are the first, and their action masks do not follow from the observations.
        """
        if self._begins:
            self._check_derived(transitions.take(~transitions.terminated))  # where nobody acts any mask will do
            self._begins = False
        for name, array in self.arrays.items():
            column = getattr(transitions, name)
            array[rows] = np.packbits(column, axis=-1) if name in self.widths else column

    def _check_derived(self, transitions: Transition) -> None:
        given = transitions.columns()
        for name in given.keys() & self._derived.keys():
            if not np.array_equal(given[name], self._masks(given[self._derived[name]])):
                raise InputError(
                    "info['action_mask'] forbids other items than those consumed in the session, so it does not follow "
                    "from the observation; give a history_length below the length of a session, to store masks"
                )

    def _masks(self, observations: Array) -> Flags:
        assert self.history is not None
        return self.history.allowed(observations)

    def read(self, rows: Ints) -> Transition:
        """Copies of rows (n,)."""
        return self._transitions({name: array.take(rows, axis=0) for name, array in self.arrays.items()})

    def by_time(self, time: int, n: int) -> Transition:
        """The first time · n rows as (time, n, ...), views unless they are stored as bits."""
        flat = self._transitions({name: array[: time * n] for name, array in self.arrays.items()})
        return flat.map(lambda column: column.reshape(time, n, *column.shape[1:]))

    def _transitions(self, stored: dict[str, Array]) -> Transition:
        for name, width in self.widths.items():
            if name in self._derived:
                stored[name] = self._masks(stored[self._derived[name]])
            else:
                stored[name] = np.unpackbits(stored[name], axis=-1, count=width).view(np.bool_)
        return Transition(**stored)

    def move_to_front(self, rows: Ints) -> None:
        """Make these rows (n,) the first n."""
        for array in self.arrays.values():
            array[: len(rows)] = array[rows]

    def state_dict(self, rows: Array | slice) -> dict[str, Any]:
        """Copies of some rows as stored, and the widths of columns of several booleans."""
        columns = {name: np.array(array[rows]) for name, array in self.arrays.items()}
        return {"columns": columns, "widths": dict(self.widths)}

    def load_state_dict(self, rows: Array | slice, state: dict[str, Any]) -> None:
        """Write what `state_dict` gave into rows, after `allocate` with its layout."""
        for name, column in state["columns"].items():
            self.arrays[name][rows] = column


def layout_of_state(state: dict[str, Any]) -> Layout:
    """The layout of what `Columns.state_dict` gave, derived masks included."""
    widths = state["widths"]
    layout: Layout = {name: ((width,), np.dtype(np.bool_)) for name, width in widths.items()}
    for name, column in state["columns"].items():
        packed = name in widths
        shape = (*column.shape[1:-1], widths[name]) if packed else column.shape[1:]
        layout[name] = (shape, np.dtype(np.bool_) if packed else column.dtype)
    return layout
