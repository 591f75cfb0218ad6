"""Statistics over few seeds, and confidence intervals; `reproductions.interval_coverage` measures their coverage."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pydeeprecsys.arrays import Floats
from pydeeprecsys.errors import InputError

FEWEST_SEEDS = 3
"""Below it no interval is given; from two seeds that of the median would be 19 times as wide as they are apart."""


def interquartile_mean(scores: ArrayLike) -> float:
    """Mean of the middle half of all scores.

    Less noisy than the median, and no lucky or unlucky seed moves it far. A quarter of the number of scores, rounded
    down, is left out at either end: of five seeds the best and the worst. Agarwal et al., Deep Reinforcement Learning
    at the Edge of the Statistical Precipice, 2021. It has no interval here: where about a quarter of all seeds fail,
    none from ten seeds holds it reliably.

    Args:
        scores: (seeds,) of one task, or (seeds, tasks).

    Raises:
        InputError: for no scores, or some that are no finite numbers.
    """
    from scipy import stats  # takes a while to import, and processes that only train need none of it

    return float(stats.trim_mean(score_table(scores), 0.25, axis=None))


def median_interval(scores: ArrayLike, confidence: float = 0.95) -> Floats:
    """Confidence interval of the population median, between order statistics.

    From six seeds on (at 95 %) two order statistics hold the median with a probability that no distribution changes;
    the interval lies between two such pairs, to have about the confidence asked for (Hettmansperger & Sheather,
    Confidence intervals based on interpolated order statistics, 1986). Of fewer seeds even the range from the lowest
    to the highest is too short, and is extended at both ends, by a share of itself: (1 - confidence)^(-1/(seeds - 1))
    / 2 - 1, which is exact for a uniform distribution and enough for any whose density falls away from its median.

    Args:
        scores: (seeds, ...); every column has an interval of its own.
        confidence: share of cases in which the interval is to hold the true median, in (0, 1).

    Returns:
        (2, ...), low and high ends; NaN for fewer than `FEWEST_SEEDS` seeds, and for three or four equal scores,
        which have no range to extend.

    Raises:
        InputError: for no scores, some that are no finite numbers, or a confidence outside (0, 1).
    """
    table = np.sort(_finite(scores), axis=0)
    _check(confidence)
    seeds, miss = len(table), 1 - confidence
    if seeds < FEWEST_SEEDS:
        return np.full((2, *table.shape[1:]), np.nan)
    if miss <= 2.0 ** (1 - seeds):
        spread = table[-1] - table[0]
        if seeds < 5:
            spread = np.where(spread > 0, spread, np.nan)
        beyond = (miss ** (-1 / (seeds - 1)) / 2 - 1) * spread
        return np.stack([table[0] - beyond, table[-1] + beyond])
    from scipy import stats

    places = np.arange(seeds // 2 + 1)  # counted from either end
    held = 1 - 2 * stats.binom.cdf(places, seeds, 0.5)  # by the range between the two scores at a place
    last = int((held >= confidence).sum())
    share = (held[last - 1] - confidence) / (held[last - 1] - held[last])
    inwards = (seeds - last) * share / (last + (seeds - 2 * last) * share)
    ends = [table[i] + inwards * (table[j] - table[i]) for i, j in ((last - 1, last), (-last, -last - 1))]
    return np.stack(ends)


def proportion_interval(successes: ArrayLike, trials: int, confidence: float = 0.95) -> Floats:
    """Confidence interval of a probability: Clopper & Pearson's, whose coverage is never below the confidence.

    Args:
        successes: (...) in [0, trials]; those of outcomes that count in part, such as ties, may be fractions.
        trials: independent trials, at least 1.
        confidence: see `median_interval`.

    Returns:
        (2, ...), low and high ends in [0, 1].

    Raises:
        InputError: for a confidence outside (0, 1).
    """
    from scipy import stats

    _check(confidence)
    won, tail = np.asarray(successes, dtype=np.float64), (1 - confidence) / 2
    low = np.where(won > 0, stats.beta.ppf(tail, np.where(won > 0, won, 1), trials - won + 1), 0)
    high = np.where(won < trials, stats.beta.isf(tail, won + 1, np.where(won < trials, trials - won, 1)), 1)
    return np.stack([low, high])


def _check(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise InputError(f"confidence {confidence:g} must lie between 0 and 1")


def _finite(scores: ArrayLike) -> Floats:
    table = np.asarray(scores, dtype=np.float64)
    if not table.ndim or not table.size or not np.isfinite(table).all():
        raise InputError(f"scores must be finite numbers, one or more per seed; their shape is {table.shape}")
    return table


def score_table(scores: ArrayLike) -> Floats:
    """The scores as a table (seeds, tasks), from one of (seeds,) or (seeds, tasks).

    Raises:
        InputError: for no scores, or some that are no finite numbers.
    """
    table = _finite(scores)
    if table.ndim > 2:
        raise InputError(f"scores must be finite numbers of shape (seeds,) or (seeds, tasks), not {table.shape}")
    return table.reshape(len(table), -1)
