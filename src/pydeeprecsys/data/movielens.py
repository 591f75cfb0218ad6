"""Readers of the MovieLens releases and of the tag genome, as GroupLens ships them: the zip or the extracted folder.

Small tables are parsed line by line. Ratings and genome scores, up to 32 million rows, go by blocks through Arrow's
parser; only when it refuses a block is that block read again line by line, to name the first bad line.
"""

from __future__ import annotations

import csv
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import IO, Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from pydeeprecsys.data.dataset import GENRES, ITEM_COLUMNS, USER_COLUMNS, Dataset
from pydeeprecsys.errors import InputError

BLOCK_BYTES = 1 << 24


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


def _among(values: dict[str, Any]) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        if text not in values:
            raise ValueError
        return values[text]

    return parse


@dataclass(frozen=True)
class Kind:
    """What a field holds: how to say it, how to parse it (ValueError where it does not fit), its Arrow type."""

    expected: str
    parse: Callable[[str], Any]
    arrow: pa.DataType | None = None


ID = Kind("a whole number", _whole_number, pa.int32())
SECONDS = Kind("a time in whole seconds", _whole_number, pa.int64())
NUMBER = Kind("a number", _number, pa.float32())
TEXT = Kind("text", str)
FLAG = Kind("0 or 1", _among({"0": False, "1": True}))


@dataclass(frozen=True)
class File:
    """One delimited text file: `columns` in their order; a `header` is its first line, and such files quote as CSV."""

    name: str
    separator: str
    columns: dict[str, Kind]
    encoding: str = "utf-8"
    header: str = ""


def shorten(value: object, limit: int = 60) -> str:
    """`value` as it can stand in an error: quoted, on one line, at most `limit` characters of it."""
    text = str(value)
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")


