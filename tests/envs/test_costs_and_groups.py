"""What a step costs, and which group a user is of."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pydeeprecsys.data.world import World
from pydeeprecsys.envs.single import MovieLensFairness
from pydeeprecsys.envs.vector import MovieLensFairnessVector
from pydeeprecsys.errors import InputError

Floats = NDArray[np.float64]


def step(world: World, slate_size: int = 3, **options: Any) -> tuple[MovieLensFairnessVector, dict[str, Any]]:
    """Infos of one step of six users."""
    env = MovieLensFairnessVector(6, slate_size, seed=3, dataset=world, **options)
    env.reset()
    slates = np.random.default_rng(0).integers(0, world.n_items, (6, slate_size))
    return env, env.step(slates if slate_size > 1 else slates[:, 0])[-1]


def test_a_step_costs_the_mean_violence_of_what_is_shown(world: World) -> None:
    for options in ({}, {"version": 1}, {"cost": "shown"}):
        _, infos = step(world, **options)
        assert infos["cost"].tolist() == infos["violence"].tolist()
        assert infos["_cost"].all()


def test_the_cost_of_what_is_consumed_is_that_of_the_chosen_item(world: World) -> None:
    _, infos = step(world, version=1, cost="consumed")
    chosen = infos["chosen_action"]
    assert set(chosen) > {-1}  # somebody chose nothing, which costs nothing
    slates = np.random.default_rng(0).integers(0, world.n_items, (6, 3))
    violence = np.where(chosen >= 0, world.violence[slates[np.arange(6), np.maximum(chosen, 0)]], 0.0)
    np.testing.assert_allclose(infos["cost"], violence)


def test_who_consumes_whole_slates_consumes_what_is_shown(world: World) -> None:
    _, infos = step(world, cost="consumed")
    assert infos["cost"].tolist() == infos["violence"].tolist()


@pytest.mark.parametrize("name", ["unmeasured", "novelty", "dcg"])
def test_any_number_in_info_may_be_the_cost(world: World, name: str) -> None:
    _, infos = step(world, cost=name)
    assert infos["cost"].tolist() == infos[name].tolist()


def test_a_function_may_be_the_cost(world: World) -> None:
    def most_violent(ratings: Floats, violence: Floats) -> Floats:
        most: Floats = violence.max(axis=1)
        return most

    _, infos = step(world, cost=most_violent)
    slates = np.random.default_rng(0).integers(0, world.n_items, (6, 3))
    np.testing.assert_allclose(infos["cost"], world.violence[slates].max(axis=1))


def test_the_cost_of_one_user_is_a_number(world: World) -> None:
    env = MovieLensFairness(dataset=world, seed=0, group="sex")
    env.reset()
    infos = env.step(5)[-1]
    assert infos["cost"] == infos["violence"]
    assert isinstance(infos["group"], int)


@pytest.mark.parametrize(
    ("cost", "message"),
    [
        ("violense", "info has no 'violense' to take for the cost; there are: .*did you mean 'violence'"),
        (5, "cost must be a name, such as shown or consumed, or a function, it is 5"),
        (None, "cost must be a name, such as shown or consumed, or a function, it is None"),
        ("ratings", r"info\['ratings'\] has several numbers, and a cost is one; give another"),
    ],
)
def test_a_cost_that_there_is_not_is_refused(world: World, cost: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        step(world, cost=cost)


def test_violence_that_is_not_known_costs_nothing_that_is_known(world: World) -> None:
    unknown = np.full(world.n_items, np.nan, dtype=np.float32)
    quiet = replace(world, violence=unknown, violence_measured=np.zeros(world.n_items, dtype=np.bool_))
    for cost in ("shown", "consumed", "violence"):
        _, infos = step(quiet, cost=cost)
        assert "cost" not in infos


def test_users_of_a_group_have_its_number(world: World) -> None:
    for column, name in enumerate(("sex", "age", "occupation")):
        env, infos = step(world, group=name)
        assert env.state is not None
        values = world.demographics[env.state.users, column]
        together = infos["group"][:, None] == infos["group"]
        assert (together == (values[:, None] == values)).all()
        assert infos["group"].min() >= 0


def test_users_of_no_known_group_are_a_group_of_their_own(world: World) -> None:
    demographics = world.demographics.copy()
    demographics[::2, 0] = np.nan
    env, infos = step(replace(world, demographics=demographics), group="sex")
    assert env.state is not None
    unknown = np.isnan(demographics[env.state.users, 0])
    known = np.unique(demographics[~np.isnan(demographics[:, 0]), 0])
    assert infos["group"][unknown].tolist() == [len(known)] * unknown.sum()


def test_groups_of_which_nothing_is_known_are_refused(world: World) -> None:
    demographics = np.full_like(world.demographics, np.nan)
    with pytest.raises(InputError, match="knows the age of no user; leave out the group"):
        step(replace(world, demographics=demographics), group="age")
    with pytest.raises(InputError, match="group"):
        step(world, group="zip")


def test_without_the_option_there_is_no_group(world: World) -> None:
    _, infos = step(world)
    assert "group" not in infos
