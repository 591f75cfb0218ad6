"""Safe and fair policies on MovieLens 1M: bounds on the violence of sessions, beside a reward that weighs it.

Agents are trained on users of the pool `train` and audited on those of `test`. Limits and hyperparameters were chosen
on users of `evaluation` and the seed 0, which is not among those here.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import torch

from pydeeprecsys.data.user_groups import as_groups, known_demographics
from pydeeprecsys.errors import DivergenceError, InputError, did_you_mean
from pydeeprecsys.evaluation.fronts import FrontDifference, difference_at_same_harm, front_table
from pydeeprecsys.evaluation.intervals import median_interval
from pydeeprecsys.evaluation.plots import fronts, save_figure
from pydeeprecsys.evaluation.scores import paired_difference
from pydeeprecsys.experiments.audit_tables import Groups, gap_rows, session_rows
from pydeeprecsys.experiments.audited_sessions import planned_users, roll_out
from pydeeprecsys.experiments.evaluate_again import load_policy
from pydeeprecsys.experiments.run import run
from pydeeprecsys.experiments.workers import Report, open_workers
from pydeeprecsys.files import whole_file
from pydeeprecsys.metrics.harm import cvar
from pydeeprecsys.simulation.movielens.simulator import user_pool
from reproductions.movielens_tuned import PPO_BASE, RAINBOW
from reproductions.runner import DOCS, RESULTS, Claim, Row, Study, read_rows, run_folder, write_rows
from reproductions.tables import update_docs

FIRST_SEED, SEEDS, SEEDS_OF_FRONTS = 100, 5, 3
SESSIONS = 2000
LEVEL = 0.67
LIMIT = 0.43
"""Midway between the CVaR of PPO without a constraint and that of the random policy, on users of `evaluation`."""
MEAN_LIMIT = 0.36
"""Likewise between the means."""
LIMITS = (0.35, 0.39, LIMIT, 0.47, 0.51)
WEIGHTS = tuple(i / 8 for i in range(1, 9))
TABLE, GROUPS = RESULTS / "constraints.csv", RESULTS / "constraints_groups.csv"
_STEPS = 100_000
_ITEMS = {"observation": "items"}
_PPO = {**PPO_BASE, "gae_lambda": 0.9}


def _ppo(variant: str = "", weight: float = 0.0, **more: float) -> Claim:
    options = _ITEMS | ({"lambda_non_violent": weight} if weight else {})
    return Claim("ppo", _STEPS, hyperparameters={**_PPO, **more}, n_envs=64, env_options=options, variant=variant)


STUDY = Study(
    name="constraints",
    env_name="MovieLensFairness-v0",
    env_options={"repeats": "refuse"},
    dataset="ml-1m",
    evaluation_episodes=500,
    evaluation_envs=100,
    claims=[
        Claim("random", 2000),
        Claim("varied", 2000),
        Claim("fold-in", 2000, env_options=_ITEMS),
        _ppo(),
        *(_ppo(f"cvar-{limit}", cost_limit=limit, cvar_level=LEVEL) for limit in LIMITS),
        _ppo(f"mean-{MEAN_LIMIT}", cost_limit=MEAN_LIMIT),
        *(_ppo(f"weight-{weight}", weight) for weight in WEIGHTS),
        replace(_ppo("worst-group", worst_group_rate=0.2), env_options={**_ITEMS, "group": "sex"}),
        Claim("rainbow", _STEPS, hyperparameters=RAINBOW, n_envs=16),
        Claim(
            "rainbow",
            _STEPS,
            hyperparameters={**RAINBOW, "cost_limit": MEAN_LIMIT, "multiplier_rate": 0.2},
            n_envs=16,
            variant=f"mean-{MEAN_LIMIT}",
        ),
    ],
)
CLAIMS = {claim.name: claim for claim in STUDY.claims}
OF_FRONTS = {f"ppo+cvar-{limit}" for limit in LIMITS if limit != LIMIT} | {f"ppo+weight-{each}" for each in WEIGHTS}
"""Claims that are points of a front alone, from fewer seeds."""
SIDE_BY_SIDE = [name for name in CLAIMS if name not in OF_FRONTS]


def audited(claim: Claim, seed: int, folder: Path) -> tuple[Row, pd.DataFrame]:
    """Train an agent, or continue that, and audit its policy.

    Returns:
        The row of the results, and one row per session of the audit.
    """
    config = STUDY.config(claim, seed)
    torch.set_num_threads(1)  # not before: building a world sets it too
    results = run(config, folder)
    users = _users()
    ids = _world().user_ids[users].tolist()
    sessions = session_rows(claim.name, seed, ids, roll_out(config, load_policy(config, results), users, "test"))
    row = {
        "agent": claim.name,
        "seed": seed,
        **{name: float(sessions[name].mean()) for name in ("return", "rating", "violence", "unmeasured", "drift")},
        "cvar": cvar(sessions["violence"], LEVEL),
        "cvar_95": cvar(sessions["violence"], 0.95),
        "steps": sum(map(len, results.series("timestep_rewards"))),
        "updates": results.result["updates"],
        "seconds": round(results.result["seconds"], 1),
        "settings": STUDY.settings(claim),
    }
    return row, sessions


def _world() -> Any:
    return STUDY.task.world


def _users() -> Any:
    return planned_users(user_pool(_world().n_users, "test"), SESSIONS)


def _sessions(folder: Path) -> Path:
    return folder.parent / f"{folder.name}.csv"


def _measure(shared: Path, case: tuple[str, int], report: Report) -> Row:
    name, seed = case
    folder = run_folder(STUDY, shared, CLAIMS[name], seed)
    row, sessions = audited(CLAIMS[name], seed, folder)
    with whole_file(_sessions(folder)) as temporary:  # for the gaps, over all seeds together
        sessions.to_csv(temporary, index=False)
    shutil.rmtree(folder)
    return row


def measure(agents: Sequence[str], seeds: int, jobs: int, runs: Path) -> pd.DataFrame:
    """Train and audit the missing agents and seeds, and keep the rows of all."""
    rows = [row for row in read_rows(TABLE) if row["agent"] in CLAIMS]
    rows = [row for row in rows if row["settings"] == STUDY.settings(CLAIMS[row["agent"]])]
    done = {(row["agent"], row["seed"]) for row in rows}
    cases = [
        (name, FIRST_SEED + seed)
        for seed in range(seeds)
        for name in agents
        if (name, FIRST_SEED + seed) not in done and (name not in OF_FRONTS or seed < SEEDS_OF_FRONTS)
    ]
    with open_workers(runs, RESULTS, jobs) as workers:
        for case, row in zip(cases, workers.results(_measure, cases), strict=True):
            rows.append(row)
            write_rows(rows, TABLE, list(CLAIMS))
            click.echo(f"{case[0]}, seed {case[1]}: rating {row['rating']:.3f}, CVaR {row['cvar']:.3f}")
    return pd.DataFrame(rows)


def gaps(runs: Path) -> pd.DataFrame:
    """The gaps of the groups of single demographics, over all seeds, corrected over all gaps of the audit.

    Those that are committed, where the sessions of some agent or seed are not there.
    """
    known = known_demographics(_world())
    groups = pd.DataFrame({name: as_groups(str(name), column) for name, column in known.items()})
    cases = [(CLAIMS[name], FIRST_SEED + seed) for name in SIDE_BY_SIDE for seed in range(SEEDS)]
    files = [_sessions(run_folder(STUDY, runs, claim, seed)) for claim, seed in cases]
    if not all(file.exists() for file in files):
        click.echo(f"{GROUPS.name} stays as it is: it is of {SEEDS} seeds of {', '.join(SIDE_BY_SIDE)} together")
        return pd.read_csv(GROUPS)
    sessions = pd.concat([pd.read_csv(file, dtype={"user": str}) for file in files], ignore_index=True)
    table = gap_rows(sessions, Groups.of(groups, _users()), LEVEL)
    return table[table["column"].isin(groups.columns)].round(5)


def points(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows as points of a front: agent, value (of what sets the agents of a line apart), and figures."""
    on_lines = rows["agent"].isin(OF_FRONTS | {f"ppo+cvar-{LIMIT}"})
    parts = rows["agent"].str.rpartition("-")
    return rows.assign(agent=rows["agent"].where(~on_lines, parts[0]), value=pd.to_numeric(parts[2].where(on_lines)))


