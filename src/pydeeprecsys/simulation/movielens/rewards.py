"""Rewards of slates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numba import njit

from pydeeprecsys.arguments import UnitInterval, checked
from pydeeprecsys.arrays import Floats
from pydeeprecsys.scale import MAX_RATING


@runtime_checkable
class Reward(Protocol):
    """A reward function: from ratings and violence of the items shown to one number per user."""

    def __call__(self, ratings: Floats, violence: Floats) -> Floats:
        """Map (n, k) ratings in [1, 5] and (n, k) violence in [0, 1] to (n,) rewards.

        Violence is NaN in a world without measurements; the simulator refuses a reward that is then NaN. The reward of
        a single item is that of a slate of this item alone: k is 1.
        """


@checked
@dataclass(frozen=True)
class EnjoymentAndCalm:
    """Mean over the slate of (1 - weight) * rating / 5 + weight * (1 - violence): in [0, 1].

    Attributes:
        non_violent_weight: Weight λ of showing no violence.

    Raises:
        InputError: The weight is out of range.
    """

    non_violent_weight: UnitInterval = 0.0

    def __call__(self, ratings: Floats, violence: Floats) -> Floats:
        """Map (n, k) ratings and violence to (n,) rewards."""
        rewards: Floats = _enjoyment_and_calm(ratings, violence, self.non_violent_weight)
        return rewards


@njit(cache=True)
def _enjoyment_and_calm(ratings: Floats, violence: Floats, weight: float) -> Floats:
    n, k = ratings.shape
    rewards = np.empty(n)
    for i in range(n):
        total = 0.0
        for j in range(k):
            total += (1 - weight) * ratings[i, j] / MAX_RATING
            if weight > 0:  # without weight, violence may be unknown
                total += weight * (1 - violence[i, j])
        rewards[i] = total / k
    return rewards
