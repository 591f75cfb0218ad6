"""The same ratings in every form that a table may have."""

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from pydeeprecsys.data.columns import NAMES
from pydeeprecsys.data.table_files import TableFile
from pydeeprecsys.data.tables import read_tables
from pydeeprecsys.errors import InputError

FRAME = pd.DataFrame(
    {"user_id": [7, 7, 9], "item_id": ["a", "é", "a"], "rating": [4.5, 1.0, 3.0], "timestamp": [978300760, 0, 1]}
)
CSV = FRAME.to_csv(index=False)
JSON = FRAME.to_json(orient="records", lines=True, force_ascii=False)

TEXTS = {
    "semicolons and decimal commas": FRAME.to_csv(index=False, sep=";", decimal=",").encode(),
    "a line that spreadsheets write": b"sep=;\r\n" + FRAME.to_csv(index=False, sep=";", decimal=",").encode(),
    "tabs": FRAME.to_csv(index=False, sep="\t").encode(),
    "bars": FRAME.to_csv(index=False, sep="|").encode(),
    "double colons": CSV.replace(",", "::").encode(),
    "carriage returns": CSV.replace("\n", "\r").encode(),
    "spaces": CSV.replace(",", ", ").encode(),
    "floats for ids": FRAME.astype({"user_id": float}).to_csv(index=False).encode(),
    "both forms of an id": CSV.replace("7,", "7.0,", 1).encode(),
    "a byte order mark": b"\xef\xbb\xbf" + CSV.encode(),
    "UTF-16": CSV.encode("utf-16"),
    "gzip": gzip.compress(CSV.encode(), mtime=0),
    "bzip2": bz2.compress(CSV.encode()),
    "xz": lzma.compress(CSV.encode()),
    "JSON lines": JSON.encode(),
    "compressed JSON lines": gzip.compress(JSON.encode(), mtime=0),
    "a JSON list": json.dumps(FRAME.to_dict("records")).encode(),
    "names of RecBole": CSV.replace("user_id,item_id,rating", "user_id:token,item_id:token,rating:float").encode(),
    "names of MovieLens": CSV.replace("user_id,item_id", "userId,movieId").encode(),
    "dates": FRAME.assign(timestamp=pd.to_datetime(FRAME.timestamp, unit="s")).to_csv(index=False).encode(),
    "milliseconds": FRAME.assign(timestamp=FRAME.timestamp * 1000 + 978300000000 * 0).to_csv(index=False).encode(),
}


def check(source: object, **options: object) -> None:
    dataset = read_tables(source, **options)  # type: ignore[arg-type]
    assert dataset.users["user_id"].tolist() == [7, 9]
    assert dataset.items["item_id"].tolist() == ["a", "é"]
    assert dataset.user_index.tolist() == [0, 0, 1]
    assert dataset.item_index.tolist() == [0, 1, 0]
    assert dataset.ratings.tolist() == [4.5, 1, 3]
    assert dataset.timestamps is not None
    assert dataset.notes == ()


@pytest.mark.parametrize("content", TEXTS.values(), ids=TEXTS)
def test_ratings_in_any_usual_text_are_the_same(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ratings.of.mine"
    path.write_bytes(content)
    check(path)
    check(str(path))


def test_text_in_another_encoding_is_read_by_option(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_bytes(CSV.encode("latin-1"))
    check(path, encoding="latin-1")


def test_columns_without_names_are_named_by_option(tmp_path: Path) -> None:
    path = tmp_path / "ratings.dat"
    path.write_text(CSV.split("\n", 1)[1].replace(",", "::"))
    check(path, header=["user", "item", "rating", "time"])


class Streamed:
    """A data frame that pandas does not know."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


FRAMES: dict[str, Callable[[], object]] = {
    "pandas": lambda: FRAME,
    "pandas with an index": lambda: FRAME.set_index(["user_id", "item_id"]),
    "pandas with categories": lambda: FRAME.astype({"user_id": "category", "item_id": "category"}),
    "pandas with ids of two types": lambda: FRAME.assign(user_id=pd.Series([7, "7", 9], dtype=object)),
    "pyarrow": lambda: pa.Table.from_pandas(FRAME),
    "polars, which gives its columns as Arrow's": lambda: Streamed(pa.Table.from_pandas(FRAME)),
}


@pytest.mark.parametrize("make", FRAMES.values(), ids=FRAMES)
def test_ratings_in_a_data_frame_are_the_same(make: Callable[[], object]) -> None:
    check(make())


def test_parquet_may_be_partitioned(tmp_path: Path) -> None:
    table = pa.Table.from_pandas(FRAME, preserve_index=False)
    pyarrow.parquet.write_to_dataset(table, tmp_path / "ratings", partition_cols=["user_id"])
    check(tmp_path / "ratings")


def test_a_bad_value_of_a_data_frame_is_named_by_its_row() -> None:
    with pytest.raises(InputError, match=r"^ratings, row 2: rating should be in 0\.5\.\.5"):
        read_tables(FRAME.assign(rating=[1, 9, 1]))


@pytest.mark.parametrize(
    "content",
    [
        b"[1, 2]",
        b'{"user_id": 1',
        b'{"a": 1}\n3\n',
        gzip.compress(CSV.encode(), mtime=0)[:30],
        b"PAR1",
        b"\x00\x01",
        b'"',
        b"\xff\xfea",
    ],
)
def test_what_is_no_table_gets_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ratings.csv"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_tables(path)
    assert str(caught.value).startswith(f"{path}: it ")
    assert "\n" not in str(caught.value)


def test_times_of_smaller_units_are_read_as_seconds() -> None:
    seconds = np.array([978300760.0, 978300000.5])
    for factor in (1, 1_000, 1_000_000, 1_000_000_000):
        dataset = read_tables(FRAME.head(2).assign(timestamp=seconds * factor, user_id=[1, 2]))
        np.testing.assert_allclose(dataset.timestamps, seconds)


def test_no_name_stands_for_two_columns() -> None:
    words = [word for names in NAMES.values() for word in names.split()]
    assert len(words) == len(set(words))


def test_a_number_is_no_thousand_where_commas_separate(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text('user,item,rating\n1,1,"1,5"\n')
    assert not TableFile(path, "ratings").has_decimal_commas
    with pytest.raises(InputError, match="line 2: rating should be a number, found '1,5'"):
        read_tables(path)
