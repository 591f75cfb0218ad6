"""Remember what happened and draw from it at random."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.experience_replay.buffer_parameters import ExperienceReplayBufferParameters
from pydeeprecsys.rl.experience_replay.free_memory import check_memory


class Transitions(NamedTuple):
    """Experiences, n of them.

    The target of a value is `rewards + discounts · value(new_states)`; see `ExperienceBuffer.store_experiences` for
    what the discounts hold.
    """

    states: NDArray[Any]  # (n, ...)
    actions: NDArray[Any]  # (n, ...)
    rewards: NDArray[np.float64]  # (n,)
    terminated: NDArray[np.bool_]  # (n,)
    truncated: NDArray[np.bool_]  # (n,)
    new_states: NDArray[Any]  # (n, ...)
    discounts: NDArray[np.float64]  # (n,)


class Batch(NamedTuple):
    """Experiences drawn from a buffer, copies of what it holds."""

    states: NDArray[Any]  # (batch, ...)
    actions: NDArray[Any]  # (batch, ...)
    rewards: NDArray[np.float64]  # (batch,)
    terminated: NDArray[np.bool_]  # (batch,)
    truncated: NDArray[np.bool_]  # (batch,)
    new_states: NDArray[Any]  # (batch, ...)
    discounts: NDArray[np.float64]  # (batch,)
    weights: NDArray[np.float64]  # (batch,) importance weights, in (0, 1]
    indices: NDArray[np.int64]  # (batch,) where they are in the buffer


class ExperienceBuffer(ABC):
    """What every replay buffer can do."""

    @abstractmethod
    def __len__(self) -> int:
        """How many experiences it holds."""

    @abstractmethod
    def ready_to_predict(self) -> bool:
        """Whether it holds enough to learn from."""

    @abstractmethod
    def sample_batch(self) -> Batch:
        """Draw a batch."""

    @abstractmethod
    def store_experience(
        self, state: Any, action: Any, reward: float, done: bool, new_state: Any, truncated: bool = False
    ) -> None:
        """Remember one experience; `done` means that the episode terminated, `truncated` that it was cut off."""

    @abstractmethod
    def store_experiences(
        self,
        states: NDArray[Any],
        actions: NDArray[Any],
        rewards: NDArray[Any],
        terminated: NDArray[np.bool_],
        truncated: NDArray[np.bool_],
        new_states: NDArray[Any],
        discounts: NDArray[Any] | None = None,
    ) -> None:
        """Remember n experiences, the oldest first.

        Args:
            states: (n, ...) what was observed.
            actions: (n, ...) what was done.
            rewards: (n,) what it brought.
            terminated: (n,) the episode came to its own end: nothing follows.
            truncated: (n,) the episode was cut off: it would have gone on.
            new_states: (n, ...) what was observed next.
            discounts: (n,) what the value of the new state is worth, as `NStepAccumulator` gives them; when not given,
                0 where terminated and else 1, so that the discount factor is left to be multiplied in.
        """

    def update_priorities(  # noqa: B027 - not every buffer has priorities
        self, batch: Batch | NDArray[np.int64], errors: NDArray[np.floating[Any]]
    ) -> None:
        """Set priorities by errors: a batch or its (n,) indices, (n,) errors. Buffers without priorities ignore it."""


class ExperienceReplayBuffer(ExperienceBuffer):
    """Holds the newest experiences and draws different ones, each as likely as the other (Lin 1992, Mnih et al. 2015).

    All memory is taken before the first experience is stored: at construction where `state_shape` is given, and when
    the first experience has other shapes and types than were given.

    Args:
        parameters: how much it holds and how it is sampled; the default parameters when not given.
        state_shape: shape of one state, when known.
        state_dtype: type of the states; used with `state_shape` only.
        action_shape: shape of one action; used with `state_shape` only.
        action_dtype: type of the actions; used with `state_shape` only.

    Raises:
        InputError: where the experiences would not fit into the memory that is free.
    """

    def __init__(
        self,
        parameters: ExperienceReplayBufferParameters | None = None,
        *,
        state_shape: tuple[int, ...] | None = None,
        state_dtype: DTypeLike = np.float32,
        action_shape: tuple[int, ...] = (),
        action_dtype: DTypeLike = np.int64,
    ) -> None:
        self.parameters = parameters or ExperienceReplayBufferParameters()
        self.random = np.random.default_rng(self.parameters.random_state)
        self._capacity = int(self.parameters.max_experiences)
        self._size = 0
        self._position = 0  # where the next experience goes
        self._columns: dict[str, NDArray[Any]] = {}  # (capacity, ...) each, by the names of Transitions
        self._kind: tuple[Any, ...] = ()  # shapes and types of an experience that needs no further check
        layout = _layout(state_shape or (), state_dtype, action_shape, action_dtype)
        check_memory(self._capacity, _n_bytes(layout, self._capacity) + self._n_other_bytes())
        if state_shape is not None:
            self._allocate(layout)

    def _n_other_bytes(self) -> int:
        return 0

    def _allocate(self, layout: Layout) -> None:
        for name, (shape, dtype) in layout.items():
            # np.zeros would only promise the memory; what is written to is there.
            self._columns[name] = np.empty((self._capacity, *shape), dtype=dtype)
            self._columns[name].fill(0)
        self._kind = (*layout["states"], *layout["actions"], *layout["new_states"])

    def __len__(self) -> int:
        """How many experiences it holds."""
        return self._size

    def ready_to_predict(self) -> bool:
        """Whether it holds `minimum_experiences_to_start_predicting`."""
        return self._size >= self.parameters.minimum_experiences_to_start_predicting

    def store_experience(
        self, state: Any, action: Any, reward: float, done: bool, new_state: Any, truncated: bool = False
    ) -> None:
        """Remember one experience; `done` means that the episode terminated, `truncated` that it was cut off.

        Raises:
            InputError: as the batched method.
            ValueError: as the batched method.
            FloatingPointError: as the batched method.
        """
        state, action, new_state = np.asarray(state), np.asarray(action), np.asarray(new_state)
        values = state, action, reward, done, truncated, new_state, 0.0 if done else 1.0
        kind = state.shape, state.dtype, action.shape, action.dtype, new_state.shape, new_state.dtype
        if kind == self._kind and math.isfinite(reward):
            for column, value in zip(self._columns.values(), values, strict=True):
                column[self._position] = value
            self._advance(1)
        else:
            self.store_experiences(*(np.asarray(value)[None] for value in values))

    def store_experiences(
        self,
        states: NDArray[Any],
        actions: NDArray[Any],
        rewards: NDArray[Any],
        terminated: NDArray[np.bool_],
        truncated: NDArray[np.bool_],
        new_states: NDArray[Any],
        discounts: NDArray[Any] | None = None,
    ) -> None:
        """Remember n experiences as `ExperienceBuffer.store_experiences` says; of more than it can hold, the last.

        Raises:
            InputError: with the first experience, where so many as it would not fit into the memory that is free.
            ValueError: where shapes or types do not agree with one another or with what is stored.
            FloatingPointError: where a reward is NaN or infinite. Nothing is stored in any of these cases.
        """
        given = Transitions(
            np.asarray(states),
            np.asarray(actions),
            np.asarray(rewards, dtype=np.float64),
            np.asarray(terminated, dtype=np.bool_),
            np.asarray(truncated, dtype=np.bool_),
            np.asarray(new_states),
            np.where(terminated, 0.0, 1.0) if discounts is None else np.asarray(discounts, dtype=np.float64),
        )
        self._check(given)
        if not self._size:
            layout = _layout_of(given._replace(new_states=given.states)._asdict())
            if layout != _layout_of(self._columns):  # what was expected at construction, if anything was
                check_memory(self._capacity, _n_bytes(layout, self._capacity))
                self._allocate(layout)
        n = len(given.rewards)
        skipped = max(0, n - self._capacity)
        start = (self._position + skipped) % self._capacity
        before_wrap = min(n - skipped, self._capacity - start)
        for column, values in zip(self._columns.values(), given, strict=True):
            column[start : start + before_wrap] = values[skipped : skipped + before_wrap]
            if skipped + before_wrap < n:
                column[: n - skipped - before_wrap] = values[skipped + before_wrap :]
        self._advance(n)

    def _check(self, given: Transitions) -> None:
        n = len(given.states)
        stored = self._columns.values() if self._size else given._replace(new_states=given.states)
        for name, values, column in zip(given._fields, given, stored, strict=True):
            if values.shape != (n, *column.shape[1:]):
                raise ValueError(f"{name} must be of shape {(n, *column.shape[1:])}, they are of {values.shape}")
            if values.dtype != column.dtype and not np.can_cast(values.dtype, column.dtype, "same_kind"):
                raise ValueError(f"{name} of type {values.dtype} cannot be stored with those of type {column.dtype}")
        if not np.isfinite(given.rewards).all():
            bad = given.rewards[~np.isfinite(given.rewards)][0]
            raise FloatingPointError(f"rewards must be finite numbers, one is {bad}")

    def _advance(self, n: int) -> None:
        """Count n experiences that were written from the present position on."""
        self._position = (self._position + n) % self._capacity
        self._size = min(self._size + n, self._capacity)

    def sample_batch(self) -> Batch:
        """Draw `batch_size` different experiences, all equally likely; their weights are 1.

        Raises:
            InputError: where it holds fewer.
        """
        self._check_enough()
        indices = self.random.choice(self._size, self.parameters.batch_size, replace=False, shuffle=False)
        return self._batch(indices, np.ones(len(indices)))

    def _check_enough(self) -> None:
        if self._size < self.parameters.batch_size:
            raise InputError(
                f"the buffer holds {self._size} experiences, a batch takes {self.parameters.batch_size}; "
                "store more before sampling (ready_to_predict tells when)"
            )

    def _batch(self, indices: NDArray[np.int64], weights: NDArray[np.float64]) -> Batch:
        drawn = {name: column.take(indices, axis=0) for name, column in self._columns.items()}
        return Batch(**drawn, weights=weights, indices=indices)

    def state_dict(self) -> dict[str, Any]:
        """Copies of all experiences and the state of the generator, without the unused room."""
        return {
            "max_experiences": self._capacity,
            "position": self._position,
            "size": self._size,
            "random": self.random.bit_generator.state,
            "experiences": {name: column[: self._size].copy() for name, column in self._columns.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken.

        Raises:
            InputError: where it is the state of a buffer of another size, or of other states or actions than this one
                holds, or where there is not enough memory; the buffer stays as it was.
        """
        if state["max_experiences"] != self._capacity:
            raise InputError(
                f"the state is that of a buffer of {state['max_experiences']} experiences, this one is of "
                f"{self._capacity}; give max_experiences={state['max_experiences']}"
            )
        layout = _layout_of(state["experiences"])
        if layout and layout != _layout_of(self._columns):
            if self._size:
                raise InputError("the state is that of a buffer of other states or actions; load it into one like it")
            check_memory(self._capacity, _n_bytes(layout, self._capacity))
            self._allocate(layout)
        for name, values in state["experiences"].items():
            self._columns[name][: len(values)] = values
        self._size = int(state["size"])
        self._position = int(state["position"])
        self.random.bit_generator.state = state["random"]


Layout = dict[str, tuple[tuple[int, ...], np.dtype[Any]]]
"""Shape and type of one experience's part of each column, by name."""


def _layout(
    state_shape: tuple[int, ...], state_dtype: DTypeLike, action_shape: tuple[int, ...], action_dtype: DTypeLike
) -> Layout:
    state, action = np.empty((0, *state_shape), dtype=state_dtype), np.empty((0, *action_shape), dtype=action_dtype)
    number, flag = np.empty(0), np.empty(0, dtype=np.bool_)
    return _layout_of(Transitions(state, action, number, flag, flag, state, number)._asdict())


def _layout_of(columns: dict[str, NDArray[Any]]) -> Layout:
    return {name: (column.shape[1:], column.dtype) for name, column in columns.items()}


def _n_bytes(layout: Layout, n: int) -> int:
    return n * sum(math.prod(shape) * dtype.itemsize for shape, dtype in layout.values())
