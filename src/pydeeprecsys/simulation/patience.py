"""Patience: when a user ends the session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pydeeprecsys.arguments import Count, Positive, Range, checked


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
    neutral: Annotated[float, Range(high=5, open_high=True)] = 3.0
    refusal_cost: Positive = 2.0
    max_steps: Count = 200

    def spend(self, budgets: NDArray[np.float64], ratings: NDArray[np.float64]) -> NDArray[np.float64]:
        """The (n,) budgets after a slate, given (n,) ratings of the chosen item, 0 if none was chosen."""
        left: NDArray[np.float64] = _spend(budgets, ratings, self.gain, self.neutral, self.refusal_cost)
        return left


@njit(cache=True)
def _spend(
    budgets: NDArray[np.float64], ratings: NDArray[np.float64], gain: float, neutral: float, refusal_cost: float
) -> NDArray[np.float64]:
    left = np.empty(len(budgets))
    for i in range(len(budgets)):
        cost = refusal_cost
        if ratings[i] > 0:
            cost = 1 - gain * min(max((ratings[i] - neutral) / (5 - neutral), 0.0), 1.0)
        left[i] = budgets[i] - cost
    return left
