from itertools import combinations, permutations

import pytest
import torch
from torch import Tensor

from pydeeprecsys.rl.ops.slates import greedy_slates, optimal_slates, slate_values, top_k_slates


def random_case(seed: int, n: int = 40, items: int = 7) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    q, weights = (torch.randn((n, items), generator=generator, dtype=torch.float64) for _ in range(2))
    q_nothing = torch.randn(n, generator=generator, dtype=torch.float64)
    return 3 * q, (2 * weights).exp(), q_nothing, torch.rand(n, generator=generator, dtype=torch.float64)


def test_the_value_of_a_slate_by_hand() -> None:
    # Weights 2 and 1 against 1 for nothing: 2/4 · 10 + 1/4 · 6 + 1/4 · -2.
    found = slate_values(
        torch.tensor([[10.0, 99.0, 6.0]]),
        torch.tensor([[2.0, 5.0, 1.0]]),
        torch.tensor([-2.0]),
        torch.tensor([1.0]),
        torch.tensor([[2, 0]]),
    )
    assert found.tolist() == [6.0]


def test_the_three_ways_by_hand() -> None:
    # Item 0 is worth little and chosen nearly always; next to it the others count for nothing.
    q = torch.tensor([[2.0, 10.0, 9.0, 1.0]])
    weights = torch.tensor([[100.0, 1.0, 1.0, 1.0]])
    nothing = torch.zeros(1), torch.ones(1)
    assert top_k_slates(q, weights, 2).tolist() == [[0, 1]]
    assert greedy_slates(q, weights, *nothing, 2).tolist() == [[1, 2]]
    # 10/3 + 9/3 against (200 + 10) / 102.
    assert optimal_slates(q, weights, *nothing, 2).tolist() == [[1, 2]]


def test_greedy_is_not_always_best() -> None:
    # Alone item 0 is the best, 100 · 4 / 101 against 10/2 · 0.5; with a second one it is in the way.
    q = torch.tensor([[4.0, 7.0, 7.0]])
    weights = torch.tensor([[100.0, 1.0, 1.0]])
    nothing = torch.zeros(1), torch.ones(1)
    assert greedy_slates(q, weights, *nothing, 2)[0, 0] == 0
    assert sorted(optimal_slates(q, weights, *nothing, 2)[0].tolist()) == [1, 2]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("k", [1, 2, 3, 7])
def test_the_optimum_is_the_best_of_all_slates(seed: int, k: int) -> None:
    case = random_case(seed)
    every = torch.tensor(list(combinations(range(7), k)))
    best = torch.stack([slate_values(*case, slate.expand(40, -1)) for slate in every]).amax(dim=0)
    found = optimal_slates(*case, k)
    assert all(len(set(slate)) == k for slate in found.tolist())
    torch.testing.assert_close(slate_values(*case, found), best)
    q, weights, q_nothing, weight_nothing = case
    for other in (top_k_slates(q, weights, k), greedy_slates(q, weights, q_nothing, weight_nothing, k)):
        assert (slate_values(*case, other) <= best + 1e-12).all()


@pytest.mark.parametrize("seed", range(3))
def test_among_many_items_the_optimum_is_that_of_plain_rounds(seed: int) -> None:
    case = random_case(seed, n=30, items=500)
    q, weights = case[:2]
    value = torch.zeros(30, dtype=torch.float64)
    for _ in range(30):  # Dinkelbach's, of all rows alike
        slates = (weights * (q - value.unsqueeze(1))).argsort(dim=1, descending=True)[:, :10]
        value = slate_values(*case, slates)
    found = optimal_slates(*case, 10)
    torch.testing.assert_close(slate_values(*case, found), value, rtol=1e-12, atol=0)
    assert found.tolist() == slates.tolist()


def test_greedy_adds_the_best_item_each_time() -> None:
    case = random_case(9)
    slates = greedy_slates(*case, 3)
    for length in (1, 2, 3):
        chosen = slate_values(*case, slates[:, :length])
        for other in range(7):
            tried = torch.cat([slates[:, : length - 1], torch.full((40, 1), other)], dim=1)
            new = (slates[:, : length - 1] != other).all(dim=1)
            assert (slate_values(*case, tried)[new] <= chosen[new] + 1e-12).all()


@pytest.mark.parametrize("k", [2, 3])
def test_what_is_not_allowed_is_not_shown(k: int) -> None:
    q, weights, q_nothing, weight_nothing = random_case(3)
    q[:, [1, 4, 5, 6]] = -torch.inf
    q -= 100  # what is not allowed must not look better than what is bad
    for slates in (
        top_k_slates(q, weights, k),
        greedy_slates(q, weights, q_nothing, weight_nothing, k),
        optimal_slates(q, weights, q_nothing, weight_nothing, k),
    ):
        assert set(slates.flatten().tolist()) <= {0, 2, 3}


def test_order_of_a_slate_does_not_matter_to_its_value() -> None:
    case = random_case(1, n=1)
    values = [slate_values(*case, torch.tensor([slate])).item() for slate in permutations([0, 3, 5])]
    assert values == pytest.approx([values[0]] * 6)


def test_misfitting_shapes_are_refused() -> None:
    q, weights, q_nothing, weight_nothing = random_case(0)
    with pytest.raises(ValueError, match="weights"):
        optimal_slates(q, weights[:, :3], q_nothing, weight_nothing, 2)
