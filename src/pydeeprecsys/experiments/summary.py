"""The tables of a comparison, from its runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pydeeprecsys.errors import InputError
from pydeeprecsys.evaluation.standings import standings
from pydeeprecsys.experiments.captions import joint_note
from pydeeprecsys.experiments.run_folder import RunFolder
from pydeeprecsys.experiments.sweep import Sweep
from pydeeprecsys.metrics.harm import cvar

Failures = dict[tuple[str, int], str]
"""Of runs that failed, by agent (in a sweep the name, see `Sweep.names`) and seed: in one line why, such as when a loss
was no longer finite."""
LEVEL = 0.95
"""Level α of the CVaR of a session's violence: the mean of the 5 % of the sessions that show the most."""


def summarize(runs: Sequence[RunFolder], failures: Failures | None = None) -> pd.DataFrame:
    """Summarise what agents reached.

    Args:
        runs: of any agents and seeds, all done.
        failures: runs that failed.

    Returns:
        One row per agent, best first: the columns of `standings`, from the mean returns in evaluation; then, each the
        mean over seeds, `training_return` (of the last 100 training episodes); of what was shown in evaluation the
        `rating` in stars, the `violence`, the share whose violence was not measured (`unmeasured`), the steps of an
        episode (`session_length`), the share of the items that were shown at all (`coverage`) and how unequally
        (`gini`);
        `features`, the source of its item features; parameter `updates`; `steps_per_second` in training, the median;
        `note`, which seeds never updated, why, and what to change; `failed`, how many seeds failed, and `failure`, why.
        NaN for what is not known. An agent that failed from every seed comes last.
    """
    own: dict[str, list[RunFolder]] = {}
    for each in runs:
        own.setdefault(each.agent, []).append(each)
    measured = {agent: pd.DataFrame([each.measures for each in own[agent]]) for agent in own}
    nothing = float("nan")
    rows = [
        {
            "agent": agent,
            "training_return": np.mean([(each.series("moving_rewards") or [nothing])[-1] for each in own[agent]]),
            **measured[agent].drop(columns="return").mean(),
            "features": own[agent][0].features or nothing,
            "updates": np.mean([nothing if (n := each.result["updates"]) is None else n for each in own[agent]]),
            "steps_per_second": np.median([each.steps_per_second for each in own[agent]]),
            "note": joint_note({each.seed: each.note for each in own[agent]}) or nothing,
        }
        for agent in own
    ]
    returns = {
        agent: dict(zip([each.seed for each in own[agent]], measured[agent]["return"], strict=True)) for agent in own
    }
    summary = standings(returns).merge(pd.DataFrame(rows), on="agent")
    failed: dict[str, dict[int, str]] = {}
    for (agent, seed), why in (failures or {}).items():
        failed.setdefault(agent, {})[seed] = why
    lost = pd.DataFrame({"agent": [agent for agent in failed if agent not in own], "seeds": 0})
    summary = pd.concat([summary, lost], ignore_index=True) if len(lost) else summary
    whys = [failed.get(agent, {}) for agent in summary["agent"]]
    return summary.assign(failed=list(map(len, whys)), failure=[joint_note(why) or nothing for why in whys])


def summarize_sweep(sweep: Sweep, runs: Sequence[RunFolder], failures: Failures) -> pd.DataFrame:
    """Summarise what agents reached at each value of a sweep, as a comparison at that value would.

    Args:
        sweep: the option and its values.
        runs: of any agents, seeds and values, all done.
        failures: runs that failed.

    Returns:
        The rows of `summarize` for each value, with a column `value` in front. An agent without the option is in the
        rows of every value.
    """
    parts = []
    for value in sweep.values:
        lost = {
            (agent, seed): why
            for (name, seed), why in failures.items()
            if name == sweep.named(agent := name.partition("@")[0], value)
        }
        if there := [run for run in runs if sweep.value(run.config) in (None, value)]:
            parts.append(summarize(there, lost).assign(value=value))
    summary = pd.concat(parts, ignore_index=True)
    return summary[["value", *summary.columns.drop("value")]]


def sweep_points(sweep: Sweep, runs: Sequence[RunFolder], level: float = LEVEL) -> pd.DataFrame:
    """The points of the fronts of a sweep, before they are put together over seeds.

    Args:
        sweep: the option and its values.
        runs: of any agents, seeds and values, all done, of users of a data set whose violence is known.
        level: of the CVaR, see `metrics.harm.cvar`.

    Returns:
        One row per run, in the order of the values: `agent`, `value` (NaN for an agent without the option), `seed`, and
        the figures of `evaluation.fronts`, over those sessions of the evaluation whose violence is known.

    Raises:
        InputError: the rating or the violence of a run is not known.
    """
    rows = []
    for run in runs:
        sessions = run.evaluation
        if unknown := {"rating", "violence"} - {*sessions}:
            raise InputError(
                f"the {unknown.pop()} of what {run.path} showed is not known; if an earlier version evaluated it, "
                "remove its result.json, and resume"
            )
        figures = {name: float(sessions[name].mean()) for name in ("rating", "violence", "return")}
        harm = float(cvar(sessions["violence"], level))
        value = sweep.value(run.config)
        rows.append({"agent": run.agent, "value": value, "seed": run.seed, **figures, "cvar": harm})
    points = pd.DataFrame(rows).astype({"value": float})
    return points.sort_values("value", kind="stable", ignore_index=True)


def relevance_metrics(runs: Sequence[RunFolder], sweep: Sweep | None = None) -> pd.DataFrame:
    """DCG and NDCG of every step of the training episodes with slates: columns dcg_<agent>, ndcg_<agent>.

    In a sweep, the columns have the names of `Sweep.names` for those of the agents.

    The seeds of an agent stand below each other, and NaN below agents whose sessions were shorter. Without slates there
    are no rows.
    """
    columns: dict[str, list[float]] = {}
    for each in runs:
        agent = sweep.name(each.config) if sweep else each.agent
        for name in ("dcg", "ndcg"):
            if steps := [value for episode in each.series(f"timestep_{name}") for value in episode]:
                columns.setdefault(f"{name}_{agent}", []).extend(steps)
    return pd.DataFrame({name: pd.Series(values) for name, values in columns.items()})
