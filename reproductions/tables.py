"""The tables and figures of the claims, from the rows of their results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pydeeprecsys.errors import InputError
from pydeeprecsys.evaluation.plots import legend_beside, line_across, median_curves, save_figure
from pydeeprecsys.evaluation.standings import standings
from pydeeprecsys.experiments.captions import figure_title
from pydeeprecsys.files import whole_file

if TYPE_CHECKING:
    from reproductions.runner import Study

Row = dict[str, Any]


def summarize(study: Study, rows: Sequence[Row]) -> pd.DataFrame:
    """Put all seeds of each agent together.

    Returns:
        One row per agent that has results, in the order of the claims: `agent`, `bar`, all columns of `standings`,
        `worst` seed, `passed` seeds that reach the bar, `training_return` (median over seeds of that of the last 100
        training episodes), `steps`, `published`.
    """
    returns: dict[str, dict[int, float]] = {}
    for row in rows:
        returns.setdefault(row["agent"], {})[row["seed"]] = row["mean_return"]
    stands = {row["agent"]: row for row in standings(returns).to_dict("records")}
    summary = []
    for claim in study.claims:
        own = [row for row in rows if row["agent"] == claim.name]
        if not own:
            continue
        reached = list(returns[claim.name].values())
        summary.append(
            {
                **stands[claim.name],
                "bar": claim.bar,
                "worst": min(reached),
                "passed": None if claim.bar is None else sum(value >= claim.bar for value in reached),
                "training_return": np.median([row["training_return"] for row in own]),
                "untrained": any(row.get("updates") == 0 for row in own),
                "steps": claim.steps,
                "published": claim.published,
            }
        )
    return pd.DataFrame(summary)


def table(summary: pd.DataFrame) -> str:
    """The summary as a table in Markdown, with differences to the best policy that does not learn, if there is one."""
    reference = next(iter(summary["reference"].dropna()), None)
    against = [] if reference is None else [f"vs {reference} [95 %]"]
    headings = ["agent", "bar", "median [95 %]", *against, "worst seed", "all pass?"]
    headings += ["in training", "steps", "published"]
    rules = {"agent": "---", "all pass?": "---", "published": "---"}
    lines: list[Sequence[str]] = [headings, [rules.get(heading, "---:") for heading in headings]]
    for row in summary.to_dict("records"):
        has_bar = pd.notna(row["bar"])
        median = f"{row['median']:.2f} [not from {row['seeds']} seed{'s' * (row['seeds'] > 1)}]"
        if pd.notna(row["median_low"]):
            median = f"{row['median']:.2f} [{row['median_low']:.2f}, {row['median_high']:.2f}]"
        difference = ""
        if pd.notna(row["difference"]):
            difference = f"{row['difference']:+.2f} [{row['difference_low']:.2f}, {row['difference_high']:.2f}]"
        verdict = "yes" if has_bar and row["passed"] == row["seeds"] else "NO"
        lines.append(
            (
                row["agent"] + " (a seed never updated)" * row["untrained"],
                f"{row['bar']:g}" if has_bar else "",
                median,
                *(difference for _ in against),
                f"{row['worst']:.2f}",
                f"{verdict}, {row['passed']:.0f} of {row['seeds']}" if has_bar else "",
                f"{row['training_return']:.2f}",
                f"{row['steps']:,}",
                row["published"],
            )
        )
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def update_docs(name: str, text: str, path: Path) -> None:
    """Put a text between the markers `<!-- name -->` and `<!-- /name -->` of a file.

    Raises:
        InputError: the file lacks them.
    """
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    before, found_begin, rest = path.read_text().partition(begin)
    _, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise InputError(f"{path} lacks the line {begin.strip()} or, after it, {end}; the table goes between them")
    with whole_file(path) as temporary:
        temporary.write_text(f"{before}{begin}{text}{end}{after}")


def lines_across(study: Study, points: pd.DataFrame) -> pd.DataFrame:
    """The curves; agents with far fewer steps than others, which learn nothing, have their mean as one line across."""
    longest = max(claim.steps for claim in study.claims)
    short = points["agent"].isin([claim.name for claim in study.claims if 10 * claim.steps < longest])
    means = points[short].groupby("agent", sort=False, as_index=False)["return"].mean().assign(seed=0)
    return pd.concat([means.assign(steps=0), means.assign(steps=longest), points[~short]], ignore_index=True)


def draw(study: Study, points: pd.DataFrame, path: Path) -> None:
    """Draw the learning curves of a study, with the bars."""
    import matplotlib.pyplot as plt
    import seaborn as sns

    with sns.axes_style("whitegrid"), sns.plotting_context("paper", font_scale=1.2):
        height = max(4.5, 0.3 * (points["agent"].nunique() + 2))  # of a line of the legend: each agent, and the bars
        figure, axes = plt.subplots(figsize=(9, height), layout="constrained")
        agents = {claim.name: claim.agent for claim in study.claims}
        median_curves(axes, lines_across(study, points), x="steps", y="return", hue="agent", agents=agents)
        drawn = [claim for claim in study.claims if claim.name in set(points["agent"])]
        for bar in sorted({claim.bar for claim in drawn if claim.bar is not None}):
            line_across(axes, bar, f"bar {bar:g}")
        axes.set(xlabel="Environment steps", ylabel="Return of training episodes")
        config = {"env": study.env_name, "dataset": study.dataset, "env_options": study.env_options}
        axes.set_title(figure_title(points["agent"], config, points["seed"]), parse_math=False)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        legend_beside(axes)
    plt.close(figure)
    save_figure(figure, path, [".png"])
