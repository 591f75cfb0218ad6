from collections.abc import Callable
from math import inf

import pytest
import torch
from torch import Tensor

from pydeeprecsys.rl.ops.values import (
    double_q_target,
    huber_losses,
    q_learning_target,
    squared_losses,
    td_errors,
    weighted_mean,
)


@pytest.mark.parametrize(
    ("reward", "discount", "values", "expected"),
    [
        (1.0, 0.5, [2.0, 4.0], 3.0),  # 1 + 0.5 · 4
        (1.0, 0.0, [2.0, 4.0], 1.0),  # terminated: the reward alone, and not nothing
        (1.0, 0.5, [-3.0, -inf], -0.5),  # 1 − 0.5 · 3
    ],
)
def test_q_learning_target_hand_computed(reward: float, discount: float, values: list[float], expected: float) -> None:
    target = q_learning_target(torch.tensor([reward]), torch.tensor([discount]), torch.tensor([values]))
    assert target.tolist() == [expected]


@pytest.mark.parametrize(
    ("discount", "selector", "values", "expected"),
    [
        (0.5, [1.0, 3.0], [40.0, 20.0], 12.0),  # selects the second, 2 + 0.5 · 20
        (0.5, [5.0, 3.0], [30.0, 40.0], 17.0),  # selects the first, 2 + 0.5 · 30
        (0.0, [5.0, 3.0], [30.0, 40.0], 2.0),
        (0.5, [-inf, -9.0], [-inf, 4.0], 4.0),  # the first is not allowed, 2 + 0.5 · 4
    ],
)
def test_double_q_target_hand_computed(
    discount: float, selector: list[float], values: list[float], expected: float
) -> None:
    target = double_q_target(
        torch.tensor([2.0]), torch.tensor([discount]), torch.tensor([selector]), torch.tensor([values])
    )
    assert target.tolist() == [expected]


def test_rows_are_independent() -> None:
    target = double_q_target(
        torch.tensor([0.0, 100.0]),
        torch.tensor([1.0, 0.5]),
        torch.tensor([[0.0, 1.0], [1.0, 0.0]]),
        torch.tensor([[1.0, 2.0], [4.0, 8.0]]),
    )
    assert target.tolist() == [2.0, 102.0]


def test_td_errors_and_their_gradient_hand_computed() -> None:
    # 5 − 2 = 3 and 1 − 3 = −2; the gradient of half the square is minus the error, at the action taken.
    q_tm1 = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    target = torch.tensor([5.0, 1.0], requires_grad=True)
    errors = td_errors(q_tm1, torch.tensor([1, 0]), target)
    assert errors.tolist() == [3.0, -2.0]
    squared_losses(errors).sum().backward()
    assert q_tm1.grad is not None
    assert q_tm1.grad.tolist() == [[0.0, -3.0], [2.0, 0.0]]
    assert target.grad is None


def test_targets_carry_no_gradient() -> None:
    values = torch.ones(2, 3, requires_grad=True)
    rewards = torch.ones(2, requires_grad=True)
    assert not q_learning_target(rewards, torch.ones(2), values).requires_grad
    assert not double_q_target(rewards, torch.ones(2), values, values).requires_grad


def test_squared_losses_hand_computed() -> None:
    assert squared_losses(torch.tensor([[0.5, -3.0]])).tolist() == [[0.125, 4.5]]


@pytest.mark.parametrize(
    ("error", "delta", "loss", "slope"),
    [
        (0.5, 1.0, 0.125, 0.5),  # 0.5² / 2
        (-0.5, 1.0, 0.125, -0.5),
        (2.0, 1.0, 1.5, 1.0),  # 1 · (2 − 1/2)
        (-3.0, 1.0, 2.5, -1.0),  # 1 · (3 − 1/2)
        (-3.0, 2.0, 4.0, -2.0),  # 2 · (3 − 2/2)
        (1.5, 2.0, 1.125, 1.5),  # 1.5² / 2
    ],
)
def test_huber_losses_hand_computed(error: float, delta: float, loss: float, slope: float) -> None:
    errors = torch.tensor([error], requires_grad=True)
    losses = huber_losses(errors, delta)
    losses.sum().backward()
    assert losses.tolist() == [loss]
    assert errors.grad is not None
    assert errors.grad.tolist() == [slope]


@pytest.mark.parametrize("delta", [0.0, -1.0])
def test_huber_losses_need_a_delta_above_0(delta: float) -> None:
    with pytest.raises(ValueError, match="delta must be above 0"):
        huber_losses(torch.ones(1), delta)


def test_weighted_mean_hand_computed() -> None:
    # (1 · 1 + 0.5 · 2 + 0.25 · 4) / 3 = 1; each loss counts a third of its weight.
    losses = torch.tensor([1.0, 2.0, 4.0], requires_grad=True)
    weights = torch.tensor([1.0, 0.5, 0.25], requires_grad=True)
    mean = weighted_mean(losses, weights)
    mean.backward()
    assert mean.item() == 1.0
    assert losses.grad is not None
    assert losses.grad.tolist() == pytest.approx([1 / 3, 1 / 6, 1 / 12])
    assert weights.grad is None


ROWS, COLUMN, TABLE = torch.ones(3), torch.ones(3, 1), torch.ones(3, 2)
ACTIONS = torch.zeros(3, dtype=torch.int64)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("discount_t", lambda: q_learning_target(ROWS, COLUMN, TABLE)),
        ("q_t", lambda: q_learning_target(ROWS, ROWS, TABLE[:2])),
        ("r_t", lambda: double_q_target(COLUMN, ROWS, TABLE, TABLE)),
        ("q_t", lambda: double_q_target(ROWS, ROWS, TABLE, COLUMN)),
        ("a_tm1", lambda: td_errors(TABLE, ACTIONS[:, None], ROWS)),
        ("target_t", lambda: td_errors(TABLE, ACTIONS, COLUMN)),
        ("losses", lambda: weighted_mean(COLUMN, ROWS)),
        ("weights", lambda: weighted_mean(ROWS, COLUMN)),
    ],
)
def test_rows_never_meet_columns(name: str, call: Callable[[], Tensor]) -> None:
    with pytest.raises(ValueError, match=f"{name} is of shape"):
        call()
