"""The tables of an audit, from its sessions."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pydeeprecsys.arrays import Flags, Ints
from pydeeprecsys.data.world import World
from pydeeprecsys.evaluation.gaps import FEWEST_USERS, Statistic, group_gaps
from pydeeprecsys.evaluation.intervals import median_interval
from pydeeprecsys.evaluation.many import holm
from pydeeprecsys.experiments.audited_items import exposure_figures
from pydeeprecsys.experiments.audited_sessions import SHOWN, TASTE, AuditedSessions
from pydeeprecsys.metrics import groups as by_groups
from pydeeprecsys.metrics import harm

SESSION_FIGURES = ("return", "steps", *SHOWN, "disparity", *TASTE, "concentration_before")
_GAPS: tuple[tuple[str, Statistic], ...] = (
    *(("return", "mean"), ("rating", "mean"), ("violence", "mean"), ("violence", "cvar"), ("drift", "mean")),
)
_VALUES: tuple[tuple[str, Statistic], ...] = (
    *((name, "mean") for name in ("return", "steps", "rating", "violence")),
    *(("violence", "quantile"), ("violence", "cvar"), ("beyond", "mean")),
    *((name, "mean") for name in (*SHOWN[2:], "disparity", *TASTE, "concentration_before")),
)
EVERYBODY = "everybody"
"""The column and the group of all users together."""


def session_rows(agent: str, seed: int, users: Sequence[str], audited: AuditedSessions) -> pd.DataFrame:
    """One row per session: agent, seed, session, user, and the `SESSION_FIGURES`; NaN where unknown."""
    last = audited.lengths - 1, np.arange(len(users))
    means = {name: pd.DataFrame(audited.steps[name]).mean() for name in SHOWN}
    rows = {
        "agent": agent,
        "seed": seed,
        "session": np.arange(len(users)),
        "user": users,
        "return": np.nansum(audited.steps["reward"], axis=0),
        "steps": audited.lengths,
        **means,
        "disparity": audited.disparity,
        **{name: audited.steps[name][last] for name in TASTE},
        "concentration_before": audited.concentration_before,
    }
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class Groups:
    """The groups of the users of sessions.

    Attributes:
        columns: (sessions, columns) the group of each session's user, NaN where unknown.
        single: names of the columns that are no crossings.
        empty: by column, the groups of the data set without users in the audit.
    """

    columns: pd.DataFrame
    single: list[str]
    empty: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, world_groups: pd.DataFrame, users: Ints) -> Groups:
        """The groups of the users of sessions (sessions,), by columns of ordered categories and their crossings."""
        crossed = world_groups.copy()
        for first, second in itertools.combinations(world_groups.columns, 2):
            one, other = world_groups[first], world_groups[second]
            both = (one.astype(str) + ", " + other.astype(str)).where(one.notna() & other.notna())
            names = [f"{a}, {b}" for a in one.cat.categories for b in other.cat.categories]
            there = set(both.unique())
            kind = pd.CategoricalDtype([name for name in names if name in there], ordered=True)
            crossed[f"{first} and {second}"] = both.astype(kind)
        columns = crossed.iloc[users].reset_index(drop=True)
        empty = {
            str(name): [group for group in column.cat.categories if group not in set(column.dropna())]
            for name, column in columns.items()
        }
        return cls(columns, list(world_groups.columns), empty)

    def members(self) -> Iterator[tuple[str, str, Flags]]:
        """Each column and group with users, and which sessions (sessions,) are of them; first all of them."""
        yield EVERYBODY, EVERYBODY, np.ones(len(self.columns), dtype=np.bool_)
        for name, column in self.columns.items():
            for code, group in enumerate(column.cat.categories):
                if (mask := (column.cat.codes == code).to_numpy()).any():
                    yield str(name), group, mask


def gap_rows(sessions: pd.DataFrame, groups: Groups, alpha: float) -> pd.DataFrame:
    """Gaps of each agent: the columns of `evaluation.gaps.group_gaps`, with agent, figure, statistic and column.

    `p_holm` is corrected over all gaps of the table. Groups without users in the audit have rows without numbers.

    Args:
        sessions: the rows of `session_rows` of all agents and seeds, each in the order of the groups.
        groups: of the users of one agent and seed.
        alpha: level of the CVaR.
    """
    tables = []
    for agent, theirs in sessions.groupby("agent", sort=False):
        repeated = pd.concat([groups.columns.astype(object)] * theirs["seed"].nunique(), ignore_index=True)
        whole = pd.concat([theirs.reset_index(drop=True), repeated], axis=1)
        for (figure, statistic), column in itertools.product(_GAPS, map(str, groups.columns)):
            if whole[figure].isna().all():
                continue
            gaps = group_gaps(whole, figure, column, statistic, level=alpha).set_index("group")
            order = groups.columns[column].cat.categories
            gaps = gaps.reindex([name for name in order if name in gaps.index or name in groups.empty[column]])
            gaps[["users", "sessions"]] = gaps[["users", "sessions"]].fillna(0).astype(int)
            gaps["too_small"] = gaps["users"] < FEWEST_USERS
            gaps.loc[gaps["users"] == 0, "note"] = "no users in the audit"
            named = {"agent": str(agent), "figure": figure, "statistic": statistic, "column": column}
            tables.append(gaps.reset_index().assign(**named))
    if not tables:
        return pd.DataFrame()
    table = pd.concat(tables, ignore_index=True)
    first = ["agent", "figure", "statistic", "column"]
    # The gaps of a column of two groups are one hypothesis.
    again = table.duplicated([*first, "p"]) & table["column"].map(groups.columns.nunique() == 2)
    table["p_holm"] = holm(table["p"].mask(again))
    table["p_holm"] = table["p_holm"].fillna(table.groupby([*first, "p"])["p_holm"].transform("max"))
    return table[[*first, *table.columns.drop(first)]]


def agent_rows(
    sessions: pd.DataFrame,
    gaps: pd.DataFrame,
    shown: Mapping[str, Sequence[Ints]],
    world: World,
    *,
    single: Sequence[str],
    alpha: float,
    threshold: float,
) -> pd.DataFrame:
    """One row per agent and figure, with its interval over users and seeds.

    Args:
        sessions: the rows of `session_rows`.
        gaps: the rows of `gap_rows`.
        shown: by agent, per seed (k, items) how often each item was shown at each position.
        world: of users and items.
        single: columns of groups that are no crossings.
        alpha: level of VaR and CVaR.
        threshold: of violence.
    """
    rows: list[dict[str, Any]] = []
    for agent, theirs in sessions.groupby("agent", sort=False):
        of_user = theirs.groupby(["seed", "user"])["violence"].transform("mean")
        beyond = (of_user > threshold).astype(float).where(of_user.notna())
        whole = theirs.assign(beyond=beyond, **{EVERYBODY: EVERYBODY})
        for figure, statistic in _VALUES:
            if whole[figure].notna().any():
                (row,) = group_gaps(whole, figure, EVERYBODY, statistic, level=alpha).to_dict("records")
                rows.append({"agent": agent, "figure": figure, "statistic": statistic} | _ends(row))
        for column in single:
            rows += _spread(gaps.query("agent == @agent and column == @column"), column, str(agent))
        if single and (worst := _worst_group(gaps.query("agent == @agent and column in @single"))) is not None:
            named = {"agent": agent, "figure": "return", "statistic": "worst group"}
            rows.append(named | _ends(worst) | {"note": f"{worst['column']} {worst['group']}"})
        for name, (values, note) in exposure_figures(shown[str(agent)], world).items():
            low, high = np.clip(median_interval(values), 0, 1)  # the range of each of them
            named = {"agent": agent, "figure": name, "statistic": "median over seeds"}
            rows.append(named | {"value": float(np.median(values)), "low": low, "high": high, "note": note})
    return pd.DataFrame(rows)


def _spread(gaps: pd.DataFrame, column: str, agent: str) -> list[dict[str, Any]]:
    """Difference and ratio between the best and the worst group of a column that are not too small, of mean figures."""
    rows = []
    for figure, table in gaps.query("statistic == 'mean' and not too_small").groupby("figure", sort=False):
        if len(table) > 1:
            values = table["value"].to_numpy(), table["group"].to_numpy()
            for name, value in (("difference", by_groups.difference(*values)), ("ratio", by_groups.ratio(*values))):
                named = {"agent": agent, "figure": figure, "statistic": f"{name} between groups of {column}"}
                rows.append(named | {"value": value, "low": np.nan, "high": np.nan, "note": ""})
    return rows


def _ends(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("value", "low", "high")}


def _worst_group(gaps: pd.DataFrame) -> dict[Any, Any] | None:
    """The row of the group with the lowest mean return, of those that are not too small."""
    rows = gaps.query("figure == 'return' and statistic == 'mean' and not too_small")
    return None if rows.empty else rows.nsmallest(1, "value").to_dict("records")[0]


class StepTable:
    """Figures along the session, of all users and of each group.

    Args:
        groups: of the users of the sessions.
        alpha: level of the CVaR.
        threshold: of violence.
    """

    def __init__(self, groups: Groups, alpha: float, threshold: float) -> None:
        self._members, self._alpha, self._threshold = list(groups.members()), alpha, threshold
        self._parts: list[pd.DataFrame] = []

    def add(self, agent: str, audited: AuditedSessions) -> None:
        """Add the sessions of an agent from one seed."""
        steps = dict(audited.steps)
        so_far = pd.DataFrame(steps["violence"]).expanding().mean().to_numpy()
        steps["so_far"] = so_far = np.where(np.isnan(steps["reward"]), np.nan, so_far)
        for column, group, mask in self._members:
            with warnings.catch_warnings(action="ignore"):  # of figures that are not known
                means = {name: np.nanmean(numbers[:, mask], axis=1) for name, numbers in steps.items()}
            theirs = so_far[:, mask].T
            part = {
                "agent": agent,
                "column": column,
                "group": group,
                "step": np.arange(1, len(so_far) + 1),
                "sessions": np.count_nonzero(~np.isnan(steps["reward"][:, mask]), axis=1),
                **means,
                "cvar": harm.cvar(theirs, self._alpha),
                "beyond": harm.share_beyond(theirs, self._threshold),
            }
            self._parts.append(pd.DataFrame(part))

    def rows(self) -> pd.DataFrame:
        """One row per agent, group and step.

        Figures are the means over the sessions that are still running, of all seeds; `so_far` is the mean violence of
        these up to the step, with its `cvar` and the share of them `beyond` the threshold, each the mean over seeds.
        """
        keys = ["agent", "column", "group", "step"]
        table = pd.concat(self._parts, ignore_index=True)
        table = table[table["sessions"] > 0]
        figures = table.columns.drop([*keys, "sessions"])
        weighted = table.assign(**table[figures].mul(table["sessions"], axis=0))
        totals = weighted.groupby(keys, sort=False)[["sessions", *figures]].sum(min_count=1)
        return totals.assign(**totals[figures].div(totals["sessions"], axis=0)).reset_index()