@dataclass(frozen=True)
class _Folder:
    """The folder, on disk or in a zip, that holds the files read; `path` is what the user gave, for messages."""

    path: Path
    folder: Path | zipfile.Path

    def error(self, file: File, line: int, problem: str) -> InputError:
        return InputError(f"{self.path}: {file.name}, line {line}: {problem}")

    def open(self, file: File) -> IO[bytes]:
        return (self.folder / file.name).open("rb")

    def blocks(self, file: File) -> Iterator[bytes]:
        """The file in blocks of whole lines."""
        rest = b""
        with self.open(file) as stream:
            while chunk := stream.read(BLOCK_BYTES):
                cut = chunk.rfind(b"\n") + 1
                if cut:
                    yield rest + chunk[:cut]
                    rest = chunk[cut:]
                else:
                    rest += chunk
        if rest:
            yield rest

    def parse_lines(self, file: File, block: bytes, first_line: int = 1) -> Iterator[tuple[int, dict[str, Any]]]:
        """Line number and parsed fields of each line of `block`; InputError at the first that does not fit."""
        for number, raw in enumerate(block.splitlines(), first_line):
            if not raw:
                continue
            try:
                line = raw.decode(file.encoding)
                fields = next(csv.reader([line], strict=True)) if file.header else line.split(file.separator)
            except (UnicodeDecodeError, csv.Error) as error:
                raise self.error(file, number, f"cannot be read as {file.encoding} text: {error}") from error
            if file.header and number == 1:
                self._require_header(file, line)
                continue
            if len(fields) != len(file.columns):
                raise self.error(
                    file,
                    number,
                    f"expected {len(file.columns)} fields separated by {file.separator!r}, "
                    f"found {len(fields)}: {shorten(line)}",
                )
            row = {}
            for (column, kind), text in zip(file.columns.items(), fields, strict=True):
                try:
                    row[column] = kind.parse(text)
                except ValueError as error:
                    problem = f"{column} should be {kind.expected}, found {shorten(text)}"
                    raise self.error(file, number, problem) from error
            yield number, row

    def table(self, file: File) -> pd.DataFrame:
        """A small file whole: one row a line, its first column an id that stands once."""
        rows: list[dict[str, Any]] = []
        id_column = next(iter(file.columns))
        line_of: dict[int, int] = {}
        with self.open(file) as stream:
            content = stream.read()
        for line, row in self.parse_lines(file, content):
            first = line_of.setdefault(row[id_column], line)
            if first != line:
                raise self.error(file, line, f"{id_column} {row[id_column]} stands already on line {first}")
            rows.append(row)
        if not rows:
            raise InputError(f"{self.path}: {file.name} is empty")
        return pd.DataFrame(rows)

    def columns(self, file: File) -> Iterator[dict[str, NDArray[Any]]]:
        """A large file of numbers, block by block, as one array a column."""
        first_line = 1
        separator = file.separator.encode()
        for block in self.blocks(file):
            # Arrow separates at one byte: stand-in is the "unit separator", which no text holds.
            content = block.replace(separator, b"\x1f") if len(separator) > 1 else block
            lines = content.count(b"\n") + (not content.endswith(b"\n"))
            has_header = bool(file.header) and first_line == 1
            if has_header:
                self._require_header(file, block.split(b"\n", 1)[0].decode(file.encoding, "replace"))
            if content[content.find(b"\n") + 1 if has_header else 0 :].strip(b"\r\n"):
                try:
                    table = pyarrow.csv.read_csv(
                        pa.BufferReader(content),
                        pyarrow.csv.ReadOptions(column_names=list(file.columns), skip_rows=int(has_header)),
                        pyarrow.csv.ParseOptions(
                            delimiter="\x1f" if len(separator) > 1 else file.separator, quote_char=False
                        ),
                        pyarrow.csv.ConvertOptions(
                            column_types={column: kind.arrow for column, kind in file.columns.items()}, null_values=[]
                        ),
                    )
                except pa.ArrowInvalid as error:
                    self._diagnose(file, block, first_line, error)
                yield {column: table[column].to_numpy() for column in file.columns}
            first_line += lines

    def _require_header(self, file: File, line: str) -> None:
        if line.strip().removeprefix("\ufeff") != file.header:
            raise self.error(file, 1, f"expected the header {file.header!r}, found {shorten(line)}")

    def _diagnose(self, file: File, block: bytes, first_line: int, cause: Exception) -> None:
        # A damaged archive gives nonsense first, and last the checksum that shows it: then the damage is the cause.
        for _ in self.blocks(file):
            pass
        for _ in self.parse_lines(file, block, first_line):
            pass
        raise InputError(f"{self.path}: {file.name} cannot be read: {str(cause).splitlines()[0]}") from cause

    def line_of(self, file: File, row: int) -> int:
        """Line number of the row (from 0) that `columns` gave; reads on to the end, where a damaged zip shows."""
        first_line, rows = 1, -1 if file.header else 0
        found = None
        for block in self.blocks(file):
            lines = block.splitlines()
            filled = [number for number, text in enumerate(lines, first_line) if text]
            if found is None and row < rows + len(filled):
                found = filled[row - rows]
            first_line, rows = first_line + len(lines), rows + len(filled)
        if found is None:
            raise IndexError(f"{file.name} has {rows} rows, none at {row}")
        return found


@contextmanager
def _opened(path: Path) -> Iterator[list[_Folder]]:
    """The folders in which a release's files may lie: the zip's or the folder's root, and those directly in it."""
    try:
        if path.is_dir():
            yield [_Folder(path, folder) for folder in (path, *sorted(p for p in path.iterdir() if p.is_dir()))]
            return
        with zipfile.ZipFile(path) as archive:
            _refuse_unsafe(path, archive)
            root = zipfile.Path(archive)
            yield [_Folder(path, folder) for folder in (root, *(entry for entry in root.iterdir() if entry.is_dir()))]
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file or folder") from error
    # NotImplementedError: packed in a way that zipfile does not know.
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise InputError(f"{path}: not a whole zip archive ({error}); get it again") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error


def _refuse_unsafe(path: Path, archive: zipfile.ZipFile) -> None:
    for entry in archive.infolist():
        # Windows' rules see all that leads out of a folder under POSIX's, and drives and backslashes besides.
        parts = PureWindowsPath(entry.filename)
        if parts.anchor or ".." in parts.parts:
            raise InputError(
                f"{path}: refused, its entry {shorten(entry.filename)} points outside the archive's folder"
            )
        if entry.flag_bits & 1:
            raise InputError(f"{path}: its entry {shorten(entry.filename)} is encrypted; unpack it and give the folder")


def check_archive(path: Path) -> None:
    """Test a zip whole: every entry's name and checksum.

    Args:
        path: the zip.

    Raises:
        InputError: where it is missing, no zip, truncated, damaged, or has an entry that points outside its folder.
    """
    with _opened(path):
        if path.is_dir():
            raise InputError(f"{path}: a folder, where a zip file is expected")
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    if damaged is not None:
        raise InputError(f"{path}: its entry {shorten(damaged)} is damaged (bad CRC); get it again")


