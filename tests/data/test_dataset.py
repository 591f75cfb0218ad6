from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pydeeprecsys.data.dataset import Dataset
from pydeeprecsys.data.movielens_layouts import GENRES
from pydeeprecsys.errors import InputError

USERS = pd.DataFrame(
    {
        "user_id": ["a", "b", "c", "d"],
        "sex": ["F", "M", None, "M"],
        "age": [28.0, 56.0, np.nan, 73.0],
        "occupation": [0.0, 20.0, np.nan, 5.0],
        "zip_code": ["49999-1234", "99999", None, "T8H1N"],
    }
)
ITEMS = pd.DataFrame(
    {
        "item_id": [10, 20, 30, 40],
        "title": ["Ten", "Twenty", "Thirty", "Forty"],
        "genres": ["Action|War", "Children's", None, "IMAX|Film-Noir|Comedy"],
        "violence": [0.5, 0.0, np.nan, 1.0],
    }
)


def dataset(**changes: Any) -> Dataset:
    fields: dict[str, Any] = {
        "name": "tiny",
        "users": USERS,
        "items": ITEMS,
        "user_index": np.array([0, 0, 1, 2], dtype=np.int32),
        "item_index": np.array([0, 1, 1, 3], dtype=np.int32),
        "ratings": np.array([5, 1, 3, 4.5], dtype=np.float32),
        "categories": GENRES,
    }
    return Dataset(**(fields | changes))


def changed(table: pd.DataFrame, column: str, row: int, value: Any) -> pd.DataFrame:
    table = table.copy()
    table.loc[row, column] = value
    return table


def index(*values: int) -> Any:
    return np.array(values, dtype=np.int32)


def stars(*values: float) -> Any:
    return np.array(values, dtype=np.float32)


def test_there_are_19_genres_in_the_documented_order() -> None:
    names = (
        "Other, Action, Adventure, Animation, Children's, Comedy, Crime, Documentary, Drama, Fantasy, Film-Noir, "
        "Horror, Musical, Mystery, Romance, Sci-Fi, Thriller, War, Western"
    )
    assert ", ".join(GENRES) == names


def test_genres_of_the_items() -> None:
    names = [{GENRES[genre] for genre in np.flatnonzero(row)} for row in dataset().genres]
    assert names == [{"Action", "War"}, {"Children's"}, {"Other"}, {"Other", "Film-Noir", "Comedy"}]
    assert dataset().genres_known.tolist() == [True, True, False, True]


@pytest.mark.parametrize("said", ["", None])
def test_an_item_without_known_genres_is_other_to_the_dynamics_alone(said: str | None) -> None:
    unknown = dataset(items=changed(ITEMS, "genres", 0, said))
    assert unknown.genres[0].nonzero()[0].tolist() == [0]
    assert not unknown.genres_known[0]
    assert dataset(items=changed(ITEMS, "genres", 0, "Other")).genres_known[0]
    for blank in (" ", "|", " | "):
        assert not dataset(items=changed(ITEMS, "genres", 0, blank)).genres_known[0]
    spaced = dataset(items=changed(ITEMS, "genres", 0, "Sci-Fi | Drama")).genres[0]
    assert np.flatnonzero(spaced).tolist() == [GENRES.index("Drama"), GENRES.index("Sci-Fi")]


def test_categories_of_its_own_are_flagged_in_their_order_and_the_first_takes_in_the_rest() -> None:
    songs = ITEMS.assign(genres=["Folk|Jazz", "Jazz", None, "Polka"])
    flags = dataset(items=songs, categories=("Any", "Jazz", "Folk")).genres
    assert flags.astype(int).tolist() == [[0, 1, 1], [0, 1, 0], [1, 0, 0], [1, 0, 0]]


def test_demographics_of_the_users() -> None:
    np.testing.assert_allclose(
        dataset().demographics,
        [
            [0.0, 28 / 56, 0.0, 49999 / 99999],
            [1.0, 1.0, 1.0, 1.0],
            [np.nan, np.nan, np.nan, np.nan],  # nothing known
            [1.0, 1.0, 5 / 20, np.nan],  # older than the last bracket; a Canadian code
        ],
        rtol=1e-6,
    )
    assert dataset().demographics.dtype == np.float32


@pytest.mark.parametrize(
    ("zip_code", "number"),
    [
        ("02139", 2139),
        ("2139", 2139),  # kept as a number
        ("021391234", 2139),
        ("02139-1234", 2139),
        ("V0R2M", np.nan),
        ("123456", np.nan),
        ("SW1A 1AA", np.nan),
    ],
)
def test_zip_codes_of_the_united_states_are_known(zip_code: str, number: float) -> None:
    given = dataset(users=changed(USERS, "zip_code", 0, zip_code)).demographics[0, 3]
    np.testing.assert_allclose(given, number / 99999, rtol=1e-6)


