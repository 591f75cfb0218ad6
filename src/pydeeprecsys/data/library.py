"""Worlds by name or path; built worlds are kept on disk, so that each is factorized once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pandas as pd

from pydeeprecsys.arguments import Argument, arguments_of
from pydeeprecsys.data.columns import open_table
from pydeeprecsys.data.dataset import Dataset
from pydeeprecsys.data.download import data_home, locate
from pydeeprecsys.data.entities import read_user_columns
from pydeeprecsys.data.factorization import FactorizationSettings
from pydeeprecsys.data.movielens import has_genome_ids, is_release, read_movielens
from pydeeprecsys.data.movielens_layouts import FILE_NAMES, OCCUPATION_NAMES
from pydeeprecsys.data.planted import planted_gap
from pydeeprecsys.data.releases import GENOME, NO_GAP, PLANTED_GAP, RELEASES, SYNTHETIC, is_name, path_of, split
from pydeeprecsys.data.synthetic import synthetic_dataset
from pydeeprecsys.data.table_files import TableFile, is_table
from pydeeprecsys.data.tables import read_tables, wants_genome
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError, did_you_mean, warn
from pydeeprecsys.files import kept
from pydeeprecsys.progress import notebook_bar

RECIPE = 3
"""Part of the name of every kept world: raised when reading, generating or factorizing gives other worlds."""

Progress = Callable[[int, int], None]


def read_dataset(source: str | Path) -> Dataset:
    """Read a data set by name or path.

    Args:
        source: the name of a generated data set or of a fetched release, a MovieLens zip or folder, or a table of
            ratings. The last may be followed by arguments of `read_tables`, as in a URL:
            `ratings.csv?user_column=who&scale=1,10&items=movies.csv`. Files named there are relative to the ratings;
            `%26` encodes "&" in a value, `%25` encodes "%". Likewise, "planted-gap" and "no-gap" take arguments of
            `planted_gap`: `planted-gap?gap=0.2&seed=1`.

    Raises:
        InputError: no such data set, or one that cannot be read.
    """
    if str(source) == SYNTHETIC:
        return synthetic_dataset()
    if planted := _planted_options(str(source)):
        return planted_gap(**planted)[0]
    read, path, options = _reader(source)
    return read(path, **options)


def read_user_table(source: str | Path) -> tuple[pd.DataFrame, str]:
    """Every column that is known of the users of a data set, as text, and the checksum of the data set.

    Args:
        source: an argument of `read_dataset`.

    Returns:
        One row per user, by id; None where a value is missing. A table of the user's own has its own columns and words,
        and besides `sex`, `age` and `occupation` as they were read, where it has no columns of these names.

    Raises:
        InputError: no such data set, one that cannot be read, or a saved world, which holds no table of users.
    """
    if str(source).endswith(".world"):
        raise InputError(f"{source} is a saved world, which knows sex, age and occupation alone; give its data set")
    dataset = read_dataset(source)
    occupations = dict(enumerate(OCCUPATION_NAMES))
    users = dataset.users.assign(occupation=dataset.users["occupation"].map(occupations).astype(object))
    table = read_user_columns(TableFile(users, "users"), {})
    options = {} if is_name(str(source)) else _reader(source)[2]
    if options.get("users") is not None:
        own = read_user_columns(open_table("users", options), options)
        table = own.join(table.drop(columns=table.columns.intersection(own.columns)), how="right")
    return table, dataset.checksum


def open_world(source: str | Path | Dataset | World = SYNTHETIC, progress: Progress | None = None) -> World:
    """Open a world by name, path or data set; a new one is built and kept, see `files.kept`.

    Args:
        source: an argument of `read_dataset`, a saved world (`.world`), a `Dataset`, or a `World`, returned as it is.
        progress: called with the sweeps done and their total number while a new world is factorized; by default a bar
            in a notebook, and nothing elsewhere.

    Raises:
        InputError: no such data set, or one that cannot be read.
    """
    if isinstance(source, World):
        return source
    progress = progress or notebook_bar(f"building the world of {getattr(source, 'name', source)}")
    if isinstance(source, Dataset):
        return World.from_dataset(source, progress=progress)
    if str(source).endswith(".world"):
        return World.load(source)
    world = kept(
        _kept_path(source),
        load=_load,
        build=lambda: _build(source, progress),
        save=World.save,
    )
    warn(world.record.get("notes", ()))
    return world


def _build(source: str | Path, progress: Progress) -> World:
    if planted := _planted_options(str(source)):
        dataset, factors = planted_gap(**planted)
        return World.from_dataset(dataset, factors=factors)
    return World.from_dataset(read_dataset(source), progress=progress)


@lru_cache(maxsize=4)
def _load(path: Path) -> World:
    # Worlds are read-only by convention, so that environments of one process may share one.
    return World.load(path)


def absolute(source: str) -> str:
    """The name of a data set, or its path from the root, so that it is found from any folder."""
    if is_name(source):
        return source
    path, query = split(source)
    return os.path.abspath(path) + (query and f"?{query}") if path.exists() else source


def _reader(source: str | Path) -> tuple[Callable[..., Dataset], Path, dict[str, Any]]:
    """The reader of a name or path, the path it reads, and its other arguments."""
    text = str(source)
    named = {}
    if text in RELEASES:
        path, named = locate(text), {"name": text}
    else:
        path, query = path_of(text)
        if is_table(path) and not (path.is_dir() and is_release(path)):
            options: dict[str, Any] = _table_options(path, query) if query else {}
            if wants_genome(options):
                options = _genome(path.parent, options.get("tag_genome")) | options
            return read_tables, path, options
        if query:
            raise InputError(f"{path}: options after '?' are for tables of your own, not for MovieLens' files")
    genome = _genome(path.parent)
    if has_genome_ids(path):
        genome.pop("genome_titles", None)
    return read_movielens, path, named | genome


def _genome(beside: Path, given: Path | None = None) -> dict[str, Path]:
    """The tag genome given, fetched, or beside the data, and a release that lists titles for its movie ids."""

    def first(*names: str) -> Path | None:
        paths = (folder / f"{name}.zip" for name in names for folder in (data_home(), beside))
        return next((path for path in paths if path.exists()), None)

    genome = given or first(GENOME)
    titles = first(*(name for name in RELEASES if name not in ("ml-100k", GENOME)))
    return ({"tag_genome": genome} | ({"genome_titles": titles} if titles else {})) if genome else {}


def table_options() -> Mapping[str, Argument]:
    """The arguments of `read_tables` that may follow a path, by name."""
    return {name: argument for name, argument in arguments_of(read_tables).items() if name != "ratings"}


def _settings(source: str | Path, query: str, known: Collection[str]) -> dict[str, str]:
    """Settings by name from `name=value&name=value`."""
    settings = dict[str, str]()
    for setting in query.split("&"):
        name, _, value = setting.partition("=")
        if name not in known:
            raise InputError(f"{source}: there is no option {name!r}; {did_you_mean(name, known)}")
        if not value or name in settings:
            raise InputError(f"{source}: give the option {name} once, with a value, as in '?{name}=...'")
        settings[name] = value
    return settings


def _planted_options(source: str) -> dict[str, Any]:
    """Arguments of `planted_gap` for a name, which options may follow; none for other sources."""
    name, mark, query = source.partition("?")
    if name not in (PLANTED_GAP, NO_GAP):
        return {}
    fixed = {"name": name} | ({"gap": 0.0} if name == NO_GAP else {})
    known = {option: argument for option, argument in arguments_of(planted_gap).items() if option not in fixed}
    given = _settings(name, query, known) if mark else {}
    return fixed | {option: known[option].read(unquote(value)) for option, value in given.items()}


def _table_options(ratings: Path, query: str) -> dict[str, Any]:
    """Arguments of `read_tables` from `name=value&name=value`."""
    known, options = table_options(), dict[str, Any]()
    for name, value in _settings(ratings, query, known).items():
        if name in ("items", "users", "tag_genome", "genome_titles"):
            as_written = ratings.parent / Path(value).expanduser()
            options[name] = as_written if as_written.exists() else ratings.parent / Path(unquote(value)).expanduser()
            if not options[name].exists():
                raise InputError(f"{options[name]}: there is no such file, given as {name} of {ratings.name}")
        elif kind := {"scale": float, "sexes": str}.get(name):
            try:
                first, second = map(kind, unquote(value).split(","))
            except ValueError as error:
                example = "two numbers, such as 1,10" if kind is float else "two words, such as weiblich,männlich"
                raise InputError(f"{ratings}: {name} should be {example}, found {unquote(value)!r}") from error
            options[name] = (first, second)
        else:
            options[name] = known[name].read(unquote(value))
    return options


def _kept_path(source: str | Path) -> Path:
    """Path of the kept world: its name depends on everything that the world is built from."""
    digest = hashlib.sha256(f"{RECIPE} {FactorizationSettings()}".encode())
    label = str(source)
    if planted := _planted_options(str(source)):
        label = planted["name"]
        digest.update(f"{sorted(planted.items())}".encode())
    elif label != SYNTHETIC:
        read, path, options = _reader(source)
        label = path.stem
        if read is read_tables:
            digest.update(b"tables 2\n")  # as `RECIPE`, for tables alone
        for name, value in [("", path), *sorted(options.items())]:
            if isinstance(value, Path):
                digest.update(f"{name}\n".encode())
                _add_files(digest, value)
            else:
                digest.update(f"{name} {value}\n".encode())
    return data_home() / "worlds" / f"{label}-{digest.hexdigest()[:16]}.world"


def _add_files(digest: hashlib._Hash, path: Path) -> None:
    inside = [file for pattern in ("*", "*/*") for file in path.glob(pattern) if file.name in FILE_NAMES]
    names = {file: file.name for file in inside or [path]}
    if path.is_dir() and not inside:  # partitions of a table: the names of their folders are values
        names = {file: str(file.relative_to(path)) for file in path.rglob("*.parquet") if file.is_file()}
    for file in sorted(names):
        digest.update(names[file].encode())
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
