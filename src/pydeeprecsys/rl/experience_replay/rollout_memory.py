"""The last steps of all environments, in order, until they were learned from."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pydeeprecsys.rl.steps import Steps


class Rollout(NamedTuple):
    """So many consecutive steps of n environments."""

    rows: NDArray[np.float32]  # (time, n, numbers) states with their masks
    slates: NDArray[np.int64]  # (time, n, k) what was shown; k is 1 where it was single actions
    rewards: NDArray[np.float64]  # (time, n)
    terminated: NDArray[np.bool_]  # (time, n)
    truncated: NDArray[np.bool_]  # (time, n)
    new_rows: NDArray[np.float32]  # (time, n, numbers)
    began: NDArray[np.bool_]  # (time, n) the step is the first of its episode, or does not follow from the last one

    @property
    def ended(self) -> NDArray[np.bool_]:
        """(time, n) whether no step follows that belongs to the same episode: also where an episode was left."""
        left = np.zeros_like(self.terminated)
        left[:-1] = self.began[1:]
        ended: NDArray[np.bool_] = self.terminated | self.truncated | left
        return ended


class RolloutMemory:
    """Keeps steps until they are taken out, all together; of other environments than before, it starts anew."""

    def __init__(self) -> None:
        self._steps: list[Rollout] = []

    def __len__(self) -> int:
        """Environment steps that it holds."""
        return sum(len(step.rewards) for step in self._steps)

    def add(self, steps: Steps) -> None:
        """Append one step of every environment."""
        rows, last = steps.rows, self._steps[-1] if self._steps else None
        began = steps.began
        if began is None:
            began = np.ones(len(rows), dtype=np.bool_)
            if last is not None and last.rows.shape == rows.shape:
                began = (rows != last.new_rows).any(axis=1)
        step = Rollout(
            rows.copy(),  # environments may write over what they gave
            steps.shown.astype(np.int64),
            steps.rewards.astype(np.float64),
            steps.terminated.copy(),
            steps.truncated.copy(),
            steps.new_rows.copy(),
            began,
        )
        if last is not None and (last.rows.shape, last.slates.shape) != (step.rows.shape, step.slates.shape):
            self._steps.clear()
        self._steps.append(step)

    def take(self) -> Rollout:
        """Give all steps, and forget them."""
        rollout = self._stacked()
        self._steps.clear()
        return rollout

    def _stacked(self) -> Rollout:
        return Rollout(*(np.stack(column) for column in zip(*self._steps, strict=True)))

    def state_dict(self) -> dict[str, Any]:
        """Copies of all that it holds."""
        return self._stacked()._asdict() if self._steps else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken."""
        times = range(len(state["rewards"]) if state else 0)
        self._steps = [Rollout(**{name: np.array(column[t]) for name, column in state.items()}) for t in times]
