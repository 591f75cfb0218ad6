"""Harm to users: mean, value at risk and conditional value at risk of a cost, and share of users beyond a threshold.

Costs are (n,) a figure of each session, such as the mean violence of what it showed, or (n, steps) the figure of each
of its steps; results are a number or (steps,). NaN is a cost that is not known: figures are of the known ones, and NaN
where there are none.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from pydeeprecsys.arrays import Floats
from pydeeprecsys.errors import InputError
from pydeeprecsys.metrics.checks import divided, number_or_array


def mean(costs: ArrayLike) -> Any:
    """Mean cost.

    Raises:
        InputError: costs that are infinite, no numbers or not of shape (n,) or (n, steps).
    """
    return number_or_array(_mean(_check_costs(costs)))


def value_at_risk(costs: ArrayLike, level: float) -> Any:
    """Value at risk (VaR) at `level` α: the lowest cost c with P(cost ≤ c) ≥ α, an order statistic.

    Rockafellar & Uryasev, Conditional value-at-risk for general loss distributions, 2002, definition 1.

    Args:
        costs: (n,) or (n, steps), higher is worse.
        level: α in [0, 1).

    Raises:
        InputError: a level outside [0, 1), or see `mean`.
    """
    return number_or_array(_value_at_risk(_check_costs(costs), level))


def cvar(costs: ArrayLike, level: float) -> Any:
    """Conditional value at risk (CVaR) at `level` α: mean of the worst 1 − α share of the costs.

    VaR + E[max(0, cost − VaR)] / (1 − α), the minimum of this expression over all numbers in place of VaR. It is exact
    for samples of any size: where the worst share ends within a cost, that cost counts in part. Rockafellar & Uryasev,
    Optimization of conditional value-at-risk, 2000, and Conditional value-at-risk for general loss distributions, 2002.

    Args:
        costs: (n,) or (n, steps), higher is worse; for a figure of which lower is worse, such as the return, take
            `-cvar(-returns, level)`.
        level: α in [0, 1); 0 gives the mean.

    Raises:
        InputError: a level outside [0, 1), or see `mean`.
    """
    table = _check_costs(costs)
    threshold = _value_at_risk(table, level)
    return number_or_array(threshold + _mean(np.maximum(table - threshold, 0)) / (1 - level))


def share_beyond(costs: ArrayLike, threshold: float, users: ArrayLike | None = None) -> Any:
    """Share of users whose mean cost is above a threshold.

    Args:
        costs: (n,) or (n, steps), higher is worse.
        threshold: a cost equal to it is not beyond.
        users: (n,) the user of each session, for means over a user's sessions; by default each session is a user's only
            one.

    Returns:
        In [0, 1]; of the users with a known cost.

    Raises:
        InputError: a threshold that is no finite number, users of another length, or see `mean`.
    """
    if not np.isfinite(threshold):
        raise InputError(f"the threshold must be a finite number, it is {threshold:g}")
    table = _check_costs(costs)
    if users is not None:
        names = np.asarray(users)
        if names.shape != table.shape[:1]:
            raise InputError(f"users must be one for each of the {len(table)} sessions, their shape is {names.shape}")
        table = pd.DataFrame(table).groupby(names, dropna=False).mean().to_numpy().reshape(-1, *table.shape[1:])
    return number_or_array(_mean(np.where(np.isnan(table), np.nan, table > threshold)))


def _check_costs(costs: ArrayLike) -> Floats:
    try:
        table = np.asarray(costs, dtype=np.float64)
    except (TypeError, ValueError):
        table = np.empty(0)
    if table.ndim not in (1, 2) or not table.size or np.isinf(table).any():
        raise InputError("costs must be numbers of shape (n,) or (n, steps), finite or NaN, and at least one")
    return table


def _mean(table: Floats) -> Floats:
    return divided(np.nansum(table, axis=0), np.count_nonzero(~np.isnan(table), axis=0))


def _value_at_risk(table: Floats, level: float) -> Floats:
    if not 0 <= level < 1:
        raise InputError(f"the level must lie in [0, 1), it is {level:g}")
    ascending = np.sort(table, axis=0)  # NaN last
    known = np.count_nonzero(~np.isnan(table), axis=0)
    # Rounding may lift level · known just above a whole number.
    place = np.maximum(np.ceil(level * known - 1e-9), 1).astype(np.int64) - 1
    found: Floats = np.take_along_axis(ascending, np.expand_dims(place, 0), axis=0)[0]
    return found
