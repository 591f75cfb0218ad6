import math

import numpy as np
import pandas as pd
import pytest

from pydeeprecsys.errors import InputError
from pydeeprecsys.evaluation.fronts import difference_at_same_harm, dominated, front_table, rating_at

# By harm: 0.1 and 0.3 and 0.6 are on the front; 0.5 has less rating than 0.3 and more harm.
RATINGS, HARMS = [5.0, 3.0, 3.5, 4.0], [0.6, 0.1, 0.5, 0.3]


def test_a_point_is_dominated_by_one_that_is_better_in_one_and_no_worse_in_the_other() -> None:
    assert dominated(RATINGS, HARMS).tolist() == [False, False, True, False]
    assert dominated([4.0, 4.0], [0.2, 0.3]).tolist() == [False, True]
    assert dominated([4.0, 3.0], [0.2, 0.2]).tolist() == [False, True]


def test_equal_points_do_not_dominate_each_other() -> None:
    assert dominated([4.0, 4.0, 3.0], [0.2, 0.2, 0.2]).tolist() == [False, False, True]
    assert dominated([], []).tolist() == []


def test_a_front_is_linear_between_the_points_that_are_not_dominated() -> None:
    assert rating_at([0.1, 0.2, 0.45], RATINGS, HARMS) == pytest.approx([3.0, 3.5, 4.5])


def test_more_harm_than_that_of_the_best_point_reaches_no_more() -> None:
    assert rating_at(0.9, RATINGS, HARMS) == 5.0
    # The most harmful point of all is dominated.
    assert rating_at(0.9, [4.0, 5.0], [0.8, 0.2]) == 5.0


def test_below_the_least_harm_of_a_front_nothing_is_known() -> None:
    assert math.isnan(rating_at(0.05, RATINGS, HARMS))


@pytest.mark.parametrize(("ratings", "harms"), [([1.0], [1.0, 2.0]), ([math.nan], [1.0]), ([[1.0]], [[1.0]])])
def test_points_that_cannot_be(ratings: list[float], harms: list[float]) -> None:
    with pytest.raises(InputError, match="points of a front are finite numbers, a rating and a harm each"):
        dominated(ratings, harms)


def test_a_front_without_points_is_refused() -> None:
    with pytest.raises(InputError, match="without points"):
        rating_at(0.1, [], [])


def runs(*rows: tuple[int, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["seed", "rating", "cvar"])


FRONT = runs(*[(seed, rating + seed, harm) for seed in range(4) for rating, harm in zip(RATINGS, HARMS, strict=True)])


def test_an_agent_is_compared_with_the_front_of_its_own_seed_at_its_own_harm() -> None:
    # The front reaches 3.5 + seed at 0.2: the differences are 0.1, 0.2, 0.3, and their median 0.2. The interval from
    # three seeds is their range, extended at both ends by 0.05^(-1/2) / 2 - 1 of itself.
    agent = runs((0, 3.6, 0.2), (1, 4.7, 0.2), (2, 5.8, 0.2))
    found = difference_at_same_harm(agent, FRONT)
    beyond = (0.05**-0.5 / 2 - 1) * 0.2
    assert found == pytest.approx((0.2, 0.1 - beyond, 0.3 + beyond, 3, 0))
    shifted = difference_at_same_harm(agent.assign(rating=agent["rating"] + 1), FRONT)
    assert shifted.difference == pytest.approx(1.2)


def test_a_seed_with_less_harm_than_the_front_is_counted_and_not_compared() -> None:
    agent = runs((0, 3.6, 0.2), (1, 4.7, 0.2), (2, 5.8, 0.2), (3, 9.0, 0.01), (9, 9.0, 0.2))
    found = difference_at_same_harm(agent, FRONT)
    assert (found.seeds, found.beyond) == (3, 1)
    assert found.difference == pytest.approx(0.2)
    assert math.isnan(difference_at_same_harm(agent[2:], FRONT).difference)


def test_an_agent_at_several_values_is_no_single_point() -> None:
    with pytest.raises(InputError, match="one row per seed"):
        difference_at_same_harm(runs((0, 3.6, 0.2), (0, 3.7, 0.3)), FRONT)


def points(**of: list[tuple[float, float, float, float]]) -> pd.DataFrame:
    """Rows (value, rating, violence, cvar) of agents, one per seed."""
    rows = [(agent.replace("_", "-"), *row) for agent, own in of.items() for row in own]
    return pd.DataFrame(rows, columns=["agent", "value", "rating", "violence", "cvar"]).assign(**{"return": 40.0})


def test_the_table_of_a_front_has_medians_over_seeds_for_each_agent_and_value() -> None:
    seeds = [(1.0, 4.0, 0.2, 0.3), (1.0, 4.2, 0.3, 0.5), (1.0, 4.9, 0.7, 0.9)]
    table = front_table(points(ppo=[*seeds, (0.0, 4.5, 0.1, 0.2)], random=[(math.nan, 3.0, 0.25, 0.4)]))
    assert table["agent"].tolist() == ["ppo", "ppo", "random"]
    assert table["value"].tolist()[:2] == [0.0, 1.0]
    assert math.isnan(table["value"][2])
    assert table["seeds"].tolist() == [1, 3, 1]
    one = table.loc[1]
    assert one[["rating", "violence", "cvar", "return"]].tolist() == [4.2, 0.3, 0.5, 40.0]
    # 4.0 to 4.9 and 0.2 to 0.7, extended, and cut where ratings and violence end.
    beyond = 0.05**-0.5 / 2 - 1
    assert one["rating_low"] == pytest.approx(4.0 - 0.9 * beyond)
    assert (one["rating_high"], one["violence_low"], one["violence_high"]) == (5.0, 0.0, 1.0)
    assert table.loc[[0, 2], ["rating_low", "violence_high"]].isna().all(axis=None)


def test_the_table_names_what_is_dominated_in_violence_and_in_cvar() -> None:
    table = front_table(
        points(
            ppo=[(0.0, 4.5, 0.30, 0.9), (1.0, 4.0, 0.35, 0.5)],
            varied=[(0.0, 3.0, 0.40, 0.6), (1.0, 3.0, 0.40, 0.6)],
            oracle=[(0.0, 5.0, 0.01, 0.01)],
        )
    ).set_index(["agent", "value"])
    assert table["dominated"].tolist()[:4] == [False, True, True, True]
    assert table["cvar_dominated"].tolist()[:4] == [False, False, True, True]
    assert table.loc["oracle", ["dominated", "cvar_dominated"]].isna().all(axis=None)  # and it dominates none
    assert np.isnan(table.loc[("oracle", 0.0), "rating_low"])
