"""Commands started together do not meet: `python -m reproductions.started_together`.

Two, four and eight commands that train, compare and tune on new ratings are started at the same moment in one folder,
20 times each, without --out. Each must end well in a folder of its own, and the world must be built once. One row per
number of commands is written when it is done.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
import pandas as pd

from pydeeprecsys.files import whole_file

RESULTS = Path(__file__).parent / "results" / "started_together.csv"

_COMMANDS = (
    "train random --episodes 2",
    "compare --agents random,popular --episodes 2",
    "tune reinforce --trials 1 --episodes 2",
    "train random --episodes 2",
)


def start_together(n: int, seed: int, folder: Path) -> tuple[int, int, int]:
    """Start commands together.

    Args:
        n: Number of commands.
        seed: Seed of the ratings; a new one needs a new world.
        folder: New folder to start them in.

    Returns:
        How many ended well, the folders of results, and the kept worlds.
    """
    generator = np.random.default_rng(seed)
    users, items = np.divmod(generator.permutation(2400)[:900], 60)
    ratings = pd.DataFrame({"user": users, "item": items, "rating": generator.integers(1, 6, 900)})
    ratings.to_csv(folder / "ratings.csv", index=False)
    variables = {**os.environ, "PYDEEPRECSYS_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}
    program = [sys.executable, "-m", "pydeeprecsys.cli"]
    small = ["--dataset", "ratings.csv", "--evaluation-episodes", "2"]
    started = [
        subprocess.Popen(
            [*program, *command.split(), *small], cwd=folder, env=variables, stdout=-3, stderr=-1, text=True
        )
        for command in islice(cycle(_COMMANDS), n)
    ]
    ended = [process.communicate(timeout=600)[1] for process in started]
    for process, error in zip(started, ended, strict=True):
        if process.returncode:
            click.echo(f"{' '.join(process.args[3:])}: {error[-300:]}")  # type: ignore[index]
    results = [path for path in (folder / "runs").iterdir() if (path / "config.json").exists()]
    worlds = list((folder / "home").rglob("*.world"))
    return sum(process.returncode == 0 for process in started), len(results), len(worlds)


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=20, help="How often each number; results are kept of 20.")
def main(rounds: int) -> None:
    """Start commands together, and write how they ended."""
    rows: list[dict[str, Any]] = []
    for n in (2, 4, 8):
        begun, ends = time.perf_counter(), []
        for seed in range(rounds):
            with TemporaryDirectory() as temporary:
                ends.append(start_together(n, seed, Path(temporary)))
        well, folders, worlds = (sum(each) for each in zip(*ends, strict=True))
        row = {"commands": n, "rounds": rounds, "ended_well": well, "folders": folders, "worlds": worlds}
        rows.append(row | {"seconds": round(time.perf_counter() - begun, 1)})
        click.echo(pd.DataFrame(rows[-1:]).to_string(index=False, header=n == 2))
        if rounds == 20:
            with whole_file(RESULTS) as path:
                pd.DataFrame(rows).to_csv(path, index=False)
    if any(
        (row["ended_well"], row["folders"], row["worlds"]) != (row["commands"] * rounds,) * 2 + (rounds,)
        for row in rows
    ):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
