"""Readers of the MovieLens releases and of the tag genome, as GroupLens ships them: the zip or the extracted folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pydeeprecsys.data.dataset import GENRES, ITEM_COLUMNS, USER_COLUMNS, Dataset
from pydeeprecsys.data.delimited import FLAG, ID, NUMBER, SECONDS, TEXT, File, Folder, Kind, among, open_folders
from pydeeprecsys.data.titles import match_titles
from pydeeprecsys.errors import InputError

VIOLENCE_TAG = "violence"

# fmt: off
_OCCUPATIONS_100K = {
    "administrator": 3, "artist": 2, "doctor": 6, "educator": 1, "engineer": 17, "entertainment": 2, "executive": 7,
    "healthcare": 6, "homemaker": 9, "lawyer": 11, "librarian": 1, "marketing": 14, "none": 19, "other": 0,
    "programmer": 12, "retired": 13, "salesman": 14, "scientist": 15, "student": 4, "technician": 17, "writer": 20,
}
# fmt: on
"""As MovieLens 1M's codes; entertainers and librarians, which 1M has no code for, go where the Standard Occupational
Classification has them: with artists and with educators."""

SEX = Kind("F or M", among({"F": "F", "M": "M"}))
OCCUPATION_CODE = Kind("an occupation code, 0..20", among({str(code): code for code in range(21)}))
OCCUPATION_NAME = Kind(f"one of {', '.join(_OCCUPATIONS_100K)}", among(_OCCUPATIONS_100K))


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
    """The files of a tag genome; `titles` may be absent."""

    scores: File
    tags: File
    titles: File

    @property
    def files(self) -> tuple[File, ...]:
        """The files that tell the genome from the others."""
        return (self.scores, self.tags)


_RATING = {"user_id": ID, "item_id": ID, "rating": NUMBER, "timestamp": SECONDS}
_ITEM = {"item_id": ID, "title": TEXT, "genres": TEXT}
_MOVIES_CSV = File("movies.csv", ",", _ITEM, header="movieId,title,genres")
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
        items=_MOVIES_CSV,
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
        titles=_MOVIES_CSV,
    ),
)

FILE_NAMES = frozenset(
    file.name for layout in (*LAYOUTS, *GENOME_LAYOUTS) for file in vars(layout).values() if isinstance(file, File)
)
"""All that is read of a release's folder, and of the folders in it."""

_L = TypeVar("_L", Layout, GenomeLayout)


def _find(layouts: Iterable[_L], folders: list[Folder]) -> tuple[_L, Folder] | None:
    """The first layout whose files are all in one of the folders, and that folder."""
    found = ((layout, folder) for layout in layouts for folder in folders if all(map(folder.has, layout.files)))
    return next(found, None)


def _require(layouts: Iterable[_L], folders: list[Folder]) -> tuple[_L, Folder]:
    found = _find(layouts, folders)
    if found is None:
        known = "; or ".join(", ".join(file.name for file in layout.files) for layout in layouts)
        raise InputError(f"{folders[0].path}: the files of no known release are in it; it should hold {known}")
    return found


def _read_items(folder: Folder, file: File) -> pd.DataFrame:
    items = folder.table(file)
    if "genres" not in items:
        flags = items[list(GENRES)].to_numpy(np.bool_)
        # The first flag, which stands where Other does, is called "unknown".
        items["genres"] = ["|".join(np.array(GENRES[1:])[row[1:]]) for row in flags]
    return items


