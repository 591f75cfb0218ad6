import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pydeeprecsys.data.tables import read_tables
from pydeeprecsys.errors import InputError

RATINGS = "user_id,item_id,rating\n10,b,5\n9,a,0.5\n10,a,3.5\n"
ITEMS = 'item_id,title,genres,violence\nb,"Bell, The",Action|Drama,0.25\na,,,\nc,Third,Comedy,1\n'
USERS = "user_id,sex,age,occupation,zip_code\n9,F,25,4,02139\n10,,,,\n"

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(content: str | bytes, name: str = "ratings.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


def test_ratings_alone(write: Write) -> None:
    dataset = read_tables(write(RATINGS))
    assert dataset.name == "ratings"
    assert dataset.scale == (0.5, 5.0)
    # 9 before 10: ids that are whole numbers sort as such.
    assert dataset.users["user_id"].tolist() == [9, 10]
    assert dataset.items["item_id"].tolist() == ["a", "b"]
    assert dataset.items["title"].tolist() == ["a", "b"]
    assert dataset.user_index.tolist() == [1, 0, 1]
    assert dataset.item_index.tolist() == [1, 0, 0]
    assert dataset.ratings.tolist() == [5.0, 0.5, 3.5]
    assert np.isnan(dataset.demographics).all()
    assert dataset.genres[:, 0].all()
    assert not dataset.genres_known.any()
    assert np.isnan(dataset.violence).all()
    assert dataset.violence_source == "no column for it, or nothing in it"


def test_all_tables(write: Write) -> None:
    dataset = read_tables(write(RATINGS), items=write(ITEMS, "items.csv"), users=write(USERS, "users.csv"), name="mine")
    assert dataset.name == "mine"
    assert dataset.items["item_id"].tolist() == ["b", "a", "c"]
    assert dataset.items["title"].tolist() == ["Bell, The", "a", "Third"]
    assert dataset.categories == ("Other", "Action", "Comedy", "Drama")
    assert dataset.genres[0].nonzero()[0].tolist() == [1, 3]
    np.testing.assert_array_equal(dataset.violence, [0.25, np.nan, 1])
    assert dataset.violence_source == "column 'violence'"
    assert dataset.users["zip_code"][0] == "02139"
    np.testing.assert_allclose(dataset.demographics, [[0, 25 / 56, 0.2, 2139 / 99999], [np.nan] * 4], rtol=1e-6)
    assert dataset.item_index.tolist() == [0, 1, 1]


@pytest.mark.parametrize("id_type", ["int64", "float64", "str", "category"])
def test_parquet_reads_as_csv(write: Write, tmp_path: Path, id_type: str) -> None:
    csv = write("user_id,item_id,rating\n10,7,5\n9,8,0.5\n10,8,3.5\n")
    parquet = tmp_path / "ratings.parquet"
    pd.read_csv(csv).astype({"user_id": id_type}).to_parquet(parquet)
    assert read_tables(parquet).checksum == read_tables(csv).checksum


def test_columns_by_option_and_tabs(write: Write) -> None:
    ratings = write("stars\tmovie\twho\textra\n4\tx\tp\t\n2\ty\tq\t\n", "ratings.tsv")
    items = write("movie,name,kinds,blood\nx,X,Drama,0.5\ny,Y,War,0\n", "items.csv")
    dataset = read_tables(
        ratings,
        items=items,
        user_column="who",
        item_column="movie",
        rating_column="stars",
        title_column="name",
        genres_column="kinds",
        violence_column="blood",
    )
    assert dataset.users["user_id"].tolist() == ["p", "q"]
    assert dataset.items["title"].tolist() == ["X", "Y"]
    assert dataset.items["genres"].tolist() == ["Drama", "War"]
    assert dataset.violence.tolist() == [0.5, 0]
    assert dataset.ratings.tolist() == [4, 2]


@pytest.mark.parametrize("scale", [(1, 10), (0, 100), (-10, 10), (0, 1)])
def test_ratings_stay_on_the_scale_that_is_given(write: Write, scale: tuple[float, float]) -> None:
    dataset = read_tables(write("user_id,item_id,rating\n1,1,{}\n2,2,{}\n".format(*scale)), scale=scale)
    assert dataset.ratings.tolist() == list(scale)
    assert dataset.scale == scale
    assert dataset.stars.tolist() == [1, 5]


def test_a_scale_that_is_not_given_starts_at_1_where_all_ratings_do(write: Write) -> None:
    whole = read_tables(write("user_id,item_id,rating\n1,1,2\n2,2,3.5\n"))
    assert whole.scale == (1, 5)
    assert whole.stars.tolist() == [2, 3.5]
    assert read_tables(write("user_id,item_id,rating\n1,1,2\n2,2,0.5\n")).scale == (0.5, 5)


# The ratings, what else is given, and what the error says.
BAD: list[tuple[str, dict[str, Any], str]] = [
    ("", {}, "it is empty"),
    ("user_id,item_id,rating\n", {}, "it has no rows"),
    (
        "user_id,item_id,rated\n1,1,5\n",
        {},
        "it has no column for the rating; there are: 'user_id', 'item_id', 'rated'; give rating_column=NAME, or the",
    ),
    (
        "1,1,5\n2,2,5\n",
        {},
        "no column for the user id; there are: '1', '1', '5'; give user_column=NAME, or the names of all columns if "
        "the first line does not hold them: header",
    ),
    ("user,uid,movie,stars\n1,1,1,5\n", {}, "'user' and 'uid' could both be the user id; say which: user_column"),
    ("user_id,item_id,rating,rating\n1,1,5,5\n", {}, "it has 2 columns named 'rating'"),
    (
        "user_id,item_id,rating\n1,1,5\n\n2,2,8\n",
        {},
        "line 4: rating should be in 0.5..5 (say which scale they are on, as in 'ratings.csv?scale=1,10', or what they "
        "are, as in 'ratings.csv?feedback=counts'), found '8.0'",
    ),
    ("user_id,item_id,rating\n1,1,5\n2,2,11\n", {"scale": (1, 10)}, "line 3: rating should be in 1..10, found '11.0'"),
    ("user_id,item_id,rating\n1,1,5\n2,2,inf\n", {}, "line 3: rating should be in 0.5..5"),
    ("user_id,item_id,rating\n1,1,5\n2,2,NaN\n", {}, "line 3: rating is missing"),
    ("user_id,item_id,rating\n1,1,5\n2,2,good\n", {}, "line 3: rating should be a number, found 'good'"),
    ('user_id,item_id,rating\n1,"1\n1",5\n2,2,good\n', {}, "line 4: rating should be a number, found 'good'"),
    ("user_id,item_id,rating\n1,1,5\n2,2\n", {}, "line 3: expected 3 fields separated by ',', found 2: '2,2'"),
    ("user_id,item_id,rating\n1,1,5\n2,2,3,5\n", {}, "line 3: expected 3 fields separated by ',', found 4: '2,2,3,5'"),
    ("user_id,item_id,rating\n1,1,5\n,2,5\n", {}, "line 3: user_id is missing"),
    ("user_id,item_id,rating\n1,1,5\n2,,5\n", {}, "line 3: item_id is missing"),
    ("user_id,item_id,rating\n1,1,5\n2,2,5\n1,1,4\n", {}, "line 4: user 1 rates item 1 a second time"),
    ("user_id,item_id,rating\n1,1,5\n1,2,5\n", {}, "at least two users are needed"),
    (RATINGS, {"scale": (5, 1)}, "the scale goes from 5 to 1; give the lowest rating, then the highest"),
    (RATINGS, {"items": "item_id\nx\ny\n"}, "items.csv: it has none of the items rated, such as 'b'; give their table"),
    (
        RATINGS,
        {"users": "user_id\n8\n11\n"},
        "users.csv: it has none of the users rated, such as '10'; give their table",
    ),
    (RATINGS, {"items": "item_id\na\nb\na\n"}, "items.csv, line 4: item_id should stand once, found 'a'"),
    (RATINGS, {"items": "item_id,title\na,A\n,B\n"}, "items.csv, line 3: item_id is missing"),
    (
        RATINGS,
        {"items": "item_id,violence\na,1\nb,1.5\n"},
        "items.csv, line 3: violence should be in [0, 1] or nothing, found '1.5'",
    ),
    (
        RATINGS,
        {"items": "item_id,violence\na,NA\nb,much\n"},
        "items.csv, line 3: violence should be a number, found 'much'",
    ),
    (
        RATINGS,
        {"items": "item_id\na\nb\n", "title_column": "name"},
        "items.csv: it has no column 'name'; there are: item_id",
    ),
    (RATINGS, {"users": "user_id,age\n9,25\n10,-1\n"}, "users.csv, line 3: age should be in years, 0..150, or a band"),
    (
        RATINGS,
        {"users": "user_id,age\n9,young\n10,1\n"},
        "users.csv, line 2: age should be in years, 0..150, or a band",
    ),
    (RATINGS, {"sexes": ("w", "m")}, "sexes describes the table of users; give users, or leave it out"),
    (RATINGS, {"title_column": "name"}, "title_column describes the table of items; give items, or leave it out"),
    (RATINGS, {"feedback": "plays"}, "feedback must be one of ratings, counts, binary, it is 'plays'"),
    (RATINGS, {"feedback": "binary"}, "line 2: rating should be 0 or 1, found '5.0'"),
    (RATINGS, {"feedback": "counts", "scale": (1, 5)}, "feedback=counts has a scale of its own; leave scale out"),
    (
        RATINGS.replace("5", "-5", 1),
        {"feedback": "counts"},
        "line 2: rating should be a count, 0 or more, found '-5.0'",
    ),
    (RATINGS, {"encoding": "utf-9"}, "there is no encoding 'utf-9'; give one, such as latin-1"),
    (RATINGS, {"timestamp_column": "when"}, "it has no column 'when'; there are: user_id, item_id, rating"),
]


@pytest.mark.parametrize(("ratings", "given", "message"), BAD, ids=[bad[-1][:40] for bad in BAD])
def test_bad_tables(write: Write, ratings: str, given: dict[str, Any], message: str) -> None:
    tables = {key: write(given[key], f"{key}.csv") for key in ("items", "users") if key in given}
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        read_tables(write(ratings), **(given | tables))
    assert "\n" not in str(caught.value)


def test_bad_files(write: Write, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv: it cannot be read \(No such file or directory\)"):
        read_tables(tmp_path / "none.csv")
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory\)"):
        read_tables(tmp_path)
    with pytest.raises(InputError, match=r"cannot be read as UTF-8; give its encoding, such as latin-1 \("):
        read_tables(write("user_id,item_id,rating\n1,é,5\n".encode("latin-1")))


def test_bad_parquet(write: Write, tmp_path: Path) -> None:
    path = tmp_path / "ratings.parquet"
    frame = pd.DataFrame({"user_id": [1, 2, 3], "item_id": [1, 2, 3], "rating": [1.0, 2.0, 8.0]})
    frame.to_parquet(path)
    with pytest.raises(InputError, match=r"row 3: rating should be in 0\.5\.\.5"):
        read_tables(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"cannot be read as a table \("):
        read_tables(path)
    frame.assign(rating=[1.0, np.nan, 2.0]).to_parquet(path)
    with pytest.raises(InputError, match="row 2: rating is missing"):
        read_tables(path)
    frame.assign(user_id=[1.5, 2, 3]).to_parquet(path)
    with pytest.raises(InputError, match="'user_id' should hold text or whole numbers, it holds double"):
        read_tables(path)
    frame.assign(rating=["1", "2", "many"]).to_parquet(path)
    with pytest.raises(InputError, match="row 3: rating should be a number, found 'many'"):
        read_tables(path)