def at_same_cvar(rows: pd.DataFrame, agent: str) -> FrontDifference:
    """The rating of an agent less that of the front of weighed rewards at the agent's own CVaR."""
    weighed = rows[rows["agent"].isin([f"ppo+weight-{each}" for each in WEIGHTS])]
    front = pd.concat([rows[(rows["agent"] == "ppo") & rows["seed"].isin(weighed["seed"])], weighed])
    return difference_at_same_harm(rows[rows["agent"] == agent], front)


def table(rows: pd.DataFrame, gaps: pd.DataFrame) -> str:
    """The agents side by side, as a table in Markdown."""
    headings = ["agent", "seeds", "rating [95 %]", "vs ppo", "vs weights at its CVaR", "violence", "CVaR [95 %]"]
    headings += ["CVaR at 0.95", "lowest-rated group", "most violence shown to"]
    lines: list[Sequence[str]] = [headings, ["---", *["---:"] * (len(headings) - 3), "---", "---"]]
    free = _by_seed(rows, "ppo")
    for name in CLAIMS:
        own = rows[rows["agent"] == name]
        if not len(own):
            continue
        others = gaps.query("agent == @name and statistic == 'mean' and not too_small")
        against = paired_difference(_by_seed(rows, name), free) if name.startswith("ppo+") else None
        front = at_same_cvar(rows, name) if name.startswith(("ppo+cvar", "ppo+mean")) else None
        lines.append(
            (
                name,
                str(len(own)),
                _interval(own["rating"]),
                "" if against is None else _signed(*against),
                "" if front is None else _signed(*front[:3]) + (f" ({front.beyond} beyond)" if front.beyond else ""),
                f"{own['violence'].median():.3f}",
                _interval(own["cvar"]),
                f"{own['cvar_95'].median():.3f}",
                _worst(others, "rating", lowest=True),
                _worst(others, "violence", lowest=False),
            )
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _by_seed(rows: pd.DataFrame, agent: str) -> dict[int, float]:
    own = rows[rows["agent"] == agent]
    return dict(zip(own["seed"], own["rating"], strict=True))


def _interval(figures: pd.Series[float]) -> str:
    low, high = median_interval(figures).tolist()
    return f"{figures.median():.3f}" + ("" if np.isnan(low) else f" [{low:.3f}, {high:.3f}]")


def _signed(difference: float, low: float, high: float) -> str:
    return "not known" if np.isnan(difference) else f"{difference:+.3f} [{low:.3f}, {high:.3f}]"


def _worst(gaps: pd.DataFrame, figure: str, *, lowest: bool) -> str:
    """The worst group, with its value, and its gap to all others if that is more than chance."""
    own = gaps[gaps["figure"] == figure].dropna(subset=["value"])
    if not len(own):
        return ""
    row = own.loc[own["value"].idxmin() if lowest else own["value"].idxmax()]
    gap = "no claim"
    if row["p_holm"] < 0.05:
        gap = f"{row['gap']:+.3f} [{row['gap_low']:.3f}, {row['gap_high']:.3f}]"
    return f"{row['column']} {row['group']}: {row['value']:.3f} ({gap})"


@click.command(context_settings={"show_default": True})
@click.option("--agents", default=",".join(CLAIMS), help="Agents to train, separated by commas.")
@click.option("--seeds", type=click.IntRange(1), default=SEEDS, help="Trainings of each agent; of points of a front 3.")
@click.option("--jobs", type=click.IntRange(1), default=1, help="Processes side by side, of one thread each.")
def main(agents: str, seeds: int, jobs: int) -> None:
    """Train policies under constraints and audit them, beside a reward that weighs violence."""
    names = agents.split(",")
    for name in names:
        if name not in CLAIMS:
            raise click.ClickException(f"nothing is claimed of {name!r}; {did_you_mean(name, CLAIMS)}")
    runs = RESULTS / "runs"
    try:
        rows = measure(names, seeds, jobs, runs)
        found = gaps(runs)
    except (InputError, DivergenceError) as error:
        raise click.ClickException(str(error)) from error
    with whole_file(GROUPS) as temporary:
        found.to_csv(temporary, index=False)
    text = table(rows, found)
    click.echo(text)
    update_docs(STUDY.name, text, DOCS)
    title = "MovieLens 1M, v0, 2,000 sessions of test users"
    near = rows[~rows["agent"].isin(("random", "varied"))]  # whose ratings are far below
    save_figure(fronts(front_table(points(near)), title), RESULTS / STUDY.name, [".png"])


if __name__ == "__main__":
    main()
