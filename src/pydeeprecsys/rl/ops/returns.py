"""Returns: what the rewards that follow a step are worth at that step."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pydeeprecsys.rl.ops.shapes import check_shapes


def discounted_returns(r_t: NDArray[Any], discount_t: NDArray[Any]) -> NDArray[np.float64]:
    """Discounted return of every step: G_t = r_t + discount_t · G_{t+1}, with G = 0 after the last step.

    Sutton & Barto, Reinforcement Learning (2nd edition, 2018), equation 3.9.

    Args:
        r_t: (time, n) the reward that followed each step, integer or float.
        discount_t: (time, n) how much the next step's return counts, in [0, 1]; 0 at the last step of an episode, so
            that several episodes can follow one another in a column.

    Returns:
        (time, n) the returns.

    Raises:
        ValueError: where the shapes differ.
    """
    check_shapes(r_t=(r_t, "time n"), discount_t=(discount_t, "time n"))
    g_t = np.empty(r_t.shape, dtype=np.float64)
    following = np.zeros(r_t.shape[1:], dtype=np.float64)
    for t in reversed(range(len(r_t))):
        following = g_t[t] = r_t[t] + discount_t[t] * following
    return g_t


def n_step_transitions(
    r_t: NDArray[Any], discount_t: NDArray[Any], ended_t: NDArray[np.bool_], n_steps: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Make one transition of up to n_steps consecutive ones, of the same episode, from every step on.

    Such a transition starts where step t starts and leads to where step `last` leads. It is shorter where the episode
    or the rows end earlier. Its bootstrapped target is R + discount · v(next state of step `last`) (Sutton & Barto,
    Reinforcement Learning, 2nd edition, 2018, equation 7.1; in deep Q-learning, Hessel et al., Rainbow, 2018).

    Args:
        r_t: (time, n) the reward that followed each step, integer or float.
        discount_t: (time, n) discount factor in [0, 1]; 0 where the episode terminated, not where it was truncated.
        ended_t: (time, n) the episode ended with this step, terminated or truncated: the next row is of another one.
        n_steps: how many steps at most, at least 1.

    Returns:
        (time, n) R, the rewards of the steps, each discounted by those before it; (time, n) the product of their
        discounts; (time, n) `last`, the row of the last of them.

    Raises:
        ValueError: where the shapes differ or n_steps is below 1.
    """
    check_shapes(r_t=(r_t, "time n"), discount_t=(discount_t, "time n"), ended_t=(ended_t, "time n"))
    if n_steps < 1:
        raise ValueError(f"n_steps must be at least 1, it is {n_steps}")
    time = len(r_t)
    rewards, discounts = r_t.astype(np.float64), discount_t.astype(np.float64)
    steps = np.zeros(r_t.shape, dtype=np.int64)
    together = np.ones(r_t.shape, dtype=np.bool_)
    for i in range(1, min(n_steps, time)):
        together = together[: time - i] & ~ended_t[i - 1 : time - 1]
        rewards[: time - i] += np.where(together, discounts[: time - i] * r_t[i:], 0.0)
        discounts[: time - i] *= np.where(together, discount_t[i:], 1.0)
        steps[: time - i] += together
    return rewards, discounts, np.arange(time)[:, None] + steps


def n_step_returns(
    r_t: NDArray[Any], discount_t: NDArray[Any], ended_t: NDArray[np.bool_], v_t: NDArray[Any], n_steps: int
) -> NDArray[np.float64]:
    """Rewards of up to n_steps steps and the value of the state that they lead to.

    Sutton & Barto, Reinforcement Learning (2nd edition, 2018), equation 7.1.

    Args:
        r_t: (time, n) the reward that followed each step, integer or float.
        discount_t: (time, n) discount factor in [0, 1]; 0 where the episode terminated, not where it was truncated.
        ended_t: (time, n) the episode ended with this step, terminated or truncated.
        v_t: (time, n) finite value of the state that each step led to; of a truncated episode, of its final state.
        n_steps: how many rewards at most before the value, at least 1.

    Returns:
        (time, n) the returns.

    Raises:
        ValueError: where the shapes differ or n_steps is below 1.
    """
    check_shapes(r_t=(r_t, "time n"), v_t=(v_t, "time n"))
    rewards, discounts, last = n_step_transitions(r_t, discount_t, ended_t, n_steps)
    returns: NDArray[np.float64] = rewards + discounts * np.take_along_axis(v_t, last, axis=0)
    return returns


def generalized_advantages(
    r_t: NDArray[Any],
    discount_t: NDArray[Any],
    ended_t: NDArray[np.bool_],
    v_tm1: NDArray[Any],
    v_t: NDArray[Any],
    lambda_: float,
) -> NDArray[np.float64]:
    """Generalized advantage estimation: TD errors of this and the later steps of the episode, fading by discount · λ.

    A_t = δ_t + discount_t · λ · A_{t+1} with δ_t = r_t + discount_t · v_t − v_tm1. Truncated episodes, and those still
    running in the last row, end with the value of the state they led to (Schulman et al., High-Dimensional Continuous
    Control Using Generalized Advantage Estimation, 2016, equation 16). Adding v_tm1 gives the λ-returns, the targets of
    the values.

    Args:
        r_t: (time, n) the reward that followed each step, integer or float.
        discount_t: (time, n) discount factor in [0, 1]; 0 where the episode terminated, not where it was truncated.
        ended_t: (time, n) the episode ended with this step, terminated or truncated.
        v_tm1: (time, n) value of the state that each step started from.
        v_t: (time, n) finite value of the state that each step led to; of a truncated episode, of its final state.
        lambda_: in [0, 1]: 0 trusts the values after one step, 1 only rewards until the episode ends.

    Returns:
        (time, n) the advantages.

    Raises:
        ValueError: where the shapes differ or lambda_ is out of its range.
    """
    arrays = {"r_t": r_t, "discount_t": discount_t, "ended_t": ended_t, "v_tm1": v_tm1, "v_t": v_t}
    check_shapes(**{name: (array, "time n") for name, array in arrays.items()})
    if not 0 <= lambda_ <= 1:
        raise ValueError(f"lambda_ must lie in 0..1, it is {lambda_:g}")
    errors = r_t + discount_t * v_t - v_tm1
    return discounted_returns(errors, discount_t * lambda_ * ~ended_t)