def _read_ratings(
    folder: Folder, layout: Layout, items: pd.DataFrame, users: pd.DataFrame | None
) -> tuple[pd.DataFrame, NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """The users (the given ones, else those who rated), and user index, item index and rating of each rating."""
    file, (low, high) = layout.ratings, layout.scale
    item_ids = pd.Index(items["item_id"])
    user_ids = None if users is None else pd.Index(users["user_id"])
    parts: dict[str, list[NDArray[Any]]] = {"user": [], "item": [], "rating": []}
    rows = 0
    for block in folder.columns(file):
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
            raise folder.row_error(file, rows + row, f"{column} {block[column][row]!s} {problem}")
        for name, values in (("user", user), ("item", item), ("rating", rating)):
            parts[name].append(values)
        rows += len(rating)
    if not rows:
        raise InputError(f"{folder.path}: {file.name} has no ratings")
    if users is None:
        ids = np.unique(np.concatenate([np.unique(part) for part in parts["user"]]))
        users = pd.DataFrame({"user_id": ids.astype(np.int64)} | dict.fromkeys(USER_COLUMNS[1:], np.nan))
        parts["user"] = [np.searchsorted(ids, part).astype(np.int32) for part in parts["user"]]
    user_index, item_index, ratings = (np.concatenate(parts.pop(name)) for name in ("user", "item", "rating"))
    return users, user_index, item_index, ratings


def _read_violence(layout: GenomeLayout, folder: Folder) -> pd.Series[float]:
    tags = folder.table(layout.tags)
    tag_ids = tags.loc[tags["tag"] == VIOLENCE_TAG, "tag_id"]
    if len(tag_ids) != 1:
        raise InputError(f"{folder.path}: {layout.tags.name} should have the tag {VIOLENCE_TAG!r} exactly once")
    rows = 0
    relevance_of: dict[int, float] = {}
    for block in folder.columns(layout.scores):
        for row in np.flatnonzero(block["tag_id"] == tag_ids.iloc[0]):
            movie, relevance = int(block["item_id"][row]), float(block["relevance"][row])
            if movie in relevance_of or not 0 <= relevance <= 1:
                problem = "stands twice" if movie in relevance_of else f"is {relevance:g}, outside 0..1"
                problem = f"the relevance of {VIOLENCE_TAG!r} to movie {movie} {problem}"
                raise folder.row_error(layout.scores, rows + int(row), problem)
            relevance_of[movie] = relevance
        rows += len(block["tag_id"])
    return pd.Series(relevance_of, name="violence", dtype=np.float32).rename_axis("item_id")


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
    with open_folders(path) as folders:
        return _read_violence(*_require(GENOME_LAYOUTS, folders))


def violence_of(
    items: pd.DataFrame, tag_genome: Path, *, genome_titles: Path | None = None, by_id: bool = False
) -> tuple[NDArray[np.float32], str]:
    """Violence of movies by a tag genome: by id, then by title and year (see `titles.match_titles`).

    Args:
        items: one movie per row, with `item_id` and `title`.
        tag_genome: see `read_tag_genome`; titles are those of the `movies.dat` or `movies.csv` beside its scores.
        genome_titles: a MovieLens release, for its titles: a genome may list none. Not MovieLens 100K, which has
            ids of its own.
        by_id: whether items have the ids of the genome.

    Returns:
        (items,) violence in [0, 1], NaN where the genome has no score or no match; and how it was found, in a phrase.

    Raises:
        InputError: with file and line, where something cannot be read.
    """
    listed: list[pd.DataFrame] = []
    with open_folders(tag_genome) as folders:
        genome, folder = _require(GENOME_LAYOUTS, folders)
        scores = _read_violence(genome, folder)
        if folder.has(genome.titles):
            listed.append(folder.table(genome.titles))
    if genome_titles:
        with open_folders(genome_titles) as folders:
            layout, folder = _require(LAYOUTS, folders)
            if not layout.genome_ids:
                raise InputError(
                    f"{genome_titles}: its movie ids are not those of the tag genome; give another release"
                )
            listed.append(folder.table(layout.items))
    ids = items["item_id"].where(by_id & items["item_id"].isin(scores.index))
    known = [pair for table in listed for pair in zip(table["title"], table["item_id"], strict=True)]
    matched = pd.Series(match_titles(items["title"].tolist(), known), items.index, dtype=object)
    # What has an id of its own is another movie than one that has not, be they called the same.
    by_title = ids.isna() & matched.isin(scores.index) & ~(by_id & matched.isin(items["item_id"]))
    violence = ids.where(~by_title, matched).map(scores).to_numpy(np.float32, na_value=np.nan)
    found = {"movie id": ids.notna().sum(), "title and year": by_title.sum()}
    told = [f"{count:,} by {how}" for how, count in found.items() if count]
    if not told and not known and not by_id:
        told = ["without titles: fetch ml-1m, which has the same movie ids, for them"]
    return violence, f"tag genome ({', '.join(told) or 'no movie in it matches'})"


def has_genome_ids(path: Path) -> bool:
    """Whether a release numbers its movies as the tag genome does.

    Raises:
        InputError: it cannot be read.
    """
    with open_folders(path) as folders:
        return _require(LAYOUTS, folders)[0].genome_ids


def read_movielens(
    path: Path, *, tag_genome: Path | None = None, genome_titles: Path | None = None, name: str | None = None
) -> Dataset:
    """Read a MovieLens release, whichever it is: its files tell.

    Items are the rows of its table of movies, in file order; users those of its table of users or, in releases without
    one, the ids that rated, sorted, with nothing known of them (NaN). Violence comes from the genome that the release
    itself brings, else from `tag_genome`, by movie id; MovieLens 100K numbers its movies differently, so there it is
    found by title and year.

    Args:
        path: the zip as GroupLens ships it, the folder of the extracted files, or the folder that holds that folder.
        tag_genome: zip or folder of a tag genome (see `read_tag_genome`), for a release that brings none.
        genome_titles: another release, for the titles of a genome that lists none (see `violence_of`).
        name: name of the data set; by default that of `path`.

    Returns:
        The data set; ratings on the scale (1, 5) for 100K and 1M, (0.5, 5) for the others.

    Raises:
        InputError: with file and line, where something cannot be read.
    """
    with open_folders(path) as folders:
        layout, folder = _require(LAYOUTS, folders)
        items = _read_items(folder, layout.items)
        users = folder.table(layout.users) if layout.users else None
        users, user_index, item_index, ratings = _read_ratings(folder, layout, items, users)
        items["violence"] = np.float32(np.nan)
        source = "there is no tag genome; fetch tag-genome"
        if genome := path if _find(GENOME_LAYOUTS, folders) else tag_genome:
            titles = None if layout.genome_ids else genome_titles
            items["violence"], source = violence_of(items, genome, genome_titles=titles, by_id=layout.genome_ids)
        try:
            return Dataset(
                name=name or (path.stem if path.is_file() else path.resolve().name),
                users=users[list(USER_COLUMNS)],
                items=items[list(ITEM_COLUMNS)],
                user_index=user_index,
                item_index=item_index,
                ratings=ratings,
                scale=layout.scale,
                violence_source=source,
            )
        except InputError:
            # Dataset finds a repeated pair fast, but knows no lines.
            repeated = pd.DataFrame({"user": user_index, "item": item_index}).duplicated()
            if not repeated.any():
                raise
            row = int(repeated.argmax())
            user, item = users["user_id"].iloc[user_index[row]], items["item_id"].iloc[item_index[row]]
            raise folder.row_error(layout.ratings, row, f"user {user} rates movie {item} a second time") from None
