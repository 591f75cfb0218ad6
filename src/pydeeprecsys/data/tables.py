"""Readers of the user's own ratings, items and users, as CSV or Parquet."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from pydeeprecsys.arrays import Flags, Rows
from pydeeprecsys.data.dataset import ITEM_COLUMNS, USER_COLUMNS, Dataset, check_scale
from pydeeprecsys.data.delimited import TEXT as ANY_TEXT
from pydeeprecsys.data.delimited import Kind, parse_fields, shorten
from pydeeprecsys.data.movielens import violence_of
from pydeeprecsys.data.movielens_layouts import GENRES, HALF_STARS, WHOLE_STARS, canonical_genres
from pydeeprecsys.errors import InputError, did_you_mean

ID = pa.dictionary(pa.int32(), pa.string())
TEXT = pa.string()
NUMBER = pa.float32()
MISSING = ["", "NaN", "nan", "NA", "N/A", "NULL", "null", "None"]


@dataclass(frozen=True)
class Column:
    """A column to read: its name in the file and its type; an `optional` one may be absent."""

    name: str
    type: pa.DataType
    optional: bool = False


def _columns(keys: Sequence[str], names: Sequence[str]) -> dict[str, Column]:
    """The columns of a table of users or items; all but the id may be absent unless the user named them."""
    types = (ID, *(NUMBER if key in ("age", "occupation", "violence") else TEXT for key in keys[1:]))
    columns = zip(keys, names, types, strict=True)
    return {key: Column(name, kind, optional=kind != ID and name == key) for key, name, kind in columns}


@dataclass(frozen=True)
class _File:
    """One table on disk; errors name its lines (CSV) or rows (Parquet)."""

    path: Path

    @property
    def is_parquet(self) -> bool:
        with self.path.open("rb") as stream:
            return stream.read(4) == b"PAR1"

    @property
    def separator(self) -> str:
        return "\t" if self.path.suffix.lower() == ".tsv" else ","

    def require(self, right: Flags, problem: str, found: Any = None) -> None:
        """Raise an InputError with the problem, and the value `found`, of the first row that is not `right`."""
        if not right.all():
            row = int(right.argmin())
            place = f"row {row + 1}"
            if not self.is_parquet:
                place = f"line {next(itertools.islice(self.records(), row + 1, None))[0]}"
            ending = "" if found is None else f", found {shorten(found[row])}"
            raise InputError(f"{self.path}, {place}: {problem}{ending}")

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Line number and fields of each record of a CSV file, its header first."""
        line = 1
        with self.path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, delimiter=self.separator)
            for fields in reader:
                if fields:
                    yield line, fields
                line = reader.line_num + 1

    def names(self) -> list[str]:
        """The names of its columns."""
        with self._reading():
            names = pa.parquet.read_schema(self.path).names if self.is_parquet else next(self.records(), (0, []))[1]
        if not names:
            raise InputError(f"{self.path}: it is empty")
        return list(names)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (UnicodeDecodeError, csv.Error, pa.ArrowException) as error:
            kind = "Parquet" if self.is_parquet else "CSV in UTF-8"
            raise InputError(f"{self.path}: it cannot be read as {kind} ({str(error).splitlines()[0]})") from error
        except OSError as error:
            cause = error.strerror or str(error).splitlines()[0]
            raise InputError(f"{self.path}: it cannot be read ({cause})") from error

    def read(self, wanted: dict[str, Column]) -> dict[str, pa.ChunkedArray]:
        """The wanted columns that the file has, by their keys; InputError if one is missing or does not parse."""
        present = self._present(wanted, self.names())
        with self._reading():
            table = self._read_parquet(present) if self.is_parquet else self._read_csv(present)
        if table.num_rows == 0:
            raise InputError(f"{self.path}: it has no rows")
        return {key: table[column.name] for key, column in present.items()}

    def _present(self, wanted: dict[str, Column], names: list[str]) -> dict[str, Column]:
        for column in wanted.values():
            if names.count(column.name) > 1:
                raise InputError(f"{self.path}: it has {names.count(column.name)} columns named {column.name!r}")
            if column.name not in names and not column.optional:
                hint = did_you_mean(column.name, names)
                raise InputError(f"{self.path}: it has no column {column.name!r}; {hint}")
        return {key: column for key, column in wanted.items() if column.name in names}

    def _read_csv(self, present: dict[str, Column]) -> pa.Table:
        types = {column.name: column.type for column in present.values()}
        parsing = pyarrow.csv.ParseOptions(delimiter=self.separator, newlines_in_values=True)
        converting = pyarrow.csv.ConvertOptions(
            include_columns=list(types), column_types=types, null_values=MISSING, strings_can_be_null=True
        )
        try:
            return pyarrow.csv.read_csv(self.path, parse_options=parsing, convert_options=converting)
        except pa.ArrowInvalid:
            self._diagnose(present)
            raise

    def _diagnose(self, present: dict[str, Column]) -> None:
        """Raise an InputError at the first record of another length than the header, or with an invalid number."""
        records = self.records()
        number = Kind("a number", lambda text: text in MISSING or float(text))
        numbers = {column.name: number for column in present.values() if column.type == NUMBER}
        columns = [(name, numbers.get(name, ANY_TEXT)) for name in next(records)[1]]
        for line, fields in records:
            parse_fields(f"{self.path}, line {line}", fields, columns, self.separator)

    def _read_parquet(self, present: dict[str, Column]) -> pa.Table:
        table = pa.parquet.read_table(self.path, columns=[column.name for column in present.values()])
        for number, column in enumerate(present.values()):
            values = table[column.name]
            try:
                if column.type != NUMBER and pa.types.is_floating(values.type):
                    # Ids kept as floats only because some are missing: 7.0 is the id 7.
                    values = values.cast(pa.int64())
                values = values.cast(pa.string()).dictionary_encode() if column.type == ID else values.cast(column.type)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                what = "numbers" if column.type == NUMBER else "text or whole numbers"
                problem = f"its column {column.name!r} should hold {what}, it holds {table[column.name].type}"
                raise InputError(f"{self.path}: {problem} ({str(error).splitlines()[0]})") from error
            table = table.set_column(number, column.name, values)
        return table


