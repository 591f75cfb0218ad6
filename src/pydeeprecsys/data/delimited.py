"""Delimited text files, in a folder or a zip, read so that the first bad line is named.

Small tables are parsed line by line. Large ones, up to 32 million rows, go by blocks through Arrow's parser; only when
it refuses a block is that block read again line by line, to name the line.
"""

from __future__ import annotations

import csv
import itertools
import lzma
import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any, NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from pydeeprecsys.arrays import Array
from pydeeprecsys.errors import InputError

BLOCK_BYTES = 1 << 24

# NotImplementedError: packed in a way that zipfile does not know; UnicodeDecodeError: of the name of an entry.
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, UnicodeDecodeError)


def shorten(value: object, limit: int = 60) -> str:
    """`value` as it can stand in an error: quoted, on one line, at most `limit` characters of it."""
    text = str(value)
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")


def _whole_number(text: str) -> int:
    value = int(text)
    if not 0 <= value < 2**31 or "_" in text:
        raise ValueError
    return value


def _number(text: str) -> float:
    value = float(text)
    if np.isnan(value) or "_" in text:
        raise ValueError
    return value


@dataclass(frozen=True)
class Kind:
    """What a field holds: its name, how to parse it (ValueError or KeyError if it does not fit), its Arrow type."""

    expected: str
    parse: Callable[[str], Any]
    arrow: pa.DataType | None = None


ID = Kind("a whole number", _whole_number, pa.int32())
SECONDS = Kind("a time in whole seconds", _whole_number, pa.int64())
NUMBER = Kind("a number", _number, pa.float32())
TEXT = Kind("text", str)
FLAG = Kind("0 or 1", {"0": False, "1": True}.__getitem__)


def parse_fields(place: str, fields: list[str], columns: Sequence[tuple[str, Kind]], separator: str) -> dict[str, Any]:
    """The parsed fields of one line; InputError at the first that does not fit, with the `place` of the line."""
    if len(fields) != len(columns):
        problem = f"expected {len(columns)} fields separated by {separator!r}, found {len(fields)}"
        raise InputError(f"{place}: {problem}: {shorten(separator.join(fields))}")
    row = {}
    for (column, kind), text in zip(columns, fields, strict=True):
        try:
            row[column] = kind.parse(text)
        except (ValueError, KeyError) as error:
            raise InputError(f"{place}: {column} should be {kind.expected}, found {shorten(text)}") from error
    return row


@dataclass(frozen=True)
class File:
    """One delimited text file: `columns` in their order; a `header` is its first line, and such files quote as CSV."""

    name: str
    separator: str
    columns: dict[str, Kind]
    encoding: str = "utf-8"
    header: str = ""


