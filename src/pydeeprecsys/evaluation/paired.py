"""Paired difference of two agents over the sessions of the same users."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pydeeprecsys.arrays import Floats, Ints
from pydeeprecsys.errors import InputError


def session_difference(
    sessions: pd.DataFrame, others: pd.DataFrame, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Mean return of one agent less another's over the same sessions, with its confidence interval.

    Sessions of the same seed and user are paired, so that easy and hard users cancel out. The squared half-widths of
    the t-intervals clustered by seed and by user add up to that of the interval: seeds widen it by how far they differ,
    with the quantile for their number, and so do users. This is conservative, because what varies between users within
    a seed counts twice; Cameron, Gelbach and Miller (Robust Inference with Multiway Clustering, 2011) subtract it. With
    one seed the interval is of that one training.

    Args:
        sessions: of the one agent, one row per session, with the columns seed, user and return.
        others: of the other, the same sessions.
        confidence: share of cases in which the interval is to hold the true difference, in (0, 1).

    Returns:
        The mean difference, and the low and high end of its interval; NaN ends with fewer than two users.

    Raises:
        InputError: the sessions are not those of the same seeds and users, or confidence is outside (0, 1).
    """
    if not 0 < confidence < 1:
        raise InputError(f"confidence {confidence:g} must lie between 0 and 1")
    ours, theirs = (frame.groupby(["seed", "user"])["return"].agg(["sum", "size"]) for frame in (sessions, others))
    if not len(ours) or not ours["size"].equals(theirs["size"]):
        raise InputError("the sessions to compare are not of the same seeds and users; evaluate both in the same way")
    totals, weights = (ours["sum"] - theirs["sum"]).to_numpy(), ours["size"].to_numpy(np.float64)
    mean = float(totals.sum() / weights.sum())
    residuals = (totals - weights * mean) / weights.sum()
    seeds, users = (pd.factorize(ours.index.get_level_values(name))[0] for name in ("seed", "user"))
    if not users.max():
        return mean, float("nan"), float("nan")
    squares = [_half_width(residuals, clusters, confidence) ** 2 for clusters in (seeds, users) if clusters.max()]
    half = float(np.sqrt(sum(squares)))
    return mean, mean - half, mean + half


def _half_width(residuals: Floats, clusters: Ints, confidence: float) -> float:
    """Half of the t-interval of a sum of residuals that are independent between clusters only."""
    from scipy import stats

    sums = np.bincount(clusters, residuals)
    freedom = len(sums) - 1
    return float(stats.t.ppf((1 + confidence) / 2, freedom) * np.sqrt(np.sum(sums**2) * len(sums) / freedom))