_EXPECTED: dict[str, tuple[str, Callable[[pd.Series[Any]], pd.Series[bool]]]] = {
    "violence": ("in [0, 1]", lambda values: values.between(0, 1)),
    "sex": ("F or M", lambda values: values.isin(["F", "M"])),
    "age": ("in years, 0..150", lambda values: values.between(0, 150)),
    "occupation": ("one of MovieLens' codes 0..20", lambda values: values.isin(range(21))),
}
"""Valid values, where not missing."""


def _codes(ids: pa.ChunkedArray) -> tuple[Rows, list[str]]:
    """Ids as positions in the list of distinct ids; -1 for a missing id."""
    array = ids.unify_dictionaries().combine_chunks()
    return array.indices.fill_null(-1).to_numpy(zero_copy_only=False), array.dictionary.to_pylist()


def _are_whole_numbers(ids: Iterable[str]) -> bool:
    return all(text.isascii() and text.isdigit() and len(text) < 19 and str(int(text)) == text for text in ids)


def _read_entities(path: Path, columns: dict[str, Column]) -> pd.DataFrame:
    """A table of users or items, ids as text."""
    file = _File(path)
    read = file.read(columns)
    id_key, id_column = next(iter(columns.items()))
    codes, ids = _codes(read.pop(id_key))
    file.require(codes >= 0, f"{id_column.name} is missing")
    table = pd.DataFrame({id_key: np.array(ids, dtype=object)[codes]})
    file.require(~table[id_key].duplicated().to_numpy(), f"{id_column.name} should stand once", table[id_key])
    for key, values in read.items():
        table[key] = values.to_pandas()
        expected, is_right = _EXPECTED.get(key, ("", pd.Series.notna))
        right = (table[key].isna() | is_right(table[key])).to_numpy(np.bool_)
        file.require(right, f"{columns[key].name} should be {expected} or nothing", table[key])
    return table


def _match(
    ratings: _File, rated: pa.ChunkedArray, path: Path | None, columns: dict[str, Column]
) -> tuple[pd.DataFrame, Rows]:
    """The table of users or items, and its row for each rating; without a file, the ids rated, sorted."""
    id_key, id_column = next(iter(columns.items()))
    codes, ids = _codes(rated)
    ratings.require(codes >= 0, f"{id_column.name} is missing")
    if path:
        table = _read_entities(path, columns)
    else:
        table = pd.DataFrame({id_key: sorted(ids, key=int if _are_whole_numbers(ids) else None)})
    index = pd.Index(table[id_key]).get_indexer(ids).astype(np.int32)[codes]
    ratings.require(index >= 0, f"{id_column.name} should be one of those in {path}", np.array(ids, object)[codes])
    if _are_whole_numbers(table[id_key]):
        table[id_key] = table[id_key].astype(np.int64)
    return table.reindex(columns=list(columns)), index


def wants_genome(items: Path | None, title_column: str = "title", violence_column: str = "violence") -> bool:
    """Whether there is a table of items that has titles and no violence.

    Raises:
        InputError: it cannot be read.
    """
    names = _File(items).names() if items else []
    return title_column in names and violence_column not in names


