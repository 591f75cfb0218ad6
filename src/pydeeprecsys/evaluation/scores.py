"""Scores of one agent beside those of others: normalized, by how likely it is better, and by how many runs reach what.

Definitions of Agarwal et al., Deep Reinforcement Learning at the Edge of the Statistical Precipice, 2021. A task is a
world that agents are judged in. The bootstrap is stratified: seeds are drawn with replacement, for every task apart.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pydeeprecsys.errors import InputError
from pydeeprecsys.evaluation.intervals import check_bootstrap, percentiles, score_table

Floats = NDArray[np.float64]


def normalized_scores(scores: ArrayLike, random: ArrayLike, oracle: ArrayLike) -> Floats:
    """Scores on a scale where choosing at random is 0 and the oracle is 1: (score - random) / (oracle - random).

    Args:
        scores: (seeds,) of one task, or (seeds, tasks).
        random: what choosing at random reaches, a number or (tasks,).
        oracle: what the oracle reaches, a number or (tasks,), above `random`.

    Returns:
        (seeds, tasks); below 0 for what is worse than chance, above 1 for what is better than the oracle.

    Raises:
        InputError: for no scores, numbers that are not finite or do not fit, or an oracle that is not above chance.
    """
    table = score_table(scores)
    low, high = np.asarray(random, dtype=np.float64), np.asarray(oracle, dtype=np.float64)
    if low.shape not in ((), table.shape[1:]) or high.shape not in ((), table.shape[1:]):
        raise InputError(
            f"random {low.shape} and oracle {high.shape} must be one number, or one a task of {table.shape}"
        )
    if not (np.isfinite(low).all() and np.isfinite(high).all() and np.all(high > low)):
        raise InputError("random and oracle must be finite numbers, and the oracle above random")
    return (table - low) / (high - low)


def probability_of_improvement(scores: ArrayLike, others: ArrayLike) -> float:
    """How likely a run of one agent beats a run of another on a task drawn at random.

    The share of all pairs of runs in which the first has the higher score, a tie counting as half, averaged over tasks:
    the Mann-Whitney statistic over its largest value. It says how often, not by how much.

    Args:
        scores: of the one, (seeds,) of one task or (seeds, tasks).
        others: of the other, (their seeds,) or (their seeds, tasks); as many tasks.

    Returns:
        In 0..1; a half where neither is better.

    Raises:
        InputError: for no scores, some that are no finite numbers, or other tasks.
    """
    return float(_wins(scores, others).mean())


def improvement_interval(
    scores: ArrayLike, others: ArrayLike, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """Interval of the probability of improvement: percentiles of its stratified bootstrap over the seeds of both.

    With few seeds it is too narrow: where every run of the one beats every run of the other it is 1 to 1.

    Args:
        scores: of the one, (seeds,) of one task or (seeds, tasks).
        others: of the other, (their seeds,) or (their seeds, tasks); as many tasks.
        confidence: share of cases that the interval is to hold the true value in, in 0..1.
        resamples: how many, at least 1.
        seed: of the generator that draws them.

    Returns:
        Low and high end; NaN where either has a single seed, which says nothing about others.

    Raises:
        InputError: for no scores, some that are no finite numbers, other tasks, or the other arguments out of range.
    """
    wins = _wins(scores, others)
    check_bootstrap(confidence, resamples)
    if min(wins.shape[:2]) == 1:
        return float("nan"), float("nan")
    generator = np.random.default_rng(seed)
    ours = _times_drawn(wins.shape[0], wins.shape[2], resamples, generator)
    theirs = _times_drawn(wins.shape[1], wins.shape[2], resamples, generator)
    resampled = np.einsum("rtn,nmt,rtm->r", ours, wins, theirs, optimize=True) / wins.size
    low, high = percentiles(resampled, confidence)
    return float(low), float(high)


def performance_profile(scores: ArrayLike, thresholds: ArrayLike) -> Floats:
    """Share of runs whose score is above each threshold: the run-score distribution.

    Args:
        scores: normalized, say; (seeds,) of one task, or (seeds, tasks).
        thresholds: (thresholds,) finite numbers.

    Returns:
        (thresholds,) in 0..1. Where one agent's profile is above another's throughout, it is better whatever is asked.

    Raises:
        InputError: for no scores or thresholds, or some that are no finite numbers.
    """
    shares: Floats = _above(scores, thresholds).mean(axis=(0, 1))
    return shares


def profile_band(
    scores: ArrayLike, thresholds: ArrayLike, confidence: float = 0.95, resamples: int = 2_000, seed: int = 0
) -> tuple[Floats, Floats]:
    """Band around a performance profile: at each threshold, percentiles of its stratified bootstrap.

    Args:
        scores: normalized, say; (seeds,) of one task, or (seeds, tasks).
        thresholds: (thresholds,) finite numbers.
        confidence: share of cases that the band is to hold the true share in, at any one threshold, in 0..1.
        resamples: how many, at least 1.
        seed: of the generator that draws them.

    Returns:
        Low and high ends, (thresholds,) each; NaN for a single seed, which says nothing about others.

    Raises:
        InputError: for no scores or thresholds, some that are no finite numbers, or the other arguments out of range.
    """
    above = _above(scores, thresholds)
    check_bootstrap(confidence, resamples)
    seeds, tasks, count = above.shape
    if seeds == 1:
        return np.full(count, np.nan), np.full(count, np.nan)
    drawn = _times_drawn(seeds, tasks, resamples, np.random.default_rng(seed))
    resampled = np.einsum("rtn,ntk->rk", drawn, above, optimize=True) / (seeds * tasks)
    low, high = percentiles(resampled, confidence)
    return low, high


def _wins(scores: ArrayLike, others: ArrayLike) -> Floats:
    """(seeds, their seeds, tasks): 1 where the one's run beats the other's, a half where they are equal, else 0."""
    ours, theirs = score_table(scores), score_table(others)
    if ours.shape[1] != theirs.shape[1]:
        raise InputError(f"scores of {ours.shape[1]} tasks cannot be held against scores of {theirs.shape[1]}")
    return (1 + np.sign(ours[:, None] - theirs[None])) / 2


def _above(scores: ArrayLike, thresholds: ArrayLike) -> Floats:
    """(seeds, tasks, thresholds): 1 where the score is above the threshold, else 0."""
    limits = np.asarray(thresholds, dtype=np.float64)
    if limits.ndim != 1 or not limits.size or not np.isfinite(limits).all():
        raise InputError(f"thresholds must be finite numbers of shape (thresholds,), the shape is {limits.shape}")
    return (score_table(scores)[:, :, None] > limits).astype(np.float64)


def _times_drawn(seeds: int, tasks: int, resamples: int, generator: np.random.Generator) -> Floats:
    """(resamples, tasks, seeds): how often each seed is drawn, of as many draws with replacement as there are seeds."""
    return generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=(resamples, tasks)).astype(np.float64)
