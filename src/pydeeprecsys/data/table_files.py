"""Tables as users keep them: delimited text, JSON, Parquet and data frames, read column by column."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import lzma
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset

from pydeeprecsys.arrays import Flags
from pydeeprecsys.data.delimited import TEXT, parse_fields, shorten
from pydeeprecsys.errors import InputError

_SEPARATORS = ("::", "\t", ";", "|", ",")
_ONE_BYTE = "\x1f"  # "unit separator", which no text holds: Arrow separates at one byte
_DECOMPRESS: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": gzip.decompress,
    b"BZh": bz2.decompress,
    b"\xfd7zXZ": lzma.decompress,
}
_BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+$")
_UNREADABLE = (
    csv.Error,
    pa.ArrowException,
    ValueError,
    TypeError,
    RecursionError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
)


def is_table(path: Path) -> bool:
    """Whether a path is that of a table: a file that is no zip, or a folder of Parquet files or of their partitions."""
    if path.is_dir():
        return any(next(path.glob(f"{inside}*.parquet"), None) for inside in ("", "*=*/", "*=*/*=*/"))
    return path.suffix.lower() != ".zip" and not is_zipfile(path)


@dataclass(frozen=True)
class TableFile:
    """One table, whose errors name the line (of delimited text) or the row.

    Attributes:
        source: a path, or a data frame of pandas, polars or pyarrow.
        name: of the table in messages.
        encoding: of text without a byte order mark.
        separator: of delimited text; None for the one that separates most names in its first line.
        header: names of the columns of delimited text, if its first line does not hold them.
    """

    source: Any
    name: str
    encoding: str = "utf-8"
    separator: str | None = None
    header: Sequence[str] | None = None

    @cached_property
    def names(self) -> list[str]:
        """Names of the columns; InputError if the table cannot be read."""
        with self._reading():
            if self.is_delimited:
                names = list(self.header or next(self._records(), (0, []))[1])
            elif isinstance(self._rows, pd.DataFrame):
                names = list(map(str, self._rows.columns))
            else:
                names = self._rows.schema.names
        if not names:
            raise InputError(f"{self.name}: it is empty")
        return [name.strip() for name in names]

    def read(self, columns: Sequence[str]) -> dict[str, pa.ChunkedArray]:
        """Columns by name; fields of delimited text are text, or null if they are empty.

        Raises:
            InputError: the table cannot be read, has no rows, or has several columns of a name.
        """
        for column in columns:
            if (count := self.names.count(column)) > 1:
                raise InputError(f"{self.name}: it has {count} columns named {column!r}")
        with self._reading():
            read = self._read(columns)
        if not all(map(len, read.values())):
            raise InputError(f"{self.name}: it has no rows")
        return read

    def require(self, right: Flags, problem: str, found: Any = None) -> None:
        """Raise an InputError with the problem, and the value `found`, of the first row that is not `right`."""
        if not right.all():
            row = int(right.argmin())
            place = f"row {row + 1}"
            if self.is_delimited:
                place = f"line {next(islice(self._records(), row + (not self.header), None))[0]}"
            ending = "" if found is None else f", found {shorten(found[row])}"
            raise InputError(f"{self.name}, {place}: {problem}{ending}")

    @cached_property
    def is_delimited(self) -> bool:
        """Whether it is delimited text."""
        with self._reading():
            return isinstance(self.source, Path) and not self._is_parquet and self._text.lstrip()[:1] not in ("{", "[")

    @property
    def has_decimal_commas(self) -> bool:
        """Whether a comma in a number is a decimal one: in text that commas do not separate."""
        return self.is_delimited and self._separator != ","

    @cached_property
    def _is_parquet(self) -> bool:
        if self.source.is_dir():
            return is_table(self.source)
        with self.source.open("rb") as stream:
            return bool(stream.read(4) == b"PAR1")

    @cached_property
    def _text(self) -> str:
        content = self.source.read_bytes()
        for start, decompress in _DECOMPRESS.items():
            if content.startswith(start):
                content = decompress(content)
        encoding = next((name for mark, name in _BYTE_ORDER_MARKS.items() if content.startswith(mark)), self.encoding)
        text: str = content.decode(encoding)
        return text

    @cached_property
    def _rows(self) -> Any:
        """All but delimited text: a data frame of pandas, or a table or data set of Arrow."""
        if isinstance(self.source, pd.DataFrame):
            is_plain = self.source.index.names == [None]
            return self.source if is_plain else self.source.reset_index()
        if not isinstance(self.source, Path):
            return pa.table(self.source)
        if self._is_parquet:
            return pa.dataset.dataset(self.source, format="parquet", partitioning="hive")
        if self._text.lstrip().startswith("["):
            return pd.DataFrame(json.loads(self._text), dtype=object)
        return pd.DataFrame([json.loads(line) for line in self._text.split("\n") if line.strip()], dtype=object)

    def _read(self, columns: Sequence[str]) -> dict[str, pa.ChunkedArray]:
        if self.is_delimited:
            table = self._read_delimited(columns)
        elif isinstance(self._rows, pd.DataFrame):
            frame = self._rows.set_axis(self.names, axis=1)
            return {name: pa.chunked_array([_as_arrow(frame[name])]) for name in columns}
        else:
            rows = self._rows if isinstance(self._rows, pa.Table) else self._rows.to_table()
            table = rows.rename_columns(self.names)
        return {name: table[name] for name in columns}

    @cached_property
    def _records_start(self) -> int:
        """Where the records begin: after a line such as "sep=;", which spreadsheets write and read."""
        line = _LINE.match(self._text)
        return line.end() if line and line[0][:4].lower() == "sep=" else 0

    @cached_property
    def _separator(self) -> str:
        if self.separator:
            return self.separator
        if self._records_start:
            return self._text[4]
        line = _LINE.match(self._text)
        fields = {each: len(_split(line[0] if line else "", each)) for each in _SEPARATORS}
        best = max(_SEPARATORS, key=fields.__getitem__)
        return best if fields[best] > 1 else ","

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        """Line number and fields of each record of delimited text."""
        first = 1 + (self._records_start > 0)
        lines = (line[0] for line in _LINE.finditer(self._text, self._records_start))
        if len(self._separator) > 1:
            stripped = ((number, line.rstrip("\r\n")) for number, line in enumerate(lines, first))
            yield from ((number, _split(line, self._separator)) for number, line in stripped if line)
            return
        line = first
        reader = csv.reader(lines, delimiter=self._separator)
        for fields in reader:
            if fields:
                yield line, fields
            line = reader.line_num + first

    def _read_delimited(self, columns: Sequence[str]) -> pa.Table:
        text, is_quoted = self._text[self._records_start :], len(self._separator) == 1
        if not is_quoted:
            text = text.replace(self._separator, _ONE_BYTE)
        parsing = pyarrow.csv.ParseOptions(
            delimiter=self._separator if is_quoted else _ONE_BYTE,
            quote_char='"' if is_quoted else False,
            newlines_in_values=is_quoted,
        )
        converting = pyarrow.csv.ConvertOptions(
            include_columns=list(columns),
            column_types=dict.fromkeys(columns, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
        )
        reading = pyarrow.csv.ReadOptions(column_names=self.names)
        try:
            table = pyarrow.csv.read_csv(pa.BufferReader(text.encode()), reading, parsing, converting)
        except pa.ArrowInvalid:
            self._diagnose()
            raise
        return table if self.header else table.slice(1)

    def _diagnose(self) -> None:
        """Raise an InputError at the first record of another length than the header."""
        columns = [(name, TEXT) for name in self.names]
        for line, fields in self._records():
            parse_fields(f"{self.name}, line {line}", fields, columns, self._separator)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except InputError:
            raise
        except OSError as error:
            cause = error.strerror or str(error).splitlines()[0]
            raise InputError(f"{self.name}: it cannot be read ({cause})") from error
        except UnicodeError as error:
            problem = f"it cannot be read as {self.encoding.upper()}; give its encoding, such as latin-1"
            raise InputError(f"{self.name}: {problem} ({error})") from error
        except _UNREADABLE as error:
            raise InputError(f"{self.name}: it cannot be read as a table ({str(error).splitlines()[0]})") from error
        except LookupError as error:
            raise InputError(
                f"{self.name}: there is no encoding {self.encoding!r}; give one, such as latin-1"
            ) from error


def _split(line: str, separator: str) -> list[str]:
    if len(separator) > 1:
        return line.split(separator)
    return next(csv.reader([line], delimiter=separator), [])


def _as_arrow(values: pd.Series[Any]) -> pa.Array:
    """A column of a data frame; as text where its values are of several types."""
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowException, OverflowError):
        return pa.array([None if value is None or value != value else str(value) for value in values])
