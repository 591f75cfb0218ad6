"""How often an audit's interval holds a gap that is known: `python -m reproductions.planted_gap`.

Two fixed policies that never show the planted category meet populations drawn anew, with the gap and without any. In
each repetition the gap of every group of sex, age and occupation is estimated for every figure, and p-values are
corrected over all of them together. Writes results/planted_gap.csv, to which a later call adds the missing repetitions.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

from pydeeprecsys.arrays import Ints
from pydeeprecsys.data.planted import planted_gap
from pydeeprecsys.data.world import World
from pydeeprecsys.envs.vector import MovieLensFairnessVector
from pydeeprecsys.errors import InputError
from pydeeprecsys.evaluation.gaps import Statistic, group_gaps
from pydeeprecsys.evaluation.many import holm
from pydeeprecsys.files import whole_file
from reproductions.runner import DOCS, RESULTS
from reproductions.tables import update_docs

TABLE = RESULTS / "planted_gap.csv"
REPETITIONS = 200
LEAST_HELD, MOST_ALARMED = 181, 19  # of 200 repetitions
GAPS = (0.3, 0.0)  # stars
USERS, SESSIONS, STEPS = 1000, 2000, 20
FIGURES: tuple[tuple[str, Statistic], ...] = (
    *(("return", "mean"), ("rating", "mean"), ("violence", "mean"), ("violence", "cvar")),
)
GROUPS = ("sex", "age", "occupation")
_SETTINGS = f"{SESSIONS} sessions of {STEPS} steps of {USERS} users, version 1"

Policy = Callable[[Ints, int, np.random.Generator], Ints]  # allowed items, sessions and generator to (sessions,) items
POLICIES: Mapping[str, Policy] = {
    "constant": lambda items, n, generator: np.full(n, items[0]),
    "random": lambda items, n, generator: generator.choice(items, n),
}


def roll_out(policy: Policy, gap: float, seed: int) -> pd.DataFrame:
    """Sessions of a population drawn anew, of users who are drawn for each session.

    Args:
        policy: of `POLICIES`.
        gap: planted, in stars.
        seed: of the population and of the policy.

    Returns:
        One row per session: `seed`, `user`, the figures and the groups.
    """
    dataset, factors = planted_gap(gap, n_users=USERS, n_items=100, seed=seed)
    world = World.from_dataset(dataset, factors=factors)
    env = MovieLensFairnessVector(SESSIONS, seed=seed * SESSIONS, dataset=world, delta=0.0, session_length=STEPS)
    users = env.reset()[1]["user"]
    allowed = np.flatnonzero(~world.genres[:, -1])
    generator, sums = np.random.default_rng([seed, 1]), np.zeros((3, SESSIONS))
    for _ in range(STEPS):
        _, rewards, _, _, infos = env.step(policy(allowed, SESSIONS, generator))
        sums += rewards, infos["ratings"][:, 0], infos["violence"]
    figures = {"return": sums[0], "rating": sums[1] / STEPS, "violence": sums[2] / STEPS}
    return dataset.users[list(GROUPS)].iloc[users].astype(str).assign(seed=0, user=users.astype(str), **figures)


def audited(sessions: pd.DataFrame) -> pd.DataFrame:
    """The gaps of all figures and groups, with p-values corrected over all of them."""
    tables = [
        group_gaps(sessions, figure, column, statistic, level=0.9).assign(
            figure=figure, statistic=statistic, column=column
        )
        for (figure, statistic), column in itertools.product(FIGURES, GROUPS)
    ]
    return pd.concat(tables, ignore_index=True).assign(p_holm=lambda table: holm(table["p"]))


def repetition(policy: str, gap: float, seed: int) -> dict[str, Any]:
    """The row of one repetition.

    Args:
        policy: name in `POLICIES`.
        gap: planted, in stars.
        seed: of all that is drawn.

    Returns:
        `gap` between the mean ratings of women and men, and the ends of its interval; `intervals`, those of all groups
        and figures, and how many of them `held` the true gap; and `alarms`, corrected p-values below 5 % of gaps that
        are 0.
    """
    gaps = audited(roll_out(POLICIES[policy], gap, seed))
    sign = gaps["group"].map({"F": -1.0, "M": 1.0}).fillna(0.0)
    truth = gap * sign * gaps["figure"].map({"rating": 1.0, "return": STEPS / 5, "violence": 0.0})
    (women,) = gaps.query("figure == 'rating' and group == 'F'").to_dict("records")
    return {
        **{"policy": policy, "planted": gap, "seed": seed},
        **{name: women[name] for name in ("gap", "gap_low", "gap_high")},
        "intervals": int(gaps["gap_low"].notna().sum()),
        "held": int(((gaps["gap_low"] <= truth) & (truth <= gaps["gap_high"])).sum()),
        "alarms": int(((gaps["p_holm"] < 0.05) & (truth == 0)).sum()),
        "settings": _SETTINGS,
    }


def summarize(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per policy and planted gap.

    Args:
        rows: of repetitions.

    Returns:
        The number of `repetitions`; the mean estimated `gap`; in how many the interval `held` the planted one; the
        `share` of all intervals that held; and in how many repetitions there was a false alarm (`alarmed`).
    """
    truth = -rows["planted"]
    counted = rows.assign(
        ours=(rows["gap_low"] <= truth) & (truth <= rows["gap_high"]),
        alarmed=rows["alarms"] > 0,
    )
    table = counted.groupby(["policy", "planted"], sort=False).agg(
        repetitions=("seed", "size"),
        gap=("gap", "mean"),
        ours=("ours", "sum"),
        all=("held", "sum"),
        intervals=("intervals", "sum"),
        alarmed=("alarmed", "sum"),
    )
    share = table["all"] / table["intervals"]
    return table.drop(columns=["all", "intervals"]).rename(columns={"ours": "held"}).assign(share=share).reset_index()


