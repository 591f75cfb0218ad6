"""Patience: when a user ends the session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numba import njit

from pydeeprecsys.arguments import Count, Positive, Range, checked
from pydeeprecsys.arrays import Flags, Floats, Ints
from pydeeprecsys.scale import MAX_RATING


@checked
@dataclass(frozen=True)
class Patience:
    """A budget that every slate costs and enjoyment restores in part; the session ends when it is used up.

    As the time budget in the interest evolution of SlateQ and RecSim (Ie et al., SlateQ, 2019, section 6.1; Ie et al.,
    RecSim, 2019): consumption costs, and a satisfied user stays longer. A slate from which an item was chosen costs
    1 - gain · clip((rating - neutral) / (5 - neutral), 0, 1), any other slate `refusal_cost`.

    Attributes:
        budget: Initial budget of a session, in slates with a neutral choice.
        gain: Share of a slate's cost that an item of 5 stars restores.
        neutral: Highest rating that restores nothing, in stars.
        refusal_cost: Cost of a slate from which nothing was chosen.
        max_steps: Number of slates after which a session is truncated, whatever is left of the budget.

    Raises:
        InputError: An argument is out of range.
    """

    budget: Positive = 20.0
    gain: Annotated[float, Range(0, 1, open_high=True)] = 0.8
    neutral: Annotated[float, Range(high=MAX_RATING, open_high=True)] = 3.0
    refusal_cost: Positive = 2.0
    max_steps: Count = 200

    @property
    def longest_session(self) -> int:
        """Most slates that a session can have, `max_steps`, or fewer if 5 stars each time use up the budget before."""
        budget, steps = self.budget, 0
        while budget > 0 and steps < self.max_steps:  # as `spend` charges, rounding included
            budget, steps = budget - min(1 - self.gain, self.refusal_cost), steps + 1
        return steps

    def spend(self, budgets: Floats, ratings: Floats, steps: Ints) -> tuple[Floats, Flags, Flags]:
        """Charge a slate: (n,) budgets left, and whether each session is terminated, and truncated.

        Args:
            budgets: (n,) before the slate.
            ratings: (n,) of the chosen item, 0 where none was chosen.
            steps: (n,) slates shown in the session, with this one.
        """
        costs = (self.gain, self.neutral, self.refusal_cost)
        charged: tuple[Floats, Flags, Flags] = _spend(budgets, ratings, steps, costs, max_steps=self.max_steps)
        return charged


@njit(cache=True)
def _spend(
    budgets: Floats, ratings: Floats, steps: Ints, costs: tuple[float, float, float], max_steps: int
) -> tuple[Floats, Flags, Flags]:
    n, (gain, neutral, refusal_cost) = len(budgets), costs
    left, terminated, truncated = np.empty(n), np.empty(n, dtype=np.bool_), np.empty(n, dtype=np.bool_)
    for i in range(n):
        cost = refusal_cost
        if ratings[i] > 0:
            cost = 1 - gain * min(max((ratings[i] - neutral) / (MAX_RATING - neutral), 0.0), 1.0)
        left[i] = budgets[i] - cost
        terminated[i] = left[i] <= 0
        truncated[i] = steps[i] >= max_steps and not terminated[i]
    return left, terminated, truncated
