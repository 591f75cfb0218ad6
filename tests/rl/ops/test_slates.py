from itertools import combinations, permutations
from math import exp, log

import pytest
import torch

from pydeeprecsys.rl.ops.slates import (
    ChoiceProblem,
    choice_weights,
    decomposed_target,
    greedy_slates,
    optimal_slates,
    slate_values,
    top_k_slates,
)


def random_case(seed: int, n: int = 40, items: int = 7) -> ChoiceProblem:
    generator = torch.Generator().manual_seed(seed)
    q, weights = (torch.randn((n, items), generator=generator, dtype=torch.float64) for _ in range(2))
    q_nothing = torch.randn(n, generator=generator, dtype=torch.float64)
    weight_nothing = torch.rand(n, generator=generator, dtype=torch.float64)
    return ChoiceProblem(3 * q, (2 * weights).exp(), q_nothing, weight_nothing)


# Weights 2, 5 and 1 against 1 for nothing.
SMALL = ChoiceProblem(
    torch.tensor([[10.0, 99.0, 6.0]]), torch.tensor([[2.0, 5.0, 1.0]]), torch.tensor([-2.0]), torch.tensor([1.0])
)


def test_choice_weights_by_hand() -> None:
    logits = torch.tensor([[1000.0, 1000.0 - log(4), -1000.0, -2000.0]], dtype=torch.float64)
    assert choice_weights(logits).tolist() == [pytest.approx([1, 0.25, exp(-60), exp(-60)], rel=1e-12)]


def test_the_value_of_a_slate_by_hand() -> None:
    # 2/4 · 10 + 1/4 · 6 + 1/4 · −2.
    assert slate_values(SMALL, torch.tensor([[2, 0]])).tolist() == [6.0]


@pytest.mark.parametrize(("discount", "expected"), [(0.5, 1.0 + 0.5 * 6.0), (0.0, 1.0)])
def test_the_decomposed_target_by_hand(discount: float, expected: float) -> None:
    q = SMALL.q.clone().requires_grad_()
    target = decomposed_target(torch.ones(1), torch.tensor([discount]), SMALL._replace(q=q), torch.tensor([[2, 0]]))
    assert target.tolist() == [expected]
    assert not target.requires_grad


def test_the_target_of_the_last_step_is_its_reward_even_where_too_few_items_are_allowed() -> None:
    problem = SMALL._replace(q=torch.full((1, 3), -torch.inf))
    assert decomposed_target(torch.ones(1), torch.zeros(1), problem, torch.tensor([[2, 0]])).tolist() == [1.0]


def test_the_three_ways_by_hand() -> None:
    # Item 0 is worth little and chosen nearly always; next to it the others count for nothing.
    q = torch.tensor([[2.0, 10.0, 9.0, 1.0]])
    weights = torch.tensor([[100.0, 1.0, 1.0, 1.0]])
    problem = ChoiceProblem(q, weights, torch.zeros(1), torch.ones(1))
    assert top_k_slates(problem, 2).tolist() == [[0, 1]]
    assert greedy_slates(problem, 2).tolist() == [[1, 2]]
    # 10/3 + 9/3 against (200 + 10) / 102.
    assert optimal_slates(problem, 2).tolist() == [[1, 2]]


def test_greedy_is_not_always_best() -> None:
    # Alone item 0 is the best, 100 · 4 / 101 against 10/2 · 0.5; with a second one it is in the way.
    q = torch.tensor([[4.0, 7.0, 7.0]])
    weights = torch.tensor([[100.0, 1.0, 1.0]])
    problem = ChoiceProblem(q, weights, torch.zeros(1), torch.ones(1))
    assert greedy_slates(problem, 2)[0, 0] == 0
    assert sorted(optimal_slates(problem, 2)[0].tolist()) == [1, 2]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("k", [1, 2, 3, 7])
def test_the_optimum_is_the_best_of_all_slates(seed: int, k: int) -> None:
    case = random_case(seed)
    every = torch.tensor(list(combinations(range(7), k)))
    best = torch.stack([slate_values(case, slate.expand(40, -1)) for slate in every]).amax(dim=0)
    found = optimal_slates(case, k)
    assert all(len(set(slate)) == k for slate in found.tolist())
    torch.testing.assert_close(slate_values(case, found), best)
    for other in (top_k_slates(case, k), greedy_slates(case, k)):
        assert (slate_values(case, other) <= best + 1e-12).all()


@pytest.mark.parametrize("seed", range(3))
def test_among_many_items_the_optimum_is_that_of_plain_rounds(seed: int) -> None:
    case = random_case(seed, n=30, items=500)
    value = torch.zeros(30, dtype=torch.float64)
    for _ in range(30):  # Dinkelbach's, of all rows alike
        slates = (case.weights * (case.q - value.unsqueeze(1))).argsort(dim=1, descending=True)[:, :10]
        value = slate_values(case, slates)
    found = optimal_slates(case, 10)
    torch.testing.assert_close(slate_values(case, found), value, rtol=1e-12, atol=0)
    assert found.tolist() == slates.tolist()


def test_greedy_adds_the_best_item_each_time() -> None:
    case = random_case(9)
    slates = greedy_slates(case, 3)
    for length in (1, 2, 3):
        chosen = slate_values(case, slates[:, :length])
        for other in range(7):
            tried = torch.cat([slates[:, : length - 1], torch.full((40, 1), other)], dim=1)
            new = (slates[:, : length - 1] != other).all(dim=1)
            assert (slate_values(case, tried)[new] <= chosen[new] + 1e-12).all()


@pytest.mark.parametrize("k", [2, 3])
def test_what_is_not_allowed_is_not_shown(k: int) -> None:
    case = random_case(3)
    case.q[:, [1, 4, 5, 6]] = -torch.inf
    case.q.sub_(100)  # what is not allowed must not look better than what is bad
    for find in (top_k_slates, greedy_slates, optimal_slates):
        assert set(find(case, k).flatten().tolist()) <= {0, 2, 3}


def test_order_of_a_slate_does_not_matter_to_its_value() -> None:
    case = random_case(1, n=1)
    values = [slate_values(case, torch.tensor([slate])).item() for slate in permutations([0, 3, 5])]
    assert values == pytest.approx([values[0]] * 6)


def test_misfitting_shapes_are_refused() -> None:
    case = random_case(0)
    with pytest.raises(ValueError, match="weights"):
        optimal_slates(case._replace(weights=case.weights[:, :3]), 2)
    with pytest.raises(ValueError, match="discount_t"):
        decomposed_target(case.q_nothing, case.q_nothing[:3], case, torch.zeros((40, 2), dtype=torch.int64))


def test_a_level_above_all_values_does_not_spoil_the_slate() -> None:
    # The value of item 0 alone rounds up to its q, at which level item 1 has the highest weight · (q - level).
    tiny = 8.75651089272076e-27
    problem = ChoiceProblem(
        q=torch.tensor([[23.187728881835938, 59.5518913269043]]),
        weights=torch.tensor([[1.0, tiny]]),
        q_nothing=torch.tensor([-19.500600814819336]),
        weight_nothing=torch.tensor([tiny]),
    )
    assert optimal_slates(problem, 1).tolist() == [[0]]
