"""Slates in numpy, compared with those that agents learn with."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from pydeeprecsys.arrays import Array, Ints
from pydeeprecsys.rl.ops.slates import SLATE_OPTIMIZERS, ChoiceProblem, slate_values
from pydeeprecsys.rl.ops.varied_policies import Discount, slates_of
from pydeeprecsys.serving.contract import Item
from pydeeprecsys.serving.slates import OPTIMIZERS, Blocks, Choice, Variety, blocks_of, fill, top_k

CATEGORIES = ("x", "y", "z")


def random_items(n: int, rng: np.random.Generator) -> list[Item]:
    flags = rng.random((n, len(CATEGORIES))) < 0.4
    return [Item(str(i), "", tuple(np.array(CATEGORIES)[row])) for i, row in enumerate(flags)]


def units_of(blocks: Blocks) -> Array:
    """(items, c) the unit vector of each item."""
    units = np.empty((len(blocks.items), blocks.units.shape[1]))
    units[blocks.items] = np.repeat(blocks.units, blocks.sizes, axis=0)
    return units


def test_blocks_hold_items_of_the_same_categories_and_no_more_than_the_root_of_all() -> None:
    items = [Item("a", "", ("y", "x")), Item("b", "", ()), *(Item(str(i), "", ("x",)) for i in range(10))]
    blocks = blocks_of(items, CATEGORIES)
    assert blocks.items.tolist() == list(range(12))
    assert blocks.starts.tolist() == [0, 1, 2, 6, 10]
    assert blocks.sizes.tolist() == [1, 1, 4, 4, 2]
    assert blocks.units == pytest.approx(np.array([[0.5**0.5, 0.5**0.5, 0], [0, 0, 0], *[[1, 0, 0]] * 3]))


def test_without_categories_all_items_are_alike() -> None:
    blocks = blocks_of([Item("a", "", ("x",)), Item("b", "", ()), Item("c", "", ("y",))], ())
    assert (blocks.items.tolist(), blocks.starts.tolist(), blocks.units.shape) == ([0, 1, 2], [0, 2], (2, 0))


@pytest.mark.parametrize("n_items", [1, 2, 3, 10, 50])
def test_the_highest_scores_come_first(n_items: int) -> None:
    scores = np.random.default_rng(0).normal(size=(7, n_items)).astype(np.float32)
    for k in {1, min(3, n_items), n_items}:
        assert top_k(scores, k).tolist() == np.argsort(-scores, axis=1)[:, :k].tolist()


def test_among_equals_the_first_item_comes_first_and_items_that_are_not_allowed_do_not_come() -> None:
    nothing = -np.inf
    scores = np.array([[1.0, 3.0, 1.0, 3.0, nothing], [nothing, nothing, 0.0, nothing, nothing], [nothing] * 5])
    assert top_k(scores, 4).tolist() == [[1, 3, 0, 2], [2, -1, -1, -1], [-1, -1, -1, -1]]


def variety_of(n: int, rng: np.random.Generator) -> Variety:
    return Variety(rng.normal(size=(n, 2)), rng.random((n, 2, len(CATEGORIES))), np.array([0.6, 0.9]))


def discount_of(variety: Variety, blocks: Blocks) -> Discount:
    """The same, as agents learn with it: every item is a kind."""
    units = torch.from_numpy(units_of(blocks))
    return Discount(*(torch.from_numpy(part) for part in variety), units, torch.arange(len(units)))


def largest(logits: torch.Tensor, k: int) -> torch.Tensor:
    return logits.topk(k, dim=1).indices


def test_varied_slates_are_those_of_learning() -> None:
    rng = np.random.default_rng(1)
    blocks, variety = blocks_of(random_items(40, rng), CATEGORIES), variety_of(200, rng)
    scores = rng.normal(size=(200, 40))
    scores[rng.random(scores.shape) < 0.3] = -np.inf
    slates, probabilities = fill(scores, 6, blocks, variety=variety)
    expected = slates_of(torch.from_numpy(scores), 6, discount_of(variety, blocks), largest)
    assert slates.tolist() == expected.tolist()
    assert (slates != top_k(scores, 6)).any()
    assert (probabilities == 1).all()


def test_a_shown_category_lowers_the_next_item_by_weight_times_decay() -> None:
    # After a, the memory of x is 0.5 · (0 + 1): b, of x too, falls by 2 · 0.5 to 8, below c.
    items = [Item("a", "", ("x",)), Item("b", "", ("x",)), Item("c", "", ("y",)), Item("d", "", ())]
    variety = Variety(np.array([[2.0]]), np.zeros((1, 1, 3)), np.array([0.5]))
    slates, _ = fill(np.array([[10.0, 9.0, 8.5, -np.inf]]), 4, blocks_of(items, CATEGORIES), variety=variety)
    assert slates.tolist() == [[0, 2, 1, -1]]


def choice_of(rng: np.random.Generator) -> tuple[Choice, ChoiceProblem]:
    values, weights = rng.normal(size=(100, 30)), np.exp(rng.normal(size=(100, 30)))
    values[rng.random(values.shape) < 0.3] = -np.inf
    nothing, weight = rng.normal(size=(100, 1)), rng.random((100, 1))
    columns = (values, weights, nothing[:, 0], weight[:, 0])
    return Choice(values, weights, nothing, weight), ChoiceProblem(*map(torch.from_numpy, columns))


@pytest.mark.parametrize("name", ["top-k", "greedy", "optimal"])
def test_slates_of_a_choice_model_are_those_of_learning(name: str) -> None:
    choice, problem = choice_of(np.random.default_rng(2))
    slates = OPTIMIZERS[name](choice, 4)
    expected = SLATE_OPTIMIZERS[name](problem, 4)
    assert slates.tolist() == expected.tolist()
    assert choice.of_slates(slates)[:, 0] == pytest.approx(slate_values(problem, expected).numpy())


@pytest.mark.parametrize("optimize", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_a_choice_model_with_few_items_left_has_short_slates(optimize: Callable[[Choice, int], Ints]) -> None:
    one = np.ones((2, 1))
    choice = Choice(np.array([[-np.inf, 1.0, 2.0], [-np.inf] * 3]), np.ones((2, 3)), 0 * one, 0 * one)
    assert optimize(choice, 3).tolist() == [[2, 1, -1], [-1, -1, -1]]


def test_the_best_slate_may_be_worse_than_nothing() -> None:
    # Nothing is worth 10, and is chosen with weight 1 beside two items: the lighter ones leave more of it.
    choice = Choice(np.zeros((1, 3)), np.array([[3.0, 1.0, 2.0]]), np.array([[10.0]]), np.array([[1.0]]))
    assert OPTIMIZERS["optimal"](choice, 2).tolist() == [[1, 2]]


def test_a_level_above_all_values_does_not_spoil_the_slate() -> None:
    # The value of item 0 alone rounds up to its own, at which item 1 has the highest weight · (value - level).
    tiny = 8.75651089272076e-27
    nothing, weight = np.array([[-19.500600814819336]]), np.array([[tiny]])
    choice = Choice(np.array([[23.187728881835938, 59.5518913269043]]), np.array([[1.0, tiny]]), nothing, weight)
    assert OPTIMIZERS["optimal"](choice, 1).tolist() == [[0]]
