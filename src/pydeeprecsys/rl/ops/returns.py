"""Returns: what the rewards that follow a step are worth at that step."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def discounted_returns(r_t: NDArray[Any], discount_t: NDArray[Any]) -> NDArray[np.float64]:
    """Discounted return of every step: G_t = r_t + discount_t · G_{t+1}, with G = 0 after the last step.

    Sutton & Barto, Reinforcement Learning (2nd edition, 2018), equation 3.9.

    Args:
        r_t: (time, n) the reward that followed each step, integer or float.
        discount_t: (time, n) how much the next step's return counts, in [0, 1]; 0 at the last step of an episode, so
            that several episodes can follow one another in a column.

    Returns:
        (time, n) the returns.
    """
    if r_t.shape != discount_t.shape:
        raise ValueError(f"rewards are of shape {r_t.shape}, discounts of shape {discount_t.shape}")
    g_t = np.empty(r_t.shape, dtype=np.float64)
    following = np.zeros(r_t.shape[1:], dtype=np.float64)
    for t in reversed(range(len(r_t))):
        following = g_t[t] = r_t[t] + discount_t[t] * following
    return g_t
