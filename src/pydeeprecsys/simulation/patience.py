"""When a user has had enough."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pydeeprecsys.errors import InputError


@dataclass(frozen=True)
class Patience:
    """A budget that every slate takes from, and what is enjoyed gives back to: the session ends when it is used up.

    After the time budget of SlateQ's and RecSim's interest evolution (Ie et al., SlateQ, 2019, section 6.1; Ie et al.,
    RecSim, 2019): consuming costs, and a satisfied user stays for longer. Each slate of which something was chosen
    takes 1 - gain · clip((rating - neutral) / (5 - neutral), 0, 1), each other one `refusal_cost`.

    Attributes:
        budget: what a session begins with, in slates that neither please nor are refused; above 0.
        gain: the share of a slate's cost that a movie of 5 stars gives back, in [0, 1).
        neutral: the highest rating that gives nothing back, in stars, below 5.
        refusal_cost: what a slate costs of which nothing was chosen, above 0.
        max_steps: slates after which a session is cut off whatever is left of the budget, for safety; at least 1.

    Raises:
        InputError: for numbers out of their range.
    """

    budget: float = 20.0
    gain: float = 0.8
    neutral: float = 3.0
    refusal_cost: float = 2.0
    max_steps: int = 200

    def __post_init__(self) -> None:
        for name in ("budget", "refusal_cost"):
            if not 0 < getattr(self, name) < np.inf:
                raise InputError(f"{name} is {getattr(self, name)}; give a finite number above 0")
        if not 0 <= self.gain < 1:
            raise InputError(f"gain is {self.gain}; give a number from 0 to below 1: every slate must cost something")
        if not -np.inf < self.neutral < 5:
            raise InputError(f"neutral is {self.neutral}; give a rating in stars below 5")
        if self.max_steps < 1:
            raise InputError(f"max_steps is {self.max_steps}; give at least 1")

    def spend(self, budgets: NDArray[np.float64], ratings: NDArray[np.float64]) -> NDArray[np.float64]:
        """What is left of the (n,) budgets after a slate: (n,) ratings of the chosen item, 0 where none was chosen."""
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
