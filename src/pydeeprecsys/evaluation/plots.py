"""Figures of comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pydeeprecsys.files import whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_POINTS = 150  # on a curve: more are not seen, and every point's interval takes time
_DASHES = ["", (4, 1.5), (1, 1), (3, 1, 1.5, 1), (5, 1, 1, 1, 1, 1)]  # told apart without colour too


def learning_curves(metrics: pd.DataFrame, reference: tuple[str, float] | None = None) -> Figure:
    """Moving average of the return over the episodes: a line for each model, with a 95 % interval over its seeds.

    Args:
        metrics: rows of `LearningStatistics.to_frame`, of any number of models and seeds.
        reference: label and height of a line across, such as what an oracle reaches.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    curves = metrics[metrics["metric"] == "moving_rewards"]
    shown = np.unique(np.linspace(0, curves["episode"].max(), _POINTS).astype(int))
    curves = curves[curves["episode"].isin(shown)].assign(measurement=lambda rows: rows["measurement"].astype(float))
    with sns.axes_style("whitegrid"), sns.plotting_context("paper", font_scale=1.2):
        figure, axes = plt.subplots(figsize=(10, 5), layout="constrained")
        sns.lineplot(
            data=curves,
            x="episode",
            y="measurement",
            hue="model",
            style="model",
            dashes=[_DASHES[i % len(_DASHES)] for i in range(curves["model"].nunique())],
            errorbar=("ci", 95),
            n_boot=200,
            seed=0,
            ax=axes,
        )
        if reference is not None:
            label, height = reference
            axes.axhline(height, color="black", linewidth=1, linestyle=":", label=label)
        axes.set(xlabel="Episodes", ylabel="Return, moving average (100)")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    plt.close(figure)
    return figure


def save_figure(figure: Figure, path: Path, suffixes: Sequence[str] = (".png", ".pdf")) -> None:
    """Write a figure in each of the formats that the suffixes name; each file appears whole or not at all."""
    for suffix in suffixes:
        with whole_file(path.with_suffix(suffix)) as temporary:
            figure.savefig(temporary, dpi=150)
