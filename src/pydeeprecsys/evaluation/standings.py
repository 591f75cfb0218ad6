"""Agents in order of what they reached, with how sure it is: one row each."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from numpy.typing import ArrayLike

from pydeeprecsys.evaluation.intervals import bootstrap_interval, interquartile_mean, score_table
from pydeeprecsys.evaluation.scores import improvement_interval, normalized_scores, probability_of_improvement
from pydeeprecsys.simulation.ranking import coverage, gini

RANDOM, ORACLE = "random", "oracle"
COLUMNS = [
    *("agent", "iqm", "iqm_low", "iqm_high", "normalized"),
    *("improvement", "improvement_low", "improvement_high", "seeds"),
]


def standings(returns: Mapping[str, ArrayLike], random: str = RANDOM, oracle: str = ORACLE) -> pd.DataFrame:
    """Summarise what agents reached in one world, the best first.

    Args:
        returns: for each agent the mean return from each of its seeds, (seeds,).
        random: which of them chooses at random.
        oracle: which of them is the yardstick.

    Returns:
        One row an agent: `agent`; `iqm`, the interquartile mean over seeds, with the ends `iqm_low` and `iqm_high` of
        its 95 % interval; `normalized`, where the interquartile means of random and oracle are 0 and 1; `improvement`,
        the probability of improvement over the agent of the next row, with `improvement_low` and `improvement_high`;
        `seeds`. NaN where it cannot be told: intervals of one seed, improvement in the last row, and `normalized`
        without random and oracle, or with an oracle that is not above random.

    Raises:
        InputError: for an agent without scores, or some that are no finite numbers.
    """
    tables = {agent: score_table(scores) for agent, scores in returns.items()}
    reached = {agent: interquartile_mean(table) for agent, table in tables.items()}
    order = sorted(reached, key=lambda agent: -reached[agent])
    nothing = float("nan")
    floor, ceiling = reached.get(random, nothing), reached.get(oracle, nothing)
    rows = []
    for place, agent in enumerate(order):
        scores = tables[agent]
        low, high = bootstrap_interval(scores)
        row = {"agent": agent, "iqm": reached[agent], "iqm_low": low, "iqm_high": high}
        row["normalized"] = normalized_scores([reached[agent]], floor, ceiling).item() if ceiling > floor else nothing
        row |= dict.fromkeys(("improvement", "improvement_low", "improvement_high"), nothing)
        if place + 1 < len(order):
            following = tables[order[place + 1]]
            row["improvement"] = probability_of_improvement(scores, following)
            row["improvement_low"], row["improvement_high"] = improvement_interval(scores, following)
        rows.append({**row, "seeds": len(scores)})
    return pd.DataFrame(rows, columns=COLUMNS)


def run_measures(evaluation: pd.DataFrame, exposure: ArrayLike) -> dict[str, float]:
    """What a run did in the sessions it was judged in.

    Args:
        evaluation: one row per session, with the columns return, steps, violence and, where it is known, unmeasured.
        exposure: (items,) how often each item was shown.

    Returns:
        `return`, `violence`, `unmeasured` (share of shown items whose violence was not measured) and `session_length`
        (slates), each the mean over sessions; `coverage` and `gini`, see `simulation.ranking`. NaN where not known.
    """
    return {
        "return": float(evaluation["return"].mean()),
        "violence": float(evaluation["violence"].mean()),
        "unmeasured": float(evaluation["unmeasured"].mean()) if "unmeasured" in evaluation else float("nan"),
        "session_length": float(evaluation["steps"].mean()),
        "coverage": coverage(exposure),
        "gini": gini(exposure),
    }
