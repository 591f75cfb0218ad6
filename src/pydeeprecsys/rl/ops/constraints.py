"""Bounds on the cost of sessions, and weights of groups: the mathematics of safe and of fair policy gradients."""

from __future__ import annotations

import numpy as np

from pydeeprecsys.arrays import Array, Flags, Floats, Ints
from pydeeprecsys.rl.ops.shapes import check_shapes

_LEAST_WEIGHT = 1e-6


def session_sums(x_t: Array, began_t: Flags, ended_t: Flags, running: Floats) -> Floats:
    """Sums within each session up to and including every step.

    Args:
        x_t: (time, n) of each step.
        began_t: (time, n) the step is the first of its session.
        ended_t: (time, n) the step is the last of its session.
        running: (n,) sums over the steps before the first row of the sessions then running; it is updated to those
            after the last row.

    Returns:
        (time, n) the sums; where `ended_t` is set, those of complete sessions.

    Raises:
        ValueError: the shapes differ.
    """
    check_shapes(x_t=(x_t, "time n"), began_t=(began_t, "time n"), ended_t=(ended_t, "time n"), running=(running, "n"))
    sums = np.empty(x_t.shape, dtype=np.float64)
    for t in range(len(x_t)):
        running[began_t[t]] = 0.0
        running += x_t[t]
        sums[t] = running
        running[ended_t[t]] = 0.0
    return sums


def tail_excess(costs: Array, value_at_risk: float | Floats, level: float) -> Floats:
    """Excess over the value at risk, over the size of the tail: max(0, C − v) / (1 − α).

    CVaR at the level α is v + its mean, at the smallest v, the value at risk (Rockafellar & Uryasev, Optimization of
    Conditional Value-at-Risk, 2000).

    Args:
        costs: (...) of sessions.
        value_at_risk: v, one or (...).
        level: α in [0, 1).

    Returns:
        (...) 0 or more.
    """
    excess: Floats = np.maximum(0.0, costs - value_at_risk) / (1 - level)
    return excess


def next_value_at_risk(value: float, costs: Floats, level: float, *, multiplier: float, rate: float) -> float:
    """Gradient step of the value at risk: v − rate · λ · (1 − mean[C ≥ v] / (1 − α)), clipped to [0, 1].

    Chow, Ghavamzadeh, Janson & Pavone, Risk-Constrained Reinforcement Learning with Percentile Risk Criteria, 2018,
    and Singh et al., Building Healthy Recommendation Sequences for Everyone, FAccTRec 2020.

    Args:
        value: v.
        costs: (sessions,) in [0, 1].
        level: α in [0, 1).
        multiplier: λ.
        rate: step size.
    """
    slope = 1 - float(np.mean(costs >= value)) / (1 - level)
    return float(np.clip(value - rate * multiplier * slope, 0.0, 1.0))


def next_multiplier(multiplier: float, violation: float, rate: float, largest: float) -> float:
    """Dual ascent of a Lagrange multiplier: λ + rate · violation, kept in [0, largest]."""
    return min(max(0.0, multiplier + rate * violation), largest)


def next_group_weights(weights: Floats, returns: Floats, groups: Ints, rate: float) -> Floats:
    """Exponentiated gradient ascent on the groups' losses: q_g · exp(−rate · mean return of g), normalized.

    Sagawa, Koh, Hashimoto & Liang, Distributionally Robust Neural Networks for Group Shifts, 2020, algorithm 1; the
    loss of a group is minus its mean return. The weight of a group without a session stays, before normalization. No
    weight falls below a millionth of the largest, from where it could not come back.

    Args:
        weights: (groups,) q, positive, with the sum 1.
        returns: (sessions,).
        groups: (sessions,) number of each session's group.
        rate: step size, per unit of return.

    Returns:
        (groups,) the next weights.
    """
    n = np.bincount(groups, minlength=len(weights))
    means = np.bincount(groups, weights=returns, minlength=len(weights)) / np.maximum(n, 1)
    # Only differences of losses matter: the mean over sessions is subtracted, so that absent groups keep their weight.
    logarithms = np.log(weights) - rate * np.where(n > 0, means - returns.mean(), 0.0)
    unnormalized = np.maximum(np.exp(logarithms - logarithms.max()), _LEAST_WEIGHT)
    following: Floats = unnormalized / unnormalized.sum()
    return following
