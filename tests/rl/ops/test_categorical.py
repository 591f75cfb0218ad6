from collections.abc import Callable
from math import log

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pydeeprecsys.rl.ops.categorical import categorical_projection, categorical_td_losses, expected_values

SUPPORT = torch.tensor([0.0, 1.0, 2.0])
# Of one row and two actions.
LOGITS = torch.log(torch.tensor([[[0.2, 0.3, 0.5], [0.5, 0.25, 0.25]]]))


def test_expected_values_hand_computed() -> None:
    # 0.3 · 1 + 0.5 · 2 = 1.3 and 0.25 · 1 + 0.25 · 2 = 0.75.
    assert expected_values(LOGITS + 7.0, SUPPORT).tolist() == [pytest.approx([1.3, 0.75])]


@pytest.mark.parametrize(
    ("target_support", "probabilities", "support", "expected"),
    [
        # Half of 0.4 to each side of 0.5; 1 stays; 3 is beyond the end.
        ([0.5, 1.0, 3.0], [0.4, 0.4, 0.2], [0.0, 1.0, 2.0], [0.2, 0.6, 0.2]),
        # −1.5 is a quarter of the way from −2 to 0: 0.5 · 3/4 and 0.5 · 1/4; −9 is beyond the end.
        ([-1.5, -9.0], [0.5, 0.5], [-2.0, 0.0, 2.0], [0.875, 0.125, 0.0]),
        # Atoms of the support stay, the ends too.
        ([0.0, 1.0, 2.0], [0.2, 0.3, 0.5], [0.0, 1.0, 2.0], [0.2, 0.3, 0.5]),
        # Several at one place add up: 1.25 is 3/4 to 1 and 1/4 to 2.
        ([1.25, 1.25], [0.4, 0.6], [0.0, 1.0, 2.0], [0.0, 0.75, 0.25]),
    ],
)
def test_projection_hand_computed(
    target_support: list[float], probabilities: list[float], support: list[float], expected: list[float]
) -> None:
    projected = categorical_projection(
        torch.tensor([target_support]), torch.tensor([probabilities]), torch.tensor(support)
    )
    assert projected.tolist() == [pytest.approx(expected)]


def random_distributions(seed: int, reach: float) -> tuple[Tensor, Tensor, Tensor]:
    """Where the atoms are, up to reach · the support's half width from its middle; their probabilities; the support."""
    rng = np.random.default_rng(seed)
    support = torch.linspace(-3.0, 7.0, 11, dtype=torch.float64)
    target_support = 2.0 + 5.0 * reach * rng.uniform(-1, 1, (4, 6))
    return torch.from_numpy(target_support), torch.from_numpy(rng.dirichlet(np.ones(6), 4)), support


@given(st.integers(0, 2**32 - 1))
def test_projection_keeps_the_mean_of_what_lies_within_the_support(seed: int) -> None:
    target_support, probabilities, support = random_distributions(seed, reach=1.0)
    projected = categorical_projection(target_support, probabilities, support)
    np.testing.assert_allclose(projected @ support, (probabilities * target_support).sum(dim=1), atol=1e-12)


@given(st.integers(0, 2**32 - 1))
def test_projection_keeps_the_whole_probability_and_agrees_with_the_algorithm_of_the_paper(seed: int) -> None:
    target_support, probabilities, support = random_distributions(seed, reach=3.0)
    projected = categorical_projection(target_support, probabilities, support)
    np.testing.assert_allclose(projected.sum(dim=1), 1.0)
    expected = np.zeros((4, 11))
    for row, atom in np.ndindex(4, 6):
        position = np.clip(target_support[row, atom].item(), -3.0, 7.0) + 3.0
        low, high = int(np.floor(position)), int(np.ceil(position))
        probability = probabilities[row, atom].item()
        expected[row, low] += probability * (high - position if high > low else 1.0)
        expected[row, high] += probability * (position - low)
    np.testing.assert_allclose(projected, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("discount", "target"),
    [
        # 0.5, 0.25, 0.25 at 0.5 + 0.5 · (0, 1, 2) = 0.5, 1, 1.5: the halves of 0.5 and of the last 0.25 to their two
        # neighbours.
        (0.5, [0.25, 0.25 + 0.25 + 0.125, 0.125]),
        # Terminated: all at the reward, 0.5.
        (0.0, [0.5, 0.5, 0.0]),
    ],
)
def test_losses_and_their_gradients_hand_computed(discount: float, target: list[float]) -> None:
    predicted = [0.25, 0.5, 0.25]
    logits_tm1 = torch.tensor([predicted]).log().requires_grad_()
    logits_t = (LOGITS[:, 1] - 3.0).requires_grad_()
    errors, losses = categorical_td_losses(
        logits_tm1, torch.tensor([0.5]), torch.tensor([discount]), logits_t, support=SUPPORT
    )
    assert losses.tolist() == pytest.approx([sum(m * log(m / p) for m, p in zip(target, predicted, strict=True) if m)])
    assert errors is losses
    losses.sum().backward()
    assert logits_tm1.grad is not None
    np.testing.assert_allclose(logits_tm1.grad, [np.subtract(predicted, target)], atol=1e-7)
    assert logits_t.grad is None


@pytest.mark.parametrize("target", [[0.2, 0.3, 0.5], [0.5, 0.0, 0.5]])
def test_a_perfect_prediction_of_a_spread_out_target_has_no_loss(target: list[float]) -> None:
    logits = torch.tensor([target]).log().clamp(min=-100)
    losses = categorical_td_losses(logits, torch.zeros(1), torch.ones(1), logits, support=SUPPORT)[1]
    assert losses.tolist() == pytest.approx([0], abs=1e-6)


def test_a_support_of_one_atom_is_refused() -> None:
    with pytest.raises(ValueError, match="at least two atoms, it has 1"):
        categorical_projection(torch.ones(1, 1), torch.ones(1, 1), torch.ones(1))


ROWS, COLUMN, TABLE, DISTRIBUTIONS = torch.ones(3), torch.ones(3, 1), torch.ones(3, 3), torch.ones(3, 2, 3)


def losses_of(logits_tm1: Tensor, r_t: Tensor, discount_t: Tensor, logits_t: Tensor) -> Tensor:
    return categorical_td_losses(logits_tm1, r_t, discount_t, logits_t, support=SUPPORT)[1]


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("support", lambda: expected_values(DISTRIBUTIONS, SUPPORT[:2])),
        ("probabilities", lambda: categorical_projection(TABLE, COLUMN, SUPPORT)),
        ("logits_tm1", lambda: losses_of(DISTRIBUTIONS, ROWS, ROWS, TABLE)),
        ("r_t", lambda: losses_of(TABLE, COLUMN, ROWS, TABLE)),
        ("discount_t", lambda: losses_of(TABLE, ROWS, COLUMN, TABLE)),
        ("logits_t", lambda: losses_of(TABLE, ROWS, ROWS, COLUMN)),
    ],
)
def test_rows_never_meet_columns(name: str, call: Callable[[], Tensor]) -> None:
    with pytest.raises(ValueError, match=f"{name} is of shape"):
        call()
