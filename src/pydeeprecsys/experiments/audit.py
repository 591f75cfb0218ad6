"""Audits: who gets less and who is shown the most violence, by the policies of runs that are done."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import pandas as pd

from pydeeprecsys.arguments import Count, Range, UnitInterval, check_arguments
from pydeeprecsys.arrays import Floats, Ints
from pydeeprecsys.data.entities import read_user_columns
from pydeeprecsys.data.library import read_user_table
from pydeeprecsys.data.table_files import TableFile
from pydeeprecsys.data.user_groups import as_groups, known_demographics, split_cut_points
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError, did_you_mean
from pydeeprecsys.experiments.audit_folder import audit_folder, write_audit
from pydeeprecsys.experiments.audit_tables import (
    EVERYBODY,
    SESSION_FIGURES,
    Groups,
    StepTable,
    agent_rows,
    gap_rows,
    session_rows,
)
from pydeeprecsys.experiments.audited_items import exposure_rows, item_rows, taste_rows
from pydeeprecsys.experiments.audited_sessions import planned_users, roll_out
from pydeeprecsys.experiments.compare import Comparison
from pydeeprecsys.experiments.config import RunConfig, Settings
from pydeeprecsys.experiments.provenance import provenance
from pydeeprecsys.experiments.run_folder import RunFolder
from pydeeprecsys.experiments.task import Task
from pydeeprecsys.experiments.trained import check_done, load_policy
from pydeeprecsys.simulation.movielens.simulator import Pool, user_pool

Alpha = Annotated[float, Range(0, 1, open_low=True, open_high=True)]
ALPHA, THRESHOLD = 0.95, 0.5
_LONGEST = 80  # name of a folder
_RESERVED = {"agent", "seed", "session", "user", EVERYBODY, *SESSION_FIGURES}


def audit(
    folder: str | Path,
    settings: Settings | None = None,
    *,
    sessions: Count = 2000,
    pool: Pool | None = None,
    groups: Sequence[str] = (),
    users: pd.DataFrame | None = None,
    alpha: Alpha = ALPHA,
    threshold: UnitInterval = THRESHOLD,
    on_run: Callable[[str, int], None] = lambda agent, seed: None,
) -> RunFolder:
    """Audit the policies of a run, or of all runs of a comparison that are done, on the same users.

    Each policy acts without exploration in the same sessions: of the same users, with the same random streams. The
    results of the runs stay as they are.

    Args:
        folder: of the run or the comparison.
        settings: those of the folder, by default as it has them.
        sessions: Number of sessions. Every user of the pool has as many, but for a remainder drawn at random; with
            fewer sessions than users, those of a simple random sample.
        pool: of users, by default that of the runs' own evaluation.
        groups: columns that users are grouped by, of their table in the data set or of `users`, each as NAME, or
            as NAME:18,35,50 with cut points for numbers; by default those of sex, age and occupation that are known.
            Crossings of two columns are groups, too.
        users: table of the users, with their ids, in place of that of the data set.
        alpha: Level of VaR and CVaR of a session's violence.
        threshold: Violence of a session beyond which it is counted as harmful.
        on_run: called with the agent and the seed before each policy acts.

    Returns:
        A folder in that of the run or the comparison, with the tables of the audit, see docs/audit.md.

    Raises:
        InputError: nothing is done in the folder; its environment does not simulate users of a data set; an argument
            is out of range; or a column is unknown, continuous, or has fewer than two groups.
    """
    given = {"sessions": sessions, "pool": pool, "alpha": alpha, "threshold": threshold}
    check_arguments(audit, {name: value for name, value in given.items() if value is not None})
    results = RunFolder(folder)
    settings = settings or _settings(results)
    world, runs = _simulated(settings.task), _done(results, settings)
    made = provenance(world)
    results.check_data(made)
    pool = pool or settings.evaluation_pool or "test"
    everybody = user_pool(world.n_users, pool, int(settings.task.env_options.get("pool_seed", 0)))
    plan = planned_users(everybody, sessions)
    notes = [_sampling(plan, everybody, pool)]
    if pool == settings.train_pool or "all" in (pool, settings.train_pool):
        notes.append(f"agents may have met these users in training, in the pool {settings.train_pool!r}")
    wanted = _groups(world, settings.task.dataset, groups, users)
    grouped = Groups.of(_with_two(wanted, plan, notes, asked=bool(groups)), plan)
    notes += _unknown(grouped, world, plan)
    made_by: dict[str, Any] = {
        "kind": "audit",
        **{"pool": pool, "sessions": sessions, "groups": list(groups), "alpha": alpha, "threshold": threshold},
        **{"columns": grouped.single, "notes": notes},
        "runs": [[name, config.seed, run.result["mean_return"]] for name, run, config in runs],
    }
    words = [pool, str(sessions), *groups, *[f"alpha={alpha:g}"] * (alpha != ALPHA)]
    words += [*[f"threshold={threshold:g}"] * (threshold != THRESHOLD), *["users"] * (users is not None)]
    audited_folder = audit_folder(results, _label("-".join(words)))
    with audited_folder.claimed():
        rows, shown, shifts = [], dict[str, list[Ints]](), dict[str, list[Floats]]()
        steps = StepTable(grouped, alpha, threshold)
        for name, run, config in runs:
            on_run(name, config.seed)
            audited = roll_out(config, load_policy(config, run), plan, pool)
            rows.append(session_rows(name, config.seed, world.user_ids[plan].tolist(), audited))
            shown.setdefault(name, []).append(audited.shown)
            shifts.setdefault(name, []).append(audited.shifts)
            steps.add(name, audited)
        whole = pd.concat(rows, ignore_index=True)
        gaps = gap_rows(whole, grouped, alpha)
        own = pd.concat([grouped.columns[grouped.single].astype(object)] * len(runs), ignore_index=True)
        audited_folder.begin(made_by | {"provenance": made})
        write_audit(
            audited_folder,
            {
                "sessions": pd.concat([whole, own], axis=1),
                "agents": agent_rows(
                    whole, gaps, shown, world, single=grouped.single, alpha=alpha, threshold=threshold
                ),
                "groups": gaps,
                "steps": steps.rows(),
                "exposure": exposure_rows(shown, world),
                "tastes": taste_rows(shifts, world),
                "items": item_rows(shown, world),
            },
        )
    return audited_folder


def _label(words: str) -> str:
    """A name for a folder: the words or, where a name cannot hold them, their beginning and a digest of them."""
    plain = re.sub(r"[^\w=.,+-]", "_", words)
    if plain == words and len(words) <= _LONGEST:
        return words
    return f"{plain[:_LONGEST]}-{hashlib.blake2b(words.encode(), digest_size=4).hexdigest()}"


def _settings(folder: RunFolder) -> Settings:
    kinds: dict[str, type[Settings]] = {each.kind: each for each in (RunConfig, Comparison)}
    return kinds.get(folder.kind, Settings).from_json(folder.config)


def _simulated(task: Task) -> World:
    """The world of a task, whose users are simulated many at once."""
    if not task.has_users or not task.is_batched or task.world is None:
        raise InputError(
            f"{task.env} does not simulate users of a data set; an audit needs MovieLensFairness-v0 or -v1"
        )
    return task.world


def _done(folder: RunFolder, settings: Settings) -> list[tuple[str, RunFolder, RunConfig]]:
    """The runs to audit: the name of the agent, in a sweep with its value, the folder and the settings."""
    if isinstance(settings, RunConfig):
        check_done(folder)
        return [(settings.agent, folder, settings)]
    if not isinstance(settings, Comparison):
        raise InputError(f"{folder.path} is of a search; give one of the runs in it")
    runs = [(name, folder.run(name, seed), config) for (name, seed), config in settings.runs().items()]
    if not (done := [each for each in runs if each[1].is_done]):
        raise InputError(f"no run in {folder.path} is finished; continue with 'pydeeprecsys resume {folder.path}'")
    return done


def _groups(world: World, dataset: str | None, wanted: Sequence[str], users: pd.DataFrame | None) -> pd.DataFrame:
    """(users of the world, columns) their groups."""
    known = known_demographics(world)
    if not wanted:
        groups = {name: as_groups(str(name), column) for name, column in known.items()}
        return pd.DataFrame(groups, index=known.index)
    if users is not None:
        table = read_user_columns(TableFile(users, "users"), {})
    elif dataset is not None and not dataset.endswith(".world"):
        with warnings.catch_warnings(action="ignore"):  # the world was opened with them
            table, checksum = read_user_table(dataset)
        if checksum != world.record["dataset_checksum"]:
            raise InputError(f"{dataset} does not hold the ratings that the runs were trained on")
    else:
        table = known.set_axis(world.user_ids)
    table = table.reindex(world.user_ids).reset_index(drop=True)
    table = table.join(known.drop(columns=known.columns.intersection(table.columns))).dropna(axis=1, how="all")
    if not len(table.columns):
        raise InputError(
            f"{world.name} holds nothing of its users but their ratings; to audit groups, give their table with the "
            "data set, as in 'ratings.csv?users=users.csv'"
        )
    groups = {}
    for text in wanted:
        name, cuts = split_cut_points(text, list(table.columns))
        if name not in table.columns:
            raise InputError(f"{world.name} has no column {name!r} of users; {did_you_mean(name, table.columns)}")
        if name in groups:
            raise InputError(f"the column {name!r} is given twice; give each once")
        groups[name] = as_groups(name, table[name], cuts)
    return pd.DataFrame(groups).rename(columns=lambda name: f"{name} of the user" if name in _RESERVED else name)


def _with_two(groups: pd.DataFrame, plan: Ints, notes: list[str], *, asked: bool) -> pd.DataFrame:
    """The columns that have at least two groups in the audit; the others are an error or, not asked for, a note."""
    there = groups.iloc[plan]
    for name in groups.columns:
        if there[name].nunique() < 2:
            only = "nothing is known" if there[name].isna().all() else f"all are {there[name].dropna().iloc[0]!r}"
            line = f"{name} makes no groups of the {len(set(plan))} users audited: {only}"
            if asked:
                raise InputError(f"{line}; give another column, or another pool")
            notes.append(line)
            groups = groups.drop(columns=name)
    return groups


def _sampling(plan: Ints, pool: Ints, name: str) -> str:
    each, left = divmod(len(plan), len(pool))
    users = f"the {len(pool):,} users of the pool {name!r}"
    if not each:
        return f"{len(plan):,} sessions, one of each of a simple random sample of {left:,} of {users}"
    more = f"; {left:,} of them, drawn at random, have one more" if left else ""
    return f"{len(plan):,} sessions, {each} of each of {users}{more}"


def _unknown(groups: Groups, world: World, plan: Ints) -> list[str]:
    """What is not known of the users."""
    if not groups.single:
        return [
            f"{world.name} holds neither sex, age nor occupation of these users: there are no groups and no gaps to "
            "audit; --group takes other columns of a table of users"
        ]
    users = pd.Series(plan)
    missing = {name: users[groups.columns[name].isna().to_numpy()].nunique() for name in groups.single}
    return [
        f"{name} is not known of {few:,} of {users.nunique():,} users, who are in none of its groups"
        for name, few in missing.items()
        if few
    ]