VIOLENCE_TAG = "violence"

_SOC_OCCUPATIONS = {
    "administrator": 3,
    "artist": 2,
    "doctor": 6,
    "educator": 1,
    "engineer": 17,
    "entertainment": 2,
    "executive": 7,
    "healthcare": 6,
    "homemaker": 9,
    "lawyer": 11,
    "librarian": 1,
    "marketing": 14,
    "none": 19,
    "other": 0,
    "programmer": 12,
    "retired": 13,
    "salesman": 14,
    "scientist": 15,
    "student": 4,
    "technician": 17,
    "writer": 20,
}
"""MovieLens 100K's occupations as MovieLens 1M's codes; entertainers and librarians, which 1M has no code for, go where
the Standard Occupational Classification has them: with artists and with educators."""

SEX = Kind("F or M", _among({"F": "F", "M": "M"}))
OCCUPATION_CODE = Kind("an occupation code, 0..20", _among({str(code): code for code in range(21)}))
OCCUPATION_NAME = Kind(f"one of {', '.join(_SOC_OCCUPATIONS)}", _among(_SOC_OCCUPATIONS))


@dataclass(frozen=True)
class Layout:
    """The files of a release. `genome_ids`: whether its movies have the ids of the tag genome."""

    ratings: File
    items: File
    users: File | None
    scale: tuple[float, float]
    genome_ids: bool = True

    @property
    def files(self) -> tuple[File, ...]:
        """The files that tell the release from the others."""
        return (self.ratings, self.items, *((self.users,) if self.users else ()))


@dataclass(frozen=True)
class GenomeLayout:
    """The files of a tag genome; `titles` are looked for only where movie ids do not serve."""

    scores: File
    tags: File
    titles: File | None = None

    @property
    def files(self) -> tuple[File, ...]:
        """The files that tell the genome from the others."""
        return (self.scores, self.tags)


_RATING = {"user_id": ID, "item_id": ID, "rating": NUMBER, "timestamp": SECONDS}
_ITEM = {"item_id": ID, "title": TEXT, "genres": TEXT}
_SCORE = {"item_id": ID, "tag_id": ID, "relevance": NUMBER}

LAYOUTS = (
    # MovieLens 100K
    Layout(
        ratings=File("u.data", "\t", _RATING),
        items=File(
            "u.item",
            "|",
            {"item_id": ID, "title": TEXT, "released": TEXT, "video": TEXT, "url": TEXT} | dict.fromkeys(GENRES, FLAG),
            encoding="latin-1",
        ),
        users=File(
            "u.user",
            "|",
            {"user_id": ID, "age": ID, "sex": SEX, "occupation": OCCUPATION_NAME, "zip_code": TEXT},
            encoding="latin-1",
        ),
        scale=(1.0, 5.0),
        genome_ids=False,
    ),
    # MovieLens 1M
    Layout(
        ratings=File("ratings.dat", "::", _RATING),
        items=File("movies.dat", "::", _ITEM, encoding="latin-1"),
        users=File(
            "users.dat",
            "::",
            {"user_id": ID, "sex": SEX, "age": ID, "occupation": OCCUPATION_CODE, "zip_code": TEXT},
            encoding="latin-1",
        ),
        scale=(1.0, 5.0),
    ),
    # MovieLens 10M: as 1M, told apart by having no users
    Layout(
        ratings=File("ratings.dat", "::", _RATING),
        items=File("movies.dat", "::", _ITEM),
        users=None,
        scale=(0.5, 5.0),
    ),
    # MovieLens 20M, 25M, 32M, latest, latest-small
    Layout(
        ratings=File("ratings.csv", ",", _RATING, header="userId,movieId,rating,timestamp"),
        items=File("movies.csv", ",", _ITEM, header="movieId,title,genres"),
        users=None,
        scale=(0.5, 5.0),
    ),
)
"""The first whose files are all there is the format of a release."""

GENOME_LAYOUTS = (
    GenomeLayout(
        scores=File("tag_relevance.dat", "\t", _SCORE),
        tags=File("tags.dat", "\t", {"tag_id": ID, "tag": TEXT, "popularity": ID}),
        titles=File("movies.dat", "\t", {"item_id": ID, "title": TEXT, "popularity": ID}),
    ),
    GenomeLayout(
        scores=File("genome-scores.csv", ",", _SCORE, header="movieId,tagId,relevance"),
        tags=File("genome-tags.csv", ",", {"tag_id": ID, "tag": TEXT}, header="tagId,tag"),
    ),
)

