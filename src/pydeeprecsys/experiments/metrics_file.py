"""Measurements on disk as they come: a CSV file to read at any moment, and TensorBoard events."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.learning_statistics import COLUMNS, LearningStatistics


class MetricsFile:
    """Appends what is collected to a CSV file, and its numbers to TensorBoard events beside it.

    Measurements stand in the file as JSON: a number, or a list of them. A process killed while it writes leaves half a
    line at most, which `read_back` cuts off: a checkpoint says how far the file was when it was taken.

    Args:
        path: of the CSV file; it is begun anew, with the first `append`.
        statistics: what is collected.
    """

    def __init__(self, path: Path, statistics: LearningStatistics) -> None:
        from torch.utils.tensorboard import SummaryWriter  # takes a while to import

        self.path, self.statistics = path, statistics
        self._written = 0  # measurements
        self._size = 0  # bytes
        self._events = SummaryWriter(path.parent)

    def append(self) -> int:
        """Write what has come since the last time, and give the size of the file in bytes."""
        fresh = self.statistics.collected_metrics[self._written :]
        text = io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        if not self._size:
            lines.writerow(COLUMNS)
        for row in fresh:
            lines.writerow([json.dumps(row[name]) if name == "measurement" else row[name] for name in COLUMNS])
        with self.path.open("ab" if self._size else "wb") as file:
            file.write(text.getvalue().encode())
        self._size = self.path.stat().st_size
        self._written += len(fresh)
        self._tell_tensorboard(fresh)
        return self._size

    def _tell_tensorboard(self, rows: list[dict[str, Any]]) -> None:
        """One point an episode: the mean of what was measured in it."""
        points: dict[tuple[str, int], list[float]] = defaultdict(list)
        for row in rows:
            if isinstance(row["measurement"], int | float):
                points[row["metric"], row["episode"]].append(row["measurement"])
        for (metric, episode), values in points.items():
            self._events.add_scalar(metric, np.mean(values), episode)
        self._events.flush()

    def read_back(self, size: int) -> None:
        """Cut the file to the size it had, and give the statistics what stands in it.

        Raises:
            InputError: it is shorter than that.
        """
        there = self.path.stat().st_size if self.path.exists() else 0
        if there < size:
            raise InputError(f"{self.path} was shortened or removed since the last checkpoint; begin in another folder")
        os.truncate(self.path, size)
        self.statistics.collected_metrics = read_metrics(self.path)
        self._written, self._size = len(self.statistics.collected_metrics), size

    def close(self) -> None:
        """Write what is left, and close the events."""
        self.append()
        self._events.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The measurements of a file, every number to the bit; a last line that is not whole is left out."""
    text = path.read_bytes().decode()
    lines = csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1]))
    return [
        {
            "metric": line["metric"],
            "measurement": json.loads(line["measurement"]),
            "timestep": int(line["timestep"]),
            "episode": int(line["episode"]),
            "model": line["model"] or None,
            "env": line["env"] or None,
        }
        for line in lines
    ]
