"""Readers of the MovieLens releases and of the tag genome, as GroupLens ships them: the zip or the extracted folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from pydeeprecsys.arrays import Array, Floats, Rows, Singles
from pydeeprecsys.data.dataset import ITEM_COLUMNS, USER_COLUMNS, Dataset
from pydeeprecsys.data.delimited import File, Folder, open_folders
from pydeeprecsys.data.movielens_layouts import (
    GENOME_LAYOUTS,
    GENRES,
    LAYOUTS,
    VIOLENCE_TAG,
    GenomeLayout,
    Layout,
    canonical_genres,
    find_layout,
    require_layout,
)
from pydeeprecsys.data.titles import match_titles
from pydeeprecsys.errors import InputError


def _read_items(folder: Folder, file: File) -> pd.DataFrame:
    items = folder.table(file)
    if "genres" in items:
        items["genres"] = canonical_genres(items["genres"])
    else:
        flags = items[list(GENRES)].to_numpy(np.bool_)
        # The first flag, which stands where Other does, is called "unknown".
        items["genres"] = ["|".join(np.array(GENRES[1:])[row[1:]]) for row in flags]
    return items


def _read_ratings(
    folder: Folder, layout: Layout, items: pd.DataFrame, users: pd.DataFrame | None
) -> tuple[pd.DataFrame, Rows, Rows, Singles, Floats]:
    """The users (given, or those who rated), and the user index, item index, value and time of each rating."""
    file, (low, high) = layout.ratings, layout.scale
    item_ids = pd.Index(items["item_id"])
    user_ids = None if users is None else pd.Index(users["user_id"])
    parts: dict[str, list[Array]] = {"user": [], "item": [], "rating": [], "time": []}
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
        for name, values in (("user", user), ("item", item), ("rating", rating), ("time", block["timestamp"])):
            parts[name].append(values)
        rows += len(rating)
    if not rows:
        raise InputError(f"{folder.path}: {file.name} has no ratings")
    if users is None:
        ids = np.unique(np.concatenate([np.unique(part) for part in parts["user"]]))
        users = pd.DataFrame({"user_id": ids.astype(np.int64)} | dict.fromkeys(USER_COLUMNS[1:], np.nan))
        parts["user"] = [np.searchsorted(ids, part).astype(np.int32) for part in parts["user"]]
    user_index, item_index, ratings, times = (np.concatenate(parts.pop(name)) for name in list(parts))
    return users, user_index, item_index, ratings, times.astype(np.float64)


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
    """Read the violence of movies: the relevance of the tag "violence" in a tag genome.

    Args:
        path: the zip or folder with `tag_relevance.dat` and `tags.dat` (tag-genome.zip), or `genome-scores.csv` and
            `genome-tags.csv` (MovieLens 20M, 25M, latest).

    Returns:
        Relevance in [0, 1] (float32), by movie id.

    Raises:
        InputError: invalid input, with file and line.
    """
    with open_folders(path) as folders:
        return _read_violence(*require_layout(GENOME_LAYOUTS, folders))


def violence_of(
    items: pd.DataFrame, tag_genome: Path, *, genome_titles: Path | None = None, by_id: bool = False
) -> tuple[Singles, str]:
    """Violence of movies by a tag genome: by id, then by title and year (see `titles.match_titles`).

    Args:
        items: one movie per row, with `item_id` and `title`.
        tag_genome: see `read_tag_genome`; titles are those of the `movies.dat` or `movies.csv` beside its scores.
        genome_titles: a MovieLens release, for a genome without titles. Not MovieLens 100K, whose ids differ.
        by_id: whether items have the ids of the genome.

    Returns:
        (items,) violence in [0, 1], NaN where the genome has no score or no match; and the source, in a phrase.

    Raises:
        InputError: invalid input, with file and line.
    """
    listed: list[pd.DataFrame] = []
    with open_folders(tag_genome) as folders:
        genome, folder = require_layout(GENOME_LAYOUTS, folders)
        scores = _read_violence(genome, folder)
        if folder.has(genome.titles):
            listed.append(folder.table(genome.titles))
    if genome_titles:
        with open_folders(genome_titles) as folders:
            layout, folder = require_layout(LAYOUTS, folders)
            if not layout.genome_ids:
                problem = "its movie ids are not those of the tag genome; give another release"
                raise InputError(f"{genome_titles}: {problem}")
            listed.append(folder.table(layout.items))
    ids = items["item_id"].where(by_id & items["item_id"].isin(scores.index))
    known = [pair for table in listed for pair in zip(table["title"], table["item_id"], strict=True)]
    matched = pd.Series(match_titles(items["title"].tolist(), known), items.index, dtype=object)
    # A match whose id another item has is another movie of the same title.
    by_title = ids.isna() & matched.isin(scores.index) & ~(by_id & matched.isin(items["item_id"]))
    violence = ids.where(~by_title, matched).map(scores).to_numpy(np.float32, na_value=np.nan)
    found = {"movie id": ids.notna().sum(), "title and year": by_title.sum()}
    told = [f"{count:,} by {how}" for how, count in found.items() if count]
    if not told and not known and not by_id:
        told = ["without titles: fetch ml-1m, which has the same movie ids, for them"]
    return violence, f"tag genome ({', '.join(told) or 'no movie in it matches'})"


def is_release(path: Path) -> bool:
    """Whether a folder holds the files of a release."""
    with open_folders(path) as folders:
        return find_layout(LAYOUTS, folders) is not None


def has_genome_ids(path: Path) -> bool:
    """Whether a release numbers its movies as the tag genome does.

    Raises:
        InputError: it cannot be read.
    """
    with open_folders(path) as folders:
        return require_layout(LAYOUTS, folders)[0].genome_ids


def read_movielens(
    path: Path, *, tag_genome: Path | None = None, genome_titles: Path | None = None, name: str | None = None
) -> Dataset:
    """Read a MovieLens release, recognized by its files.

    Items are the rows of its table of movies, in file order. Users are the rows of its table of users or, in releases
    without one, the ids that rated, sorted, with unknown demographics (NaN). Violence is from the genome in the release
    or else from `tag_genome`, by movie id; for MovieLens 100K, which has other ids, by title and year.

    Args:
        path: the zip as GroupLens ships it, the folder of the extracted files, or its parent folder.
        tag_genome: zip or folder of a tag genome (see `read_tag_genome`), for a release without one.
        genome_titles: another release, for the titles of a genome without them (see `violence_of`).
        name: of the data set, by default that of `path`.

    Returns:
        The data set; ratings on the scale (1, 5) for 100K and 1M, (0.5, 5) for the others.

    Raises:
        InputError: invalid input, with file and line.
    """
    with open_folders(path) as folders:
        layout, folder = require_layout(LAYOUTS, folders)
        items = _read_items(folder, layout.items)
        users = folder.table(layout.users) if layout.users else None
        users, user_index, item_index, ratings, times = _read_ratings(folder, layout, items, users)
        items["violence"] = np.float32(np.nan)
        source = "there is no tag genome; fetch tag-genome"
        if genome := path if find_layout(GENOME_LAYOUTS, folders) else tag_genome:
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
                timestamps=times,
                categories=GENRES,
                scale=layout.scale,
                violence_source=source,
            )
        except InputError:
            # Dataset finds a repeated pair fast, but does not know its line.
            repeated = pd.DataFrame({"user": user_index, "item": item_index}).duplicated()
            if not repeated.any():
                raise
            row = int(repeated.argmax())
            user, item = users["user_id"].iloc[user_index[row]], items["item_id"].iloc[item_index[row]]
            raise folder.row_error(layout.ratings, row, f"user {user} rates movie {item} a second time") from None
