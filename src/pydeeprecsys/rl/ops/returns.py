"""Returns and advantages."""

from __future__ import annotations

import numpy as np

from pydeeprecsys.arrays import Array, Flags, Floats, Ints
from pydeeprecsys.rl.ops.shapes import check_shapes


def discounted_returns(r_t: Array, discount_t: Array) -> Floats:
    """Discounted return of every step: G_t = r_t + discount_t · G_{t+1}, with G = 0 after the last step.

    Sutton & Barto, Reinforcement Learning (2nd edition, 2018), equation 3.9.

    Args:
        r_t: (time, n) reward of each step, integer or float.
        discount_t: (time, n) discount of the next step's return, in [0, 1]; 0 at the last step of an episode, so that
            several episodes can follow one another in a column.

    Returns:
        (time, n) the returns.

    Raises:
        ValueError: the shapes differ.
    """
    check_shapes(r_t=(r_t, "time n"), discount_t=(discount_t, "time n"))
    g_t = np.empty(r_t.shape, dtype=np.float64)
    following = np.zeros(r_t.shape[1:], dtype=np.float64)
    for t in reversed(range(len(r_t))):
        following = g_t[t] = r_t[t] + discount_t[t] * following
    return g_t


def steps_in_episode(ended_t: Flags) -> Ints:
    """Number of each step within its episode, from 0: (time, n) whether an episode ended there, to (time, n)."""
    time = np.arange(len(ended_t))[:, None]
    first = np.concatenate([np.ones((1, ended_t.shape[1]), dtype=np.bool_), ended_t[:-1]])
    steps: Ints = time - np.maximum.accumulate(np.where(first, time, 0))
    return steps


def last_steps(terminated: Flags, truncated: Flags, began: Flags) -> Flags:
    """Whether the next row belongs to another episode, also where an episode was abandoned: (time, n) each."""
    ended = terminated | truncated
    ended[:-1] |= began[1:]
    return ended


def shuffled_episodes(ended_t: Flags, generator: np.random.Generator) -> Ints:
    """Rows of a rollout, one episode after another in random order, the steps of each in the order of time.

    Args:
        ended_t: (time, n) the episode ended with this step; True in the last row.
        generator: of the order.

    Returns:
        (time · n,) rows of the flattened rollout.
    """
    rows = np.arange(ended_t.size).reshape(ended_t.shape).T.reshape(-1)
    ended = ended_t.reshape(-1)[rows]
    episode: Ints = np.cumsum(ended) - ended
    order: Ints = rows[np.argsort(generator.permutation(episode[-1] + 1)[episode], kind="stable")]
    return order


def generalized_advantages(
    r_t: Array,
    discount_t: Array,
    ended_t: Flags,
    v_tm1: Array,
    v_t: Array,
    lambda_: float,
) -> Floats:
    """Generalized advantage estimation: the sum of the episode's later TD errors, weighted by powers of discount · λ.

    A_t = δ_t + discount_t · λ · A_{t+1} with δ_t = r_t + discount_t · v_t − v_tm1. Truncated episodes, and those still
    running in the last row, end with the value of their final state (Schulman et al., High-Dimensional Continuous
    Control Using Generalized Advantage Estimation, 2016, equation 16). Adding v_tm1 gives the λ-returns, the targets of
    the values.

    Args:
        r_t: (time, n) reward of each step, integer or float.
        discount_t: (time, n) discount factor in [0, 1]; 0 where the episode terminated, not where it was truncated.
        ended_t: (time, n) the episode ended with this step, terminated or truncated.
        v_tm1: (time, n) value of the state before each step.
        v_t: (time, n) finite value of the state after each step; of a truncated episode, of its final state.
        lambda_: λ in [0, 1]: 0 gives one-step TD errors, 1 Monte-Carlo returns minus values.

    Returns:
        (time, n) the advantages.

    Raises:
        ValueError: the shapes differ, or `lambda_` is out of range.
    """
    arrays = {"r_t": r_t, "discount_t": discount_t, "ended_t": ended_t, "v_tm1": v_tm1, "v_t": v_t}
    check_shapes(**{name: (array, "time n") for name, array in arrays.items()})
    if not 0 <= lambda_ <= 1:
        raise ValueError(f"lambda_ must be in [0, 1], it is {lambda_:g}")
    errors = r_t + discount_t * v_t - v_tm1
    return discounted_returns(errors, discount_t * lambda_ * ~ended_t)
