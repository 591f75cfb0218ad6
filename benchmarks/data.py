"""From ratings to a world: seconds, error, memory, and how the cost grows with the number of ratings."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

from benchmarks.report import Bar, Results, Row
from benchmarks.timing import Effort, in_fresh_process, in_turn, peak_megabytes, timed
from pydeeprecsys.data.download import data_home
from pydeeprecsys.data.factorization import factorize
from pydeeprecsys.data.library import read_dataset
from pydeeprecsys.data.synthetic import synthetic_dataset
from pydeeprecsys.data.world import World

Figures = dict[str, float]

# The error of a random tenth that the factorization has not seen, by data set.
_RMSE = {"ml-1m": 0.835, "ml-100k": 0.880}
_MILLIONS = (1.0, 4.0, 16.0)
_USERS_PER_MILLION = 6040
_LINEAR = Bar(most=1.25)  # what "grows linearly" is read as: of the seconds for each rating
_GROWTH_REPETITIONS = 3  # of the 16 million, minutes each


def measure(effort: Effort, folder: Path | None) -> list[Results]:
    """One table for real ratings, one for growing numbers of generated ones.

    Args:
        effort: how much is measured.
        folder: where releases lie, besides those that were fetched.
    """
    return [_releases(effort, folder), _growth(effort)]


def _releases(effort: Effort, folder: Path | None) -> Results:
    rows: list[Row] = []
    notes: list[str] = []
    for name, rmse in _RMSE.items():
        places = [place / f"{name}.zip" for place in (data_home(), folder) if place]
        path = next((place for place in places if place.exists()), None)
        if path is None:
            notes.append(
                f"{name} was not here: 'pydeeprecsys data fetch {name}' gets it, --data names a folder with it."
            )
            continue
        runs = in_turn({name: partial(in_fresh_process, _to_world, path)}, effort.repetitions)[name]
        with tempfile.TemporaryDirectory() as empty:
            first = in_fresh_process(_to_world, path, environment={"NUMBA_CACHE_DIR": empty})
        rows += [
            Row(f"{name}, zip to world", "s", _of("seconds", runs), Bar(most=25)),
            Row(f"{name}, zip to world, compiling first", "s", _of("seconds", [first]), Bar(most=25)),
            Row(f"{name}, peak memory", "MB", _of("megabytes", runs), Bar(most=1500)),
            Row(f"{name}, held-out RMSE", "stars", _of("rmse", runs), Bar(most=rmse)),
            Row(f"{name}, loading the saved world", "s", _of("load_seconds", runs), Bar(most=0.3)),
        ]
    return Results("Real ratings, each repetition in a fresh process", rows, notes=notes)


def _to_world(path: Path) -> Figures:
    seconds, world = timed(lambda: World.from_dataset(read_dataset(path)))
    megabytes = peak_megabytes()
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "saved.world"
        world.save(saved)
        load_seconds, _ = timed(World.load, saved)
    return {
        "seconds": seconds,
        "megabytes": megabytes,
        "rmse": world.record["held_out_rmse"],
        "load_seconds": load_seconds,
    }


def _growth(effort: Effort) -> Results:
    sizes = [millions / 10 for millions in _MILLIONS] if effort.quick else _MILLIONS
    works = {
        f"{millions:g} million": partial(in_fresh_process, _generate_and_factorize, millions) for millions in sizes
    }
    repetitions = min(effort.repetitions, _GROWTH_REPETITIONS)
    runs = in_turn(works, repetitions, warm_up=False)  # each process warms up by itself
    smallest, *larger = runs
    base = _of("factorization", runs[smallest])
    rows: list[Row] = []
    for name, figures in runs.items():
        rows += [
            Row(f"{name}, generation", "s", _of("generation", figures)),
            Row(f"{name}, factorization per million", "s", _of("factorization", figures)),
            Row(f"{name}, peak memory", "MB", _of("megabytes", figures)),
        ]
    for name in larger:
        ratios = [cost / of_base for cost, of_base in zip(_of("factorization", runs[name]), base, strict=True)]
        rows.append(Row(f"{name} over {smallest}, cost of a rating", "times", ratios, _LINEAR))
    return Results("Growing numbers of generated ratings, users in proportion, 3,883 items", rows)


def _generate_and_factorize(millions: float) -> Figures:
    factorize(synthetic_dataset(100, 100, 2000))
    generation, dataset = timed(
        synthetic_dataset, round(millions * _USERS_PER_MILLION), 3883, round(millions * 1_000_000)
    )
    seconds, _ = timed(factorize, dataset)
    return {
        "generation": generation,
        "factorization": seconds / len(dataset.ratings) * 1e6,
        "megabytes": peak_megabytes(),
    }


def _of(figure: str, runs: list[Figures]) -> list[float]:
    return [run[figure] for run in runs]
