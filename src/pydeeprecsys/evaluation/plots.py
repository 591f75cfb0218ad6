"""Figures of comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pydeeprecsys.evaluation.intervals import median_interval
from pydeeprecsys.evaluation.standings import ORACLE, SIMPLE_POLICIES
from pydeeprecsys.files import whole_file
from pydeeprecsys.looks import looks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVE_POINTS = 120
"""Points on a learning curve: more are not seen, and the interval of each takes time."""
HARMS = {"violence": "Violence of a session, mean", "cvar": "Violence of a session, CVaR"}
"""The axes of a front, by the column of `front_table`."""
_MARKED = 7  # points of a line that have a marker


def median_curves(
    axes: Axes, points: pd.DataFrame, x: str, y: str, hue: str, agents: Mapping[str, str] | None = None
) -> None:
    """Draw the median over seeds as a line for each of `hue`, with a band of its 95 % confidence intervals.

    The axis is scaled to the single seeds; bands from three or four of them may reach far beyond. Of fewer there is
    none: see `median_interval`.

    Args:
        axes: to draw on.
        points: a row for each point of a seed.
        x: name of a column.
        y: likewise; its values may be NaN where nothing is known.
        hue: likewise, of what has a line of its own.
        agents: the agent of each of these, whose `looks` it has; by default they are agents.
    """
    points = points.dropna(subset=[y])
    names = list(points[hue].unique())
    agents = {name: name if agents is None else agents[name] for name in names}
    look = looks(agents)
    for name in names:
        own = points[points[hue] == name]
        at, measured = zip(*own.groupby(x)[y], strict=True)
        low, high = np.transpose([median_interval(values) for values in measured])
        style = look[name].as_line(learns=agents[name] not in (*SIMPLE_POLICIES, ORACLE))
        medians = [values.median() for values in measured]
        axes.plot(at, medians, label=name, markevery=max(1, len(at) // _MARKED), markersize=6, **style)
        axes.fill_between(np.array(at, dtype=float), low, high, color=style["color"], alpha=0.15, linewidth=0)
    lowest, highest = points[y].min(), points[y].max()
    room = 0.05 * (highest - lowest) or 1.0
    axes.set_ylim(lowest - room, highest + room)


def line_across(axes: Axes, height: float, label: str, colour: str = "black") -> None:
    """Draw a horizontal reference line; the axis is extended to show it."""
    axes.axhline(height, color=colour, linewidth=1, linestyle=":", label=label)
    low, high = axes.get_ylim()
    room = 0.05 * (high - low)
    axes.set_ylim(min(low, height - room), max(high, height + room))


def legend_beside(axes: Axes) -> None:
    """Put the legend to the right of the axes, with names as they are."""
    lines = axes.get_lines()
    names = [str(line.get_label()) for line in lines]
    legend = axes.legend(lines, names, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, handlelength=3.5)
    for text in legend.get_texts():
        text.set_parse_math(False)


def learning_curves(metrics: pd.DataFrame, reference: tuple[str, float] | None = None, title: str = "") -> Figure:
    """Moving average of the return over the episodes: each model's median over its seeds, with 95 % intervals.

    Args:
        metrics: rows of `LearningStatistics.to_frame`, of any number of models and seeds.
        reference: name and height of a line across, such as what an oracle reaches.
        title: of the figure.
    """
    import seaborn as sns
    from matplotlib.figure import Figure

    curves = metrics[metrics["metric"] == "moving_rewards"]
    shown = np.unique(np.linspace(0, curves["episode"].max(), CURVE_POINTS).astype(int))
    curves = curves[curves["episode"].isin(shown)].assign(measurement=lambda rows: rows["measurement"].astype(float))
    with sns.axes_style("whitegrid"), sns.plotting_context("paper", font_scale=1.2):
        figure = Figure(figsize=(10, 5), layout="constrained")
        axes = figure.subplots()
        median_curves(axes, curves, x="episode", y="measurement", hue="model")
        if reference is not None:
            name, height = reference
            line_across(axes, height, name, looks({name: name})[name].colour)
        axes.set(xlabel="Episode", ylabel="Return, moving average (100)")
        figure.suptitle(title, parse_math=False, fontsize="medium")
        legend_beside(axes)
    return figure


def fronts(front: pd.DataFrame, title: str = "") -> Figure:
    """Rating against the mean violence of sessions, and against its CVaR: a line per agent through its values.

    Args:
        front: see `front_table`. Medians over seeds are drawn, with their 95 % confidence intervals as crosses.
        title: of the figure.
    """
    import seaborn as sns
    from matplotlib.figure import Figure

    look = looks({agent: agent for agent in front["agent"].unique()})
    with sns.axes_style("whitegrid"), sns.plotting_context("paper", font_scale=1.2):
        figure = Figure(figsize=(12, 5), layout="constrained")
        panels = figure.subplots(1, 2, sharey=True)
        for axes, (harm, label) in zip(panels, HARMS.items(), strict=True):
            for agent in look:
                points = front[front["agent"] == agent]
                style = look[agent].as_line(learns=agent not in (*SIMPLE_POLICIES, ORACLE))
                errors = {
                    name: np.fmax([points[of] - points[f"{of}_low"], points[f"{of}_high"] - points[of]], 0)  # none: NaN
                    for name, of in (("xerr", harm), ("yerr", "rating"))
                }
                axes.plot(points[harm], points["rating"], label=agent, markersize=6, **style)
                for x, y, value in points[[harm, "rating", "value"]].itertuples(index=False):
                    if points[harm].nunique() > 1:  # others are one point
                        axes.annotate(f"{value:g}", (x, y), (4, 4), textcoords="offset points", fontsize="x-small")
                axes.errorbar(points[harm], points["rating"], **errors, fmt="none", ecolor=style["color"], alpha=0.4)
            axes.set(xlabel=label, xlim=_around(front[harm]), ylim=_around(front["rating"]))
        panels[0].set(ylabel="Rating of what is shown, stars")
        figure.suptitle(title, parse_math=False, fontsize="medium")
        legend_beside(panels[1])
    return figure


def _around(points: pd.Series[float]) -> tuple[float, float]:
    """Ends of an axis for some points: their intervals may reach far beyond."""
    low, high = points.min(), points.max()
    room = 0.08 * (high - low) or 0.1
    return low - room, high + room


def save_figure(figure: Figure, path: Path, suffixes: Sequence[str] = (".png", ".pdf")) -> None:
    """Write a figure in each of the formats that the suffixes name; each file appears whole or not at all."""
    for suffix in suffixes:
        with whole_file(path.with_suffix(suffix)) as temporary:
            figure.savefig(temporary, dpi=150)
