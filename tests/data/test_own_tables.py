"""What a user's own tables may hold: any categories, any words, duplicates, counts, and gaps."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pydeeprecsys.data.dataset import Dataset
from pydeeprecsys.data.library import absolute, open_world, read_dataset, table_options
from pydeeprecsys.data.movielens_layouts import GENRES
from pydeeprecsys.data.synthetic import synthetic_dataset
from pydeeprecsys.data.tables import read_tables
from pydeeprecsys.errors import InputError

PAGE = Path(__file__).parents[2] / "docs" / "data.md"
RATINGS = pd.DataFrame({"user": [1, 1, 2, 2], "item": [1, 2, 1, 2], "rating": [5.0, 4.0, 3.0, 2.0]})


def with_items(values: list[object], column: str = "genres", **options: object) -> Dataset:
    frame = pd.DataFrame({"item": [1, 2], "title": ["T", "U"], column: values})
    return read_tables(RATINGS, items=frame, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value",
    [
        "Action|Drama",
        "Action, Drama",
        "Action;Drama",
        "Action / Drama",
        "Action | Drama",
        '["Action", "Drama"]',
        "['Action', 'Drama']",
        "[{'id': 28, 'name': 'Action'}, {'id': 18, 'name': 'Drama'}]",
        ["Action", "Drama"],
    ],
    ids=str,
)
def test_categories_are_read_however_they_are_written(value: object) -> None:
    dataset = with_items([value, None])
    assert dataset.categories == ("Other", "Action", "Drama")
    assert dataset.genres.tolist() == [[False, True, True], [True, False, False]]
    assert dataset.genres_known.tolist() == [True, False]


def test_categories_are_those_of_the_data() -> None:
    assert with_items(["Electronics|Garden", "Garden"]).categories == ("Other", "Electronics", "Garden")
    assert with_items(["Home, Garden|Toys", "Toys"]).categories == ("Other", "Home, Garden", "Toys")
    assert with_items(["Home, Garden", "Toys"], genres_separator="|").categories == ("Other", "Home, Garden", "Toys")
    assert with_items(["action|drama", "Action"]).categories == ("Other", "Action", "drama")
    assert with_items(["other|A", "A"]).genres.tolist() == [[True, True], [False, True]]
    assert with_items(["(no genres listed)", "NA"]).genres_known.tolist() == [False, False]
    assert with_items(["Garden", "Garden"], column="Category").categories == ("Other", "Garden")
    assert synthetic_dataset(50, 40, 300).categories == GENRES


@pytest.mark.parametrize("n_categories", [1, 2, 300])
def test_the_world_has_as_many_categories_as_the_data(n_categories: int) -> None:
    generator = np.random.default_rng(0)
    users, items = np.divmod(generator.permutation(30 * 20)[:300], 20)
    ratings = pd.DataFrame({"user": users, "item": items, "rating": generator.integers(1, 6, 300)})
    names = [
        f"c{item * 15 + i}" if n_categories == 300 else f"c{item % n_categories}"
        for item in range(20)
        for i in range(15)
    ]
    table = pd.DataFrame(
        {"item": range(20), "genre": ["|".join(names[15 * item : 15 * item + 15]) for item in range(20)]}
    )
    world = open_world(read_tables(ratings, items=table))
    assert len(world.categories) == 1 + n_categories
    assert world.genres.sum() == (300 if n_categories == 300 else 20)
    assert world.user_vectors.shape[1] > n_categories


def test_what_is_not_read_of_the_items_is_warned_of() -> None:
    items = pd.DataFrame({"item": [1, 2], "label": ["T", "U"], "aisle": ["A", "B"], "blood": [0, 1]})
    with pytest.warns(
        UserWarning, match="items: no title, no genres, no violence read, but there is label, aisle, blood"
    ):
        dataset = read_tables(RATINGS, items=items)
    assert dataset.notes[0].endswith("; give title_column=NAME, genres_column=NAME, violence_column=NAME")
    named = {"title_column": "label", "genres_column": "aisle", "violence_column": "blood"}
    assert read_tables(RATINGS, items=items, **named).notes == ()  # type: ignore[arg-type]
    assert read_tables(RATINGS, items=items[["item"]]).notes == ()  # there is nothing else to read


def test_users_and_items_that_their_tables_miss_are_unknown() -> None:
    users = pd.DataFrame({"id": [2, 3], "sex": ["F", "M"]})
    items = pd.DataFrame({"id": [2], "name": ["Two"], "genre": ["A"], "violence": [0.5]})
    with pytest.warns(UserWarning, match="1 of 2 (users|items) rated are not in it, such as '1'"):
        dataset = read_tables(RATINGS, users=users, items=items)
    assert dataset.users["user_id"].tolist() == [2, 3, 1]
    assert dataset.users["sex"].fillna("?").tolist() == ["F", "M", "?"]
    assert dataset.items["title"].tolist() == ["Two", "1"]
    assert dataset.item_index.tolist() == [1, 0, 1, 0]
    assert dataset.user_index.tolist() == [2, 2, 0, 0]
    assert dataset.genres_known.tolist() == [True, False]
    assert np.isnan(dataset.violence).tolist() == [False, True]


def test_words_of_demographics_are_understood_or_said_to_be_unknown() -> None:
    ids = pd.Series(range(1, 9), name="user")
    ratings = pd.DataFrame({"user": ids, "item": [1, 2] * 4, "rating": [1, 5] * 4})
    users = pd.DataFrame(
        {
            "user": ids,
            "gender": ["female", "Male", "w", "m", "divers", "NA", None, "MAN"],
            "age": ["25-34", "under 18", "65+", "41", "18 to 24", "", None, ">=50"],
            "occupation": ["writer", "4", "Librarian", "astronaut", "", "none", None, "20"],
        }
    )
    with pytest.warns(UserWarning, match="counts as unknown") as caught:
        dataset = read_tables(ratings, users=users)
    assert dataset.users["sex"].fillna("?").tolist() == ["F", "M", "F", "M", "?", "?", "?", "M"]
    np.testing.assert_array_equal(dataset.users["age"].astype(float), [25, 0, 65, 41, 18, np.nan, np.nan, 50])
    assert dataset.users["occupation"].fillna(-1).tolist() == [
        20,
        4,
        1,
        -1,
        -1,
        19,
        -1,
        20,
    ]  # "none" is MovieLens' word for 19
    assert {str(each.message) for each in caught} == set(dataset.notes)
    assert dataset.notes[0].startswith("users: gender counts as unknown where it is 'divers'; name the words")
    assert dataset.notes[1] == "users: occupation counts as unknown where it is 'astronaut'"

    with pytest.warns(UserWarning, match="counts as unknown where it is 'female', 'm', 'male', 'man', 'w'"):
        named = read_tables(ratings, users=users[["user", "gender"]], sexes=("divers", "NA"))
    assert named.users["sex"].fillna("?").tolist() == ["?", "?", "?", "?", "F", "M", "?", "?"]


def test_a_user_may_be_called_na() -> None:
    dataset = read_tables(RATINGS.assign(user=["NA", "NA", "null", "null"]))
    assert dataset.users["user_id"].tolist() == ["NA", "null"]


def test_duplicates_are_refused_or_the_last_or_their_mean() -> None:
    frame = pd.concat([RATINGS, RATINGS.head(1).assign(rating=1.0)]).assign(time=[10, 2, 3, 4, 5])
    with pytest.raises(
        InputError, match="row 5: user 1 rates item 1 a second time; keep one rating per pair, or give dup"
    ):
        read_tables(frame)
    assert read_tables(frame, duplicates="last").ratings.tolist() == [5, 4, 3, 2]
    assert read_tables(frame.drop(columns="time"), duplicates="last").ratings.tolist() == [4, 3, 2, 1]
    assert read_tables(frame, duplicates="mean").ratings.tolist() == [3, 4, 3, 2]


def test_counts_are_stars_by_their_rank_among_the_counts_of_the_user() -> None:
    frame = pd.DataFrame({"user": [1] * 4 + [2] * 2, "item": [1, 2, 3, 4, 1, 2], "plays": [0, 7, 7, 900, 3, 3]})
    dataset = read_tables(frame, rating_column="plays", feedback="counts")
    # Shares below, and half of the equal: 1/8, 1/2, 1/2, 7/8; of the second user 1/2.
    assert dataset.ratings.tolist() == [1.5, 3, 3, 4.5, 3, 3]
    assert dataset.scale == (1, 5)


def test_clicks_are_the_ends_of_the_scale() -> None:
    dataset = read_tables(RATINGS.assign(rating=[1, 0, 0, 1]), feedback="binary")
    assert dataset.stars.tolist() == [5, 1, 1, 5]


@pytest.mark.parametrize("feedback", ["ratings", "binary"])
def test_ratings_that_are_all_the_same_are_warned_of(feedback: str) -> None:
    with pytest.warns(UserWarning, match="all ratings are 1, which says nothing of what users like"):
        read_tables(RATINGS.assign(rating=1), feedback=feedback)  # type: ignore[arg-type]


def test_times_that_cannot_be_read_are_warned_of_unless_they_were_asked_for() -> None:
    frame = RATINGS.assign(date=["2001-01-01", "2001-01-02", "soon", "2001-01-03"])
    with pytest.warns(
        UserWarning, match="ratings, row 3: date should be a date or a number, found 'soon'; times are not"
    ):
        assert read_tables(frame).timestamps is None
    with pytest.raises(InputError, match="row 3: date should be a date or a number"):
        read_tables(frame, timestamp_column="date")


def test_ratings_are_split_by_time() -> None:
    dataset = read_tables(RATINGS.assign(timestamp=[30, 10, 40, 20]))
    earlier, later = dataset.split_by_time(0.5)
    assert (earlier.ratings.tolist(), later.ratings.tolist()) == ([4, 2], [5, 3])
    assert len(earlier.users) == len(later.users) == 2
    together, rest = read_tables(RATINGS.assign(timestamp=[1, 2, 2, 3])).split_by_time(0.5)
    assert (together.ratings.tolist(), rest.ratings.tolist()) == ([5], [4, 3, 2])
    for frame, share, message in (
        (RATINGS, 0.5, "it cannot be split by time, which is not known"),
        (RATINGS.assign(timestamp=[1, 2, np.nan, 4]), 0.5, "it cannot be split by time, which is not known"),
        (RATINGS.assign(timestamp=1), 0.5, "the first ratings are of one time"),
        (RATINGS.assign(timestamp=[1, 2, 3, 4]), 1.0, r"must be in \(0, 1\), it is 1"),
    ):
        with pytest.raises(InputError, match=message):
            read_tables(frame).split_by_time(share)


def test_paths_may_hold_any_sign_and_are_kept_from_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "50% off? &c"
    folder.mkdir()
    RATINGS.to_csv(folder / "my ratings?.csv", index=False)
    pd.DataFrame({"item": [1, 2], "title": ["T", "U"]}).to_csv(folder / "a%20b.csv", index=False)
    monkeypatch.chdir(folder)
    for source in (
        f"{folder}/my ratings?.csv?items=a%20b.csv",
        "my ratings?.csv?items=a%2520b.csv",
        "~/50% off? &c/my ratings?.csv?items=a%20b.csv",
        "my ratings?.csv?items=~/50% off? %26c/a%2520b.csv",
    ):
        from_root = absolute(source)
        assert from_root.startswith(f"{folder}/my ratings?.csv?items=")
        monkeypatch.chdir(tmp_path)
        assert read_dataset(from_root).items["title"].tolist() == ["T", "U"]
        monkeypatch.chdir(folder)
    assert absolute("ml-1m") == "ml-1m"


def test_every_option_of_tables_stands_on_their_page() -> None:
    page = PAGE.read_text()
    of_movies = ["tag_genome", "genome_titles"]  # found without being named
    assert [name for name in table_options() if not re.search(rf"\b{name}\b", page)] == of_movies


def test_a_release_stays_one_beside_tables(tmp_path: Path) -> None:
    (tmp_path / "ratings.dat").write_text("1::1::5::1\n1::2::1::2\n2::1::4::3\n")
    (tmp_path / "movies.dat").write_text("1::One (1990)::Drama\n2::Two (1991)::War\n")
    RATINGS.to_parquet(tmp_path / "mine.parquet")
    assert read_dataset(tmp_path).categories == GENRES
    assert read_dataset(tmp_path / "mine.parquet").categories == ("Other",)


def test_categories_that_are_numbers_are_the_same_with_and_without_gaps() -> None:
    assert with_items([3, 4]).categories == ("Other", "3", "4")
    assert with_items([3.0, None]).categories == ("Other", "3")


def test_the_table_of_items_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = tmp_path / "items.csv"
    items.write_text("item,title,violence\n1,T,0.5\n2,U,1\n")
    read: list[Path] = []
    read_bytes = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read.append(path) or read_bytes(path))
    assert read_tables(RATINGS, items=items).violence_source == "column 'violence'"
    assert read == [items]
