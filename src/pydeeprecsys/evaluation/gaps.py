"""Gaps between groups of users, with confidence intervals clustered by user."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from pydeeprecsys.arrays import Flags, Floats, Ints
from pydeeprecsys.errors import InputError, did_you_mean
from pydeeprecsys.evaluation.many import holm
from pydeeprecsys.metrics.harm import value_at_risk

FEWEST_USERS = 30
"""Smaller groups are listed without intervals and p-values."""

FEWEST_IN_TAIL = 20
"""With fewer users beyond the VaR a CVaR is given without intervals and p-values, which would be too narrow."""

COLUMNS = [
    *("group", "users", "sessions", "value", "low", "high", "gap", "gap_low", "gap_high"),
    *("effect", "p", "p_holm", "too_small", "note"),
]
Statistic = Literal["mean", "cvar", "quantile"]
Estimate = Callable[[Floats], tuple[float, Floats]]

_LEAST_P = 1e-100  # smaller p-values are given as this one
_ROUNDING = 1e-12  # a standard error below this share of the largest value is rounding


def group_gaps(
    sessions: pd.DataFrame,
    figure: str,
    group: str,
    statistic: Statistic = "mean",
    *,
    level: float = 0.95,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Statistic of a figure in each group of users, and its gap to all other users of known group together.

    Sessions of a user are not independent. The variance V of a statistic is that of the mean of its influence values,
    by the jackknife that leaves out one user at a time; the influence of a value x is x for the mean, and VaR + max(0,
    x - VaR) / (1 - level) for the CVaR (Rockafellar & Uryasev, Optimization of Conditional Value-at-Risk, 2000).
    Degrees of freedom are Satterthwaite's (An Approximate Distribution of Estimates of Variance Components, 1946),
    2 V² / Var(V): from the fourth moment over n users at most n - 1, fewer where few users make up most of V. The
    interval of a quantile lies between the quantiles at the ends of the interval of the share of values up to it
    (Woodruff, Confidence Intervals for Medians and Other Position Measures, 1952). The distances to the ends of the
    interval of a gap are the roots of the summed squares of those of the two statistics (Zou & Donner, Construction of
    Confidence Limits about Effect Measures, 2008), with common degrees of freedom: for means, Welch's interval. A
    p-value is the miss probability whose interval ends at a gap of 0.

    With several seeds, the squared half-width of the t-interval of the seeds' own statistics is added, as in
    `evaluation.paired`; with one, the intervals are of that one training.

    Args:
        sessions: of one agent, one row per session, with the columns seed and user; or, to compare gaps, the
            differences of two agents' figures in the same sessions.
        figure: column of numbers; sessions where it is NaN are left out, and counted in the note.
        group: column of labels, the same in all sessions of a user; users without one are left out.
        statistic: "mean"; "cvar", the mean of the highest 1 - level of the values; or "quantile", at the level.
        level: of CVaR and quantile, in (0, 1).
        confidence: share of cases in which an interval is to hold the true value, in (0, 1).

    Returns:
        Rows of `group`, one per group; its `users` and `sessions` with a known figure; `value` of the statistic, from
        `low` to `high`; `gap` to the others, from `gap_low` to `gap_high`; `effect`, the gap over the pooled standard
        deviation of users' means, with Hedges' correction (Hedges' g, if all have equally many sessions); `p`, and
        `p_holm`, corrected over the table; `too_small`, whether it has fewer than `FEWEST_USERS` users; and `note`,
        which says why something is not known, and NaN.

    Raises:
        InputError: a column is missing or holds no finite numbers; groups are all unknown, or fractions; a user is in
            several; sessions are of several agents; or statistic, level or confidence cannot be.
    """
    for name, share in (("level", level), ("confidence", confidence)):
        if not 0 < share < 1:
            raise InputError(f"{name} {share:g} must lie between 0 and 1")
    if statistic not in _STATISTICS:
        raise InputError(f"there is no statistic {statistic!r}; {did_you_mean(statistic, _STATISTICS)}")
    members = _members(sessions, figure, group)
    labels, groups = pd.factorize(members[group], sort=True)
    (users, _), (seeds, names) = (pd.factorize(members[name]) for name in ("user", "seed"))
    values = members[figure].to_numpy(np.float64)
    figures = _Figures(values, users, seeds, n_seeds=len(names), statistic=statistic, level=level)
    rows = [{"group": str(name), **figures.row(labels == code, 1 - confidence)} for code, name in enumerate(groups)]
    return pd.DataFrame(rows).assign(p_holm=lambda table: holm(table["p"]))[COLUMNS]