@dataclass(frozen=True)
class Folder:
    """The folder, on disk or in a zip, that holds the files read; `path` is what the user gave, for messages."""

    path: Path
    folder: Path | zipfile.Path

    def has(self, file: File) -> bool:
        """Whether the file is in the folder."""
        return (self.folder / file.name).is_file()

    def table(self, file: File) -> pd.DataFrame:
        """A small file whole: one row per line, with a first column of unique ids."""
        id_column = next(iter(file.columns))
        rows: list[dict[str, Any]] = []
        line_of: dict[int, int] = {}
        # All blocks before the first line: a damaged archive is reported as such, not by what it did to a line.
        for first_line, block in list(self._blocks(file)):
            for line, row in self._parse(file, block, first_line):
                first = line_of.setdefault(row[id_column], line)
                if first != line:
                    raise self._error(file, line, f"{id_column} {row[id_column]} stands already on line {first}")
                rows.append(row)
        if not rows:
            raise InputError(f"{self.path}: {file.name} is empty")
        return pd.DataFrame(rows)

    def columns(self, file: File) -> Iterator[dict[str, Array]]:
        """A large file of numbers, block by block, as one array per column."""
        # Arrow separates at one byte: where it takes more, the "unit separator", which no text holds, stands in.
        delimiter = file.separator if len(file.separator) == 1 else "\x1f"
        types = {column: kind.arrow for column, kind in file.columns.items()}
        reading = pyarrow.csv.ReadOptions(column_names=list(types))
        parsing = pyarrow.csv.ParseOptions(delimiter=delimiter, quote_char=False)
        converting = pyarrow.csv.ConvertOptions(column_types=types, null_values=[])
        for first_line, block in self._blocks(file):
            content = block if delimiter == file.separator else block.replace(file.separator.encode(), b"\x1f")
            if not content.strip(b"\r\n"):
                continue
            try:
                table = pyarrow.csv.read_csv(pa.BufferReader(content), reading, parsing, converting)
            except pa.ArrowInvalid as error:
                self._diagnose(file, block, first_line, error)
            yield {column: table[column].to_numpy() for column in file.columns}

    def row_error(self, file: File, row: int, problem: str) -> InputError:
        """The error of a row (from 0, of all that `columns` gave), with its line."""
        lines = (line for first_line, block in self._blocks(file) for line, _ in _lines(block, first_line))
        line = next(itertools.islice(lines, row, None))
        _exhaust(lines)
        return self._error(file, line, problem)

    def _error(self, file: File, line: int, problem: str) -> InputError:
        return InputError(f"{self.path}: {file.name}, line {line}: {problem}")

    def _blocks(self, file: File) -> Iterator[tuple[int, bytes]]:
        """The lines after the header in blocks of whole ones, each with the number of its first line."""
        line, rest = 1, b""
        with (self.folder / file.name).open("rb") as stream:
            if file.header and (header := stream.readline().decode(file.encoding, "replace")):
                line = 2
                if header.strip().removeprefix("\ufeff") != file.header:
                    raise self._error(file, 1, f"expected the header {file.header!r}, found {shorten(header.strip())}")
            while chunk := stream.read(BLOCK_BYTES):
                cut = chunk.rfind(b"\n") + 1
                if cut:
                    block = rest + chunk[:cut]
                    yield line, block
                    line, rest = line + block.count(b"\n"), chunk[cut:]
                else:
                    rest += chunk
        if rest:
            yield line, rest

    def _parse(self, file: File, block: bytes, first_line: int) -> Iterator[tuple[int, dict[str, Any]]]:
        """Line number and parsed fields of each line of `block`; InputError at the first that does not fit."""
        for number, raw in _lines(block, first_line):
            try:
                line = raw.decode(file.encoding)
                fields = next(csv.reader([line], strict=True)) if file.header else line.split(file.separator)
            except (UnicodeDecodeError, csv.Error) as error:
                raise self._error(file, number, f"cannot be read as {file.encoding} text: {error}") from error
            place = f"{self.path}: {file.name}, line {number}"
            yield number, parse_fields(place, fields, list(file.columns.items()), file.separator)

    def _diagnose(self, file: File, block: bytes, first_line: int, cause: Exception) -> NoReturn:
        _exhaust(self._blocks(file))
        _exhaust(self._parse(file, block, first_line))
        raise InputError(f"{self.path}: {file.name} cannot be read: {str(cause).splitlines()[0]}") from cause


def _lines(block: bytes, first_line: int) -> Iterator[tuple[int, bytes]]:
    """The lines of a block that are not empty, with their numbers."""
    return ((number, line) for number, line in enumerate(block.splitlines(), first_line) if line)


def _exhaust(reading: Iterator[Any]) -> None:
    """Read to the end. A damaged archive gives nonsense first and last the checksum that shows it, as BadZipFile."""
    deque(reading, maxlen=0)


@contextmanager
def open_folders(path: Path) -> Iterator[list[Folder]]:
    """The folders in which a release's files may lie: the zip's or the folder's root, and those directly in it.

    Raises:
        InputError: where nothing is there, it cannot be read, or it is a damaged or unsafe zip; also for what goes
            wrong in that way within the block.
    """
    if path.is_dir():
        with _reading(path):
            yield [Folder(path, folder) for folder in (path, *sorted(p for p in path.iterdir() if p.is_dir()))]
    else:
        with _open_zip(path) as archive:
            root = zipfile.Path(archive)
            yield [Folder(path, folder) for folder in (root, *(entry for entry in root.iterdir() if entry.is_dir()))]


def check_archive(path: Path) -> None:
    """Test a zip whole: every entry's name and checksum.

    Args:
        path: the zip.

    Raises:
        InputError: where it is missing, no zip, truncated, damaged, or has an entry that points outside its folder.
    """
    with _open_zip(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise InputError(f"{path}: its entry {shorten(damaged)} is damaged (bad CRC); get it again")


@contextmanager
def _open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    with _reading(path), zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            # Windows' rules see all that leads out of a folder under POSIX's, and drives and backslashes besides.
            parts = PureWindowsPath(entry.filename)
            name = shorten(entry.filename)
            if parts.anchor or ".." in parts.parts:
                raise InputError(f"{path}: refused, its entry {name} points outside the archive's folder")
            if entry.flag_bits & 1:
                raise InputError(f"{path}: its entry {name} is encrypted; unpack it and give the folder")
        yield archive


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file or folder") from error
    except _DAMAGED as error:
        raise InputError(f"{path}: not a whole zip archive ({error}); get it again") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
