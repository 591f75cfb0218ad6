"""Memory of whole episodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pydeeprecsys.arrays import Flags, Ints
from pydeeprecsys.history import HistoryLayout
from pydeeprecsys.rl.experience_replay.columns import Columns, layout_of, layout_of_state
from pydeeprecsys.rl.experience_replay.transition import Transition
from pydeeprecsys.rl.states import all_or_nothing


class EpisodeMemory:
    """The steps of the running and the complete episodes of all environments.

    The episodes of an environment follow one another, whenever they end. An abandoned episode is forgotten: another
    one began in its environment or, if `began` is unknown, the next observation is not the expected one. With another
    number or kind of environments the memory starts anew.

    Args:
        history: layout of the observation "items", see `Columns`; None for other observations.

    Attributes:
        n: number of environments, 0 before the first step.
        n_complete: number of complete episodes.
    """

    def __init__(self, history: HistoryLayout | None = None) -> None:
        self.n = self.n_complete = 0
        self._columns = Columns(history=history)  # row t · n + i: step t of environment i
        self._time = 0  # upper bound of the lengths
        self._lengths = np.zeros(0, dtype=np.int64)  # (n,) steps of each environment
        self._complete = np.zeros(0, dtype=np.int64)  # (n,) of these, steps of complete episodes
        self._expected = np.zeros(0)  # (n, numbers) observations that come next

    def add(self, transitions: Transition) -> None:
        """Append one step of every environment."""
        step, n = transitions.flat(), len(transitions.rewards)
        begins = step.begins(self._expected)
        # Columns change with the environment, and so where episodes begin.
        if n != self.n or (np.count_nonzero(begins) and layout_of(step) != self._columns.layout):
            self.n, self.n_complete, self._time = n, 0, 0
            self._columns.allocate(layout_of(step))
            self._lengths, self._complete = np.zeros((2, n), dtype=np.int64)
        np.copyto(self._lengths, self._complete, where=begins)
        self._time += 1
        if n * self._time > self._columns.capacity:
            self._time = int(self._lengths.max()) + 1
            self._columns.reserve(n * self._time)
        if n == 1:  # a slice is written in half the time
            self._columns.write(slice(self._lengths[0], self._lengths[0] + 1), step)
        else:
            self._columns.write(self._lengths * n + np.arange(n), step)
        self._expected = step.next_observations.copy()
        self._lengths += 1
        ended = step.terminated | step.truncated
        if count := int(np.count_nonzero(ended)):
            np.copyto(self._complete, self._lengths, where=ended)
            self.n_complete += count

    def complete_steps(self) -> tuple[Transition, Flags]:
        """The steps of complete episodes.

        Returns:
            Transitions (time, n, ...), which may be views of the memory, and (time, n) whether a step belongs to a
            complete episode; entries of other steps are undefined, but finite numbers.
        """
        time = int(self._complete.max(initial=0))
        return self._columns.by_time(time, self.n), np.arange(time)[:, None] < self._complete

    def record_log_probabilities(self, of: Callable[[Transition], NDArray[np.floating[Any]]]) -> None:
        """Fill in the log-probabilities of the steps of unfinished episodes, where they are NaN.

        To be called before the policy changes: they are of the policy that acted.

        Args:
            of: log-probabilities (rows,) of the actions of steps (rows, ...), by the policy as it still is.
        """
        time = np.arange(self._lengths.max(initial=0))[:, None]
        rows = np.flatnonzero((self._complete <= time) & (time < self._lengths))
        known = self._columns.arrays["log_probabilities"]
        rows = rows[np.isnan(known[rows])]
        if len(rows):
            known[rows] = of(self._columns.read(rows))

    def forget_complete(self) -> None:
        """Keep only the steps of unfinished episodes."""
        self._lengths -= self._complete
        self._time = int(self._lengths.max(initial=0))
        time = np.arange(self._time)[:, None]
        last = self._columns.capacity // max(1, self.n) - 1
        rows = np.minimum(time + self._complete, last) * self.n + np.arange(self.n)
        self._columns.move_to_front(rows.ravel())
        self._complete[:] = 0
        self.n_complete = 0

    def _filled(self) -> Ints:
        """The rows that hold steps."""
        time = np.arange(self._lengths.max(initial=0))[:, None]
        return np.flatnonzero(time < self._lengths)

    def state_dict(self) -> dict[str, Any]:
        """Copies of all that is remembered, without the unused room."""
        return {
            "n": self.n,
            "n_complete": self.n_complete,
            "lengths": self._lengths.copy(),
            "complete": self._complete.copy(),
            "expected": self._expected.copy(),
            "columns": self._columns.state_dict(self._filled()),
        }

    @all_or_nothing
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from where `state_dict` was taken."""
        self.n, self.n_complete = int(state["n"]), int(state["n_complete"])
        self._lengths, self._complete = np.array(state["lengths"]), np.array(state["complete"])
        self._expected = np.array(state["expected"])
        self._columns.allocate(layout_of_state(state["columns"]))
        self._time = int(self._lengths.max(initial=0))
        self._columns.reserve(self.n * self._time)
        self._columns.load_state_dict(self._filled(), state["columns"])
