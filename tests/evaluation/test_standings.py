import math

import numpy as np
import pytest

from pydeeprecsys.errors import InputError
from pydeeprecsys.evaluation.intervals import bootstrap_interval
from pydeeprecsys.evaluation.scores import improvement_interval
from pydeeprecsys.evaluation.standings import standings

RETURNS = {
    "random": [33.0, 35.0, 34.0, 34.0],  # the middle half: 34
    "dqn": [46.0, 20.0, 44.0, 48.0],  # 44, 46: 45
    "oracle": [50.0, 49.0, 50.0, 50.0],  # 50
    "win-stay": [45.0, 47.0, 47.0, 45.0],  # 46
}


def test_agents_stand_in_order_with_what_each_reached() -> None:
    table = standings(RETURNS)
    assert list(table["agent"]) == ["oracle", "win-stay", "dqn", "random"]
    assert list(table["iqm"]) == [50.0, 46.0, 45.0, 34.0]
    assert list(table["normalized"]) == pytest.approx([1.0, 12 / 16, 11 / 16, 0.0])
    assert list(table["seeds"]) == [4, 4, 4, 4]
    # Win-stay over DQN by pairs: 45 beats 20 and 44, 47 beats 46 too, twice each: 10 of 16. DQN over random: 12 of 16.
    assert list(table["improvement"][:3]) == [1.0, 10 / 16, 12 / 16]
    assert math.isnan(table["improvement"][3])
    low, high = bootstrap_interval(RETURNS["dqn"])
    assert (table["iqm_low"][2], table["iqm_high"][2]) == (low, high)
    low, high = improvement_interval(RETURNS["win-stay"], RETURNS["dqn"])
    assert (table["improvement_low"][1], table["improvement_high"][1]) == (low, high)


def test_what_cannot_be_told_is_left_open() -> None:
    one_seed = standings({"dqn": [40.0], "best-rated": [41.0, 42.0]})
    assert list(one_seed["agent"]) == ["best-rated", "dqn"]
    assert one_seed["normalized"].isna().all()  # nothing to normalize between
    assert one_seed["improvement"][0] == 1.0
    assert math.isnan(one_seed["improvement_low"][0])
    assert np.isnan([one_seed["iqm_low"][1], one_seed["iqm_high"][1]]).all()
    # An oracle that looks one step ahead may do worse than chance; then there is no scale.
    assert standings({"random": [3.0], "oracle": [2.0]})["normalized"].isna().all()
    assert standings({"random": [3.0], "oracle": [3.0]})["normalized"].isna().all()
    assert standings({}).empty


def test_agents_may_go_by_other_names() -> None:
    table = standings({"a": [1.0], "b": [3.0], "c": [2.0]}, random="a", oracle="b")
    assert list(table["normalized"]) == [1.0, 0.5, 0.0]


def test_an_agent_without_scores_is_refused() -> None:
    with pytest.raises(InputError, match="finite numbers"):
        standings({"dqn": []})
