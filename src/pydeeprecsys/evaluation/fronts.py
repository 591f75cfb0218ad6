"""Fronts: what rating is reached at what harm, by agents at several values of an option."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from pydeeprecsys.arrays import Flags, Floats
from pydeeprecsys.errors import InputError
from pydeeprecsys.evaluation.intervals import median_interval
from pydeeprecsys.evaluation.scores import paired_difference
from pydeeprecsys.evaluation.standings import BEST_CONSTANT, ORACLE

FIGURES = {"rating": (1, 5), "violence": (0, 1), "cvar": (0, 1), "return": (-np.inf, np.inf)}
"""The figures of a point with their ranges, of rating in stars and violence of the items shown and the return, means
over the sessions of a run, and the CVaR of a session's violence."""


def dominated(ratings: ArrayLike, harms: ArrayLike) -> Flags:
    """Which points are dominated: another has no lower rating and no more harm, and is better in one of both.

    Args:
        ratings: (points,), where more is better.
        harms: (points,), where less is better.

    Returns:
        (points,); equal points do not dominate each other.

    Raises:
        InputError: for numbers that are not finite, or not as many ratings as harms.
    """
    rating, harm = _points(ratings, harms)
    at_least = (rating >= rating[:, None]) & (harm <= harm[:, None])
    better = (rating > rating[:, None]) | (harm < harm[:, None])
    beaten: Flags = np.logical_or.reduce(at_least & better, axis=1)
    return beaten


def rating_at(harm: ArrayLike, ratings: ArrayLike, harms: ArrayLike) -> Floats:
    """The rating that a front reaches at a level of harm, linear between the points that are not dominated.

    Choosing one of two policies at random for each session reaches the line between them in rating and mean harm. The
    CVaR of such a mixture lies on the line or above it, so that there the line is in favour of the front.

    Args:
        harm: (...) levels of harm.
        ratings: (points,) of the front, dominated ones included.
        harms: (points,)

    Returns:
        (...); the highest rating where more harm is allowed than its point has, and NaN below the least harm of all
        points: what is reached there is not known.

    Raises:
        InputError: for numbers that are not finite, no points, or not as many ratings as harms.
    """
    rating, caused = _points(ratings, harms)
    if not len(rating):
        raise InputError("a front without points reaches nothing; give at least one")
    kept = np.flatnonzero(~dominated(rating, caused))
    kept = kept[np.argsort(caused[kept])]
    reached: Floats = np.interp(np.asarray(harm, dtype=np.float64), caused[kept], rating[kept], left=np.nan)
    return reached


class FrontDifference(NamedTuple):
    """The rating of an agent less that of a front at the agent's own harm.

    Attributes:
        difference: the median over seeds.
        low: end of its confidence interval.
        high: the other end.
        seeds: how many seeds these are over.
        beyond: how many seeds are left out, for the agent's harm is below that of all points of the front.
    """

    difference: float
    low: float
    high: float
    seeds: int
    beyond: int


def difference_at_same_harm(
    agent: pd.DataFrame, front: pd.DataFrame, harm: str = "cvar", confidence: float = 0.95
) -> FrontDifference:
    """How much more rating an agent reaches than a front at the same harm, paired by seed.

    For each seed, the rating of the front's runs from this seed is interpolated at the harm of the agent's run, see
    `rating_at`.

    Args:
        agent: a row for each seed, with the columns seed, rating and that of the harm.
        front: rows of the front's points from each seed, with the same columns.
        harm: the column of the harm: cvar or violence.
        confidence: see `median_interval`.

    Returns:
        The difference, see `FrontDifference`; NaN with fewer than three seeds, as in `paired_difference`.

    Raises:
        InputError: a seed of the agent is there twice, or numbers are not finite.
    """
    if agent["seed"].duplicated().any():
        raise InputError("an agent is compared with a front at one value: give one row per seed")
    reached = {
        int(seed): (float(rating), float(rating_at(level, points["rating"], points[harm])))
        for seed, rating, level in zip(agent["seed"], agent["rating"], agent[harm], strict=True)
        if len(points := front[front["seed"] == seed])
    }
    known = {seed: pair for seed, pair in reached.items() if not np.isnan(pair[1])}
    own, others = ({seed: pair[i] for seed, pair in known.items()} for i in (0, 1))
    return FrontDifference(*paired_difference(own, others, confidence), len(known), len(reached) - len(known))


def front_table(points: pd.DataFrame, references: Collection[str] = (ORACLE, BEST_CONSTANT)) -> pd.DataFrame:
    """The points of a front with their intervals over seeds.

    Args:
        points: one row per run, with the columns agent, value (NaN where an agent has no such option), and `FIGURES`.
        references: agents that read the simulator and are not deployable; no agent is dominated by them.

    Returns:
        One row per agent and value, with `agent`, `value`, `seeds`; of each figure the median over seeds, with the ends
        `<figure>_low` and `<figure>_high` of its 95 % confidence interval within the figure's range, NaN as in
        `median_interval`; whether the point is `dominated` by another in rating and violence, and `cvar_dominated` in
        rating and CVaR, empty for references.
    """
    rows = []
    for agent in points["agent"].unique():
        for value, runs in points[points["agent"] == agent].groupby("value", dropna=False):
            row = {"agent": agent, "value": value, "seeds": len(runs)}
            for figure, bounds in FIGURES.items():
                row[figure] = float(runs[figure].median())
                row[f"{figure}_low"], row[f"{figure}_high"] = np.clip(median_interval(runs[figure]), *bounds)
            rows.append(row)
    table = pd.DataFrame(rows)
    rivals = ~table["agent"].isin(references)
    for column, harm in (("dominated", "violence"), ("cvar_dominated", "cvar")):
        own = table.loc[rivals, [*FIGURES]]
        table[column] = pd.Series(dominated(own["rating"], own[harm]), index=own.index, dtype=object)
    return table


def _points(ratings: ArrayLike, harms: ArrayLike) -> tuple[Floats, Floats]:
    rating, harm = (np.asarray(numbers, dtype=np.float64) for numbers in (ratings, harms))
    if rating.ndim != 1 or rating.shape != harm.shape or not (np.isfinite(rating) & np.isfinite(harm)).all():
        raise InputError(
            f"points of a front are finite numbers, a rating and a harm each; their shapes are {rating.shape} and "
            f"{harm.shape}"
        )
    return rating, harm
