"""Scores of one agent beside those of others: normalized, by how likely it is better, and by how many runs reach what.

Definitions of Agarwal et al., Deep Reinforcement Learning at the Edge of the Statistical Precipice, 2021. A task is a
world that agents are evaluated in. Intervals are for few seeds, and no bootstrap.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from pydeeprecsys.arrays import Floats
from pydeeprecsys.errors import InputError
from pydeeprecsys.evaluation.intervals import FEWEST_SEEDS, median_interval, proportion_interval, score_table


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
        shapes = f"random {low.shape} and oracle {high.shape}"
        raise InputError(f"{shapes} must be one number, or one a task of {table.shape}")
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
        In [0, 1]; 0.5 if neither is better.

    Raises:
        InputError: for no scores, some that are no finite numbers, or other tasks.
    """
    return float(_wins(scores, others).mean())


def improvement_interval(scores: ArrayLike, others: ArrayLike, confidence: float = 0.95) -> Floats:
    """Confidence interval of the probability of improvement.

    That of a proportion (Clopper & Pearson) in as many trials as the smaller number of seeds, times tasks: no
    Mann-Whitney statistic varies more than the same number of independent pairs of runs (van Dantzig 1951). It is exact
    if the runs of an agent are all alike, otherwise conservative. Five runs that are all above five others leave
    0.48 to 1.

    Args:
        scores: of the one, (seeds,) of one task or (seeds, tasks).
        others: of the other, (their seeds,) or (their seeds, tasks); as many tasks.
        confidence: see `median_interval`.

    Returns:
        (2,), low and high end; NaN where either has fewer than `FEWEST_SEEDS` seeds.

    Raises:
        InputError: for no scores, some that are no finite numbers, other tasks, or a confidence outside (0, 1).
    """
    wins = _wins(scores, others)
    pairs, tasks = min(wins.shape[:2]), wins.shape[2]
    interval = proportion_interval(wins.mean() * pairs * tasks, pairs * tasks, confidence)
    return interval if pairs >= FEWEST_SEEDS else np.full(2, np.nan)


def paired_difference(
    scores: Mapping[int, float], others: Mapping[int, float], confidence: float = 0.95
) -> tuple[float, float, float]:
    """Median over seeds of one agent's score less another's from the same seed, with its confidence interval.

    What the seed decides for both, such as the users of the evaluation, cancels. It is not the difference of the two
    medians.

    Args:
        scores: of the one, by seed.
        others: of the other, by seed; seeds that only one of them has are left out.
        confidence: see `median_interval`.

    Returns:
        The median and the ends of `median_interval`; all NaN with fewer than `FEWEST_SEEDS` seeds in common.

    Raises:
        InputError: for scores that are no finite numbers, or a confidence outside (0, 1).
    """
    differences = [scores[seed] - others[seed] for seed in scores if seed in others]
    if len(differences) < FEWEST_SEEDS:
        return (float("nan"),) * 3
    low, high = median_interval(differences, confidence).tolist()
    return float(np.median(differences)), low, high


def performance_profile(scores: ArrayLike, thresholds: ArrayLike) -> Floats:
    """Share of runs whose score is above each threshold: the run-score distribution.

    Args:
        scores: normalized, say; (seeds,) of one task, or (seeds, tasks).
        thresholds: (thresholds,) finite numbers.

    Returns:
        (thresholds,) in [0, 1]. An agent whose profile is above another's everywhere is better at every threshold.

    Raises:
        InputError: for no scores or thresholds, or some that are no finite numbers.
    """
    shares: Floats = _above(scores, thresholds).mean(axis=(0, 1))
    return shares


def profile_band(scores: ArrayLike, thresholds: ArrayLike, confidence: float = 0.95) -> Floats:
    """Pointwise confidence band of a performance profile: at each threshold that of a proportion (Clopper & Pearson).

    Over several tasks it takes the runs for independent, and is then conservative (Hoeffding 1956).

    Args:
        scores: normalized, say; (seeds,) of one task, or (seeds, tasks).
        thresholds: (thresholds,) finite numbers.
        confidence: share of cases that the band is to hold the true share in, at any one threshold, in (0, 1).

    Returns:
        (2, thresholds), low and high ends.

    Raises:
        InputError: for no scores or thresholds, some that are no finite numbers, or a confidence outside (0, 1).
    """
    above = _above(scores, thresholds)
    seeds, tasks, _ = above.shape
    return proportion_interval(above.sum(axis=(0, 1)), seeds * tasks, confidence)


def _wins(scores: ArrayLike, others: ArrayLike) -> Floats:
    """(seeds, their seeds, tasks): 1 where the one's run beats the other's, a half where they are equal, else 0."""
    ours, theirs = score_table(scores), score_table(others)
    if ours.shape[1] != theirs.shape[1]:
        raise InputError(f"scores of {ours.shape[1]} tasks cannot be compared with scores of {theirs.shape[1]}")
    return (1 + np.sign(ours[:, None] - theirs[None])) / 2


def _above(scores: ArrayLike, thresholds: ArrayLike) -> Floats:
    """(seeds, tasks, thresholds): 1 where the score is above the threshold, else 0."""
    limits = np.asarray(thresholds, dtype=np.float64)
    if limits.ndim != 1 or not limits.size or not np.isfinite(limits).all():
        raise InputError(f"thresholds must be finite numbers of shape (thresholds,), the shape is {limits.shape}")
    return (score_table(scores)[:, :, None] > limits).astype(np.float64)
