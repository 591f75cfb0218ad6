from itertools import permutations
from math import exp, inf, log, nan

import numpy as np
import pytest
import torch

from pydeeprecsys.rl.ops.policies import (
    center_by_other_episodes,
    clipped_surrogate_losses,
    leave_one_out_baseline,
    policy_gradient_losses,
    rescale,
    sample_top_k,
    slate_log_probabilities,
    standardize,
    top_k,
    truncated_importance_weights,
)

PROBABILITIES = (0.5, 0.3, 0.15, 0.05)
UNKNOWN = torch.tensor([nan])


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
    losses = policy_gradient_losses(logits, torch.tensor([action]), torch.tensor([advantage]), UNKNOWN)
    assert losses.tolist() == pytest.approx([expected])


def test_gradient_of_the_loss_is_probability_minus_choice_times_advantage() -> None:
    logits = torch.log(torch.tensor([[0.25, 0.75]])).requires_grad_()
    advantage = torch.tensor([2.0], requires_grad=True)
    policy_gradient_losses(logits, torch.tensor([0]), advantage, UNKNOWN).sum().backward()
    assert logits.grad is not None
    assert logits.grad.tolist() == [pytest.approx([2 * (0.25 - 1), 2 * 0.75])]
    assert advantage.grad is None


def test_importance_weights_by_hand() -> None:
    now, before = torch.tensor([0.2, 0.8, 0.3, 0.3]).log(), torch.tensor([0.5, 0.5, 0.3, nan]).log()
    assert truncated_importance_weights(now, before).tolist() == pytest.approx([0.4, 1, 1, 1])
    assert truncated_importance_weights(now, before, largest=1.5).tolist() == pytest.approx([0.4, 1.5, 1, 1])
    assert truncated_importance_weights(now, before)[3] == 1


@pytest.mark.parametrize(("largest", "expected"), [(inf, 0.32), (1.0, 0.296), (0.0, 0.0)])
def test_the_expected_gradient_of_weighted_steps_of_an_earlier_policy(largest: float, expected: float) -> None:
    # A bandit: two actions that are worth 3 and 1, drawn with 1/2 each; now their probabilities are 0.2 and 0.8, so
    # the advantages are 1.6 and −0.4, and the exact policy gradient is 0.2 · 1.6 = 0.32 in the first logit. Truncated,
    # it is 1/2 · 0.4 · 1.6 · 0.8 + 1/2 · 1 · 0.4 · 0.2; without weights it would be 0.68.
    logits = torch.tensor([0.2, 0.8], dtype=torch.float64).log().requires_grad_()
    log_probabilities, before = torch.log_softmax(logits, dim=0), torch.tensor([0.5, 0.5], dtype=torch.float64).log()
    advantages = torch.tensor([1.6, -0.4], dtype=torch.float64)
    weights = truncated_importance_weights(log_probabilities, before, largest)
    (0.5 * weights * advantages * log_probabilities).sum().backward()
    assert logits.grad is not None
    assert logits.grad.tolist() == pytest.approx([expected, -expected])


@pytest.mark.parametrize(("before", "expected"), [(0.5, 0.296), (nan, 0.68)])
def test_losses_weigh_the_steps_of_an_earlier_policy(before: float, expected: float) -> None:
    logits = torch.tensor([[0.2, 0.8]] * 2).log().requires_grad_()
    old = torch.tensor([before] * 2).log()
    losses = policy_gradient_losses(logits, torch.tensor([0, 1]), torch.tensor([1.6, -0.4]), old)
    (-0.5 * losses).sum().backward()
    assert logits.grad is not None
    assert logits.grad.sum(dim=0).tolist() == pytest.approx([expected, -expected])


def test_the_baseline_is_the_mean_of_the_other_episodes_at_the_time_step() -> None:
    # Three episodes, of 3, 2 and 1 steps.
    returns = np.array([9.0, 5.0, 1.0, 7.0, 3.0, 4.0])
    steps = np.array([0, 1, 2, 0, 1, 0])
    alone = np.array([100.0, 200.0, 2.5])
    np.testing.assert_allclose(leave_one_out_baseline(returns, steps, alone), [5.5, 3, 2.5, 6.5, 5, 8])
    assert alone.tolist() == [100, 200, 2.5]


def test_standardize() -> None:
    np.testing.assert_allclose(standardize(np.array([1.0, 3.0])), [-1, 1])


