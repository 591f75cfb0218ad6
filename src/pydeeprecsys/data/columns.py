"""Columns of tables: recognized by their names, and read as ids, numbers, times and texts."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pydeeprecsys.arrays import Floats, Rows
from pydeeprecsys.data.table_files import TableFile
from pydeeprecsys.errors import InputError, did_you_mean, shortened

MISSING = ("", "nan", "na", "n/a", "null", "none")
"""Texts, in lower case, for an unknown value. For ids and titles only the empty one counts: a user may be called NA."""

NAMES = {
    "user_id": "user userid useridx customer customerid member memberid reviewer reviewerid uid",
    "item_id": "item itemid movie movieid film filmid product productid book bookid isbn asin article articleid "
    "track trackid song songid artist artistid game gameid appid iid",
    "rating": "rating ratings stars score overall ratingvalue value",
    "timestamp": "timestamp time date datetime ratedat createdat unixreviewtime",
    "title": "title titles name itemname movietitle productname producttitle booktitle",
    "genres": "genres genre categories category kinds kind maincategory department",
    "violence": "violence violent",
    "sex": "sex gender",
    "age": "age agegroup ageband agerange",
    "occupation": "occupation job profession",
    "zip_code": "zipcode zip postcode postalcode",
}
"""Names by which each column is recognized, in lower case and without other characters than letters and digits."""


def column_of(file: TableFile, key: str, options: Mapping[str, Any]) -> str | None:
    """The column that the options of `read_tables` name or, without, that has one of the key's `NAMES`; None if none.

    Raises:
        InputError: there is no column of the name given, or several have one of the `NAMES`.
    """
    option = f"{key.removesuffix('_id')}_column"
    if (given := options.get(option)) is not None:
        if given not in file.names:
            raise InputError(f"{file.name}: it has no column {given!r}; {did_you_mean(given, file.names)}")
        return str(given)
    # RecBole's names end in the type, as in "user_id:token".
    plain = {name: re.sub(r"[^0-9a-z]", "", name.partition(":")[0].lower()) for name in file.names}
    for words in ([key.replace("_", "")], NAMES[key].split()):
        found = [name for name, word in plain.items() if word in words]
        if len(found) > 1:
            could = " and ".join(map(repr, found))
            raise InputError(
                f"{file.name}: {could} could both be the {key.replace('_', ' ')}; say which: {option}=NAME"
            )
        if found:
            return found[0]
    return None


def open_table(table: str, options: Mapping[str, Any]) -> TableFile:
    """The table of ratings, items or users."""
    source = options[table]
    source = Path(source) if isinstance(source, str) else source
    return TableFile(
        source,
        str(source) if isinstance(source, Path) else table,
        encoding=options.get("encoding", "utf-8"),
        separator=options.get("separator"),
        header=options.get("header" if table == "ratings" else f"{table}_header"),
    )


def require_column(file: TableFile, key: str, column: str | None) -> str:
    """The column; InputError, with what to give, where there is none."""
    if column is not None:
        return column
    ways = f"give {key.removesuffix('_id')}_column=NAME"
    if file.is_delimited and not file.header:
        ways += ", or the names of all columns if the first line does not hold them: header (of items, items_header)"
    there = shortened(map(repr, file.names))
    raise InputError(f"{file.name}: it has no column for the {key.replace('_', ' ')}; there are: {there}; {ways}")


def read_ids(file: TableFile, name: str, column: pa.ChunkedArray) -> tuple[Rows, list[str]]:
    """Ids as positions in the list of distinct ids, in the order in which they come; the id 1.0 is the id 1.

    Raises:
        InputError: an id is missing, or the column holds fractions or lists.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    try:
        if pa.types.is_floating(column.type) or pa.types.is_decimal(column.type):
            # Ids kept as floats only because some are missing: 7.0 is the id 7.
            column = column.cast(pa.int64())
        column = column.cast(pa.string())
    except pa.ArrowException as error:
        holds = f"should hold text or whole numbers, it holds {column.type}"
        raise InputError(f"{file.name}: its column {name!r} {holds} ({str(error).splitlines()[0]})") from error
    encoded = column.combine_chunks().dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    # Arrays of text cut NUL at the end.
    stripped = (text.replace("\0", "").strip() for text in encoded.dictionary.to_pylist())
    texts = [re.sub(r"^(-?\d+)\.0+$", r"\1", text) for text in stripped]
    distinct = dict.fromkeys(text for text in texts if text)
    position = {text: number for number, text in enumerate(distinct)} | {"": -1}
    codes = np.array([*map(position.__getitem__, texts), -1], dtype=np.int32)[codes]
    file.require(codes >= 0, f"{name} is missing")
    return codes, list(distinct)


