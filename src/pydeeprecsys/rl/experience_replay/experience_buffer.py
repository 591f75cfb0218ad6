"""Replay buffers: store transitions and sample batches of them."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pydeeprecsys.arrays import Ints
from pydeeprecsys.errors import InputError
from pydeeprecsys.history import HistoryLayout
from pydeeprecsys.rl.experience_replay.buffer_parameters import ExperienceReplayBufferParameters
from pydeeprecsys.rl.experience_replay.columns import Columns, Layout, layout_of, layout_of_state
from pydeeprecsys.rl.experience_replay.free_memory import check_memory
from pydeeprecsys.rl.experience_replay.transition import Sample, Transition
from pydeeprecsys.rl.states import all_or_nothing


class ExperienceBuffer(Protocol):
    """What learning from replay needs of a buffer; see `ExperienceReplayBuffer` for the details."""

    parameters: ExperienceReplayBufferParameters

    def ready_to_predict(self) -> bool:
        """Whether it holds enough transitions to learn from."""

    def store_experiences(self, transitions: Transition) -> None:
        """Store n transitions, the oldest first."""

    def sample_batch(self) -> Sample:
        """Sample a batch."""

    def update_priorities(self, batch: Sample | Ints, errors: NDArray[np.floating[Any]]) -> None:
        """Set priorities, if it has any, by TD errors."""

    def state_dict(self) -> dict[str, Any]:
        """Copies of all that its future depends on."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from where `state_dict` was taken."""