def _members(sessions: pd.DataFrame, figure: str, group: str) -> pd.DataFrame:
    """The sessions of users of known group."""
    for name in ("seed", "user", figure, group):
        if name not in sessions:
            raise InputError(f"the sessions have no column {name!r}; {did_you_mean(name, map(str, sessions))}")
    if "agent" in sessions and sessions["agent"].nunique() > 1:
        raise InputError("the sessions are of several agents; give those of one")
    if not pd.api.types.is_numeric_dtype(sessions[figure]) or np.isinf(sessions[figure]).any():
        raise InputError(f"the column {figure!r} holds other things than finite numbers; choose another figure")
    members = sessions[sessions[group].notna()]
    if members.empty:
        raise InputError(f"{group} is not known of any user; choose another column of groups")
    users = members.drop_duplicates(["user", group])["user"]
    if (again := users.duplicated()).any():
        raise InputError(f"user {users[again].iloc[0]} is in several groups of {group}; put each user in one")
    if not pd.api.types.is_float_dtype(members[group]):
        return members
    if (members[group] % 1).any():
        raise InputError(f"{group} holds fractions; cut it into bands first, with pandas.qcut")
    return members.astype({group: np.int64})


def _mean(values: Floats, level: float) -> tuple[float, Floats]:
    return float(values.mean()), values


def _cvar(values: Floats, level: float) -> tuple[float, Floats]:
    at_risk = value_at_risk(values, level)
    influence = at_risk + np.maximum(0, values - at_risk) / (1 - level)
    return float(influence.mean()), influence


def _quantile(values: Floats, level: float) -> tuple[float, Floats]:
    quantile = float(np.quantile(values, level))
    return quantile, (values <= quantile).astype(np.float64)


_STATISTICS = {"mean": _mean, "cvar": _cvar, "quantile": _quantile}
"""(n,) values and the level to the statistic, and to the (n,) values whose mean has its error (quantile: its share)."""


@dataclass(frozen=True)
class _Sample:
    """The statistic of some sessions.

    Attributes:
        value: of the statistic.
        by_seed: (seeds,) of the statistic with each seed alone; NaN without a session.
        means: (users,) mean figure of each user.
        variance: of the value over users; for a quantile, of the share of values up to it.
        freedom: degrees of freedom of the variance.
        ordered: (sessions,) for a quantile, the values in order; empty for other statistics.
        level: of the quantile.
        obstacle: why nothing is claimed of it; empty if something is.
    """

    value: float
    by_seed: Floats
    means: Floats
    variance: float
    freedom: float
    ordered: Floats
    level: float
    obstacle: str

    def reach(self, errors: float) -> Floats:
        """(2,) distances down and up by a number of standard errors; infinite beyond the extremes."""
        width = errors * self.variance**0.5
        if not len(self.ordered):
            return np.array([width, width])
        last = len(self.ordered) - 1
        low, high = (self.level - width) * last, (self.level + width) * last
        below = self.value - self.ordered[int(low)] if low >= 0 else np.inf
        above = self.ordered[int(np.ceil(high))] - self.value if high <= last else np.inf
        return np.array([below, above])


