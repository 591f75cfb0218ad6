import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydeeprecsys.errors import InputError
from pydeeprecsys.simulation.movielens.rewards import EnjoymentAndCalm


@pytest.mark.parametrize(
    ("weight", "ratings", "violence", "expected"),
    [
        (0.0, [5.0], [1.0], 1.0),
        (0.0, [1.0], [0.0], 0.2),
        (0.0, [2.0, 4.5], [0.3, 0.9], 0.65),
        (1.0, [5.0], [0.75], 0.25),
        (1.0, [1.0, 5.0], [0.0, 1.0], 0.5),
        (0.25, [4.0], [0.2], 0.75 * 0.8 + 0.25 * 0.8),
        (0.5, [5.0, 1.0, 3.0], [0.0, 1.0, 0.5], (1.0 + 0.1 + 0.55) / 3),
    ],
)
def test_reward_of_a_slate(weight: float, ratings: list[float], violence: list[float], expected: float) -> None:
    rewards = EnjoymentAndCalm(weight)(np.array([ratings]), np.array([violence]))
    assert rewards.tolist() == pytest.approx([expected], rel=1e-15)


def test_each_user_gets_the_reward_of_their_own_slate() -> None:
    ratings, violence = np.array([[5.0, 5.0], [1.0, 1.0], [1.0, 5.0]]), np.zeros((3, 2))
    assert EnjoymentAndCalm()(ratings, violence).tolist() == pytest.approx([1.0, 0.2, 0.6])


@given(st.floats(0, 1), st.lists(st.tuples(st.floats(1, 5), st.floats(0, 1)), min_size=1, max_size=20))
def test_reward_is_within_0_and_1(weight: float, slate: list[tuple[float, float]]) -> None:
    ratings, violence = np.array(slate).T[:, None]
    (reward,) = EnjoymentAndCalm(weight)(np.ascontiguousarray(ratings), np.ascontiguousarray(violence))
    assert 0 <= reward <= 1 + 1e-15


@pytest.mark.parametrize("weight", [-0.01, 1.01, math.inf, math.nan])
def test_a_weight_that_cannot_be(weight: float) -> None:
    with pytest.raises(InputError, match=f"non_violent_weight must be .*, it is {weight}"):
        EnjoymentAndCalm(weight)