_L = TypeVar("_L", Layout, GenomeLayout)


def repeated_pair(user_index: NDArray[np.int32], item_index: NDArray[np.int32]) -> int | None:
    """Row of the first rating whose (user, item) pair stands in an earlier row; None if there is none."""
    repeated = pd.DataFrame({"user": user_index, "item": item_index}, copy=False).duplicated().to_numpy()
    return int(repeated.argmax()) if repeated.any() else None


def _find(layouts: Iterable[_L], folders: list[_Folder]) -> tuple[_L, _Folder] | None:
    for layout in layouts:
        for place in folders:
            if all((place.folder / file.name).is_file() for file in layout.files):
                return layout, place
    return None


def _missing_files(path: Path, layouts: Iterable[Layout | GenomeLayout]) -> InputError:
    known = "; or ".join(", ".join(file.name for file in layout.files) for layout in layouts)
    return InputError(f"{path}: the files of no known release are in it; it should hold {known}")


def _find_genome(path: Path, folders: list[_Folder]) -> tuple[GenomeLayout, _Folder]:
    found = _find(GENOME_LAYOUTS, folders)
    if found is None:
        raise _missing_files(path, GENOME_LAYOUTS)
    return found


def _read_items(place: _Folder, file: File) -> pd.DataFrame:
    items = place.table(file)
    if "genres" not in items:
        flags = items[list(GENRES)].to_numpy(np.bool_)
        items["genres"] = ["|".join(name for name, set_ in zip(GENRES, row, strict=True) if set_) for row in flags]
    return items


