"""Join steps to transitions over several steps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.experience_replay.experience_buffer import Transitions


class NStepAccumulator:
    """Turns steps into transitions whose reward is the discounted sum over up to n steps.

    Sutton & Barto (2nd edition, 2018), section 7.1. A transition over m steps has the reward r_1 + γ·r_2 + … +
    γ^(m-1)·r_m, leads to the state after the m-th step, and has the discount γ^m, or 0 where the episode terminated:
    the target of a value is `rewards + discounts · value(new_states)`.

    Row i of every batch belongs to environment i. A window never goes beyond the end of an episode: where one ends, the
    steps still waiting come out over the fewer steps that are left. An episode that was left in the middle (another
    began in its environment or, where that is not known, the next state is not the one it led to; or the number of
    environments changes) counts as truncated there.

    Args:
        n_steps: steps joined, at least 1.
        discount_factor: what a reward is worth one step earlier, in 0..1.

    Raises:
        InputError: for an argument out of its range.
    """

    def __init__(self, n_steps: int, discount_factor: float) -> None:
        if n_steps < 1:
            raise InputError(f"n_steps must be at least 1, it is {n_steps}")
        if not 0 <= discount_factor <= 1:
            raise InputError(f"discount_factor must lie in 0..1, it is {discount_factor:g}")
        self.n_steps = n_steps
        self.discount_factor = discount_factor
        self._slot = 0  # of the ring, where the last step is
        self._waiting = np.zeros(0, dtype=np.int64)  # (n,) steps of each row that have not come out
        self._ring: dict[str, NDArray[Any]] = {}  # states, actions, returns: (n_steps, n, ...)
        self._expected = np.zeros(0)  # (n, ...) states that come next

    def add(
        self,
        states: NDArray[Any],
        actions: NDArray[Any],
        rewards: NDArray[Any],
        terminated: NDArray[np.bool_],
        truncated: NDArray[np.bool_],
        new_states: NDArray[Any],
        began: NDArray[np.bool_] | None = None,
    ) -> Transitions:
        """Take in one step of every environment, and give what it completes, of each row the oldest first.

        Args:
            states: (n, ...) what was observed.
            actions: (n, ...) what was done.
            rewards: (n,) what it brought.
            terminated: (n,) the episode came to its own end: nothing follows.
            truncated: (n,) the episode was cut off: it would have gone on.
            new_states: (n, ...) what was observed next, the last observation of the episode where it ended.
            began: (n,) the step is the first of its episode; None where that is not known.

        Returns:
            Transitions, none to n · n_steps, and more where episodes were left in the middle.
        """
        rewards = np.asarray(rewards, dtype=np.float64)
        if self.n_steps == 1:
            discounts = self._discounts(1, terminated)
            return Transitions(states, actions, rewards, terminated, truncated, new_states, discounts)
        left = self._leave_unfinished(states, began)
        if len(self._waiting) != len(states) or not self._ring:
            self._start(states, actions)
        self._slot = (self._slot + 1) % self.n_steps
        for name, values in (("states", states), ("actions", actions), ("returns", rewards)):
            self._ring[name][self._slot] = values
        for age in range(1, self.n_steps):
            self._ring["returns"][self._slot - age] += self.discount_factor**age * rewards
        self._waiting += 1
        parts = self._take_out(terminated | truncated, terminated, truncated, new_states)
        self._expected = new_states.astype(self._ring["states"].dtype)
        return _joined(left + parts)

    def _start(self, states: NDArray[Any], actions: NDArray[Any]) -> None:
        self._waiting = np.zeros(len(states), dtype=np.int64)
        self._ring = {
            "states": np.zeros((self.n_steps, *states.shape), dtype=states.dtype),
            "actions": np.zeros((self.n_steps, *actions.shape), dtype=actions.dtype),
            "returns": np.zeros((self.n_steps, len(states))),
        }

    def _leave_unfinished(self, states: NDArray[Any], began: NDArray[np.bool_] | None) -> list[Transitions]:
        n = len(self._waiting)
        left = self._waiting > 0
        if len(states) == n and left.any():
            left &= (states != self._expected).reshape(n, -1).any(axis=1) if began is None else began
        if not left.any():
            return []
        return self._take_out(left, np.zeros(n, dtype=np.bool_), left, self._expected)

    def _take_out(
        self,
        ended: NDArray[np.bool_],
        terminated: NDArray[np.bool_],
        truncated: NDArray[np.bool_],
        new_states: NDArray[Any],
    ) -> list[Transitions]:
        """Take out full windows, and all that waits in the rows that ended."""
        parts = []
        for age in range(self.n_steps - 1, -1 if ended.any() else self.n_steps - 2, -1):
            rows = self._waiting > age
            if age < self.n_steps - 1:
                rows &= ended
            started = {name: values[self._slot - age, rows] for name, values in self._ring.items()}
            parts.append(
                Transitions(
                    started["states"],
                    started["actions"],
                    started["returns"],
                    terminated[rows],
                    truncated[rows],
                    new_states[rows],
                    self._discounts(age + 1, terminated[rows]),
                )
            )
        np.minimum(self._waiting, self.n_steps - 1, out=self._waiting)
        self._waiting[ended] = 0
        return parts

    def _discounts(self, n_steps: int, terminated: NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.where(terminated, 0.0, self.discount_factor**n_steps)

    def state_dict(self) -> dict[str, Any]:
        """Copies of the steps that have not come out."""
        return {
            "slot": self._slot,
            "waiting": self._waiting.copy(),
            "expected": self._expected.copy(),
            "ring": {name: values.copy() for name, values in self._ring.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken.

        Raises:
            InputError: where it was taken of another number of steps.
        """
        for values in state["ring"].values():
            if len(values) != self.n_steps:
                raise InputError(f"the state is that of n_steps={len(values)}, this is of n_steps={self.n_steps}")
        self._slot = int(state["slot"])
        self._waiting = state["waiting"].copy()
        self._expected = state["expected"].copy()
        self._ring = {name: values.copy() for name, values in state["ring"].items()}


def _joined(parts: list[Transitions]) -> Transitions:
    return (
        parts[0] if len(parts) == 1 else Transitions(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    )
