"""Policies whose slates continue the discount of overlapping categories."""

from functools import partial
from itertools import permutations
from math import e, log

import numpy as np
import pytest
import torch

from pydeeprecsys.rl.ops import variety
from pydeeprecsys.rl.ops.policies import sample_top_k, slate_log_probabilities, top_k
from pydeeprecsys.rl.ops.varied_policies import Discount, slates_of, varied_log_probabilities
from pydeeprecsys.rl.ops.variety import Penalty, kinds_of

CATEGORIES = np.array([[1, 0], [1, 0], [0, 1], [1, 1], [0, 0], [0, 1]], dtype=np.bool_)


def discount_of(weights: list[float], decays: list[float], consumed: list[list[int]]) -> tuple[Discount, Penalty]:
    kinds = kinds_of(CATEGORIES)
    penalty = Penalty(np.array(weights), np.array(decays))
    remembered = variety.memories(np.array(consumed), kinds, penalty.decays)
    tensors = (torch.from_numpy(array) for array in (remembered, penalty.decays, kinds.units.T.copy(), kinds.of))
    return Discount(torch.from_numpy(penalty.weights).expand(len(consumed), -1), *tensors), penalty


def test_later_items_are_less_probable_by_their_overlap_with_those_drawn() -> None:
    # Items 0 and 1 share the category: after 0, the memory is 0.5 · 1, and the logit of 1 is lowered by 2 · 0.5 = 1.
    discount, _ = discount_of([2.0], [0.5], [[-1]])
    logits, nothing = torch.zeros(1, 6, dtype=torch.float64), -torch.inf
    logits[0, 3:] = nothing
    slate = torch.tensor([[0, 1]])
    first, second = log(1 / 3), log(e**-1 / (e**-1 + 1))
    assert varied_log_probabilities(logits, slate, discount).item() == pytest.approx(first + second)


def test_memory_from_before_the_slate_fades_inside_it() -> None:
    # Item 0 was consumed: the memory is 0.5, which is in the logits. After item 4, which has no category, it is 0.25,
    # and the logits of 0 and 1 rise by 2 · 0.25.
    discount, _ = discount_of([2.0], [0.5], [[0]])
    logits = torch.zeros(1, 6, dtype=torch.float64)
    logits[0, [1, 3, 5]] = -torch.inf
    rise = e**0.5
    second = log(rise / (rise + 1))
    assert varied_log_probabilities(logits, torch.tensor([[4, 0]]), discount).item() == pytest.approx(
        log(1 / 3) + second
    )


@pytest.mark.parametrize("allowed", [6, 4, 3])
def test_probabilities_of_all_slates_sum_to_1_and_have_finite_gradients(allowed: int) -> None:
    slates = torch.tensor(list(permutations(range(allowed), 3)))
    discount, _ = discount_of([2.0, -0.7], [0.9, 0.6], [[0, 2, 3]] * len(slates))
    weights = discount.weights.clone().requires_grad_()
    logits = torch.tensor([[0.3, -1.0, 2.0, 0.5, 90.0, -90.0]], dtype=torch.float64)
    logits = logits.masked_fill(torch.arange(6) >= allowed, -torch.inf).expand(len(slates), -1).requires_grad_()
    logarithms = varied_log_probabilities(logits, slates, discount._replace(weights=weights))
    assert logarithms.exp().sum().item() == pytest.approx(1)
    gradients = torch.autograd.grad(logarithms.sum(), [logits, weights])
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_slates_are_drawn_with_their_probabilities() -> None:
    n = 20_000
    discount, _ = discount_of([1.5], [0.9], [[0, 2]] * n)
    logits, generator = torch.tensor([[0.3, 0.1, 0.5, 0.2, -1.0, 0.0]]).expand(n, -1), torch.Generator().manual_seed(0)
    drawn = slates_of(logits, 2, discount, partial(sample_top_k, generator=generator))
    for slate in permutations(range(6), 2):
        logarithm, *_ = varied_log_probabilities(logits.double(), torch.tensor([slate]).expand(n, -1), discount)
        probability = logarithm.exp().item()
        share = (drawn == torch.tensor(slate)).all(dim=1).double().mean().item()
        assert share == pytest.approx(probability, abs=4 * (probability / n) ** 0.5)


def test_the_most_probable_items_are_the_varied_slates_of_recommenders() -> None:
    rng = np.random.default_rng(0)
    consumed = rng.integers(-1, 6, (50, 4)).tolist()
    discount, penalty = discount_of([0.8, 0.3], [0.9, 0.6], consumed)
    scores, kinds = rng.normal(size=(50, 6)), kinds_of(CATEGORIES)
    remembered = discount.memories.numpy()
    expected = variety.varied_slates(scores, remembered, kinds=kinds, penalty=penalty, k=4)
    first = variety.less_overlap(scores, remembered, kinds=kinds, weights=penalty.weights)
    assert slates_of(torch.from_numpy(first), 4, discount, top_k).tolist() == expected.tolist()


def test_without_a_discount_slates_are_those_of_any_policy() -> None:
    logits, slates = torch.tensor([[0.3, 0.1, 0.5]]), torch.tensor([[2, 0]])
    assert slates_of(logits, 2, None, top_k).tolist() == slates.tolist()
    assert varied_log_probabilities(logits, slates, None) == slate_log_probabilities(logits, slates)
