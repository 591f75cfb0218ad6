"""Metrics that are collected while agents learn."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pydeeprecsys.errors import InputError
from pydeeprecsys.files import whole_file
from pydeeprecsys.looks import looks
from pydeeprecsys.notebook import table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_Panel = tuple[str, str, dict[str, pd.Series | None]]

COLUMNS = ("metric", "measurement", "timestep", "episode", "model", "env")


class LearningStatistics:
    """Collects measurements, each with the time step, episode, model and environment it was taken at.

    Args:
        model_name: the model that is being measured.
        env_name: the environment it is in.

    Attributes:
        timestep: time step within the episode, set by the loop.
        episode: the episode, likewise.
        model_name: as given; may change between measurements.
        env_name: as given; may change between measurements.
        collected_metrics: one dictionary a measurement, with the keys `COLUMNS`.
    """

    def __init__(self, model_name: str | None = None, env_name: str | None = None) -> None:
        self.collected_metrics: list[dict[str, Any]] = []
        self.model_name = model_name
        self.env_name = env_name
        self.timestep = 0
        self.episode = 0

    def append_metric(self, metric_name: str, metric_value: Any) -> None:
        """Record a measurement: a number, or a sequence of numbers, one for each time step of the episode."""
        self.collected_metrics.append(
            {
                "metric": metric_name,
                "measurement": np.asarray(metric_value).tolist(),
                "timestep": self.timestep,
                "episode": self.episode,
                "model": self.model_name,
                "env": self.env_name,
            }
        )

    def get_metrics(self, metric_name: str, model: str | None = None, env: str | None = None) -> pd.Series | None:
        """The measurements of a metric, of all models and environments or of those given; None where there are none."""
        measurements = [
            collected["measurement"]
            for collected in self.collected_metrics
            if collected["metric"] == metric_name
            and model in (None, collected["model"])
            and env in (None, collected["env"])
        ]
        return pd.Series(measurements) if measurements else None

    @property
    def moving_rewards(self) -> pd.Series | None:
        """Mean return of the last episodes, after each episode."""
        return self.get_metrics("moving_rewards")

    @property
    def episode_rewards(self) -> pd.Series | None:
        """Return of each episode."""
        return self.get_metrics("episode_rewards")

    @property
    def epsilon_values(self) -> pd.Series | None:
        """Exploration probability, each time it was recorded."""
        return self.get_metrics("epsilon_values")

    @property
    def loss_values(self) -> pd.Series | None:
        """Loss of each update."""
        return self.get_metrics("loss")

    def to_frame(self) -> pd.DataFrame:
        """All measurements: one row each, columns `COLUMNS`."""
        return pd.DataFrame(self.collected_metrics, columns=list(COLUMNS))

    def aggregate(self, metric: str, by: str | Sequence[str] = "model") -> pd.DataFrame:
        """Summarise a metric at some level.

        A measurement that is a sequence counts as one for each time step, from 1.

        Args:
            metric: which metric.
            by: one or more of "model", "env", "episode", "timestep".

        Returns:
            One row a group; columns count, mean, std (NaN for a single measurement), min, max.

        Raises:
            InputError: for a metric that was not recorded, or another level.
        """
        levels = [by] if isinstance(by, str) else list(by)
        for level in levels:
            if level not in COLUMNS[2:]:
                raise InputError(f"cannot aggregate by {level!r}; the levels are {', '.join(COLUMNS[2:])}")
        frame = self.to_frame()
        recorded = frame["metric"].unique()
        if metric not in recorded:
            raise InputError(f"no metric {metric!r} was recorded, only: {', '.join(recorded) or 'none'}")
        frame = frame[frame["metric"] == metric].reset_index(drop=True)
        is_sequence = frame["measurement"].map(lambda measurement: isinstance(measurement, list))
        frame = frame.explode("measurement")
        in_sequence = is_sequence.loc[frame.index]
        position = frame.groupby(level=0).cumcount() + 1
        frame["timestep"] = frame["timestep"].where(~in_sequence, position)
        measurements = frame.astype({"measurement": float}).groupby(levels, dropna=False)["measurement"]
        return measurements.agg(["count", "mean", "std", "min", "max"])

    def _repr_html_(self) -> str:
        """Number, mean and last of the measurements of each metric, for notebooks."""
        measured: dict[str, list[float]] = {}
        for collected in self.collected_metrics:
            measured.setdefault(collected["metric"], []).extend(np.atleast_1d(collected["measurement"]).tolist())
        rows = {name: [len(each), f"{np.mean(each):.4g}", f"{each[-1]:.4g}"] for name, each in measured.items() if each}
        title = " in ".join(filter(None, ["LearningStatistics", self.env_name]))
        return table(f"{title}: {self.model_name}" if self.model_name else title, {"": ["n", "mean", "last"], **rows})

    def save_csv(self, path: str | os.PathLike[str]) -> None:
        """Write `to_frame` as CSV; the file appears whole or not at all."""
        with whole_file(path) as temporary:
            self.to_frame().to_csv(temporary, index=False)

    def plot_rewards(self) -> Figure:
        """Draw the return of each episode and its moving average."""
        return self._draw([("Episode", "Return", {"episode": self.episode_rewards, "average": self.moving_rewards})])

    def plot_learning_stats(self, title: str | None = None, *, recorded_only: bool = False) -> Figure:
        """Draw the return of each episode, its moving average, the loss and the exploration probability: 2x2.

        Args:
            title: of the figure, by default the models and environments.
            recorded_only: draw no panel for what was not recorded, if anything was.
        """
        panels = [
            ("Episode", "Return", {"episode": self.episode_rewards}),
            ("Episode", "Return, moving average", {"average": self.moving_rewards}),
            ("Update", "Loss", {"loss": self.loss_values}),
            ("Episode", "Exploration probability", {"epsilon": self.epsilon_values}),
        ]
        recorded = [panel for panel in panels if _is_recorded(panel)]
        return self._draw(recorded if recorded and recorded_only else panels, title)

    def _draw(self, panels: Sequence[_Panel], title: str | None = None) -> Figure:
        """Draw the panels, each of an x label, a y label and lines."""
        import matplotlib.pyplot as plt

        from pydeeprecsys.figures import ShownOnce

        rows = 2 if len(panels) == 4 else 1
        columns = len(panels) // rows
        size = (max(7, 4.5 * columns), 0.7 + 3.3 * rows)
        figure, grid = plt.subplots(
            rows, columns, figsize=size, layout="constrained", squeeze=False, FigureClass=ShownOnce
        )
        models, envs = (list(dict.fromkeys(row[key] for row in self.collected_metrics)) for key in ("model", "env"))
        names = ", ".join(str(name) for name in (*models, *envs) if name is not None)
        figure.suptitle(names if title is None else title, parse_math=False)
        colour = looks({"": str(models[0])})[""].colour if len(models) == 1 else None
        for axes, panel in zip(grid.flat, panels, strict=True):
            x, y, lines = panel
            axes.set(xlabel=x, ylabel=y)
            for (label, series), style in zip(lines.items(), ("-", "--"), strict=False):
                if series is not None:
                    axes.plot(np.arange(1, len(series) + 1), series.to_numpy(), style, label=label, color=colour)
            if len(axes.lines) > 1:
                axes.legend()
            if not _is_recorded(panel):
                axes.set(xticks=[], yticks=[])
                axes.text(0.5, 0.5, "not recorded", ha="center", transform=axes.transAxes)
        return figure

    def state_dict(self) -> dict[str, Any]:
        """All that was collected, and the time step and episode, as numbers and text."""
        # Text, because measurements are of different lengths; JSON gives back every float to the bit.
        collected = json.dumps(self.collected_metrics)
        return {"timestep": self.timestep, "episode": self.episode, "collected_metrics": collected}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.timestep = int(state["timestep"])
        self.episode = int(state["episode"])
        self.collected_metrics = json.loads(str(state["collected_metrics"]))


def _is_recorded(panel: _Panel) -> bool:
    return any(series is not None for series in panel[2].values())
