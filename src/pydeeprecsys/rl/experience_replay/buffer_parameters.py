"""What a replay buffer can be told."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral

from pydeeprecsys.errors import InputError


@dataclass(frozen=True)
class ExperienceReplayBufferParameters:
    """How much a replay buffer holds and how it is sampled.

    Args:
        max_experiences: how many it holds, at least 1; the oldest make room for new ones.
        minimum_experiences_to_start_predicting: how many make it ready, in batch_size..max_experiences.
        batch_size: experiences in a batch, at least 1.
        random_state: seed of the buffer's own generator, 0 or more.

    Raises:
        InputError: for an argument out of its range.
    """

    max_experiences: int = 50
    minimum_experiences_to_start_predicting: int = 32
    batch_size: int = 32
    random_state: int = 42

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not isinstance(value, Integral):
                raise InputError(f"{name} must be an integer, it is {value!r}")
        if self.batch_size < 1:
            raise InputError(f"batch_size must be at least 1, it is {self.batch_size}")
        if not self.batch_size <= self.minimum_experiences_to_start_predicting <= self.max_experiences:
            raise InputError(
                f"minimum_experiences_to_start_predicting must lie in batch_size..max_experiences, "
                f"{self.batch_size}..{self.max_experiences}, it is {self.minimum_experiences_to_start_predicting}"
            )
        if self.random_state < 0:
            raise InputError(f"random_state must be 0 or more, it is {self.random_state}")


@dataclass(frozen=True)
class PERBufferParameters:
    """How experiences are prioritized (Schaul et al. 2016, "Prioritized Experience Replay").

    Args:
        beta: how far importance weights correct for the priorities, in 0 (not at all)..1 (fully).
        beta_growth: what beta gains with each batch, 0 or more; it stops at 1.
        alpha: how much priorities count, in 0 (not at all: uniform)..1.
        epsilon: what is added to the absolute error of an experience, above 0, so that each can be drawn again.

    Raises:
        InputError: for an argument out of its range.
    """

    beta: float = 0.01
    beta_growth: float = 0.001
    alpha: float = 0.6
    epsilon: float = 0.01

    def __post_init__(self) -> None:
        for name in ("beta", "alpha"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} must lie in 0..1, it is {getattr(self, name):g}")
        if not 0 <= self.beta_growth < math.inf:
            raise InputError(f"beta_growth must be a finite number, 0 or more, it is {self.beta_growth:g}")
        if not 0 < self.epsilon < math.inf:
            raise InputError(f"epsilon must be a finite number above 0, it is {self.epsilon:g}")
