"""Audits of fairness and safety, as the report shows them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pydeeprecsys.evaluation.standings import ORACLE, SIMPLE_POLICIES
from pydeeprecsys.experiments.audit_folder import audit_table, audits_of
from pydeeprecsys.experiments.captions import task_name, the_slate_size
from pydeeprecsys.experiments.run_folder import RunFolder
from pydeeprecsys.looks import looks

_POINTS = 60  # of a line over the steps of a session
_CLAIMED = 12  # rows of the table of gaps that remain after correction
_LEVEL = 0.05
_FIGURES = {
    "return": "return",
    "reward": "reward",
    "rating": "rating",
    "violence": "violence",
    "so_far": "violence of the session so far",
    "cvar": "CVaR of violence so far",
    "beyond": "sessions beyond the threshold so far",
    "unmeasured": "share whose violence is not measured",
    "popularity": "popularity",
    "awrf": "fairness to categories (AWRF)",
    "drift": "drift of affinities",
    "concentration": "concentration of affinities",
}
_GAP = ["group", "users", "value", "low", "high", "gap", "gap_low", "gap_high", "effect", "p_holm"]


class AuditResults:
    """What an audit found.

    Args:
        folder: of the run or the comparison.
        audit: of the audit, in that folder.
    """

    def __init__(self, folder: RunFolder, audit: RunFolder) -> None:
        self.folder, self.name, self.config = folder, audit.path.name, audit.config
        names = ("agents", "groups", "steps", "exposure", "tastes")
        self.agents, self.gaps, self.steps, self.exposure, self.tastes = (audit_table(audit, name) for name in names)
        returns = self._rows("return", "mean")["value"]
        self.order = returns.sort_values(ascending=False).index.astype(str).tolist()
        self.looks = looks({name: _agent(name) for name in self.order})

    def _rows(self, figure: str, statistic: str) -> pd.DataFrame:
        """Value, ends of its interval and note of each agent; NaN where not known."""
        rows = self.agents.query("figure == @figure and statistic == @statistic").set_index("agent")
        return rows.reindex(self.agents["agent"].unique())[["value", "low", "high", "note"]]

    @property
    def _has_worst(self) -> bool:
        """Whether any group is large enough."""
        return bool(self._rows("return", "worst group")["value"].notna().any())

    def section(self) -> dict[str, Any]:
        """The values of the audit in the template."""
        config = self.folder.config
        shown = {
            "return": ("return", "mean"),
            "worst": ("return", "worst group"),
            "violence": ("violence", "mean"),
            "cvar": ("violence", "cvar"),
            "beyond": ("beyond", "mean"),
            "coverage": ("coverage", "median over seeds"),
            "gini": ("gini", "median over seeds"),
        }
        tables = {name: self._rows(*which).to_dict("index") for name, which in shown.items()}
        rows = [
            {"agent": agent, "simple": self._is_simple(agent), **{name: table[agent] for name, table in tables.items()}}
            for agent in self.order
        ]
        tested = self._tested()
        claimed = tested[tested["p_holm"] < _LEVEL].sort_values("p_holm", kind="stable")
        title = task_name(config["env"], config["dataset"], the_slate_size(config))
        return {
            "title": title if len(audits_of(self.folder)) == 1 else f"{title}, {self.name}",
            "rows": rows,
            "best": next((row for row in rows if _agent(row["agent"]) != ORACLE), rows[0]),
            "columns": self.config["columns"],
            "has_worst": self._has_worst,
            "has_taste": self.tastes["category"].nunique() > 1,
            "has_violence": bool(self._rows("violence", "mean")["value"].notna().any()),
            "notes": [*self.config["notes"], *self._stale()],
            "alpha": self.config["alpha"],
            "threshold": self.config["threshold"],
            "claimed": [
                row | {"figure": _label(row["figure"], row["statistic"])}
                for row in claimed.head(_CLAIMED).to_dict("records")
            ],
            "n_claimed": len(claimed),
            "n_gaps": len(tested),
        }

    def _tested(self) -> pd.DataFrame:
        """The gaps with p-values; of the two gaps of a column of two groups, which are one, the first."""
        if not len(self.gaps):
            return pd.DataFrame(columns=["p_holm"])
        tested = self.gaps[self.gaps["p"].notna()]
        return tested.drop_duplicates(["agent", "figure", "statistic", "column", "p"])

    def _stale(self) -> list[str]:
        """Runs that have other results than when they were audited."""
        alone = self.folder.config["kind"] == "run"
        before = {
            (self.folder if alone else self.folder.run(name, seed)).path.name: mean
            for name, seed, mean in self.config["runs"]
        }
        now = {run.path.name: run.result["mean_return"] for run in self.folder.runs if run.is_done}
        named = [name for name, mean in now.items() if mean != before.get(name)]
        return [f"trained since this audit: {', '.join(named)}; audit again to include them"] if named else []

    def _is_simple(self, agent: str) -> bool:
        return _agent(agent) in (*SIMPLE_POLICIES, ORACLE)

    def data(self) -> dict[str, Any]:
        """What the charts and the table of gaps draw."""
        tables = {
            name: self._rows(*which).to_dict("index")
            for name, which in (
                ("return", ("return", "mean")),
                ("worst", ("return", "worst group")),
                ("cvar", ("violence", "cvar")),
            )
        }
        ends = ("value", "low", "high")
        return {
            "entries": [
                {
                    "label": agent,
                    "simple": self._is_simple(agent),
                    "look": self.looks[agent].as_json(),
                    "group": tables["worst"][agent]["note"] if self._has_worst else None,
                    **{name: [table[agent][end] for end in ends] for name, table in tables.items()},
                }
                for agent in self.order
            ],
            "gaps": self._gaps(),
            "exposure": self._exposure(),
            "tastes": {
                "groups": self.tastes["category"].unique().tolist(),
                "shares": {str(agent): own["shift"].tolist() for agent, own in self.tastes.groupby("agent")},
            },
            "steps": self._steps(),
        }

    def _gaps(self) -> dict[str, Any]:
        if not len(self.gaps):
            return {"figures": [], "columns": [], "small": {}, "rows": {}}
        small = self.gaps[self.gaps["too_small"]].drop_duplicates(["column", "group"])
        rows: dict[str, dict[str, Any]] = {}
        keys = ["agent", "figure", "statistic", "column"]
        for (agent, figure, statistic, column), table in self.gaps[~self.gaps["too_small"]].groupby(keys, sort=False):
            own = rows.setdefault(str(agent), {}).setdefault(_label(str(figure), str(statistic)), {})
            own[column] = table[_GAP].astype(object).to_numpy().tolist()
        return {
            "figures": [_label(*pair) for pair in self.gaps[["figure", "statistic"]].drop_duplicates().to_numpy()],
            "columns": self.gaps["column"].unique().tolist(),
            "small": {
                column: table[["group", "users"]].to_numpy().tolist() for column, table in small.groupby("column")
            },
            "rows": rows,
        }

    def _exposure(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for by, table in self.exposure.groupby("by", sort=False):
            first = table[table["agent"] == self.order[0]]
            shown = {str(agent): own["shown"].tolist() for agent, own in table.groupby("agent")}
            found[str(by)] = {
                "groups": first["group"].tolist(),
                "items": first["items"].tolist(),
                "catalogue": first["catalogue"].tolist(),
                "shares": shown,
            }
        return found

    def _steps(self) -> dict[str, Any]:
        """By column, group and agent the figures of some steps; of groups that are large enough, without crossings."""
        there = ["everybody", *self.config["columns"]]
        small = self.gaps[self.gaps["too_small"]][["column", "group"]] if len(self.gaps) else self.gaps
        few = set(small.itertuples(index=False, name=None))
        figures = [name for name in _FIGURES if name in self.steps and self.steps[name].notna().any()]
        lines: dict[str, Any] = {}
        for (column, group, agent), table in self.steps.groupby(["column", "group", "agent"], sort=False):
            if column in there and (column, group) not in few:
                at = np.unique(np.linspace(0, len(table) - 1, _POINTS).astype(int))
                own = table.iloc[at]
                columns = {name: own[name].tolist() for name in ("step", "sessions", *figures)}
                lines.setdefault(str(column), {}).setdefault(group, {})[agent] = columns
        return {"figures": {name: _FIGURES[name] for name in figures}, "lines": lines}


def _agent(name: str) -> str:
    """The agent of a name, which in a sweep has its value."""
    return name.partition("@")[0]


def _label(figure: str, statistic: str) -> str:
    name = _FIGURES.get(figure, figure)
    return name if statistic == "mean" else f"{statistic.upper() if statistic == 'cvar' else statistic} of {name}"
