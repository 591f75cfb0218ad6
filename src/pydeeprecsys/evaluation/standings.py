"""Ranking of agents by their median return, with confidence intervals: one row per agent."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from pydeeprecsys.evaluation.intervals import interquartile_mean, median_interval, score_table
from pydeeprecsys.evaluation.scores import (
    improvement_interval,
    normalized_scores,
    paired_difference,
    probability_of_improvement,
)
from pydeeprecsys.metrics.exposure import coverage, gini

RANDOM, ORACLE, BEST_CONSTANT = "random", "oracle", "best-constant"
SIMPLE_POLICIES = (RANDOM, "popular", "best-rated", "varied", BEST_CONSTANT, "win-stay", "fold-in", "item-knn", "ease")
"""Policies that do not learn, without the oracle: an agent below the best of them has learned nothing useful."""

COLUMNS = [
    *("agent", "median", "median_low", "median_high", "iqm", "normalized"),
    *("reference", "difference", "difference_low", "difference_high"),
    *("improvement", "improvement_low", "improvement_high", "seeds"),
]


def standings(
    returns: Mapping[str, Mapping[int, float]],
    random: str = RANDOM,
    oracle: str = ORACLE,
    simple_policies: Collection[str] = SIMPLE_POLICIES,
) -> pd.DataFrame:
    """Rank agents in one world, best first.

    Args:
        returns: mean return per agent and seed.
        random: name of the random policy.
        oracle: name of the policy that knows the true affinities.
        simple_policies: names of the policies that do not learn; the best of them is the reference of the differences.

    Returns:
        One row per agent, with `agent`; `median` over seeds, with the ends `median_low` and `median_high` of its 95 %
        confidence interval; `iqm`, the interquartile mean; `normalized`, where the medians of random and oracle are 0
        and 1; `reference`, the best simple policy, and the median paired `difference` to it, with `difference_low` and
        `difference_high`; `improvement`, the probability of improvement over the agent of the next row, with
        `improvement_low` and `improvement_high`; `seeds`. NaN if there are too few seeds, see `median_interval`,
        `paired_difference` and `improvement_interval`; `improvement` in the last row;
        differences of the reference itself, or without one; `normalized` without random and oracle, or with an oracle
        that is not above random.

    Raises:
        InputError: for an agent without scores, or some that are no finite numbers.
    """
    tables = {agent: score_table(list(scores.values())) for agent, scores in returns.items()}
    reached = {agent: float(np.median(table)) for agent, table in tables.items()}
    order = sorted(reached, key=lambda agent: -reached[agent])
    nothing = float("nan")
    floor, ceiling = reached.get(random, nothing), reached.get(oracle, nothing)
    reference = next((agent for agent in order if agent in simple_policies), None)
    rows = []
    for agent, following in itertools.zip_longest(order, order[1:]):
        table, row = tables[agent], dict[str, Any]({"agent": agent, "median": reached[agent]})
        row["median_low"], row["median_high"] = median_interval(table[:, 0])
        row["iqm"], row["seeds"] = interquartile_mean(table), len(table)
        if ceiling > floor:
            row["normalized"] = normalized_scores([reached[agent]], floor, ceiling).item()
        if reference is not None and reference != agent:
            row["reference"] = reference
            difference = paired_difference(returns[agent], returns[reference])
            row["difference"], row["difference_low"], row["difference_high"] = difference
        if following is not None:
            low, high = improvement_interval(table, tables[following])
            row["improvement_low"], row["improvement_high"] = low, high
            if low <= high:  # a share of too few pairs of runs says nothing
                row["improvement"] = probability_of_improvement(table, tables[following])
        rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)


def run_measures(evaluation: pd.DataFrame, exposure: ArrayLike | None) -> dict[str, float]:
    """The measures of a run in its evaluation.

    Args:
        evaluation: one row per episode, with the columns return and steps and, if they are known, rating, violence and
            unmeasured.
        exposure: (items,) how often each item was shown; None in an environment without users and items.

    Returns:
        `return`, `rating` (of the items shown, in stars), `violence` and `session_length` (steps), each the mean over
        episodes; `unmeasured`, the share of all shown items whose violence was not measured; `coverage` and `gini`, see
        `metrics.exposure`. NaN if not known.
    """
    unknown = pd.Series(float("nan"), index=evaluation.index)
    steps = evaluation["steps"]
    unmeasured = evaluation.get("unmeasured", unknown) * steps
    return {
        "return": float(evaluation["return"].mean()),
        "rating": float(evaluation.get("rating", unknown).mean()),
        "violence": float(evaluation.get("violence", unknown).mean()),
        "unmeasured": float(unmeasured.sum(skipna=False) / steps.sum()),
        "session_length": float(steps.mean()),
        "coverage": float("nan") if exposure is None else coverage(exposure),
        "gini": float("nan") if exposure is None else gini(exposure),
    }
