from itertools import permutations
from math import log

import numpy as np
import pytest
import torch

from pydeeprecsys.rl.ops.policies import policy_gradient_losses, sample_top_k, standardize, time_step_baseline, top_k

PROBABILITIES = (0.5, 0.3, 0.15, 0.05)


def probability_of(sequence: tuple[int, ...]) -> float:
    """Of drawing these actions in this order without replacement."""
    probability, left = 1.0, 1.0
    for action in sequence:
        probability *= PROBABILITIES[action] / left
        left -= PROBABILITIES[action]
    return probability


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_sampling_without_replacement_has_the_exact_frequencies(k: int) -> None:
    n = 200_000
    # Logits are probabilities up to a constant.
    logits = torch.log(torch.tensor(PROBABILITIES)).expand(n, -1) + 3.0
    drawn = sample_top_k(logits, k, torch.Generator().manual_seed(1)).numpy()
    assert drawn.shape == (n, k)
    for sequence in permutations(range(4), k):
        expected = probability_of(sequence)
        observed = np.mean((drawn == sequence).all(axis=1))
        assert observed == pytest.approx(expected, abs=4.5 * (expected * (1 - expected) / n) ** 0.5)


@pytest.mark.parametrize("k", [1, 2])
def test_sampling_reads_only_its_generator(k: int) -> None:
    logits = torch.zeros(10, 100)
    before = torch.get_rng_state()
    draws = [sample_top_k(logits, k, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("k", [1, 2])
def test_actions_of_no_probability_are_never_drawn_while_others_are_left(k: int) -> None:
    logits = torch.full((5000, 6), -torch.inf)
    logits[:, [1, 3]] = 0.0
    drawn = sample_top_k(logits, k, torch.Generator().manual_seed(0))
    assert set(drawn.unique().tolist()) == {1, 3}


def test_an_impossible_first_action_is_not_drawn_by_the_smallest_random_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "rand", lambda shape, **kwargs: torch.zeros(shape))
    drawn = sample_top_k(torch.tensor([[-torch.inf, 0.0, 0.0]]), 1, torch.Generator())
    assert drawn.tolist() == [[1]]


def test_draws_from_broken_logits_stay_in_range() -> None:
    drawn = sample_top_k(torch.full((50, 6), torch.nan), 1, torch.Generator().manual_seed(0))
    assert 0 <= drawn.min() <= drawn.max() < 6


def test_top_k_is_in_order_of_probability() -> None:
    logits = torch.tensor([[0.0, 3.0, -1.0, 2.0], [9.0, 1.0, 2.0, 3.0]])
    assert top_k(logits, 1).tolist() == [[1], [0]]
    assert top_k(logits, 3).tolist() == [[1, 3, 0], [0, 3, 2]]


@pytest.mark.parametrize(
    ("probabilities", "action", "advantage", "expected"),
    [
        ([0.5, 0.5], 0, 1.0, log(2)),
        ([0.25, 0.75], 0, 2.0, 2 * log(4)),
        ([0.25, 0.75], 1, -3.0, -3 * log(4 / 3)),
        ([0.2, 0.3, 0.5], 2, 0.0, 0.0),
    ],
)
def test_loss_hand_computed(probabilities: list[float], action: int, advantage: float, expected: float) -> None:
    logits = torch.log(torch.tensor([probabilities])) - 1.0
    losses = policy_gradient_losses(logits, torch.tensor([action]), torch.tensor([advantage]))
    assert losses.tolist() == pytest.approx([expected])


def test_gradient_of_the_loss_is_probability_minus_choice_times_advantage() -> None:
    logits = torch.log(torch.tensor([[0.25, 0.75]])).requires_grad_()
    advantage = torch.tensor([2.0], requires_grad=True)
    policy_gradient_losses(logits, torch.tensor([0]), advantage).sum().backward()
    assert logits.grad is not None
    assert logits.grad.tolist() == [pytest.approx([2 * (0.25 - 1), 2 * 0.75])]
    assert advantage.grad is None


def test_time_step_baseline() -> None:
    returns = np.array([9.0, 5.0, 1.0, 7.0, 3.0, 4.0])
    steps = np.array([0, 1, 2, 0, 1, 0])
    np.testing.assert_allclose(time_step_baseline(returns, steps), [20 / 3, 4, 1, 20 / 3, 4, 20 / 3])


def test_standardize() -> None:
    np.testing.assert_allclose(standardize(np.array([1.0, 3.0])), [-1, 1])
    np.testing.assert_allclose(standardize(np.array([1.0, 3.0]), np.array([0.0, 0.0])), [1, 3])
    np.testing.assert_allclose(
        standardize(np.array([1.0, 3.0, 10.0, 14.0]), np.array([2.0, 2.0, 12.0, 12.0]))[:2], [-1, 1] / np.sqrt(2.5)
    )


@pytest.mark.parametrize("values", [[5.0], [0.0, 0.0], [0.1, 0.1, 0.1], [1e9 + 0.1] * 7])
def test_standardize_without_variation_gives_zeros(values: list[float]) -> None:
    # The mean of three times 0.1 differs from 0.1 in the last bit: rounding must not be blown up to advantages.
    assert standardize(np.array(values)).tolist() == [0.0] * len(values)
