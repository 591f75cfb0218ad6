"""What agents learn from: one step of every environment."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pydeeprecsys.rl.ops.masks import attach_masks


class Steps(NamedTuple):
    """One step of n environments. Row i is always environment i."""

    states: NDArray[Any]  # (n, ...) what was observed
    actions: NDArray[Any]  # (n, ...) what was done; of a slate the item the user chose, its first where none was
    rewards: NDArray[Any]  # (n,) what it brought, integer or float
    terminated: NDArray[np.bool_]  # (n,) the episode came to its own end: nothing follows
    truncated: NDArray[np.bool_]  # (n,) the episode was cut off: it would have gone on
    new_states: NDArray[Any]  # (n, ...) what was observed next, the last observation of the episode where it ended
    action_masks: NDArray[np.bool_] | None = None  # (n, actions) allowed; given always, with the next, or never
    new_action_masks: NDArray[np.bool_] | None = None  # (n, actions) allowed next; none need be after the end
    slates: NDArray[np.int64] | None = None  # (n, k) what was shown, where it was slates
    choices: NDArray[np.int64] | None = None  # (n,) the position of what was chosen of it, -1 for nothing
    began: NDArray[np.bool_] | None = None  # (n,) the step is the first of its episode; None where that is not known

    @property
    def rows(self) -> NDArray[np.float32]:
        """(n, numbers) the states with their masks, see `attach_masks`."""
        return attach_masks(self.states.reshape(len(self.states), -1), self.action_masks)

    @property
    def new_rows(self) -> NDArray[np.float32]:
        """(n, numbers) the new states with their masks."""
        return attach_masks(self.new_states.reshape(len(self.states), -1), self.new_action_masks)

    @property
    def shown(self) -> NDArray[np.int64]:
        """(n, k) the slates; single actions as slates of one."""
        return self.actions[:, None] if self.slates is None else self.slates

    def check_rewards(self) -> None:
        """Raise a FloatingPointError where a reward is NaN or infinite."""
        if not np.isfinite(self.rewards).all():
            broken = self.rewards[~np.isfinite(self.rewards)][0]
            raise FloatingPointError(f"rewards must be finite numbers, one is {broken}")
