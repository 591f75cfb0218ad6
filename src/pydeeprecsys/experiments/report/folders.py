"""What is in the folders of runs and comparisons, be they done or not."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pydeeprecsys.errors import InputError
from pydeeprecsys.evaluation.standings import run_measures
from pydeeprecsys.experiments.run_folder import RESULT

_CURVE = "moving_rewards"


@dataclass(frozen=True)
class RunFolder:
    """One agent from one seed, as far as it has come.

    Attributes:
        source: number of the folder that was asked for, which it is or lies in.
        agent: its name.
        seed: of users and agent.
        config: everything it was told.
        episodes: (points,) of the learning curve, from 0.
        returns: (points,) moving average of the return at these.
        measures: of the sessions it was judged in, see `run_measures`; None before.
        sessions: of these some step by step, as in `sessions.json`; empty before.
        genres: the names of the numbers in a session's affinities.
        note: why it never updated, and what to change; empty where it did, or where nothing is known of it.
    """

    source: int
    agent: str
    seed: int
    config: Mapping[str, Any]
    episodes: NDArray[np.int64]
    returns: NDArray[np.float64]
    measures: Mapping[str, float] | None
    sessions: Sequence[Mapping[str, Any]]
    genres: Sequence[str]
    note: str


@dataclass(frozen=True)
class Source:
    """A folder that was asked for.

    Attributes:
        path: as it was given.
        config: of the run, or of the comparison.
        runs: the run itself, or those of the comparison that have begun.
    """

    path: Path
    config: Mapping[str, Any]
    runs: Sequence[RunFolder]


def read_folder(path: Path, number: int = 0) -> Source:
    """Read the folder of a run or a comparison; what is not there yet is left out.

    Args:
        path: of the folder.
        number: becomes the `source` of its runs.

    Raises:
        InputError: it is no such folder, nothing has been done in it yet, or one of its files cannot be read.
    """
    if not path.is_dir():
        raise InputError(f"there is no folder {path}; name one that train or compare wrote")
    config = _json(path / "config.json")
    needed = {"run": {"agent", "seed"}, "compare": {"agents", "seeds"}}
    kind = str(config.get("kind")) if isinstance(config, dict) else None
    if kind not in needed or not needed[kind] <= config.keys():
        raise InputError(f"{path} is no folder of a run or a comparison; name one that train or compare wrote")
    folders = [path] if kind == "run" else sorted(path.glob("runs/*/"))
    read = [_read_run(folder, number) for folder in folders]
    runs = [run for run in read if run is not None and (len(run.episodes) or run.measures is not None)]
    if not runs:
        raise InputError(f"nothing is done in {path} yet; there is something to report after the first episodes")
    return Source(path, config, runs)


def _read_run(folder: Path, source: int) -> RunFolder | None:
    config = _json(folder / "config.json")
    if config is None:
        return None
    try:
        measures = None
        if (folder / "exposure.csv").exists():  # it comes after evaluation.csv
            exposure = pd.read_csv(folder / "exposure.csv")["shown"]
            measures = run_measures(pd.read_csv(folder / "evaluation.csv"), exposure)
        episodes, returns = _curve(folder / "metrics.csv")
        recorded = _json(folder / "sessions.json") or {"sessions": [], "genres": []}
        return RunFolder(
            source,
            str(config["agent"]),
            int(config["seed"]),
            config,
            episodes,
            returns,
            measures,
            recorded["sessions"],
            recorded["genres"],
            str((_json(folder / RESULT) or {}).get("note", "")),
        )
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{folder} does not hold what a run writes ({error}); remove it, or run it again") from error


def _curve(path: Path) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The learning curve alone: the file grows by every step, and may be in the middle of a line."""
    if not path.exists():
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    with path.open(newline="") as file:
        header = next(csv.reader([next(file, "")]), [])
        # A line that is whole ends, and no field of it before the end of the line holds an end of line.
        rows = list(csv.DictReader((line for line in file if line.startswith(_CURVE) and line.endswith("\n")), header))
    return np.array([int(row["episode"]) for row in rows]), np.array([float(row["measurement"]) for row in rows])


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text()) if path.exists() else None
    except ValueError as error:
        raise InputError(f"{path} is not readable as JSON ({error}); remove it, or run it again") from error
