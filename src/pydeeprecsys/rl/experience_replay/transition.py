"""Transitions: what agents learn from and memories keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pydeeprecsys.arrays import Array, Flags, Floats, Ints


class Transition(NamedTuple):
    """A batch of n transitions: one step of each environment, or rows drawn from a memory.

    Optional columns are None where they are unknown; a column is given at every step or never. Memories that keep the
    order of time give columns of shape (time, n, ...).
    """

    observations: Array  # (n, ...)
    actions: Array  # (n, ...) of a slate, the item the user chose, or its first item where none was chosen
    rewards: Array  # (n,) integer or float; of a slate, the reward of the whole slate
    terminated: Flags  # (n,) the episode reached its own end: no state follows
    truncated: Flags  # (n,) the episode was cut off: it would have continued
    next_observations: Array  # (n, ...) at the end of an episode, its last observation
    began: Flags | None = None  # (n,) first step of its episode
    discounts: Floats | None = None  # (n,) factor of the next value: γ per step, 0 where terminated
    action_masks: Flags | None = None  # (n, actions) allowed actions
    next_action_masks: Flags | None = None  # (n, actions) allowed next; all False is possible at the end
    slates: Ints | None = None  # (n, k) items shown
    choices: Ints | None = None  # (n,) position of the chosen item in the slate, -1 for none
    next_slates: Ints | None = None  # (n, k) slate of the next step, for SARSA
    costs: Floats | None = None  # (n,) cost of the step, beside its reward
    log_probabilities: Array | None = None  # (n,) of the action under the policy that acted; NaN where unknown
    entropies: Array | None = None  # (n,) of that policy in nats; of several steps, see NStepAccumulator
    item_rewards: Array | None = None  # (n, k) reward of each item of the slate; NaN if it was not consumed
    groups: Ints | None = None  # (n,) number of the user's group

    @classmethod
    def of_one(
        cls, state: Any, action: Any, reward: float, done: bool, new_state: Any, truncated: bool = False
    ) -> Transition:
        """One step of one environment as a batch of one; `done` means that the episode terminated."""
        return cls(
            observations=np.asarray(state)[None],
            actions=np.asarray(action)[None],
            rewards=np.array([reward], dtype=np.float64),
            terminated=np.array([done], dtype=np.bool_),
            truncated=np.array([truncated], dtype=np.bool_),
            next_observations=np.asarray(new_state)[None],
        )

    def columns(self) -> dict[str, Array]:
        """The columns that are known, by name."""
        return {name: column for name, column in zip(self._fields, self, strict=True) if column is not None}

    def map(self, function: Callable[[Array], Array]) -> Transition:
        """Apply a function to each known column."""
        return Transition._make([None if column is None else function(column) for column in self])

    def take(self, rows: Any) -> Transition:
        """The given rows of each known column, by any index that NumPy takes."""
        return Transition._make([None if column is None else column[rows] for column in self])

    def keep(self, *optional: str) -> Transition:
        """The same transitions without optional columns other than the named ones."""
        return Transition(*self[:6], **{name: getattr(self, name) for name in optional})

    def begins(self, expected: Array) -> Flags:
        """(n,) whether an episode begins: by `began` or, if unknown, where an observation is not the expected one."""
        if self.began is not None:
            return self.began
        if self.observations.shape != expected.shape:
            return np.ones(len(self.rewards), dtype=np.bool_)
        return np.asarray((self.observations != expected).reshape(len(expected), -1).any(axis=1))

    def leading_to(self, later: Transition) -> Transition:
        """The transitions that start here and end where later ones of the same episodes end."""
        return self._replace(**{name: getattr(later, name) for name in _ENDS})

    def flat(self) -> Transition:
        """As agents' memories store them: observations as float32 vectors (n, numbers), rewards as float64."""
        seen, rewards = self.observations, self.rewards
        if seen.ndim == 2 and seen.dtype == np.float32 and rewards.dtype == np.float64:
            return self  # saves half of the time of storing a step
        rows = (len(seen), -1)
        return self._replace(
            observations=seen.reshape(rows).astype(np.float32, copy=False),
            rewards=rewards.astype(np.float64, copy=False),
            next_observations=self.next_observations.reshape(rows).astype(np.float32, copy=False),
        )

    @property
    def shown(self) -> Ints:
        """(n, k) the slates; single actions as slates of one."""
        return self.actions[:, None] if self.slates is None else self.slates

    @property
    def rewards_of_shown(self) -> Array:
        """(n, k) reward of each item shown; NaN if it was not consumed.

        Without `item_rewards`, at most one item of a slate is consumed: the chosen one has the reward of the step. A
        slate of one item has it in any case.
        """
        if self.item_rewards is not None:
            return self.item_rewards
        if self.choices is None or self.shown.shape[1] == 1:
            return self.rewards[:, None]
        chosen = np.arange(self.shown.shape[1]) == self.choices[:, None]
        return np.where(chosen, self.rewards[:, None], np.nan)

    def of_items(self) -> Transition:
        """The transitions with the reward of the item in `actions`; that of the slate if nothing was consumed."""
        if self.item_rewards is None:
            return self
        choices = np.zeros(len(self.rewards), dtype=np.int64) if self.choices is None else self.choices
        own = self.item_rewards[np.arange(len(choices)), np.maximum(choices, 0)]
        return self._replace(rewards=np.where(np.isnan(own) & (choices < 0), self.rewards, own))

    def check_rewards(self) -> None:
        """Raise a FloatingPointError if a reward is NaN or infinite."""
        if not np.isfinite(self.rewards).all():
            broken = self.rewards[~np.isfinite(self.rewards)][0]
            raise FloatingPointError(f"rewards must be finite numbers, one is {broken}")


def combine(parts: list[Transition], by: Callable[[list[Array]], Array]) -> Transition:
    """Several batches of the same columns as one, by `np.concatenate` or `np.stack`."""
    if len(parts) == 1 and by is np.concatenate:
        return parts[0]
    return parts[0]._replace(**{name: by([getattr(part, name) for part in parts]) for name in parts[0].columns()})


OPTIONAL = Transition._fields[6:]
"""The names of the optional columns."""

_ENDS = ("terminated", "truncated", *(name for name in Transition._fields if name.startswith("next_")))


class Sample(NamedTuple):
    """Transitions drawn from a replay buffer, copies of what it holds."""

    transitions: Transition
    weights: Floats  # (n,) importance weights, in (0, 1]
    indices: Ints  # (n,) their rows in the buffer
