from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from pydeeprecsys.rl.ops.values import greedy_actions, huber_losses, squared_losses, td_losses, weighted_mean

ONLINE, TARGET = [[1.0, 3.0, 2.0]], [[40.0, 20.0, 30.0]]


@pytest.mark.parametrize(
    ("mask", "greedy"),
    [
        (None, 1),
        ([True, False, True], 2),
        ([True, False, False], 0),
        ([False, False, False], 1),  # as after the end of an episode: any action will do
    ],
)
def test_the_greedy_action_is_the_best_allowed_one(mask: list[bool] | None, greedy: int) -> None:
    masks = None if mask is None else np.array([mask])
    assert greedy_actions(torch.tensor(ONLINE), masks).tolist() == [greedy]


@pytest.mark.parametrize(
    ("double", "mask", "discount", "error"),
    [
        (False, None, 0.5, 2 + 0.5 * 40 - 7),
        (False, [False, True, True], 0.5, 2 + 0.5 * 30 - 7),
        (True, None, 0.5, 2 + 0.5 * 20 - 7),
        (True, [True, False, True], 0.5, 2 + 0.5 * 30 - 7),
        (True, [False, False, False], 0.0, 2 - 7),  # terminated: the reward alone, and not nothing
    ],
)
def test_q_learning_and_double_q_learning_hand_computed(
    double: bool, mask: list[bool] | None, discount: float, error: float
) -> None:
    a_t = greedy_actions(torch.tensor(ONLINE if double else TARGET), None if mask is None else np.array([mask]))
    q_t = torch.tensor(TARGET)[[0], a_t]
    errors, losses = td_losses(torch.tensor([7.0]), torch.tensor([2.0]), torch.tensor([discount]), q_t, loss="squared")
    assert errors.tolist() == [error]
    assert losses.tolist() == [error**2 / 2]


def test_td_errors_losses_and_gradients_hand_computed() -> None:
    # 1 + 0.5 · 8 − 2 = 3 and 0 + 1 · 2.5 − 3 = −0.5; Huber's losses 3 − 1/2 and 0.5² / 2; its slopes are clipped.
    q_tm1 = torch.tensor([2.0, 3.0], requires_grad=True)
    q_t = torch.tensor([8.0, 2.5], requires_grad=True)
    errors, losses = td_losses(q_tm1, torch.tensor([1.0, 0.0]), torch.tensor([0.5, 1.0]), q_t)
    assert errors.tolist() == [3.0, -0.5]
    assert losses.tolist() == [2.5, 0.125]
    losses.sum().backward()
    assert q_tm1.grad is not None
    assert q_tm1.grad.tolist() == [-1.0, 0.5]
    assert q_t.grad is None


def test_squared_losses_hand_computed() -> None:
    assert squared_losses(torch.tensor([[0.5, -3.0]])).tolist() == [[0.125, 4.5]]


@pytest.mark.parametrize(
    ("error", "loss", "slope"),
    [
        (0.5, 0.125, 0.5),  # 0.5² / 2
        (-0.5, 0.125, -0.5),
        (2.0, 1.5, 1.0),  # 2 − 1/2
        (-3.0, 2.5, -1.0),  # 3 − 1/2
    ],
)
def test_huber_losses_hand_computed(error: float, loss: float, slope: float) -> None:
    errors = torch.tensor([error], requires_grad=True)
    losses = huber_losses(errors)
    losses.sum().backward()
    assert losses.tolist() == [loss]
    assert errors.grad is not None
    assert errors.grad.tolist() == [slope]


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


ROWS, COLUMN = torch.ones(3), torch.ones(3, 1)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("r_t", lambda: td_losses(ROWS, COLUMN, ROWS, ROWS)),
        ("discount_t", lambda: td_losses(ROWS, ROWS, COLUMN, ROWS)),
        ("q_t", lambda: td_losses(ROWS, ROWS, ROWS, COLUMN)),
        ("losses", lambda: weighted_mean(COLUMN, ROWS)),
        ("weights", lambda: weighted_mean(ROWS, COLUMN)),
    ],
)
def test_rows_never_meet_columns(name: str, call: Callable[[], Tensor]) -> None:
    with pytest.raises(ValueError, match=f"{name} is of shape"):
        call()
