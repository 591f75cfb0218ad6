"""How often an audit's interval holds a gap that is known: `python -m reproductions.planted_gap`.

Two fixed policies that never show the planted category meet populations drawn anew, with the gap and without any. In
each repetition they are audited: gaps of all figures and of all groups of sex, age, occupation and their crossings,
with p-values corrected over all of them. Writes results/planted_gap.csv, to which a later call adds the missing rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

from pydeeprecsys.arrays import Array, Flags, Ints
from pydeeprecsys.data.planted import planted_gap
from pydeeprecsys.data.user_groups import as_groups, known_demographics
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.audit_tables import Groups, gap_rows, session_rows
from pydeeprecsys.experiments.audited_sessions import planned_users, roll_out
from pydeeprecsys.experiments.config import RunConfig
from pydeeprecsys.experiments.task import Task
from pydeeprecsys.files import whole_file
from pydeeprecsys.rl.agents.agent import ReinforcementLearning
from pydeeprecsys.rl.agents.baselines import FixedOrder
from reproductions.runner import DOCS, RESULTS
from reproductions.tables import update_docs

TABLE = RESULTS / "planted_gap.csv"
REPETITIONS = 200
LEAST_HELD, MOST_ALARMED = 181, 19  # of 200 repetitions
GAPS = (0.3, 0.0)  # stars
USERS, SESSIONS, STEPS, ALPHA = 1000, 2500, 20, 0.9
_SETTINGS = f"{SESSIONS} sessions of {STEPS} steps of {USERS} users, version 3"


class RandomAmong(ReinforcementLearning):
    """Shows one of some items at random.

    Args:
        items: (m,) that it chooses among.
        seed: of its choices.
    """

    def __init__(self, items: Ints, seed: int) -> None:
        self.items, self._generator = items, np.random.default_rng(seed)
        self.n_actions = int(items.max()) + 1

    def choose(self, states: Array, k: int, explore: bool, action_masks: Flags | None) -> Ints:
        """An item for each state: (n, 1)."""
        return self._generator.choice(self.items, (len(states), 1))


POLICIES: Mapping[str, Callable[[Ints, int], ReinforcementLearning]] = {
    "constant": lambda items, seed: FixedOrder(items),
    "random": RandomAmong,
}


def audited(policy: str, gap: float, seed: int) -> pd.DataFrame:
    """The gaps that an audit of a fixed policy tabulates.

    Args:
        policy: name in `POLICIES`.
        gap: planted in the population, in stars.
        seed: of the population and of the policy.

    Returns:
        The rows of `gap_rows`.
    """
    dataset, factors = planted_gap(gap, n_users=USERS, n_items=100, seed=seed)
    world = World.from_dataset(dataset, factors=factors)
    task = Task(env_options={"delta": 0.0, "session_length": STEPS}, world=world)
    agent = POLICIES[policy](np.flatnonzero(~world.genres[:, -1]), seed)
    users = planned_users(np.arange(USERS), SESSIONS)
    sessions = roll_out(RunConfig(task=task, agent="random"), agent, users, "all")
    known = known_demographics(world)
    groups = pd.DataFrame({name: as_groups(str(name), column) for name, column in known.items()})
    rows = session_rows(policy, seed, world.user_ids[users].tolist(), sessions)
    return gap_rows(rows, Groups.of(groups, users), ALPHA)


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
    gaps = audited(policy, gap, seed)
    sign = gaps["group"].map({"F": -1.0, "M": 1.0}).fillna(0.0)
    truth = gap * sign * gaps["figure"].map({"rating": 1.0, "return": STEPS / 5}).fillna(0.0)
    if gap:  # those of crossings with sex depend on who the others are
        truth = truth.mask(gaps["column"].str.startswith("sex and"))
    known = truth.notna() & gaps["gap_low"].notna()
    (women,) = gaps.query("figure == 'rating' and group == 'F'").to_dict("records")
    return {
        **{"policy": policy, "planted": gap, "seed": seed},
        **{name: women[name] for name in ("gap", "gap_low", "gap_high")},
        "intervals": int(known.sum()),
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
