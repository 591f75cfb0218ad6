"""Groups of users, by what a world knows of them and by their own tables."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pydeeprecsys.data.library import open_world, read_user_table
from pydeeprecsys.data.user_groups import as_groups, known_demographics, split_cut_points
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError


def column(*values: str | None) -> "pd.Series[str]":
    return pd.Series(values, dtype=object)


def test_demographics_of_a_world_are_words_again(world: World) -> None:
    nothing = np.full((3, 4), np.nan)
    known = replace(world, demographics=np.vstack([nothing[:1], [[0, 25 / 56, 12 / 20, 0.5], [1, 1, 1, 0.1]]]))
    table = known_demographics(known)
    assert table.to_dict("list") == {
        "sex": [None, "F", "M"],
        "age": [None, "25", "56"],
        "occupation": [None, "programmer", "writer"],
    }
    assert known_demographics(replace(world, demographics=nothing)).empty


def test_ages_fall_into_the_bands_of_movielens_and_numbers_into_those_between_cut_points() -> None:
    ages = as_groups("age", column("17", "18", "24", "56", None, "0"))
    assert ages.astype(object).fillna("?").tolist() == ["under 18", "18-24", "18-24", "56+", "?", "under 18"]
    assert ages.cat.categories.tolist() == ["under 18", "18-24", "25-34", "35-44", "45-49", "50-55", "56+"]
    incomes = as_groups("income", column("0.5", "1", "2.5", "9"), [1, 2.5])
    assert incomes.tolist() == ["under 1", "1 to under 2.5", "2.5+", "2.5+"]


def test_groups_are_in_the_order_of_their_numbers() -> None:
    assert as_groups("level", column("10", "9", "2", "10", "2", "9")).cat.categories.tolist() == ["2", "9", "10"]
    assert as_groups("odd", column("²", "x²", "1²")).cat.categories.tolist() == ["1²", "x²", "²"]
    assert as_groups("income", column("inf", "1234567"), [1234567.0]).tolist() == ["1234567+", "1234567+"]
    assert as_groups("band", column("age 10-19", "age 5-9")).cat.categories.tolist() == ["age 5-9", "age 10-19"]


@pytest.mark.parametrize(
    ("values", "cuts", "match"),
    [
        ([str(number / 7) for number in range(40)], None, r"40 different values; give cut points, as in x:1\.86,3\.71"),
        (["1.5", "2.5", "3.5"], None, "3 different values; give cut points"),  # of three users
        ([f"user {number}" for number in range(200)], None, "200 groups, such as user 0, user 1, user 2"),
        (["a", "1", "2"], [1.0], "x has values such as 'a', which cut points cannot band"),
        ([None, None], None, "x is not known of any user"),
    ],
)
def test_a_column_that_makes_no_groups_is_refused(
    values: list[str | None], cuts: list[float] | None, match: str
) -> None:
    with pytest.raises(InputError, match=match):
        as_groups("x", column(*values), cuts)


def test_cut_points_follow_a_name() -> None:
    assert split_cut_points("age:18,35.5", ["age"]) == ("age", [18, 35.5])
    assert split_cut_points("age", ["age"]) == ("age", None)
    assert split_cut_points("age:token", ["age:token"]) == ("age:token", None)  # a name of RecBole's
    for text in ("age:", "age:18,x", "age:35,18", "age:18,18", "age:nan", "age:inf"):
        with pytest.raises(InputError, match="cut points are numbers that rise, as in age:18,35,50, not 'age:"):
            split_cut_points(text, ["age"])


def test_a_table_of_users_keeps_its_own_columns_and_words(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("user,item,rating\n1,a,3\n2,a,4\n2,b,5\n3,b,2\n")
    (tmp_path / "users.csv").write_text(
        "id,gender,job,region,score\n2,f,astronaut,North,1.0\n1,m,writer,n/a,2.5\n9,m,,South,3\n"
    )
    source = f"{tmp_path / 'ratings.csv'}?users=users.csv"
    with pytest.warns(UserWarning, match="users rated are not in it|counts as unknown"):
        table, checksum = read_user_table(source)
    with pytest.warns(UserWarning, match="users rated are not in it|counts as unknown"):
        world = open_world(source)
    assert checksum == world.record["dataset_checksum"]
    rows = table.astype(object).where(table.notna(), None).loc[["1", "2", "3"]]
    assert rows["region"].tolist() == [None, "North", None]
    assert rows["job"].tolist() == ["writer", "astronaut", None]
    assert rows["occupation"].tolist() == ["writer", None, None]
    assert rows["sex"].tolist() == ["M", "F", None]
    assert rows["score"].tolist() == ["2.5", "1.0", None]


def test_the_table_of_a_generated_data_set_is_in_words() -> None:
    table, _ = read_user_table("planted-gap")
    assert set(table["sex"]) == {"F", "M"}
    assert "college student" in set(table["occupation"])
    assert table["age"].str.isdigit().all()


def test_a_saved_world_has_no_table_of_users() -> None:
    with pytest.raises(InputError, match=r"small\.world is a saved world, which knows sex, age and occupation alone"):
        read_user_table("small.world")