def test_values_are_centered_by_the_other_episodes() -> None:
    values, episode = np.array([1.0, 2.0, 4.0, 6.0, 8.0]), np.array([0, 2, 0, 2, 1])
    # The others of episode 0 are 2, 6, 8; of episode 2 they are 1, 4, 8; of episode 1 they are 1, 2, 4, 6.
    expected = [1 - 16 / 3, 2 - 13 / 3, 4 - 16 / 3, 6 - 13 / 3, 8 - 13 / 4]
    np.testing.assert_allclose(center_by_other_episodes(values, episode), expected)
    assert center_by_other_episodes(values, np.full(5, 3)).tolist() == values.tolist()


def test_rescaling_keeps_signs_and_proportions() -> None:
    assert rescale(np.array([1.0, -1.0, 0.0, 2 * 3.5**0.5])).tolist() == pytest.approx([0.5, -0.5, 0, 3.5**0.5])
    assert rescale(np.zeros(3)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("values", [[5.0], [0.0, 0.0], [0.1, 0.1, 0.1], [1e9 + 0.1] * 7])
def test_standardize_without_variation_gives_zeros(values: list[float]) -> None:
    # The mean of three times 0.1 differs from 0.1 in the last bit: rounding must not be blown up to advantages.
    assert standardize(np.array(values)).tolist() == [0.0] * len(values)


def test_slate_probabilities_by_hand() -> None:
    # 0.2, 0.3, 0.5: the third, then the first of what is left, then the last that is left.
    logits = torch.log(torch.tensor([[0.2, 0.3, 0.5]], dtype=torch.float64)) + 7
    for slate, expected in (([2], 0.5), ([2, 0], 0.5 * 0.4), ([1, 2], 0.3 * 5 / 7), ([1, 0, 2], 0.3 * 2 / 7)):
        found = slate_log_probabilities(logits, torch.tensor([slate]))
        assert found.exp().tolist() == pytest.approx([expected], rel=1e-12)


def test_probabilities_of_all_slates_add_up_and_are_those_that_are_drawn() -> None:
    logits = torch.tensor([0.3, -1.0, 1.1, 0.0, -torch.inf])
    slates = torch.tensor(list(permutations(range(4), 2)))
    probabilities = slate_log_probabilities(logits.expand(len(slates), -1), slates).exp()
    assert float(probabilities.sum()) == pytest.approx(1, abs=1e-6)
    n = 40_000
    drawn = sample_top_k(logits.expand(n, -1), 2, torch.Generator().manual_seed(0))
    counted = torch.stack([(drawn == slate).all(dim=1).float().mean() for slate in slates])
    assert ((counted - probabilities).abs() <= 4 * (probabilities * (1 - probabilities) / n).sqrt()).all()


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_gradients_of_slate_probabilities(k: int) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    slates = torch.stack([torch.randperm(4, generator=generator)[:k] for _ in range(3)])
    assert torch.autograd.gradcheck(lambda x: slate_log_probabilities(x, slates), (logits,))


def test_slates_of_all_that_is_allowed_have_finite_gradients() -> None:
    logits = torch.tensor([[0.5, -torch.inf, 0.1, -torch.inf]], requires_grad=True)
    probability = slate_log_probabilities(logits, torch.tensor([[2, 0]]))
    probability.sum().backward()
    assert probability.exp().item() == pytest.approx(1 / (1 + exp(0.4)))
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    # Which of two comes first is all there is to learn.
    assert logits.grad[0, [0, 2]].tolist() == pytest.approx([-1 / (1 + exp(-0.4)), 1 / (1 + exp(-0.4))])


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "slope"),
    [
        (1.0, 2.0, -2.0, -2.0),
        (1.15, 2.0, -2.3, -2.3),
        (1.5, 2.0, -2.4, 0.0),  # risen far enough
        (1.5, -2.0, 3.0, 3.0),  # risen where it should fall
        (0.5, 2.0, -1.0, -1.0),  # fallen where it should rise
        (0.5, -2.0, 1.6, 0.0),  # fallen far enough
    ],
)
def test_clipped_surrogate_by_hand(ratio: float, advantage: float, loss: float, slope: float) -> None:
    after = torch.tensor([log(ratio) - 3], dtype=torch.float64, requires_grad=True)
    before = torch.tensor([-3.0], dtype=torch.float64, requires_grad=True)
    found = clipped_surrogate_losses(after, before, torch.tensor([advantage], dtype=torch.float64), 0.2)
    found.sum().backward()
    assert found.tolist() == pytest.approx([loss])
    assert after.grad is not None
    assert after.grad.tolist() == pytest.approx([slope])
    assert before.grad is None
