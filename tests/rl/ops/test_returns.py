import numpy as np
import pytest

from pydeeprecsys.rl.ops.returns import discounted_returns


@pytest.mark.parametrize(
    ("rewards", "discounts", "expected"),
    [
        ([1.0, 1.0, 1.0], [0.5, 0.5, 0.5], [1.75, 1.5, 1.0]),
        ([1.0, 2.0, 4.0], [1.0, 1.0, 1.0], [7.0, 6.0, 4.0]),
        ([1.0, 2.0, 4.0], [0.0, 0.0, 0.0], [1.0, 2.0, 4.0]),
        # Two episodes, the first of two steps.
        ([1.0, 2.0, 4.0, 8.0], [0.5, 0.0, 0.5, 0.0], [2.0, 2.0, 8.0, 8.0]),
        ([], [], []),
    ],
)
def test_hand_computed(rewards: list[float], discounts: list[float], expected: list[float]) -> None:
    returns = discounted_returns(np.array(rewards)[:, None], np.array(discounts)[:, None])
    np.testing.assert_allclose(returns[:, 0], expected)


def test_columns_are_independent() -> None:
    rewards = np.array([[1.0, 0.0], [1.0, 8.0]])
    discounts = np.array([[0.5, 0.25], [0.0, 0.0]])
    np.testing.assert_allclose(discounted_returns(rewards, discounts), [[1.5, 2.0], [1.0, 8.0]])


def test_integer_rewards_give_fractions() -> None:
    returns = discounted_returns(np.array([[1], [1]]), np.full((2, 1), 0.5))
    assert returns.dtype == np.float64
    assert returns[0, 0] == 1.5


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"\(3, 2\).*\(3, 1\)"):
        discounted_returns(np.ones((3, 2)), np.ones((3, 1)))