def read_numbers(file: TableFile, name: str, column: pa.ChunkedArray) -> Floats:
    """(rows,) numbers, NaN where they are missing.

    Raises:
        InputError: a value is no number.
    """
    if not _is_text(column):
        try:
            return _as_floats(column.cast(pa.float64()))
        except (pa.ArrowException, ValueError) as error:
            holds = f"should hold numbers, it holds {column.type}"
            raise InputError(f"{file.name}: its column {name!r} {holds} ({str(error).splitlines()[0]})") from error
    texts = pc.utf8_trim_whitespace(column.cast(pa.string()))
    if file.has_decimal_commas:
        texts = pc.replace_substring(texts, ",", ".")
    texts = pc.if_else(pc.is_in(pc.utf8_lower(texts), pa.array(MISSING)), None, texts)
    try:
        return _as_floats(texts.cast(pa.float64()))
    except pa.ArrowInvalid:
        read = pd.to_numeric(texts.to_pandas(), errors="coerce").to_numpy(np.float64)
        file.require(~np.isnan(read) | texts.is_null().to_numpy(), f"{name} should be a number", texts.to_pylist())
        return _as_floats(read)


def read_times(file: TableFile, name: str, column: pa.ChunkedArray) -> Floats:
    """(rows,) seconds since 1970, NaN where they are missing, from seconds, milli- or microseconds, or dates.

    Raises:
        InputError: a value is no time.
    """
    if _is_text(column):
        texts = read_texts(column)
        if pd.to_numeric(texts.head(100), errors="coerce").notna().sum() == texts.head(100).notna().sum():
            return _seconds(read_numbers(file, name, column))
        times = pd.to_datetime(texts, errors="coerce", utc=True, format="mixed")
        file.require((times.notna() | texts.isna()).to_numpy(), f"{name} should be a date or a number", texts)
        return _since_1970(times)
    if pa.types.is_temporal(column.type):
        return _since_1970(pd.to_datetime(column.to_pandas(), utc=True, errors="coerce"))
    return _seconds(read_numbers(file, name, column))


def read_texts(column: pa.ChunkedArray) -> pd.Series[str]:
    """(rows,) texts without spaces at their ends, None where they are missing."""
    if pa.types.is_floating(column.type):
        with suppress(pa.ArrowInvalid):  # fractions stay
            column = column.cast(pa.int64())
    values = column.to_pylist() if pa.types.is_nested(column.type) else column.cast(pa.string()).to_pylist()
    texts = [str(value).strip() if value is not None else None for value in values]
    return pd.Series([text or None for text in texts], dtype=object)


def _as_floats(column: Any) -> Floats:
    floats: Floats = np.asarray(column, dtype=np.float64)
    return floats


def _is_text(column: pa.ChunkedArray) -> bool:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _seconds(numbers: Floats) -> Floats:
    """Times as seconds: numbers of 10^11 and more (the year 5138 in seconds) are of smaller units."""
    size = float(np.nanmedian(np.abs(numbers))) if np.isfinite(numbers).any() else 0.0
    steps = max(0, math.floor((math.log10(size) - 11) / 3) + 1) if size > 0 else 0
    return numbers / 1000.0**steps


def _since_1970(times: pd.Series[pd.Timestamp]) -> Floats:
    return _as_floats((times - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1))
