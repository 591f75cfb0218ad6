"""Reader of the user's own ratings, items and users."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from pydeeprecsys.arguments import check_arguments
from pydeeprecsys.arrays import Floats, Ints, Rows
from pydeeprecsys.data.columns import column_of, open_table, read_ids, read_numbers, read_times, require_column
from pydeeprecsys.data.dataset import Dataset, check_scale
from pydeeprecsys.data.entities import OF_ITEMS, OF_USERS, read_items, read_users
from pydeeprecsys.data.movielens import violence_of
from pydeeprecsys.data.movielens_layouts import HALF_STARS, WHOLE_STARS
from pydeeprecsys.data.table_files import TableFile
from pydeeprecsys.errors import InputError, warn

Feedback = Literal["ratings", "counts", "binary"]
Duplicates = Literal["refuse", "last", "mean"]


def read_tables(
    ratings: Any,
    *,
    items: Any = None,
    users: Any = None,
    user_column: str | None = None,
    item_column: str | None = None,
    rating_column: str | None = None,
    timestamp_column: str | None = None,
    title_column: str | None = None,
    genres_column: str | None = None,
    violence_column: str | None = None,
    sex_column: str | None = None,
    age_column: str | None = None,
    occupation_column: str | None = None,
    zip_code_column: str | None = None,
    scale: tuple[float, float] | None = None,
    feedback: Feedback = "ratings",
    duplicates: Duplicates = "refuse",
    genres_separator: str | None = None,
    sexes: tuple[str, str] | None = None,
    encoding: str = "utf-8",
    separator: str | None = None,
    header: list[str] | None = None,
    items_header: list[str] | None = None,
    users_header: list[str] | None = None,
    name: str | None = None,
    tag_genome: Path | None = None,
    genome_titles: Path | None = None,
) -> Dataset:
    """Read the user's own ratings, with items and users if there are tables of them.

    A table is delimited text (separated by commas, semicolons, tabs, "|" or "::"; a comma in a number is a decimal one
    where it does not separate), JSON, one object per line, or Parquet, also a folder of it; text may be compressed
    (gzip, bzip2, xz). From Python it may be a data frame of pandas, polars or pyarrow.

    Columns are recognized by their usual names (`columns.NAMES`), in any case, unless an option names them. Where a
    data set is named by a path alone (`library.read_dataset`, `--dataset`), the options follow it as in a URL:
    `ratings.csv?user_column=who&scale=1,10&items=movies.csv`; `items` and `users` are then relative to `ratings`.

    Args:
        ratings: Table with one row per rating: user, item, number and, if known, the time.
        items: Table with one row per item, whose order the items keep: id, title, categories, violence in [0, 1].
            Without it, the items rated, sorted by id, with the id as title.
        users: Table with one row per user: id, sex, age in years or bands such as 25-34, occupation (MovieLens' codes
            0..20 or names), zip code.
        user_column: Column of the user's id, in ratings and users.
        item_column: Column of the item's id, in ratings and items.
        rating_column: Column of the rating.
        timestamp_column: Column of the time of a rating: seconds, milli- or microseconds since 1970, or dates.
        title_column: Column of the title, in items.
        genres_column: Column of the categories, in items: names joined by a separator, or lists.
        violence_column: Column of the violence, in items.
        sex_column: Column of the sex, in users.
        age_column: Column of the age, in users.
        occupation_column: Column of the occupation, in users.
        zip_code_column: Column of the zip code, in users.
        scale: Lowest and highest possible rating, such as 1,10. By default 1,5 if no rating is below 1, else 0.5,5.
        feedback: What ratings are: ratings on a scale; counts, such as plays, of which an item's stars are 1 + 4 · the
            share of the user's items with fewer, those with as many counted half; or binary, 0 or 1.
        duplicates: What to do with several ratings of an item by a user: refuse them, or take the last (by time, if it
            is known) or the mean.
        genres_separator: Separator of the categories; by default the first of | ; , / that occurs.
        sexes: Words for female and male, such as weiblich,männlich; by default the usual English ones.
        encoding: Encoding of text, such as latin-1.
        separator: Separator of fields; by default that of the first line.
        header: Names of the columns of ratings, if its first line does not hold them, such as user,item,rating.
        items_header: Likewise of items.
        users_header: Likewise of users.
        name: Name of the data set; by default that of the file of ratings.
        tag_genome: Tag genome (see `movielens.violence_of`), for a table of movies without violence, whose titles end
            in the year. A data set named by a path uses the genome that was fetched or is beside it.
        genome_titles: MovieLens release, for the titles of a genome that lists none; likewise.

    Returns:
        The data set. Its categories are those of the items, after one for items of which none is known. Ids are
        integers if all of them are, else text. What could not be read is in its `notes`, of which each is a warning.

    Raises:
        InputError: invalid input, with file and line (delimited text) or row.
    """
    options = dict(locals())
    check_arguments(read_tables, options)
    file = open_table("ratings", options)
    if scale is not None:
        check_scale(file.name, scale)
        if feedback != "ratings":
            raise InputError(f"{file.name}: feedback={feedback} has a scale of its own; leave scale out")
    if genome_titles and not tag_genome:
        raise InputError(f"{file.name}: genome_titles are those of a tag_genome; give one")
    items_file, users_file = (
        None if options[table] is None else open_table(table, options) for table in ("items", "users")
    )
    if tag_genome and not _lacks_violence(items_file, options):
        raise InputError(f"{file.name}: tag_genome is for items with titles and without violence; leave it out")
    for key, table in _TABLE_OF.items():
        if options[key] is not None and options[table] is None:
            raise InputError(f"{file.name}: {key} describes the table of {table}; give {table}, or leave it out")
    notes: list[str] = []
    rated, user_ids, item_ids = _read_ratings(file, options, notes)
    user_table, user_rows = read_users(users_file, user_ids, options=options, notes=notes)
    item_table, item_rows, categories = read_items(items_file, item_ids, options=options, notes=notes)
    rated = rated._replace(users=user_rows[rated.users], items=item_rows[rated.items])
    source = "no column for it, or nothing in it"
    if tag_genome:
        item_table["violence"], source = violence_of(item_table, tag_genome, genome_titles=genome_titles)
    elif items_file and item_table["violence"].notna().any():
        source = f"column {column_of(items_file, 'violence', options)!r}"
    if (rated.values == rated.values[0]).all():
        ways = "; if they are plays or clicks, give feedback=counts or feedback=binary" if feedback == "ratings" else ""
        notes.append(f"{file.name}: all ratings are {rated.values[0]:g}, which says nothing of what users like{ways}")
    dataset = Dataset(
        name=name or (file.source.name.partition(".")[0] if isinstance(file.source, Path) else "ratings"),
        users=user_table,
        items=item_table,
        user_index=rated.users,
        item_index=rated.items,
        ratings=rated.values.astype(np.float32),
        timestamps=rated.times,
        categories=categories,
        scale=scale or _SCALES.get(feedback) or (WHOLE_STARS if rated.values.min() >= WHOLE_STARS[0] else HALF_STARS),
        violence_source=source,
        notes=tuple(notes),
    )
    warn(notes)
    return dataset


_SCALES: dict[str, tuple[float, float]] = {"counts": WHOLE_STARS, "binary": (0.0, 1.0)}
_TABLE_OF = (
    {f"{key}_column": "items" for key in OF_ITEMS}
    | {f"{key}_column": "users" for key in OF_USERS}
    | {"genres_separator": "items", "items_header": "items", "sexes": "users", "users_header": "users"}
)
"""The options that describe a table of items or users, and which."""


class _Rated(NamedTuple):
    """The ratings, with the numbers of their users and items."""

    users: Rows
    items: Rows
    values: Floats
    times: Floats | None

    def take(self, rows: Ints) -> _Rated:
        times = None if self.times is None else self.times[rows]
        return _Rated(self.users[rows], self.items[rows], self.values[rows], times)


def wants_genome(options: Mapping[str, Any]) -> bool:
    """Whether there is a table of items that has titles and no violence.

    Args:
        options: of `read_tables`.

    Raises:
        InputError: it cannot be read.
    """
    return options.get("items") is not None and _lacks_violence(open_table("items", options), options)


def _lacks_violence(items: TableFile | None, options: Mapping[str, Any]) -> bool:
    if items is None:
        return False
    return column_of(items, "title", options) is not None and column_of(items, "violence", options) is None


def _read_ratings(file: TableFile, options: Mapping[str, Any], notes: list[str]) -> tuple[_Rated, list[str], list[str]]:
    """The ratings on their scale, and the ids of users and items that they number."""
    columns = {key: column_of(file, key, options) for key in ("user_id", "item_id", "rating", "timestamp")}
    for key in ("user_id", "item_id", "rating"):
        require_column(file, key, columns[key])
    present = {key: name for key, name in columns.items() if name is not None}
    read = file.read(list(present.values()))
    users, user_ids = read_ids(file, present["user_id"], read[present["user_id"]])
    items, item_ids = read_ids(file, present["item_id"], read[present["item_id"]])
    values = read_numbers(file, present["rating"], read[present["rating"]])
    times = None
    if "timestamp" in present:
        try:
            times = read_times(file, present["timestamp"], read[present["timestamp"]])
        except InputError as error:
            if options["timestamp_column"]:
                raise
            notes.append(f"{error}; times are not read")
    _check_values(file, values, present["rating"], options)
    rated = _without_duplicates(file, _Rated(users, items, values, times), (user_ids, item_ids), options["duplicates"])
    if options["feedback"] == "counts":
        rated = rated._replace(values=_stars_of_counts(rated.users, rated.values))
    return rated, user_ids, item_ids


def _check_values(file: TableFile, values: Floats, name: str, options: Mapping[str, Any]) -> None:
    file.require(~np.isnan(values), f"{name} is missing")
    feedback, (low, high) = options["feedback"], options["scale"] or HALF_STARS
    at = f"{file.source.name}?" if isinstance(file.source, Path) else ""
    ways = f"'{at}scale=1,10', or what they are, as in '{at}feedback=counts'"
    hint = "" if options["scale"] else f" (say which scale they are on, as in {ways})"
    right, expected = {
        "ratings": ((values >= low) & (values <= high), f"in {low:g}..{high:g}{hint}"),
        "counts": ((values >= 0) & np.isfinite(values), "a count, 0 or more"),
        "binary": ((values == 0) | (values == 1), "0 or 1"),
    }[feedback]
    file.require(right, f"{name} should be {expected}", values)


def _without_duplicates(file: TableFile, rated: _Rated, ids: tuple[list[str], list[str]], way: Duplicates) -> _Rated:
    pairs = pd.Series(rated.users.astype(np.int64) * len(ids[1]) + rated.items)
    repeated = pairs.duplicated().to_numpy(np.bool_)
    if not repeated.any():
        return rated
    if way == "refuse":
        row = int(repeated.argmax())
        who, what = ids[0][rated.users[row]], ids[1][rated.items[row]]
        advice = "keep one rating per pair, or give duplicates=last or duplicates=mean"
        file.require(~repeated, f"user {who} rates item {what} a second time; {advice}")
    times = np.zeros(len(pairs)) if rated.times is None else np.nan_to_num(rated.times, nan=-np.inf)
    in_time = np.argsort(times, kind="stable")
    last = np.sort(in_time[~pairs[in_time].duplicated(keep="last").to_numpy(np.bool_)])
    values = rated.values
    if way == "mean":
        values = pd.Series(values).groupby(pairs.to_numpy()).transform("mean").to_numpy()
    return rated._replace(values=values).take(last)


def _stars_of_counts(users: Rows, counts: Floats) -> Floats:
    """(ratings,) 1 + 4 · the share of the user's items with lower counts, those with equal ones counted half."""
    by_user = pd.Series(counts).groupby(users)
    shares = (by_user.rank() - 0.5) / by_user.transform("size")
    stars: Floats = (1 + 4 * shares).to_numpy()
    return stars
