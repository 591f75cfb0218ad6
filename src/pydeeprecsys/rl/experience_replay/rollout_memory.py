"""Memory of a rollout: the latest consecutive steps of all environments."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydeeprecsys.history import HistoryLayout
from pydeeprecsys.rl.experience_replay.columns import Columns, layout_of, layout_of_state
from pydeeprecsys.rl.experience_replay.transition import Transition
from pydeeprecsys.rl.states import all_or_nothing


class RolloutMemory:
    """Stores steps until they are taken out together; it starts anew with another number or kind of environments.

    Args:
        history: layout of the observation "items", see `Columns`; None for other observations.
    """

    def __init__(self, history: HistoryLayout | None = None) -> None:
        self._columns = Columns(history=history)
        self._time = self._n = 0  # steps of each environment, and environments
        self._expected = np.zeros(0)  # (n, numbers) observations that come next

    def __len__(self) -> int:
        """Environment steps that it holds."""
        return self._time * self._n

    def add(self, transitions: Transition) -> None:
        """Append one step of every environment."""
        step = transitions.flat()
        step = step._replace(began=step.begins(self._expected))
        n, layout = len(step.rewards), layout_of(step)
        if n != self._n or layout != self._columns.layout:
            self._time, self._n = 0, n
            self._columns.allocate(layout)
        rows = slice(len(self), len(self) + n)
        self._columns.reserve(rows.stop)
        self._columns.write(rows, step)
        self._time += 1
        self._expected = step.next_observations.copy()

    def steps(self) -> Transition:
        """All steps, (time, n, ...), once there is one. They may be views, valid until the next `add`."""
        return self._columns.by_time(self._time, self._n)

    def take(self) -> Transition:
        """Give all steps, as `steps` does, and forget them."""
        steps = self.steps()
        self._time = 0
        return steps

    def state_dict(self) -> dict[str, Any]:
        """Copies of all that it holds."""
        columns = self._columns.state_dict(slice(len(self)))
        return {"n": self._n, "expected": self._expected.copy(), "columns": columns}

    @all_or_nothing
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from where `state_dict` was taken."""
        self._n, self._expected = int(state["n"]), np.array(state["expected"])
        self._columns.allocate(layout_of_state(state["columns"]))
        rows = len(state["columns"]["columns"].get("rewards", ()))
        self._columns.reserve(rows)
        self._columns.load_state_dict(slice(rows), state["columns"])
        self._time = rows // max(1, self._n)
