"""Remember whole episodes until they are learned from."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class CompleteSteps(NamedTuple):
    """The steps of complete episodes, views of a memory; elsewhere than where `complete` says so they hold anything."""

    states: NDArray[np.float32]  # (time, n, state_size)
    actions: NDArray[np.int64]  # (time, n)
    rewards: NDArray[np.float64]  # (time, n)
    terminated: NDArray[np.bool_]  # (time, n)
    truncated: NDArray[np.bool_]  # (time, n)
    new_states: NDArray[np.float32]  # (time, n, state_size)
    complete: NDArray[np.bool_]  # (time, n)


class EpisodeMemory:
    """The steps of the running and the complete episodes of n environments.

    Every environment has a column of its own, in which its episodes follow one another, whenever they end. An episode
    that was left in the middle (the next state of its environment is not the one it led to) is forgotten.

    Args:
        n: number of environments.
        state_size: numbers in a state.
    """

    def __init__(self, n: int, state_size: int) -> None:
        self.n = n
        self.state_size = state_size
        self.n_complete = 0
        self._steps: dict[str, NDArray[Any]] = {  # (time, n, ...) each
            "states": np.zeros((0, n, state_size), dtype=np.float32),
            "actions": np.zeros((0, n), dtype=np.int64),
            "rewards": np.zeros((0, n)),
            "terminated": np.zeros((0, n), dtype=np.bool_),
            "truncated": np.zeros((0, n), dtype=np.bool_),
            "new_states": np.zeros((0, n, state_size), dtype=np.float32),
        }
        self._lengths = np.zeros(n, dtype=np.int64)  # (n,) steps in each column
        self._complete = np.zeros(n, dtype=np.int64)  # (n,) of these, steps of complete episodes
        self._expected = np.zeros((n, state_size), dtype=np.float32)  # (n, state_size) states that come next
        self._columns = np.arange(n)

    def add(
        self,
        states: NDArray[Any],
        actions: NDArray[Any],
        rewards: NDArray[Any],
        terminated: NDArray[np.bool_],
        truncated: NDArray[np.bool_],
        new_states: NDArray[Any],
    ) -> None:
        """Append one step of every environment: (n, state_size), (n,), (n,), (n,), (n,), (n, state_size)."""
        states = states.astype(np.float32, copy=False)
        if self.n == 1:
            elsewhere = np.array([states.tobytes() != self._expected.tobytes()])  # a third of the time of the other
        else:
            elsewhere = (states != self._expected).any(axis=1)
        np.copyto(self._lengths, self._complete, where=elsewhere)
        if self._lengths.max() == self._room:
            self._grow()
        at = self._lengths, self._columns
        values = states, actions, rewards, terminated, truncated, new_states
        for column, value in zip(self._steps.values(), values, strict=True):
            column[at] = value
        self._expected[:] = new_states
        self._lengths += 1
        ended = terminated | truncated
        np.copyto(self._complete, self._lengths, where=ended)
        self.n_complete += int(np.count_nonzero(ended))

    @property
    def _room(self) -> int:
        return len(self._steps["rewards"])

    def _grow(self) -> None:
        more = max(64, self._room)
        for name, column in self._steps.items():
            self._steps[name] = np.concatenate([column, np.zeros((more, *column.shape[1:]), dtype=column.dtype)])

    def complete_steps(self) -> CompleteSteps:
        """All steps of complete episodes."""
        time = np.arange(self._complete.max())[:, None]
        steps = {name: column[: len(time)] for name, column in self._steps.items()}
        return CompleteSteps(**steps, complete=time < self._complete)

    def forget_complete(self) -> None:
        """Keep only the steps of unfinished episodes."""
        self._lengths -= self._complete
        rest = np.arange(self._lengths.max())[:, None]
        at = np.minimum(rest + self._complete, self._room - 1), self._columns
        for column in self._steps.values():
            column[: len(rest)] = column[at]
        self._complete[:] = 0
        self.n_complete = 0

    def _filled(self) -> NDArray[np.bool_]:
        return np.arange(self._room)[:, None] < self._lengths

    def state_dict(self) -> dict[str, Any]:
        """Copies of all that is remembered, without the unused room."""
        filled = self._filled()
        return {
            "n_complete": self.n_complete,
            "lengths": self._lengths.copy(),
            "complete": self._complete.copy(),
            "expected": self._expected.copy(),
            "steps": {name: column[filled] for name, column in self._steps.items()},
        }

    @classmethod
    def from_state_dict(cls, state: dict[str, Any]) -> EpisodeMemory:
        """The memory that `state_dict` was taken from."""
        memory = cls(*state["expected"].shape)
        memory.n_complete = int(state["n_complete"])
        memory._lengths[:] = state["lengths"]
        memory._complete[:] = state["complete"]
        memory._expected[:] = state["expected"]
        while memory._room < memory._lengths.max(initial=0):
            memory._grow()
        filled = memory._filled()
        for name, column in memory._steps.items():
            column[filled] = state["steps"][name]
        return memory
