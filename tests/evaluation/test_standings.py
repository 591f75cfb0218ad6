import math

import pytest

from pydeeprecsys.errors import InputError
from pydeeprecsys.evaluation.intervals import median_interval
from pydeeprecsys.evaluation.scores import improvement_interval, paired_difference
from pydeeprecsys.evaluation.standings import standings


def by_seed(*scores: float) -> dict[int, float]:
    return dict(enumerate(scores))


RETURNS = {
    "random": by_seed(33.0, 35.0, 34.0, 34.0),  # the middle: 34
    "dqn": by_seed(46.0, 20.0, 44.0, 48.0),  # of 44 and 46: 45
    "oracle": by_seed(50.0, 49.0, 50.0, 50.0),  # 50
    "win-stay": by_seed(45.0, 47.0, 47.0, 45.0),  # 46
}


def test_agents_stand_in_order_with_what_each_reached() -> None:
    table = standings(RETURNS)
    assert list(table["agent"]) == ["oracle", "win-stay", "dqn", "random"]
    assert list(table["median"]) == [50.0, 46.0, 45.0, 34.0]
    assert list(table["iqm"]) == [50.0, 46.0, 45.0, 34.0]
    assert list(table["normalized"]) == pytest.approx([1.0, 12 / 16, 11 / 16, 0.0])
    assert list(table["seeds"]) == [4, 4, 4, 4]
    # Win-stay over DQN by pairs: 45 beats 20 and 44, 47 beats 46 too, twice each: 10 of 16. DQN over random: 12 of 16.
    assert list(table["improvement"][:3]) == [1.0, 10 / 16, 12 / 16]
    assert math.isnan(table["improvement"][3])
    low, high = median_interval(list(RETURNS["dqn"].values()))
    assert (table["median_low"][2], table["median_high"][2]) == (low, high)
    low, high = improvement_interval(list(RETURNS["win-stay"].values()), list(RETURNS["dqn"].values()))
    assert (table["improvement_low"][1], table["improvement_high"][1]) == (low, high)


def test_differences_are_to_the_best_policy_that_does_not_learn() -> None:
    table = standings(RETURNS).set_index("agent")
    assert table["reference"].dropna().to_dict() == dict.fromkeys(("oracle", "dqn", "random"), "win-stay")
    # DQN less win-stay, seed by seed: 1, -27, -3, 3.
    assert table.loc["dqn", "difference"] == -1.0
    expected = paired_difference(RETURNS["dqn"], RETURNS["win-stay"])
    assert tuple(table.loc["dqn", ["difference", "difference_low", "difference_high"]]) == expected
    assert table.loc["win-stay", ["difference", "difference_low", "difference_high"]].isna().all()
    assert list(standings(RETURNS, simple_policies=["dqn", "random"])["reference"].dropna().unique()) == ["dqn"]
    assert standings(RETURNS, simple_policies=[])[["reference", "difference"]].isna().all(axis=None)
    # Of other seeds than the reference has nothing can be paired.
    others = standings(RETURNS | {"dqn": {seed + 2: 45.0 for seed in range(4)}}).set_index("agent")
    assert others.loc["dqn", "reference"] == "win-stay"
    assert math.isnan(others.loc["dqn", "difference"])


def test_what_cannot_be_told_is_left_open() -> None:
    few = standings({"dqn": by_seed(40.0, 39.0), "best-rated": by_seed(41.0, 42.0)})
    assert list(few["agent"]) == ["best-rated", "dqn"]
    assert few["normalized"].isna().all()  # nothing to normalize between
    # All of two seeds above all of two others do not show that the next would be.
    assert few[["improvement", "improvement_low", "median_low", "median_high", "difference"]].isna().all(axis=None)
    assert list(few["median"]) == [41.5, 39.5]
    # An oracle that looks one step ahead may do worse than chance; then there is no scale.
    assert standings({"random": by_seed(3.0), "oracle": by_seed(2.0)})["normalized"].isna().all()
    assert standings({"random": by_seed(3.0), "oracle": by_seed(3.0)})["normalized"].isna().all()
    assert standings({}).empty


def test_agents_may_go_by_other_names() -> None:
    table = standings({"a": by_seed(1.0), "b": by_seed(3.0), "c": by_seed(2.0)}, random="a", oracle="b")
    assert list(table["normalized"]) == [1.0, 0.5, 0.0]


def test_an_agent_without_scores_is_refused() -> None:
    with pytest.raises(InputError, match="finite numbers"):
        standings({"dqn": {}})