@dataclass(frozen=True)
class _Figures:
    """A figure of sessions, and the statistic to compute of it.

    Attributes:
        values: (sessions,) NaN where not known.
        users: (sessions,) number of the user.
        seeds: (sessions,) number of the seed.
        n_seeds: number of seeds.
        statistic: of `_STATISTICS`.
        level: of CVaR and quantile.
    """

    values: Floats
    users: Ints
    seeds: Ints
    n_seeds: int
    statistic: str
    level: float

    def row(self, members: Flags, miss: float) -> dict[str, Any]:
        """What is known of the group with some of the sessions (sessions,), and a note on what is not."""
        known = ~np.isnan(self.values)
        ours, others = self._sample(members & known), self._sample(~members & known)
        users, n = 0 if ours is None else len(ours.means), int((members & known).sum())
        row: dict[str, Any] = {"users": users, "sessions": n, "too_small": users < FEWEST_USERS}
        row |= dict.fromkeys(("value", "low", "high", "gap", "gap_low", "gap_high", "effect", "p"), np.nan)
        unknown = int(members.sum()) - n
        notes = [f"not known in {unknown} of {n + unknown} sessions" if unknown else ""]
        if ours is not None:
            row["value"] = ours.value
            notes.append(ours.obstacle)
            if not ours.obstacle:
                row["low"], row["high"] = _ends(ours.value, [ours], miss)
        if others is None:
            notes.append("no other users" if members.all() else "others: not known")
        elif ours is not None:
            row["gap"] = gap = ours.value - others.value
            notes.append(others.obstacle and f"others: {others.obstacle}")
            if not ours.obstacle and not others.obstacle:
                row["gap_low"], row["gap_high"] = _ends(gap, [ours, others], miss)
                row["effect"], row["p"] = _effect(gap, ours.means, others.means), _p_value(gap, [ours, others])
                notes.append("" if np.isfinite(row["effect"]) else "no differences between users' means")
        if unbounded := [name for name, number in row.items() if np.isinf(number)]:
            row |= dict.fromkeys(unbounded, np.nan)
            notes.append("too few values beyond the quantile")
        return row | {"note": "; ".join(filter(None, notes))}

    def _sample(self, chosen: Flags) -> _Sample | None:
        """The statistic of some of the sessions (sessions,); None without any."""
        values, users, seeds = self.values[chosen], self.users[chosen], self.seeds[chosen]
        if not len(values):
            return None
        estimate = _STATISTICS[self.statistic]
        value, influence = estimate(values, self.level)
        counts = np.bincount(users)
        here = counts > 0
        counts, n = counts[here].astype(np.float64), int(here.sum())
        sums = np.bincount(users, influence - influence.mean())[here]
        variance = freedom = 0.0
        if n > 1 and np.abs(sums).max() > _ROUNDING * len(values) * np.abs(influence).max():
            squares = (sums / (len(values) - counts)) ** 2  # of what leaving out each user changes
            variance, kurtosis = (n - 1) / n * float(squares.sum()), n * np.sum(squares**2) / squares.sum() ** 2
            freedom = min(n - 1, 2 * n / max(kurtosis - (n - 3) / (n - 1), _ROUNDING))
        parts = [values[seeds == seed] for seed in range(self.n_seeds)]
        by_seed = np.array([estimate(part, self.level)[0] if len(part) else np.nan for part in parts])
        tail = n if self.statistic != "cvar" else len(np.unique(users[influence > influence.min()]))
        obstacles = [
            f"under {FEWEST_USERS} users" if n < FEWEST_USERS else "",
            "no session with some of the seeds" if np.isnan(by_seed).any() else "",
            "" if variance else "no differences between users",
            f"under {FEWEST_IN_TAIL} users beyond the VaR" if tail < FEWEST_IN_TAIL else "",
        ]
        return _Sample(
            value,
            by_seed,
            means=np.bincount(users, values)[here] / counts,
            variance=variance,
            freedom=freedom,
            ordered=np.sort(values) if self.statistic == "quantile" else np.empty(0),
            level=self.level,
            obstacle=next(filter(None, obstacles), ""),
        )


def _distances(samples: Sequence[_Sample], miss: float) -> Floats:
    """(2,) distances down and up to the ends of the interval of a statistic, or of the difference of two.

    Args:
        samples: of the statistic, or of the two.
        miss: probability that the interval misses the true value.
    """
    from scipy.special import stdtrit  # Student's t quantile, in a hundredth of the time of scipy.stats

    variances, freedoms = (np.array([getattr(each, name) for each in samples]) for name in ("variance", "freedom"))
    errors = -stdtrit(variances.sum() ** 2 / np.sum(variances**2 / freedoms), miss / 2)
    squares, by_seed = samples[0].reach(errors) ** 2, samples[0].by_seed
    for other in samples[1:]:
        squares, by_seed = squares + other.reach(errors)[::-1] ** 2, by_seed - other.by_seed
    if (seeds := len(by_seed)) > 1:
        squares += stdtrit(seeds - 1, miss / 2) ** 2 * by_seed.var(ddof=1) / seeds
    distances: Floats = np.sqrt(squares)
    return distances


def _ends(value: float, samples: Sequence[_Sample], miss: float) -> tuple[float, float]:
    below, above = _distances(samples, miss)
    return value - below, value + above


def _p_value(gap: float, samples: Sequence[_Sample]) -> float:
    """Miss probability of the interval of a gap that ends at 0."""
    from scipy.optimize import brentq

    def beyond(log_p: float) -> float:
        distance = _distances(samples, np.exp(log_p))[int(gap < 0)]
        return float(min(distance, 1e3 * abs(gap)) - abs(gap))  # brentq takes no infinity

    least = np.log(_LEAST_P)
    if beyond(0.0) >= 0:
        return 1.0
    return float(np.exp(brentq(beyond, least, 0.0, xtol=1e-9))) if beyond(least) > 0 else _LEAST_P


def _effect(gap: float, means: Floats, others: Floats) -> float:
    """A gap over the pooled standard deviation of users' means, with Hedges' correction; NaN if these are all equal."""
    freedom = len(means) + len(others) - 2
    pooled = np.sqrt((len(means) * means.var() + len(others) * others.var()) / freedom)
    if pooled <= _ROUNDING * np.abs([*means, *others]).max():
        return np.nan
    return float((1 - 3 / (4 * freedom - 1)) * gap / pooled)
