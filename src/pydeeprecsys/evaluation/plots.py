"""Figures of comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pydeeprecsys.evaluation.intervals import median_interval
from pydeeprecsys.files import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVE_POINTS = 120
"""Points on a learning curve: more are not seen, and the interval of each takes time."""
_DASHES = ["", (4, 1.5), (1, 1), (3, 1, 1.5, 1), (5, 1, 1, 1, 1, 1)]  # distinct without colour, too


def median_curves(axes: Axes, points: pd.DataFrame, x: str, y: str, hue: str, dashes: Any = True) -> None:
    """Draw the median over seeds as a line for each of `hue`, with a band of its 95 % confidence intervals.

    The axis is scaled to the single seeds; bands from three or four of them may reach far beyond. Of fewer there is
    none: see `median_interval`.

    Args:
        axes: to draw on.
        points: a row for each point of a seed.
        x: name of a column.
        y: likewise; its values may be NaN where nothing is known.
        hue: likewise, of what has a line of its own.
        dashes: see `seaborn.lineplot`.
    """
    import seaborn as sns

    points = points.dropna(subset=[y])
    names = list(points[hue].unique())
    colours = dict(zip(names, sns.color_palette(None if len(names) <= 10 else "husl", len(names)), strict=True))
    medians = points.groupby([hue, x], sort=False, as_index=False)[y].median()
    sns.lineplot(
        medians, x=x, y=y, hue=hue, style=hue, dashes=dashes, palette=colours, errorbar=None, estimator=None, ax=axes
    )
    for name, own in points.groupby(hue):
        low, high = np.transpose([median_interval(values) for _, values in own.groupby(x)[y]])
        axes.fill_between(np.unique(own[x].astype(float)), low, high, color=colours[name], alpha=0.2, linewidth=0)
    lowest, highest = points[y].min(), points[y].max()
    room = 0.05 * (highest - lowest) or 1.0
    axes.set_ylim(lowest - room, highest + room)


def line_across(axes: Axes, height: float, label: str) -> None:
    """Draw a horizontal reference line; the axis is extended to show it."""
    axes.axhline(height, color="black", linewidth=1, linestyle=":", label=label)
    low, high = axes.get_ylim()
    room = 0.05 * (high - low)
    axes.set_ylim(min(low, height - room), max(high, height + room))


def learning_curves(metrics: pd.DataFrame, reference: tuple[str, float] | None = None) -> Figure:
    """Moving average of the return over the episodes: each model's median over its seeds, with 95 % intervals.

    Args:
        metrics: rows of `LearningStatistics.to_frame`, of any number of models and seeds.
        reference: label and height of a line across, such as what an oracle reaches.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    curves = metrics[metrics["metric"] == "moving_rewards"]
    shown = np.unique(np.linspace(0, curves["episode"].max(), CURVE_POINTS).astype(int))
    curves = curves[curves["episode"].isin(shown)].assign(measurement=lambda rows: rows["measurement"].astype(float))
    with sns.axes_style("whitegrid"), sns.plotting_context("paper", font_scale=1.2):
        figure, axes = plt.subplots(figsize=(10, 5), layout="constrained")
        dashes = [_DASHES[i % len(_DASHES)] for i in range(curves["model"].nunique())]
        median_curves(axes, curves, x="episode", y="measurement", hue="model", dashes=dashes)
        if reference is not None:
            label, height = reference
            line_across(axes, height, label)
        axes.set(xlabel="Episodes", ylabel="Return, moving average (100)")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    plt.close(figure)
    return figure


def save_figure(figure: Figure, path: Path, suffixes: Sequence[str] = (".png", ".pdf")) -> None:
    """Write a figure in each of the formats that the suffixes name; each file appears whole or not at all."""
    for suffix in suffixes:
        with whole_file(path.with_suffix(suffix)) as temporary:
            figure.savefig(temporary, dpi=150)