def _read_ratings(
    place: _Folder, layout: Layout, items: pd.DataFrame, users: pd.DataFrame | None
) -> tuple[pd.DataFrame, NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """The users (the given ones, else those who rated), and user index, item index and rating of each rating."""
    file, (low, high) = layout.ratings, layout.scale
    item_ids = pd.Index(items["item_id"])
    user_ids = None if users is None else pd.Index(users["user_id"])
    parts: dict[str, list[NDArray[Any]]] = {"user": [], "item": [], "rating": []}
    rows = 0
    for block in place.columns(file):
        rating = block["rating"]
        item = item_ids.get_indexer(block["item_id"]).astype(np.int32)
        user = block["user_id"] if user_ids is None else user_ids.get_indexer(block["user_id"]).astype(np.int32)
        checks = (
            # Written so that NaN, which compares false with everything, counts as off the scale.
            (~((rating >= low) & (rating <= high)), "rating", f"is outside {low:g}..{high:g}"),
            (item < 0, "item_id", f"is not in {layout.items.name}"),
            (user < 0, "user_id", f"is not in {layout.users.name if layout.users else file.name}"),
        )
        wrong = [(int(mask.argmax()), column, problem) for mask, column, problem in checks if mask.any()]
        if wrong:
            row, column, problem = min(wrong)
            raise place.error(file, place.line_of(file, rows + row), f"{column} {block[column][row]!s} {problem}")
        for name, values in (("user", user), ("item", item), ("rating", rating)):
            parts[name].append(values)
        rows += len(rating)
    if not rows:
        raise InputError(f"{place.path}: {file.name} has no ratings")
    if users is None:
        ids = np.unique(np.concatenate([np.unique(part) for part in parts["user"]]))
        users = pd.DataFrame({"user_id": ids.astype(np.int64)} | dict.fromkeys(USER_COLUMNS[1:], np.nan))
        parts["user"] = [np.searchsorted(ids, part).astype(np.int32) for part in parts["user"]]
    user_index, item_index, ratings = (np.concatenate(parts.pop(name)) for name in ("user", "item", "rating"))
    return users, user_index, item_index, ratings


def _read_violence(place: _Folder, layout: GenomeLayout) -> pd.Series[float]:
    tags = place.table(layout.tags)
    tag_ids = tags.loc[tags["tag"] == VIOLENCE_TAG, "tag_id"]
    if len(tag_ids) != 1:
        raise InputError(f"{place.path}: {layout.tags.name} should have the tag {VIOLENCE_TAG!r} exactly once")
    file, rows = layout.scores, 0
    relevance_of: dict[int, float] = {}
    for block in place.columns(file):
        for row in np.flatnonzero(block["tag_id"] == tag_ids.iloc[0]):
            movie, relevance = int(block["item_id"][row]), float(block["relevance"][row])
            if movie in relevance_of or not 0 <= relevance <= 1:
                problem = "stands twice" if movie in relevance_of else f"is {relevance:g}, outside 0..1"
                line = place.line_of(file, rows + int(row))
                raise place.error(file, line, f"the relevance of {VIOLENCE_TAG!r} to movie {movie} {problem}")
            relevance_of[movie] = relevance
        rows += len(block["tag_id"])
    return pd.Series(relevance_of, name="violence", dtype=np.float32).rename_axis("item_id")


def _violence_of(items: pd.DataFrame, genome_ids: bool, genome: GenomeLayout, place: _Folder) -> pd.Series[float]:
    """Violence of each row of `items`, missing where the genome has none."""
    ids = items["item_id"]
    if not genome_ids:
        file = genome.titles
        titles = place.table(file) if file and (place.folder / file.name).is_file() else pd.DataFrame(columns=[*_ITEM])
        # A title that two movies share tells them not apart: neither gets a score.
        titles = titles[~titles["title"].duplicated(keep=False)]
        ids = items["title"].map(dict(zip(titles["title"], titles["item_id"], strict=True)))
    return ids.map(_read_violence(place, genome)).astype(np.float32)


def read_tag_genome(path: Path) -> pd.Series[float]:
    """Read how violent movies are: the relevance of the tag "violence" in a tag genome.

    Args:
        path: the zip or folder with `tag_relevance.dat` and `tags.dat` (tag-genome.zip), or `genome-scores.csv` and
            `genome-tags.csv` (MovieLens 20M, 25M, latest).

    Returns:
        Relevance in [0, 1] (float32), by movie id.

    Raises:
        InputError: with file and line, where something cannot be read.
    """
    with _opened(path) as folders:
        layout, place = _find_genome(path, folders)
        return _read_violence(place, layout)


def read_movielens(path: Path, *, tag_genome: Path | None = None, name: str | None = None) -> Dataset:
    """Read a MovieLens release, whichever it is: its files tell.

    Items are the rows of its table of movies, in file order; users those of its table of users or, in releases without
    one, the ids that rated, sorted, with nothing known of them (NaN). Violence comes from the genome that the release
    itself brings, else from `tag_genome`, by movie id; MovieLens 100K numbers its movies differently, so there it is
    found by exact title, where the genome lists titles.

    Args:
        path: the zip as GroupLens ships it, the folder of the extracted files, or the folder that holds that folder.
        tag_genome: zip or folder of a tag genome (see `read_tag_genome`), for a release that brings none.
        name: name of the data set; by default that of `path`.

    Returns:
        The data set; ratings on the scale (1, 5) for 100K and 1M, (0.5, 5) for the others.

    Raises:
        InputError: with file and line, where something cannot be read.
    """
    with _opened(path) as folders:
        found = _find(LAYOUTS, folders)
        if found is None:
            raise _missing_files(path, LAYOUTS)
        layout, place = found
        items = _read_items(place, layout.items)
        users = place.table(layout.users) if layout.users else None
        users, user_index, item_index, ratings = _read_ratings(place, layout, items, users)
        genome = _find(GENOME_LAYOUTS, folders)
        if genome:
            items["violence"] = _violence_of(items, layout.genome_ids, *genome)
        elif tag_genome:
            with _opened(tag_genome) as genome_folders:
                items["violence"] = _violence_of(items, layout.genome_ids, *_find_genome(tag_genome, genome_folders))
        else:
            items["violence"] = np.float32(np.nan)
        try:
            return Dataset(
                name=name or (path.stem if path.is_file() else path.resolve().name),
                users=users[list(USER_COLUMNS)],
                items=items[list(ITEM_COLUMNS)],
                user_index=user_index,
                item_index=item_index,
                ratings=ratings,
                scale=layout.scale,
            )
        except InputError:
            # Dataset finds a repeated pair fast, but knows no lines.
            row = repeated_pair(user_index, item_index)
            if row is None:
                raise
            user, item = users["user_id"].iloc[user_index[row]], items["item_id"].iloc[item_index[row]]
            line = place.line_of(layout.ratings, row)
            raise place.error(layout.ratings, line, f"user {user} rates movie {item} a second time") from None
