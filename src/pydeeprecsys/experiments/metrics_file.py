"""Measurements on disk as they come: a CSV file that can be read at any moment, and TensorBoard events."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.learning_statistics import COLUMNS, LearningStatistics

_END = 1 << 16  # bytes
_EPISODE = re.compile(rb",(\d+),[^,\n]*,[^,\n]*\n")  # in a line that is whole
_NO_HYPERPARAMETERS = ("kind", "provenance", "env_options", "hyperparameters", "checkpoint_every")
_HEADER = ",".join(COLUMNS) + "\n"


class MetricsFile:
    """Appends measurements to a CSV file, and the numbers among them to TensorBoard events beside it.

    A measurement is written as JSON: a number, or a list of numbers. A process killed while it writes leaves half a
    line at most, which `read_back` cuts off: a checkpoint holds the size of the file at its time.

    TensorBoard shows the settings in its tab HPARAMS, beside the last point of each metric.

    Args:
        path: of the CSV file; the first `append` begins it anew.
        statistics: the measurements.
        config: the settings of the run.
    """

    def __init__(self, path: Path, statistics: LearningStatistics, config: Mapping[str, Any]) -> None:
        from torch.utils.tensorboard import SummaryWriter  # takes a while to import
        from torch.utils.tensorboard.summary import hparams

        self.path, self.statistics = path, statistics
        self._written = 0  # measurements
        self._size = 0  # bytes
        self._digest = hashlib.blake2b(digest_size=16)
        self._events = SummaryWriter(path.parent)
        # The start of a session alone. A list of the hyperparameters would hide those that other agents have.
        _, start, _ = hparams(_hyperparameters(config), {})  # type: ignore[no-untyped-call]
        self._events.file_writer.add_summary(start)  # type: ignore[attr-defined]

    def append(self) -> dict[str, Any]:
        """Write the measurements since the last call, and give the size of the file in bytes and its checksum."""
        fresh = self.statistics.collected_metrics[self._written :]
        text = io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        if not self._size:
            lines.writerow(COLUMNS)
        for row in fresh:
            lines.writerow([json.dumps(row[name]) if name == "measurement" else row[name] for name in COLUMNS])
        content = text.getvalue().encode()
        with self.path.open("ab" if self._size else "wb") as file:
            file.write(content)
        self._size += len(content)
        self._digest.update(content)
        self._written += len(fresh)
        self._add_events(fresh)
        return {"size": self._size, "digest": self._digest.hexdigest()}

    def _add_events(self, rows: list[dict[str, Any]]) -> None:
        """Give TensorBoard one point per metric and episode: the mean of its measurements."""
        points: dict[tuple[str, int], list[float]] = defaultdict(list)
        for row in rows:
            if isinstance(row["measurement"], int | float):
                points[row["metric"], row["episode"]].append(row["measurement"])
        for (metric, episode), values in points.items():
            self._events.add_scalar(metric, np.mean(values), episode)
        self._events.flush()

    def read_back(self, then: Mapping[str, Any]) -> None:
        """Cut the file to what it was when `append` gave this, and load its measurements into the statistics.

        Raises:
            InputError: it was changed since then; it is left as it is.
        """
        before = b""
        if self.path.exists():
            with self.path.open("rb") as file:
                before = file.read(then["size"])
        digest = hashlib.blake2b(before, digest_size=16)
        if digest.hexdigest() != then["digest"]:
            raise InputError(
                f"{self.path} was changed since the last checkpoint, as by a spreadsheet that saved it; put the file "
                "back, or begin in another folder"
            )
        os.truncate(self.path, then["size"])
        self.statistics.collected_metrics = read_metrics(self.path)
        self._written, self._size, self._digest = len(self.statistics.collected_metrics), then["size"], digest

    def add_final(self, measures: Mapping[str, float]) -> None:
        """Give TensorBoard what the run reached in its evaluation, as far as it is known."""
        for name, value in measures.items():
            if value == value:
                self._events.add_scalar(f"final/{name}", value, self.statistics.episode)

    def close(self) -> None:
        """Close the events."""
        self._events.close()


def _hyperparameters(config: Mapping[str, Any]) -> dict[str, bool | float | str | None]:
    """The settings as TensorBoard takes them: the hyperparameters and the environment's options beside the others."""
    settings = {**config, **config["env_options"], **config["hyperparameters"]}
    for name in _NO_HYPERPARAMETERS:
        del settings[name]
    plain = bool | int | float | str | None
    return {name: value if isinstance(value, plain) else json.dumps(value) for name, value in settings.items()}


def read_metrics(path: Path, metric: str | None = None) -> list[dict[str, Any]]:
    """The measurements in a file, of one metric or of all, every number to the bit; an unfinished last line is dropped.

    The file may be growing.

    Raises:
        InputError: it is not as `MetricsFile` writes it.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            if not (header := next(file, "")).endswith("\n"):
                return []
            if header != _HEADER:
                raise ValueError(f"its first line is not {_HEADER.strip()}")
            # No field but the last holds an end of line, so a line of a metric begins with its name.
            lines = (line for line in file if line.endswith("\n") and (metric is None or line.startswith(f"{metric},")))
            return [
                {
                    "metric": line["metric"],
                    "measurement": json.loads(line["measurement"]),
                    "timestep": int(line["timestep"]),
                    "episode": int(line["episode"]),
                    "model": line["model"] or None,
                    "env": line["env"] or None,
                }
                for line in csv.DictReader(lines, COLUMNS)
            ]
    except (ValueError, TypeError, csv.Error) as error:
        raise InputError(
            f"{path} is not as it was written, as if a spreadsheet had saved it ({error}); put the file back, or run "
            "it again in another folder"
        ) from error


def episodes_in(path: Path) -> int:
    """Episodes that the measurements in a file are of: from its end, however large it is; 0 if there is no file."""
    if not path.exists():
        return 0
    with path.open("rb") as file:
        file.seek(-min(_END, path.stat().st_size), os.SEEK_END)
        numbers = _EPISODE.findall(file.read())
    return int(numbers[-1]) + 1 if numbers else 0
