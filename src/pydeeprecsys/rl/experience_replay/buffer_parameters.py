"""Parameters of the replay buffers."""

from __future__ import annotations

from dataclasses import dataclass

from pydeeprecsys.arguments import Count, NonNegative, Positive, Seed, UnitInterval, checked
from pydeeprecsys.errors import InputError


@checked
@dataclass(frozen=True)
class ExperienceReplayBufferParameters:
    """Size of a replay buffer, and how it is sampled.

    Attributes:
        max_experiences: Capacity, in transitions; the oldest are overwritten.
        minimum_experiences_to_start_predicting: Burn-in: transitions at which the buffer is ready for sampling.
        batch_size: Batch size, in transitions.
        random_state: Seed of the buffer's generator.

    Raises:
        InputError: An argument is out of range, or batch_size <= burn-in <= capacity does not hold.
    """

    max_experiences: Count = 50
    minimum_experiences_to_start_predicting: Count = 32
    batch_size: Count = 32
    random_state: Seed = 42

    def __post_init__(self) -> None:
        batch_size, burn_in = self.batch_size, self.minimum_experiences_to_start_predicting
        if not batch_size <= burn_in <= self.max_experiences:
            raise InputError(
                "batch_size <= buffer_burn_in (minimum_experiences_to_start_predicting) <= buffer_size "
                f"(max_experiences) must hold, they are {batch_size}, {burn_in} and {self.max_experiences}"
            )


@checked
@dataclass(frozen=True)
class PERBufferParameters:
    """Parameters of prioritized experience replay (Schaul et al. 2016).

    Attributes:
        beta: Initial importance-sampling exponent β; 0 for no correction, 1 for full correction.
        beta_growth: Increase of β per batch; β stops at 1.
        alpha: Priority exponent α; 0 for uniform sampling.
        epsilon: Constant added to the absolute error, so that every transition can be sampled again.

    Raises:
        InputError: An argument is out of range.
    """

    beta: UnitInterval = 0.01
    beta_growth: NonNegative = 0.001
    alpha: UnitInterval = 0.6
    epsilon: Positive = 0.01
