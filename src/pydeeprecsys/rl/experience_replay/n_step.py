"""Multi-step transitions."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from pydeeprecsys.arguments import Count, UnitInterval, checked
from pydeeprecsys.arrays import Flags
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.experience_replay.transition import Transition, combine
from pydeeprecsys.rl.states import all_or_nothing

_SUMMED = ("rewards", "costs", "entropies")


@checked
class NStepAccumulator:
    """Joins single steps to transitions over up to n steps.

    Sutton & Barto (2nd edition, 2018), section 7.1. A transition over m steps has the reward r_1 + γ·r_2 + … +
    γ^(m-1)·r_m, costs likewise, ends where the m-th step ends, and has the discount γ^m, or 0 where the episode
    terminated: the target of a value is `rewards + discounts · value(next_observations)`. Its entropies are those of
    the steps in between, γ·H_2 + … + γ^(m-1)·H_m, as soft values count them: without that of the first state, whose
    action is given. All other columns are those of its first step.

    Row i of every batch belongs to environment i. A window never crosses the end of an episode: where one ends, the
    waiting steps come out as shorter windows. An episode counts as truncated where it was abandoned: where another one
    began in its environment or, if `began` is unknown, the next observation is not the expected one; or where the
    number of environments changes.

    Args:
        n_steps: Steps per transition.
        discount_factor: Discount factor γ.

    Raises:
        InputError: an argument is out of range.
    """

    def __init__(self, n_steps: Count, discount_factor: UnitInterval) -> None:
        self.n_steps = n_steps
        self.discount_factor = discount_factor
        self._steps: deque[Transition] = deque(maxlen=n_steps)  # the newest last; rewards become returns
        self._waiting = np.zeros(0, dtype=np.int64)  # (n,) steps of each row that have not come out

    def add(self, transitions: Transition) -> Transition:
        """Take in one step of every environment.

        Returns:
            The transitions that this step completes, the oldest of each row first: 0 to n · n_steps, and more where
            episodes were abandoned.
        """
        if self.n_steps == 1:
            return self._discounted(_without_entropies(transitions), 1)
        step = transitions._replace(rewards=np.asarray(transitions.rewards, dtype=np.float64))
        parts = self._abandon(step)
        if len(self._waiting) != len(step.rewards):
            self._steps.clear()
            self._waiting = np.zeros(len(step.rewards), dtype=np.int64)
        self._steps.append(_without_entropies(step).map(np.array))  # environments may overwrite what they gave
        for age in range(1, len(self._steps)):
            for name in _SUMMED:
                if (values := getattr(step, name)) is not None:
                    getattr(self._steps[-1 - age], name)[:] += self.discount_factor**age * values
        self._waiting += 1
        parts += self._take_out(step, step.terminated | step.truncated)
        return combine(parts, np.concatenate) if parts else self._discounted(step.take(slice(0)), 1)

    def _abandon(self, step: Transition) -> list[Transition]:
        left, n = self._waiting > 0, len(self._waiting)
        if self._steps and len(step.rewards) == n:
            left &= step.begins(self._steps[-1].next_observations)
        if not np.count_nonzero(left):
            return []
        end = self._steps[-1]._replace(terminated=np.zeros(n, dtype=np.bool_), truncated=left)
        return self._take_out(end, left)

    def _take_out(self, end: Transition, ended: Flags) -> list[Transition]:
        """Take out full windows, and all waiting steps of the rows that ended."""
        parts = []
        for age in range(len(self._steps) - 1, -1 if np.count_nonzero(ended) else self.n_steps - 2, -1):
            rows = self._waiting > age
            if age < self.n_steps - 1:
                rows &= ended
            parts.append(self._discounted(self._steps[-1 - age].leading_to(end).take(rows), age + 1))
        np.minimum(self._waiting, self.n_steps - 1, out=self._waiting)
        self._waiting[ended] = 0
        return parts

    def _discounted(self, transitions: Transition, n_steps: int) -> Transition:
        return transitions._replace(discounts=np.where(transitions.terminated, 0.0, self.discount_factor**n_steps))

    def state_dict(self) -> dict[str, Any]:
        """Copies of the steps that have not come out."""
        return {
            "n_steps": self.n_steps,
            "waiting": self._waiting.copy(),
            "steps": combine(list(self._steps), np.stack).columns() if self._steps else {},
        }

    @all_or_nothing
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from where `state_dict` was taken.

        Raises:
            InputError: it was taken of another number of steps.
        """
        if state["n_steps"] != self.n_steps:
            raise InputError(f"the state is that of n_steps={state['n_steps']}, this is of n_steps={self.n_steps}")
        self._waiting = state["waiting"].copy()
        self._steps.clear()
        times = range(len(state["steps"].get("rewards", ())))
        self._steps.extend(Transition(**state["steps"]).take(t).map(np.array) for t in times)


def _without_entropies(transitions: Transition) -> Transition:
    """Single steps as windows: known entropies become 0, for no step is in between."""
    known = transitions.entropies is not None
    return transitions._replace(entropies=np.zeros(len(transitions.rewards))) if known else transitions
