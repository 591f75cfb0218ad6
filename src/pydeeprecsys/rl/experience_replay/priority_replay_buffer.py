"""Prioritized experience replay."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pydeeprecsys.arrays import Floats, Ints
from pydeeprecsys.errors import InputError
from pydeeprecsys.history import HistoryLayout
from pydeeprecsys.rl.experience_replay.buffer_parameters import ExperienceReplayBufferParameters, PERBufferParameters
from pydeeprecsys.rl.experience_replay.experience_buffer import ExperienceReplayBuffer
from pydeeprecsys.rl.experience_replay.free_memory import check_memory
from pydeeprecsys.rl.experience_replay.sum_tree import SumTree
from pydeeprecsys.rl.experience_replay.transition import Sample
from pydeeprecsys.rl.ops.importance import importance_weights
from pydeeprecsys.rl.states import all_or_nothing

# The sum of the priorities of any number of such errors is finite.
LARGEST_ERROR = float(np.finfo(np.float32).max)


class PrioritizedExperienceReplayBuffer(ExperienceReplayBuffer):
    """Samples transitions in proportion to their priorities (Schaul et al. 2016, proportional variant).

    The priority of a transition is (|TD error| + epsilon)^alpha; a new one gets the highest priority so far, the first
    gets 1. A batch is stratified and may hold a transition more than once. Importance weights are divided by the
    largest weight in the whole buffer.

    Args:
        buffer_parameters: capacity, batch size and seed; the defaults if None.
        per_parameters: exponents of priorities and weights; the defaults if None.
        history: layout of the observation "items", see `Columns`; None for other observations.

    Attributes:
        beta: current exponent of the importance weights, in [0, 1].

    Raises:
        InputError: the priorities would not fit into the free memory.
    """

    def __init__(
        self,
        buffer_parameters: ExperienceReplayBufferParameters | None = None,
        per_parameters: PERBufferParameters | None = None,
        history: HistoryLayout | None = None,
    ) -> None:
        super().__init__(buffer_parameters, history)
        self.per_parameters = per_parameters or PERBufferParameters()
        self.beta = self.per_parameters.beta
        self._highest_priority = 1.0
        check_memory(self._capacity, 2 * 8 * SumTree.n_nodes(self._capacity))
        self._tree = SumTree(self._capacity)

    @property
    def priorities(self) -> Floats:
        """(len,) a copy of the priorities, alpha applied, by row of the buffer."""
        return self._tree.priorities[: self._size].copy()

    def _advance(self, n: int) -> None:
        start = (self._position + max(0, n - self._capacity)) % self._capacity
        self._tree.fill(start, min(n, self._capacity), self._highest_priority)
        super()._advance(n)

    def sample_batch(self) -> Sample:
        """Sample `batch_size` transitions in proportion to their priorities, with importance weights.

        Afterwards beta grows by `beta_growth`, to 1 at most.

        Raises:
            InputError: the buffer holds fewer than `batch_size`.
        """
        self._check_enough()
        indices, priorities = self._tree.sample(self.random.random(self.parameters.batch_size))
        total = self._tree.total
        weights = importance_weights(priorities / total, self.beta, self._tree.smallest / total)
        self.beta = min(1.0, self.beta + self.per_parameters.beta_growth)
        return Sample(self._columns.read(indices), weights, indices)

    def update_priorities(self, batch: Sample | Ints, errors: NDArray[np.floating[Any]]) -> None:
        """Set priorities by TD errors; for a transition that occurs twice, the last error counts.

        Args:
            batch: what `sample_batch` returned, or its (n,) indices.
            errors: (n,) temporal-difference errors of either sign.

        Raises:
            ValueError: the shapes are others.
            IndexError: there is no such transition.
            FloatingPointError: an error is NaN, infinite or beyond float32's range. Nothing has changed in any of
                these cases.
        """
        indices = np.asarray(batch.indices if isinstance(batch, Sample) else batch, dtype=np.int64)
        numbers: Floats = np.asarray(errors, dtype=np.float64)
        if indices.ndim != 1 or numbers.shape != indices.shape:
            raise ValueError(
                f"indices and errors must both be of shape (n,), they are of {indices.shape} and {numbers.shape}"
            )
        scale = self.per_parameters.epsilon, self.per_parameters.alpha
        priorities, n_right = _priorities(indices, numbers, self._size, scale)
        if n_right < len(indices):
            if not 0 <= indices[n_right] < self._size:
                raise IndexError(f"indices must lie in 0..{self._size - 1}, one is {indices[n_right]}")
            raise FloatingPointError(f"errors must be finite numbers of float32's range, one is {numbers[n_right]:g}")
        self._tree.update(indices, priorities)
        self._highest_priority = float(priorities.max(initial=self._highest_priority))

    def state_dict(self) -> dict[str, Any]:
        """Copies of the stored transitions and priorities, beta, and the state of the generator."""
        return super().state_dict() | {
            "priorities": self.priorities,
            "highest_priority": self._highest_priority,
            "beta": self.beta,
        }

    @all_or_nothing
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from where `state_dict` was taken.

        Raises:
            InputError: the state is that of a buffer without priorities, of another capacity or of other columns, or
                there is not enough memory; the buffer stays as it was.
        """
        if "priorities" not in state:
            raise InputError("the state is that of a buffer without priorities; load it into an ExperienceReplayBuffer")
        super().load_state_dict(state)
        self._tree.fill(0, self._capacity, 0.0)
        self._tree.update(np.arange(self._size), np.asarray(state["priorities"], dtype=np.float64))
        self._highest_priority = float(state["highest_priority"])
        self.beta = float(state["beta"])


@njit(cache=True)
def _priorities(indices: Ints, errors: Floats, size: int, scale: tuple[float, float]) -> tuple[Floats, int]:
    """(n,) the priorities by (epsilon, alpha), and the number of rows before the first invalid one."""
    epsilon, alpha = scale
    priorities = np.empty(len(errors))
    for i in range(len(errors)):
        magnitude = abs(errors[i])
        # NaN is not at most anything.
        if not (0 <= indices[i] < size and magnitude <= LARGEST_ERROR):
            return priorities, i
        priorities[i] = (magnitude + epsilon) ** alpha
    return priorities, len(errors)
