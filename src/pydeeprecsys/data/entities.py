"""Tables of the user's own users and items, matched with the ids that were rated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pydeeprecsys.arrays import Rows
from pydeeprecsys.data.categories import OTHER, read_categories
from pydeeprecsys.data.columns import MISSING, column_of, read_ids, read_numbers, read_texts, require_column
from pydeeprecsys.data.people import read_age, read_occupation, read_sex
from pydeeprecsys.data.table_files import TableFile
from pydeeprecsys.errors import InputError, shortened

OF_ITEMS = ("title", "genres", "violence")
OF_USERS = ("sex", "age", "occupation", "zip_code")


def read_users(
    file: TableFile | None, rated: list[str], *, options: Mapping[str, Any], notes: list[str]
) -> tuple[pd.DataFrame, Rows]:
    """The table of users, and its row of each user who rated."""
    if file is None:
        ids, rows = _sorted(rated)
        return pd.DataFrame({"user_id": ids}).reindex(columns=["user_id", *OF_USERS]), rows
    ids, rows, read = _read_entities(file, ("user_id", *OF_USERS), rated, options=options, notes=notes)
    columns: dict[str, Any] = dict.fromkeys(OF_USERS, np.nan)
    for key, (name, column) in read.items():
        others: list[str] = []
        if key == "sex":
            columns[key], others = read_sex(column, options["sexes"])
        elif key == "occupation":
            columns[key], others = read_occupation(column)
        else:
            columns[key] = read_texts(column) if key == "zip_code" else pd.Series(read_age(file, name, column))
        if others:
            way = "; name the words for female and male, as in sexes=weiblich,männlich" if key == "sex" else ""
            notes.append(f"{file.name}: {name} counts as unknown where it is {shortened(map(repr, others))}{way}")
    # Users whom the table misses are its last rows.
    return pd.DataFrame(columns, index=range(len(ids))).assign(user_id=ids)[["user_id", *OF_USERS]], rows


def read_items(
    file: TableFile | None, rated: list[str], *, options: Mapping[str, Any], notes: list[str]
) -> tuple[pd.DataFrame, Rows, tuple[str, ...]]:
    """The table of items, its row of each item rated, and the names of the categories."""
    if file is None:
        ids, rows = _sorted(rated)
        table = pd.DataFrame({"item_id": ids, "title": list(map(str, ids)), "genres": "", "violence": np.nan})
        return table, rows, (OTHER,)
    ids, rows, read = _read_entities(file, ("item_id", *OF_ITEMS), rated, options=options, notes=notes)
    columns: dict[str, Any] = {"violence": np.nan}
    categories: tuple[str, ...] = (OTHER,)
    for key, (name, column) in read.items():
        if key == "title":
            columns[key] = read_texts(column)
        elif key == "genres":
            values = column.to_pylist() if pa.types.is_nested(column.type) else read_texts(column).tolist()
            names, categories = read_categories(values, options["genres_separator"])
            columns[key] = pd.Series(names, dtype=object)
        else:
            columns[key] = pd.Series(violence := read_numbers(file, name, column))
            right = np.isnan(violence) | ((violence >= 0) & (violence <= 1))
            file.require(right, f"{name} should be in [0, 1] or nothing", violence)
    table = pd.DataFrame(columns, index=range(len(ids))).assign(item_id=ids)
    table = table.reindex(columns=["item_id", *OF_ITEMS])
    table["title"] = table["title"].astype(object).fillna(table["item_id"].astype(str))
    table["genres"] = table["genres"].astype(object).fillna("")
    return table, rows, categories


def _read_entities(
    file: TableFile, keys: tuple[str, ...], rated: list[str], *, options: Mapping[str, Any], notes: list[str]
) -> tuple[list[Any], Rows, dict[str, tuple[str, pa.ChunkedArray]]]:
    """A table of users or items, after which those follow that are rated and that it misses.

    Returns:
        The ids, the row of each id rated, and the name and the values of each column but the id, of the table's rows.
    """
    id_key, what = keys[0], f"{keys[0].removesuffix('_id')}s"
    id_column = _id_column(file, id_key, options)
    found = {key: column_of(file, key, options) for key in keys[1:]}
    present = {id_key: id_column} | {key: name for key, name in found.items() if name is not None}
    read = file.read(list(present.values()))
    codes, ids = read_ids(file, id_column, read[id_column])
    once = ~pd.Series(codes).duplicated().to_numpy(np.bool_)
    file.require(once, f"{id_column} should stand once", np.array(ids, dtype=object)[codes])
    row_of = {each: row for row, each in enumerate(ids)}
    missed = [each for each in rated if each not in row_of]
    if len(missed) == len(rated):
        raise InputError(f"{file.name}: it has none of the {what} rated, such as {rated[0]!r}; give their table")
    if missed:
        facts = ", ".join(key.replace("_", " ") for key in keys[1:])
        notes.append(
            f"{file.name}: {len(missed):,} of {len(rated):,} {what} rated are not in it, such as {missed[0]!r}: "
            f"their {facts} are unknown"
        )
    unread = [name for name in file.names if name not in present.values()]
    lacking = [key for key in keys[1:] if key not in present and not (key == "violence" and options["tag_genome"])]
    if what == "items" and unread and lacking:
        ways = ", ".join(f"{key}_column=NAME" for key in lacking)
        notes.append(f"{file.name}: no {', no '.join(lacking)} read, but there is {shortened(unread)}; give {ways}")
    row_of |= {each: len(ids) + number for number, each in enumerate(missed)}
    rows = np.array([row_of[each] for each in rated], dtype=np.int32)
    columns = {key: (name, read[name]) for key, name in present.items() if key != id_key}
    return _as_numbers([*ids, *missed]), rows, columns


def _id_column(file: TableFile, key: str, options: Mapping[str, Any]) -> str:
    """The column of the ids: the one that the ratings name, if the table has it, or one of the usual names."""
    option = f"{key.removesuffix('_id')}_column"
    given = options.get(option)
    found = column_of(file, key, {**options, option: given if given in file.names else None})
    return require_column(file, key, found or next((name for name in file.names if name.lower() == "id"), None))


def read_user_columns(file: TableFile, options: Mapping[str, Any]) -> pd.DataFrame:
    """Every column of a table of users as text, None where it is missing, by the users' ids.

    Args:
        file: the table, which `read_users` has read.
        options: of `read_tables`.
    """
    id_column = _id_column(file, "user_id", options)
    read = file.read([name for name in file.names if file.names.count(name) == 1])
    _, ids = read_ids(file, id_column, read.pop(id_column))
    columns = {
        name: [None if text is None or text.lower() in MISSING else text for text in read_texts(column)]
        for name, column in read.items()
    }
    return pd.DataFrame(columns, index=pd.Index(ids, dtype=object), dtype=object)


def _sorted(rated: list[str]) -> tuple[list[Any], Rows]:
    """The ids rated in order, and the place of each in it."""
    ids = sorted(rated, key=int if _are_whole_numbers(rated) else None)
    place = {each: row for row, each in enumerate(ids)}
    return _as_numbers(ids), np.array([place[each] for each in rated], dtype=np.int32)


def _as_numbers(ids: list[str]) -> list[Any]:
    """Ids as integers if all of them are, else text."""
    return list(map(int, ids)) if _are_whole_numbers(ids) else ids


def _are_whole_numbers(ids: list[str]) -> bool:
    return all(text.isascii() and text.isdigit() and len(text) < 19 and str(int(text)) == text for text in ids)