def test_violence_that_nobody_measured_is_not_zero() -> None:
    np.testing.assert_array_equal(dataset().violence, [0.5, 0.0, np.nan, 1.0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"users": USERS.drop(columns="age")}, "the table of users lacks the column 'age'"),
        ({"items": ITEMS.drop(columns="violence")}, "the table of items lacks the column 'violence'"),
        ({"users": changed(USERS, "user_id", 3, "a")}, "the id 'a' stands twice among the users"),
        ({"items": changed(ITEMS, "item_id", 3, 10)}, "the id .*10.* stands twice among the items"),
        ({"users": USERS[:1], "user_index": index(0, 0, 0, 0)}, "at least two users are needed, it has 1"),
        ({"items": ITEMS[:1], "item_index": index(0, 0, 0, 0)}, "at least two items are needed, it has 1"),
        ({"user_index": index(0, 0, 1)}, "differ in number"),
        ({"ratings": stars(5, 1, 3)}, "differ in number"),
        ({"user_index": index(), "item_index": index(), "ratings": stars()}, "it has no ratings"),
        ({"ratings": stars(5, 1, 5.5, 4)}, r"rating 3 is 5.5, outside 1\.\.5"),
        ({"ratings": stars(5, 0.5, 3, 4)}, r"rating 2 is 0.5, outside 1\.\.5"),
        ({"ratings": stars(5, 1, 3, np.nan)}, r"rating 4 is nan, outside 1\.\.5"),
        ({"ratings": stars(np.inf, 1, 3, 4)}, r"rating 1 is inf, outside 1\.\.5"),
        ({"categories": ()}, "give at least one category, each once"),
        ({"categories": ("Jazz", "Folk", "Jazz")}, "give at least one category, each once"),
        ({"scale": (5.0, 1.0)}, "the scale goes from 5 to 1; give the lowest rating, then the highest"),
        ({"scale": (3.0, 3.0)}, "the scale goes from 3 to 3"),
        ({"scale": (1.0, np.inf)}, "the scale goes from 1 to inf"),
        ({"scale": (1.0, np.nan)}, "the scale goes from 1 to nan"),
        # As ratings, which have 24 bits, the two are the same.
        ({"scale": (1e9, 1e9 + 1)}, r"the scale goes from 1e\+09 to 1e\+09"),
        ({"ratings": stars(0.4, 1, 3, 4), "scale": (0.5, 5.0)}, r"rating 1 is 0.4, outside 0.5\.\.5"),
        ({"user_index": index(0, 0, 1, 4)}, "a rating points outside the table of users"),
        ({"user_index": index(0, 0, 1, -1)}, "a rating points outside the table of users"),
        ({"item_index": index(0, 1, 1, 4)}, "a rating points outside the table of items"),
        ({"user_index": index(0, 1, 1, 2)}, "user b rates item 20 more than once"),
        ({"items": changed(ITEMS, "violence", 0, 1.01)}, r"a violence score lies outside 0\.\.1"),
        ({"items": changed(ITEMS, "violence", 0, -0.01)}, r"a violence score lies outside 0\.\.1"),
    ],
)
def test_data_that_cannot_be(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^tiny: .*{message}") as caught:
        dataset(**changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("scale", "given", "mapped"),
    [
        ((1, 5), (1, 5, 2.5, 4), (1, 5, 2.5, 4)),
        ((0.5, 5), (0.5, 5, 2.75, 1.625), (1, 5, 3, 2)),
        ((0, 10), (0, 10, 5, 2.5), (1, 5, 3, 2)),
        ((-10, 10), (-10, 10, 0, -5), (1, 5, 3, 2)),
        ((0, 1), (0, 1, 0, 1), (1, 5, 1, 5)),
        ((1, 100), (1, 100, 50.5, 25.75), (1, 5, 3, 2)),
        ((0, 1e-6), (0, 1e-6, 5e-7, 2.5e-7), (1, 5, 3, 2)),
        ((0, 0.1), (0, 0.1, 0.05, 0.025), (1, 5, 3, 2)),
    ],
)
def test_stars_map_the_scale_to_1_5(
    scale: tuple[float, float], given: tuple[float, ...], mapped: tuple[float, ...]
) -> None:
    made = dataset(scale=scale, ratings=stars(*given))
    assert made.ratings.tolist() == stars(*given).tolist()  # these stay as they are
    np.testing.assert_allclose(made.stars, mapped, rtol=1e-6)
    assert made.stars.dtype == np.float32
    assert made.stars.min() >= 1
    assert made.stars.max() <= 5
    np.testing.assert_allclose(made.from_stars(made.stars.astype(np.float64)), given, rtol=1e-6, atol=1e-6 * scale[1])


def test_checking_leaves_the_ratings_as_they_are() -> None:
    made = dataset()
    assert made.user_index.tolist() == [0, 0, 1, 2]
    assert made.item_index.tolist() == [0, 1, 1, 3]
    assert dataset(ratings=stars(0.5, 1, 5, 4.5), scale=(0.5, 5.0)).ratings.tolist() == [0.5, 1, 5, 4.5]


@pytest.mark.parametrize(
    "changes",
    [
        {"ratings": stars(5, 1, 3, 4)},
        {"user_index": index(0, 0, 1, 3)},
        {"item_index": index(0, 1, 1, 2)},
        {"scale": (0.5, 5.0)},
        {"users": changed(USERS, "user_id", 0, "z")},
        {"users": changed(USERS, "age", 0, 18.0)},
        {"items": changed(ITEMS, "item_id", 0, 11)},
        {"items": changed(ITEMS, "title", 0, "Eleven")},
        {"items": changed(ITEMS, "genres", 0, "Action")},
        {"items": changed(ITEMS, "violence", 0, 0.25)},
        {"items": changed(ITEMS, "violence", 2, 0.0)},  # measured, where it was missing
        {"items": changed(ITEMS, "genres", 2, "Other")},
    ],
)
def test_the_checksum_tells_data_apart(changes: dict[str, Any]) -> None:
    assert dataset(**changes).checksum != dataset().checksum
    assert replace(dataset(), name="other").checksum == dataset().checksum
    assert dataset(scale=(1, 5)).checksum == dataset().checksum