def read_tables(
    ratings: Path,
    *,
    items: Path | None = None,
    users: Path | None = None,
    user_column: str = "user_id",
    item_column: str = "item_id",
    rating_column: str = "rating",
    title_column: str = "title",
    genres_column: str = "genres",
    violence_column: str = "violence",
    sex_column: str = "sex",
    age_column: str = "age",
    occupation_column: str = "occupation",
    zip_code_column: str = "zip_code",
    scale: tuple[float, float] | None = None,
    name: str | None = None,
    tag_genome: Path | None = None,
    genome_titles: Path | None = None,
) -> Dataset:
    """Read the user's own ratings, CSV (UTF-8, with a header; tabs separate in `.tsv`) or Parquet.

    `scale` is the rating scale. Without it ratings must lie in 0.5..5, and the scale is (1, 5) if none is below 1, else
    (0.5, 5). Ratings keep their scale, which `Dataset.stars` maps to that of simulated users.

    Where a data set is named by a path alone (`library.read_dataset`, `--dataset`), these arguments follow it as in a
    URL: `ratings.csv?user_column=who&scale=1,10&items=movies.csv`; `items` and `users` are then relative to `ratings`.

    Args:
        ratings: one row per rating: user, item, number.
        items: one row per item, whose order the items keep; without it, the items rated, sorted by id, with the id for
            a title. Titles, genres (names of `movielens_layouts.GENRES` joined by "|") and violence (0..1) may be
            absent.
        users: one row per user, likewise. Sex (F or M), age (years), occupation (MovieLens' codes 0..20) and zip code
            may be absent.
        user_column: column of the user's id, in `ratings` and `users`.
        item_column: column of the item's id, in `ratings` and `items`.
        rating_column: column of the rating.
        title_column: column of the title, in `items`.
        genres_column: column of the genres, in `items`.
        violence_column: column of the violence, in `items`.
        sex_column: column of the sex, in `users`.
        age_column: column of the age, in `users`.
        occupation_column: column of the occupation, in `users`.
        zip_code_column: column of the zip code, in `users`.
        scale: lowest and highest possible rating.
        name: of the data set, by default that of `ratings`.
        tag_genome: a tag genome (see `movielens.violence_of`), for a table of movies without violence, whose titles end
            in the year. A data set named by a path uses the genome that was fetched or is beside it.
        genome_titles: a MovieLens release, for the titles of a genome that lists none; likewise.

    Returns:
        The data set. Ids are integers if all of them are, else text.

    Raises:
        InputError: invalid input, with file and line (CSV) or row (Parquet).
    """
    if scale is not None:
        check_scale(str(ratings), scale)
    names = (user_column, sex_column, age_column, occupation_column, zip_code_column)
    user_columns = _columns(USER_COLUMNS, names)
    item_columns = _columns(ITEM_COLUMNS, (item_column, title_column, genres_column, violence_column))
    if tag_genome and not wants_genome(items, title_column, violence_column):
        needed = f"the column {title_column!r} and not {violence_column!r}"
        raise InputError(f"{ratings}: tag_genome is for a table of items that has {needed}; leave it out")
    if genome_titles and not tag_genome:
        raise InputError(f"{ratings}: genome_titles are those of a tag_genome; give one")
    file = _File(ratings)
    ids = {"user_id": user_columns["user_id"], "item_id": item_columns["item_id"]}
    read = file.read({**ids, "rating": Column(rating_column, NUMBER)})
    values = read["rating"].to_numpy()
    low, high = scale or HALF_STARS
    hint = "" if scale else f" (say which scale they are on, as in '{ratings.name}?scale=1,10')"
    file.require(~np.isnan(values), f"{rating_column} is missing")
    file.require((values >= low) & (values <= high), f"{rating_column} should be in {low:g}..{high:g}{hint}", values)
    user_table, user_index = _match(file, read["user_id"], users, user_columns)
    item_table, item_index = _match(file, read["item_id"], items, item_columns)
    repeated = pd.DataFrame({"user": user_index, "item": item_index}).duplicated().to_numpy(np.bool_)
    if repeated.any():
        row = int(repeated.argmax())
        user, item = user_table["user_id"][user_index[row]], item_table["item_id"][item_index[row]]
        file.require(~repeated, f"user {user} rates item {item} a second time; keep one rating a pair")
    item_table["title"] = item_table["title"].astype(object).fillna(item_table["item_id"].astype(str))
    item_table["genres"] = canonical_genres(item_table["genres"].astype(object))
    source = f"column {violence_column!r}"
    if tag_genome:
        item_table["violence"], source = violence_of(item_table, tag_genome, genome_titles=genome_titles)
    elif item_table["violence"].isna().all():
        source = f"no {source}, or nothing in it"
    return Dataset(
        name=name or ratings.stem,
        users=user_table,
        items=item_table,
        user_index=user_index,
        item_index=item_index,
        ratings=values.astype(np.float32),
        categories=GENRES,
        scale=scale or (WHOLE_STARS if values.min() >= WHOLE_STARS[0] else HALF_STARS),
        violence_source=source,
    )
