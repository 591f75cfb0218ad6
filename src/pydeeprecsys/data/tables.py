"""The user's own ratings, as CSV or Parquet, with tables of items and users where there are any."""

from __future__ import annotations

import csv
import difflib
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from pydeeprecsys.data.dataset import Dataset
from pydeeprecsys.data.movielens import repeated_pair, shorten
from pydeeprecsys.errors import InputError

ID = pa.dictionary(pa.int32(), pa.string())
TEXT = pa.string()
NUMBER = pa.float32()
MISSING = ["", "NaN", "nan", "NA", "N/A", "NULL", "null", "None"]
UNSCALED = (0.5, 5.0)


@dataclass(frozen=True)
class Column:
    """A column to read: what it is called in the file and what it holds; an `optional` one may be absent."""

    name: str
    type: pa.DataType
    optional: bool = False


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
        return "\t" if self.path.suffix == ".tsv" else ","

    def error(self, row: int, problem: str) -> InputError:
        return InputError(f"{self.path}, {self.place(row)}: {problem}")

    def place(self, row: int) -> str:
        """Where the row (from 0) stands, for messages."""
        if self.is_parquet:
            return f"row {row + 1}"
        line, _ = next(itertools.islice(self.records(), row + 1, None))
        return f"line {line}"

    def require(self, right: NDArray[np.bool_], problem: str, found: Any = None) -> None:
        """InputError that says the problem, and what was `found`, of the first row that is not `right`."""
        if not right.all():
            row = int(right.argmin())
            raise self.error(row, problem if found is None else f"{problem}, found {shorten(found[row])}")

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Line number and fields of each record of a CSV file, its header first."""
        line = 1
        with self.path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, delimiter=self.separator)
            for fields in reader:
                if fields:
                    yield line, fields
                line = reader.line_num + 1

    def read(self, wanted: dict[str, Column]) -> dict[str, pa.ChunkedArray]:
        """The columns of `wanted` that the file has, by its keys; InputError where one is lacking or does not parse."""
        try:
            names = pa.parquet.read_schema(self.path).names if self.is_parquet else next(self.records(), (0, []))[1]
            if not names:
                raise InputError(f"{self.path}: it is empty")
            present = self._present(wanted, names)
            table = self._read_parquet(present) if self.is_parquet else self._read_csv(present)
        except FileNotFoundError as error:
            raise InputError(f"{self.path}: there is no such file") from error
        except UnicodeDecodeError as error:
            raise InputError(f"{self.path}: it is neither Parquet nor CSV in UTF-8 ({error})") from error
        except csv.Error as error:
            raise InputError(f"{self.path}: it cannot be read as CSV ({error})") from error
        except pa.ArrowInvalid as error:
            raise InputError(f"{self.path}: not a whole Parquet file ({str(error).splitlines()[0]})") from error
        except OSError as error:
            raise InputError(f"{self.path}: it cannot be read ({error.strerror or error})") from error
        if table.num_rows == 0:
            raise InputError(f"{self.path}: it has no rows")
        return {key: table[column.name] for key, column in present.items()}

    def _present(self, wanted: dict[str, Column], names: list[str]) -> dict[str, Column]:
        present = {}
        for key, column in wanted.items():
            if names.count(column.name) > 1:
                raise InputError(f"{self.path}: it has {names.count(column.name)} columns named {column.name!r}")
            if column.name in names:
                present[key] = column
            elif not column.optional:
                nearest = difflib.get_close_matches(column.name, names, n=1)
                hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
                there = ", ".join(names)
                raise InputError(f"{self.path}: it has no column {column.name!r}; there are: {there}{hint}")
        return present

    def _read_csv(self, present: dict[str, Column]) -> pa.Table:
        try:
            return pyarrow.csv.read_csv(
                self.path,
                parse_options=pyarrow.csv.ParseOptions(delimiter=self.separator, newlines_in_values=True),
                convert_options=pyarrow.csv.ConvertOptions(
                    include_columns=[column.name for column in present.values()],
                    column_types={column.name: column.type for column in present.values()},
                    null_values=MISSING,
                    strings_can_be_null=True,
                ),
            )
        except pa.ArrowInvalid as error:
            self._diagnose(present)
            raise InputError(f"{self.path}: it cannot be read as CSV ({str(error).splitlines()[0]})") from error

    def _diagnose(self, present: dict[str, Column]) -> None:
        """Raise InputError at the first record that is not as long as the header, or whose numbers are none."""
        records = self.records()
        _, header = next(records)
        numbers = [(column.name, header.index(column.name)) for column in present.values() if column.type == NUMBER]
        for line, fields in records:
            if len(fields) != len(header):
                raise InputError(
                    f"{self.path}, line {line}: expected {len(header)} fields separated by {self.separator!r}, "
                    f"found {len(fields)}: {shorten(self.separator.join(fields))}"
                )
            for name, position in numbers:
                text = fields[position]
                try:
                    float(text if text not in MISSING else "nan")
                except ValueError as error:
                    problem = f"{name} should be a number, found {shorten(text)}"
                    raise InputError(f"{self.path}, line {line}: {problem}") from error

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
    "violence": ("in 0..1", lambda values: values.between(0, 1)),
    "sex": ("F or M", lambda values: values.isin(["F", "M"])),
    "age": ("in years, 0..150", lambda values: values.between(0, 150)),
    "occupation": ("one of MovieLens' codes 0..20", lambda values: values.isin(range(21))),
}
"""What a value that is not missing should be."""


def _codes(ids: pa.ChunkedArray) -> tuple[NDArray[np.int32], list[str]]:
    """Ids as positions in the list of distinct ids; -1 where the id is missing."""
    array = ids.unify_dictionaries().combine_chunks()
    return array.indices.fill_null(-1).to_numpy(zero_copy_only=False), array.dictionary.to_pylist()


def _are_whole_numbers(ids: Iterable[str]) -> bool:
    return all(text.isascii() and text.isdigit() and len(text) < 19 and str(int(text)) == text for text in ids)


def _read_entities(path: Path | None, columns: dict[str, Column], rated: list[str]) -> pd.DataFrame:
    """The table of users or items, ids as text; without a file, the rated ids in order and nothing about them."""
    id_key = next(iter(columns))
    if path is None:
        table = pd.DataFrame({id_key: sorted(rated, key=int if _are_whole_numbers(rated) else None)})
        read = {}
    else:
        file = _File(path)
        read = file.read(columns)
        codes, ids = _codes(read.pop(id_key))
        name = columns[id_key].name
        file.require(codes >= 0, f"{name} is missing")
        table = pd.DataFrame({id_key: np.array(ids, dtype=object)[codes]})
        file.require(~table[id_key].duplicated().to_numpy(), f"{name} should stand once", table[id_key])
    for key, column in columns.items():
        if key in read:
            table[key] = read[key].to_pandas()
            expected, is_right = _EXPECTED.get(key, ("", pd.Series.notna))
            right = (table[key].isna() | is_right(table[key])).to_numpy(np.bool_)
            file.require(right, f"{column.name} should be {expected} or nothing", table[key])
        elif key != id_key:
            table[key] = np.nan
    return table


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
) -> Dataset:
    """Read the user's own ratings, CSV (UTF-8, with a header; tabs separate in `.tsv`) or Parquet.

    Simulated users rate in 1..5. Ratings on another scale are mapped to it linearly where `scale` says which they are
    on; without it they must lie in 0.5..5 and are taken as they are.

    Args:
        ratings: one rating a row: a user, an item, a number.
        items: one item a row, in the order they shall have; without it the items are those rated, sorted by id, and
            titled by it. Titles, genres (names of `dataset.GENRES` joined by "|") and violence (0..1) may be absent.
        users: one user a row, likewise. Sex (F or M), age (years), occupation (MovieLens' codes 0..20) and zip code may
            be absent.
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
        scale: lowest and highest possible rating, mapped to 1 and 5.
        name: name of the data set; by default that of `ratings`.

    Returns:
        The data set, on the scale (1, 5) where `scale` is given, else (0.5, 5). Ids are whole numbers where all of them
        are, else text.

    Raises:
        InputError: with file and line (CSV) or row (Parquet), where something cannot be read or does not fit.
    """
    if scale is not None and not (scale[0] < scale[1] and np.isfinite(scale).all()):
        raise InputError(f"the scale goes from {scale[0]:g} to {scale[1]:g}; give the lowest rating, then the highest")
    file = _File(ratings)
    read = file.read(
        {
            "user_id": Column(user_column, ID),
            "item_id": Column(item_column, ID),
            "rating": Column(rating_column, NUMBER),
        }
    )
    values = read["rating"].to_numpy()
    low, high = scale or UNSCALED
    file.require(~np.isnan(values), f"{rating_column} is missing")
    hint = "" if scale else " (name another scale with `scale`)"
    file.require((values >= low) & (values <= high), f"{rating_column} should be in {low:g}..{high:g}{hint}", values)
    if scale:
        values = (1 + (values - low) * (4 / (high - low))).clip(1, 5)

    # Columns of the tables may be absent, unless the user named them.
    item_columns = {"item_id": Column(item_column, ID)} | {
        key: Column(column, type_, optional=column == key)
        for key, column, type_ in (
            ("title", title_column, TEXT),
            ("genres", genres_column, TEXT),
            ("violence", violence_column, NUMBER),
        )
    }
    user_columns = {"user_id": Column(user_column, ID)} | {
        key: Column(column, type_, optional=column == key)
        for key, column, type_ in (
            ("sex", sex_column, TEXT),
            ("age", age_column, NUMBER),
            ("occupation", occupation_column, NUMBER),
            ("zip_code", zip_code_column, TEXT),
        )
    }
    indices, tables = [], []
    for path, columns in ((users, user_columns), (items, item_columns)):
        id_key = next(iter(columns))
        codes, rated = _codes(read[id_key])
        column = columns[id_key].name
        file.require(codes >= 0, f"{column} is missing")
        table = _read_entities(path, columns, rated)
        # Code -1 never occurs here, so plain indexing maps codes to rows.
        index = pd.Index(table[id_key]).get_indexer(rated).astype(np.int32)[codes]
        file.require(index >= 0, f"{column} should be one of those in {path}", np.array(rated, dtype=object)[codes])
        if _are_whole_numbers(table[id_key]):
            table[id_key] = table[id_key].astype(np.int64)
        indices.append(index)
        tables.append(table)
    user_table, item_table = tables
    user_index, item_index = indices
    item_table["title"] = item_table["title"].astype(object).fillna(item_table["item_id"].astype(str))
    item_table["genres"] = item_table["genres"].astype(object).fillna("")
    repeated = repeated_pair(user_index, item_index)
    if repeated is not None:
        user, item = user_table["user_id"][user_index[repeated]], item_table["item_id"][item_index[repeated]]
        raise file.error(repeated, f"user {user} rates item {item} a second time; keep one rating a pair")
    return Dataset(
        name=name or ratings.stem,
        users=user_table,
        items=item_table,
        user_index=user_index,
        item_index=item_index,
        ratings=values.astype(np.float32),
        scale=(1.0, 5.0) if scale else UNSCALED,
    )
