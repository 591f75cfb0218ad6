"""Which world a name or a path means; built worlds are kept, so that each is factorized once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from pydeeprecsys.data.dataset import Dataset
from pydeeprecsys.data.download import RELEASES, data_home, locate
from pydeeprecsys.data.factorization import FactorizationSettings
from pydeeprecsys.data.movielens import read_movielens
from pydeeprecsys.data.synthetic import synthetic_dataset
from pydeeprecsys.data.tables import read_tables
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError

SYNTHETIC = "synthetic"
_TABLES = (".csv", ".tsv", ".parquet")
# Part of every kept world's name: raised when reading, generating or factorizing changes what comes out of it.
_RECIPE = 1

Progress = Callable[[int, int], None]


def read_dataset(source: str | Path) -> Dataset:
    """Read the data set that a name or a path means.

    Args:
        source: "synthetic", the name of a fetched release, a MovieLens zip or folder, or a CSV or Parquet of ratings.

    Raises:
        InputError: there is no such data set, or it cannot be read.
    """
    if str(source) == SYNTHETIC:
        return synthetic_dataset()
    path, name, genome = _files(source)
    return read_tables(path) if path.suffix in _TABLES else read_movielens(path, tag_genome=genome, name=name)


def open_world(
    source: str | Path | Dataset | World = SYNTHETIC, progress: Progress = lambda done, total: None
) -> World:
    """Open the world that a name, a path or a data set means, building and keeping it when it is new.

    Args:
        source: what `read_dataset` takes, a saved world (`.world`), a `Dataset`, or a `World`, which is given back.
        progress: called with the factorization's sweeps done and all sweeps while a new world is built.

    Raises:
        InputError: there is no such data set, or it cannot be read.
    """
    if isinstance(source, World):
        return source
    if isinstance(source, Dataset):
        return World.from_dataset(source, progress=progress)
    if str(source).endswith(".world"):
        return World.load(source)
    kept = _kept_path(source)
    if not kept.exists():
        World.from_dataset(read_dataset(source), progress=progress).save(kept)
    return _load(kept)


@lru_cache(maxsize=4)
def _load(path: Path) -> World:
    # Worlds are read-only by convention, so that environments of one process may share one.
    return World.load(path)


def _files(source: str | Path) -> tuple[Path, str | None, Path | None]:
    """The ratings that a name or a path means, the name of the release, and the tag genome, where there is one."""
    named = str(source) in RELEASES
    path = locate(str(source)) if named else Path(source)
    if not path.exists():
        raise InputError(
            f"there is no data set {str(source)!r}: give 'synthetic', a path, or one of {', '.join(RELEASES)} after "
            "'pydeeprecsys data fetch NAME'"
        )
    genomes = [data_home() / "tag-genome.zip", path.parent / "tag-genome.zip"]
    genome = next((genome for genome in genomes if genome.exists()), None)
    return path, str(source) if named else None, genome


def _kept_path(source: str | Path) -> Path:
    """Where the world is kept: its name changes with everything that the world is made from."""
    digest = hashlib.sha256(f"{_RECIPE} {FactorizationSettings()}".encode())
    label = SYNTHETIC
    if str(source) != SYNTHETIC:
        path, name, genome = _files(source)
        label = name or path.stem
        files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
        for file in (*files, *([genome] if genome else [])):
            digest.update(file.name.encode())
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return data_home() / "worlds" / f"{label}-{digest.hexdigest()[:16]}.world"