class ExperienceReplayBuffer:
    """Stores the newest transitions and samples uniformly without replacement (Lin 1992, Mnih et al. 2015).

    Memory for all transitions is allocated when the first one is stored, whose columns, shapes and types are then
    those of the buffer.

    Args:
        parameters: capacity, batch size and seed; the defaults if None.
        history: layout of the observation "items", see `Columns`; None for other observations.
    """

    def __init__(
        self, parameters: ExperienceReplayBufferParameters | None = None, history: HistoryLayout | None = None
    ) -> None:
        self.parameters = parameters or ExperienceReplayBufferParameters()
        self.random = np.random.default_rng(self.parameters.random_state)
        self._capacity = int(self.parameters.max_experiences)
        self._size = 0
        self._position = 0  # where the next transition goes
        self._columns = Columns(self._capacity, history)
        self._kind: tuple[Any, ...] = ()  # shapes and types of a single transition that needs no further check

    def _allocate(self, layout: Layout) -> None:
        check_memory(self._capacity, self._columns.n_bytes(layout))
        self._columns.allocate(layout)
        # Without optional columns besides discounts, and without bits, a single transition can be written directly.
        plain = len(layout) == 7 and not self._columns.widths
        self._kind = (*layout["observations"], *layout["actions"], *layout["next_observations"]) if plain else ()

    def __len__(self) -> int:
        """Number of stored transitions."""
        return self._size

    def ready_to_predict(self) -> bool:
        """Whether it holds `minimum_experiences_to_start_predicting` transitions."""
        return self._size >= self.parameters.minimum_experiences_to_start_predicting

    def store_experience(
        self, state: Any, action: Any, reward: float, done: bool, new_state: Any, truncated: bool = False
    ) -> None:
        """Store one transition; `done` means that the episode terminated, `truncated` that it was cut off.

        Raises:
            InputError: as `store_experiences`.
            ValueError: as `store_experiences`.
            FloatingPointError: as `store_experiences`.
        """
        state, action, new_state = np.asarray(state), np.asarray(action), np.asarray(new_state)
        kind = state.shape, state.dtype, action.shape, action.dtype, new_state.shape, new_state.dtype
        if kind == self._kind and math.isfinite(reward):
            values = state, action, reward, done, truncated, new_state, 0.0 if done else 1.0
            for column, value in zip(self._columns.arrays.values(), values, strict=True):
                column[self._position] = value
            self._advance(1)
        else:
            one = Transition.of_one(state, action, reward, done, new_state=new_state, truncated=truncated)
            self.store_experiences(one)

    def store_experiences(self, transitions: Transition) -> None:
        """Store n transitions, the oldest first; of more than the capacity, the last.

        Without discounts they get 0 where terminated and else 1: the discount factor is then left to the learner.

        Raises:
            InputError: at the first transition, if the capacity does not fit into the free memory.
            ValueError: columns, shapes or types do not agree with one another or with what is stored.
            FloatingPointError: a reward is NaN or infinite. Nothing is stored in any of these cases.
        """
        given = _complete(transitions)
        self._check(given)
        if not self._size:
            layout = layout_of(given._replace(next_observations=given.observations))
            if layout != self._columns.layout:
                self._allocate(layout)
        n = len(given.rewards)
        if n > self._capacity:
            given = given.take(slice(n - self._capacity, None))
        kept = len(given.rewards)
        start = (self._position + n - kept) % self._capacity
        before_wrap = self._capacity - start
        if kept <= before_wrap:
            self._columns.write(slice(start, start + kept), given)
        else:
            self._columns.write(slice(start, None), given.take(slice(before_wrap)))
            self._columns.write(slice(kept - before_wrap), given.take(slice(before_wrap, None)))
        self._advance(n)

    def _check(self, given: Transition) -> None:
        n, columns = len(given.observations), given.columns()
        own = self._columns.layout if self._size else layout_of(given._replace(next_observations=given.observations))
        for name in own.keys() ^ columns.keys():
            raise ValueError(f"{name} must be given for all transitions of a buffer, or for none")
        for name, values in columns.items():
            shape, dtype = own[name]
            if values.shape != (n, *shape):
                raise ValueError(f"{name} must be of shape {(n, *shape)}, they are of {values.shape}")
            if values.dtype != dtype and not np.can_cast(values.dtype, dtype, "same_kind"):
                raise ValueError(f"{name} of type {values.dtype} cannot be stored with those of type {dtype}")
        given.check_rewards()

    def _advance(self, n: int) -> None:
        """Count n transitions that were written from the present position on."""
        self._position = (self._position + n) % self._capacity
        self._size = min(self._size + n, self._capacity)

    def sample_batch(self) -> Sample:
        """Sample `batch_size` different transitions, all equally likely; their weights are 1.

        Raises:
            InputError: the buffer holds fewer.
        """
        self._check_enough()
        indices = self.random.choice(self._size, self.parameters.batch_size, replace=False, shuffle=False)
        return Sample(self._columns.read(indices), np.ones(len(indices)), indices)

    def _check_enough(self) -> None:
        if self._size < self.parameters.batch_size:
            raise InputError(
                f"the buffer holds {self._size} transitions, a batch takes {self.parameters.batch_size}; "
                "store more before sampling (see ready_to_predict)"
            )

    def update_priorities(self, batch: Sample | Ints, errors: NDArray[np.floating[Any]]) -> None:
        """Change nothing: sampling is uniform. Learners call this on buffers with and without priorities."""

    def state_dict(self) -> dict[str, Any]:
        """Copies of the stored transitions, and the state of the generator."""
        return {
            "max_experiences": self._capacity,
            "position": self._position,
            "size": self._size,
            "random": self.random.bit_generator.state,
            "experiences": self._columns.state_dict(slice(self._size)),
        }

    @all_or_nothing
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from where `state_dict` was taken.

        Raises:
            InputError: the state is that of a buffer of another capacity or of other columns, or there is not enough
                memory; the buffer stays as it was.
        """
        if state["max_experiences"] != self._capacity:
            raise InputError(
                f"the state is that of a buffer of {state['max_experiences']} transitions, this one is of "
                f"{self._capacity}; give max_experiences={state['max_experiences']}"
            )
        layout = layout_of_state(state["experiences"])
        if layout and layout != self._columns.layout:
            if self._size:
                raise InputError("the state is that of a buffer of other columns; load it into a buffer like it")
            self._allocate(layout)
        self._size = int(state["size"])
        self._columns.load_state_dict(slice(self._size), state["experiences"])
        self._position = int(state["position"])
        self.random.bit_generator.state = state["random"]


def _complete(transitions: Transition) -> Transition:
    """With rewards and flags of their types, and with discounts."""
    terminated = np.asarray(transitions.terminated, dtype=np.bool_)
    discounts = np.where(terminated, 0.0, 1.0) if transitions.discounts is None else transitions.discounts
    return transitions._replace(
        rewards=np.asarray(transitions.rewards, dtype=np.float64),
        terminated=terminated,
        truncated=np.asarray(transitions.truncated, dtype=np.bool_),
        discounts=np.asarray(discounts, dtype=np.float64),
    )