def table(summary: pd.DataFrame) -> str:
    """The summary as a table in Markdown."""
    headings = "policy | women's planted gap | mean estimate | its interval holds it | of all intervals hold"
    lines = [f"| {headings} | repetitions with a false alarm |", "| --- |" + " ---: |" * 5]
    for row in summary.itertuples():
        of = f" of {row.repetitions}"
        numbers = f"{0.0 - row.planted:g} | {row.gap:.3f} | {row.held}{of} | {row.share:.1%} | {row.alarmed}{of}"
        lines.append(f"| {row.policy} | {numbers} |")
    return "\n".join(lines) + "\n"


def measure(repetitions: int, path: Path) -> pd.DataFrame:
    """The rows of the first repetitions of each policy and gap; those that a file lacks are added to it."""
    kept = pd.read_csv(path).to_dict("records") if path.exists() else []
    rows = {(row["policy"], row["planted"], row["seed"]): row for row in kept if row["settings"] == _SETTINGS}
    cases = [*itertools.product(POLICIES, GAPS, range(repetitions))]
    for policy, gap, seed in cases:
        if (policy, gap, seed) not in rows:
            rows[policy, gap, seed] = repetition(policy, gap, seed)
            if seed % 10 == 9 or seed == repetitions - 1:
                with whole_file(path) as temporary:
                    pd.DataFrame([*rows.values()]).round(6).to_csv(temporary, index=False)
    return pd.DataFrame([rows[case] for case in cases])


@click.command()
@click.option("--repetitions", type=click.IntRange(1), default=REPETITIONS, show_default=True, help="Populations.")
def main(repetitions: int) -> None:
    """Audit fixed policies where the truth is known, and say how often the intervals hold it."""
    try:
        summary = summarize(measure(repetitions, TABLE))
        click.echo(table(summary))
        if repetitions == REPETITIONS:
            update_docs("planted_gap", table(summary), DOCS)
    except InputError as error:
        raise click.ClickException(str(error)) from error
    unbiased = summary[summary["planted"] == 0]
    passed = summary["held"].min() >= LEAST_HELD and unbiased["alarmed"].max() <= MOST_ALARMED
    if repetitions == REPETITIONS and not passed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
