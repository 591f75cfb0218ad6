"""Slates drawn at random, and their propensities."""

from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch
from tests.serving.test_slates import discount_of

from pydeeprecsys.arrays import Array, Floats, Ints
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.ops.policies import slate_log_probabilities
from pydeeprecsys.rl.ops.varied_policies import varied_log_probabilities
from pydeeprecsys.serving.contract import Item
from pydeeprecsys.serving.exploration import EpsilonGreedy, Ranking, Softmax
from pydeeprecsys.serving.slates import Variety, blocks_of, fill

ITEMS = [Item("a", "", ("x",)), Item("b", "", ("x", "y")), Item("c", "", ()), Item("d", "", ("y",)), Item("e", "", ())]
SCORES = np.array([0.7, 0.5, -0.2, 0.1, -np.inf])
BLOCKS = blocks_of(ITEMS, ("x", "y"))
VARIED = Variety(np.array([[1.5, -0.5]]), np.array([[[0.2, 0.0], [0.1, 0.4]]]), np.array([0.5, 0.9]))
PLAIN = Variety(*(np.zeros_like(part) for part in VARIED))


def ranking(k: int, *, n: int = 1, scores: Array = SCORES, variety: Variety = PLAIN) -> Ranking:
    """Of n users with the same scores."""
    alike = np.tile(scores, (n, 1))
    wide = Variety(np.tile(variety.weights, (n, 1)), np.tile(variety.memories, (n, 1, 1)), variety.decays)
    return Ranking(alike, k, lambda: fill(alike, k, BLOCKS, variety=wide)[0], BLOCKS, wide)


def frequencies(explore: Any, k: int, variety: Variety, n: int = 100_000) -> tuple[dict[tuple[int, ...], float], Any]:
    """How often each slate was drawn, and the propensity of each."""
    slates, propensities = explore.draw(ranking(k, n=n, variety=variety), np.random.default_rng(0))
    _, first, which, counts = np.unique(
        slates @ 10 ** np.arange(k), return_index=True, return_inverse=True, return_counts=True
    )
    product = propensities.prod(axis=1)
    names = list(map(tuple, slates[first].tolist()))
    assert np.abs(product - product[first][which]).max() < 1e-12
    return dict(zip(names, counts / n, strict=True)), dict(zip(names, product[first].tolist(), strict=True))


EXPLORATIONS = [(Softmax(), PLAIN), (Softmax(0.5), VARIED), (Softmax(2), VARIED), (EpsilonGreedy(0.3), VARIED)]


@pytest.mark.parametrize(("explore", "variety"), EXPLORATIONS, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("k", [1, 2])
def test_slates_are_drawn_as_often_as_their_propensities_say(explore: Any, variety: Variety, k: int) -> None:
    drawn, propensities = frequencies(explore, k, variety)
    assert drawn.keys() == set(permutations(range(4), k))
    for slate, share in drawn.items():
        error = np.sqrt(propensities[slate] * (1 - propensities[slate]) / 100_000)
        assert share == pytest.approx(propensities[slate], abs=4 * error)


@pytest.mark.parametrize(("explore", "variety"), EXPLORATIONS, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_the_propensities_of_all_slates_sum_to_1(explore: Any, variety: Variety, k: int) -> None:
    _, propensities = frequencies(explore, k, variety, n=5000)
    assert len(propensities) == len(list(permutations(range(4), k)))
    assert sum(propensities.values()) == pytest.approx(1)


def test_softmax_of_two_items_by_hand() -> None:
    # exp(log 3 / 1) against exp(0): 3 of 4. At temperature 0.5 the logits are twice as large: 9 of 10.
    scores = np.array([np.log(3), 0.0, -np.inf, -np.inf, -np.inf])
    for temperature, share in ((1.0, 0.75), (0.5, 0.9)):
        slates, chances = Softmax(temperature).draw(ranking(2, n=200, scores=scores), np.random.default_rng(0))
        assert {tuple(slate) for slate in slates.tolist()} == {(0, 1), (1, 0)}
        assert chances[:, 0] == pytest.approx(np.where(slates[:, 0] == 0, share, 1 - share))
        assert chances[:, 1] == pytest.approx(1)


def test_epsilon_greedy_by_hand() -> None:
    # The greedy slate is (0, 1). First place: 0.2 / 4, and 0.8 more for item 0. Second place: after item 0 the slate
    # was random with probability 0.05 / 0.85, and each of three items has a third of it; after others it was random.
    slates, chances = EpsilonGreedy(0.2).draw(ranking(2, n=3000), np.random.default_rng(0))
    first = np.where(slates[:, 0] == 0, 0.85, 0.05)
    second = np.where(slates[:, 0] == 0, 0.05 / 0.85 / 3 + 0.8 / 0.85 * (slates[:, 1] == 1), 1 / 3)
    assert chances == pytest.approx(np.stack([first, second], axis=1))


@pytest.mark.parametrize("epsilon", [0, 1])
def test_an_epsilon_of_0_never_explores_and_of_1_always_does(epsilon: int) -> None:
    slates, chances = EpsilonGreedy(epsilon).draw(ranking(2, n=50), np.random.default_rng(0))
    assert (len({tuple(slate) for slate in slates.tolist()}) == 1) == (epsilon == 0)
    assert chances == pytest.approx(np.tile([1 / 4, 1 / 3] if epsilon else [1, 1], (50, 1)))


@pytest.mark.parametrize("temperature", [1.0, 2.5])
@pytest.mark.parametrize("variety", [PLAIN, VARIED], ids=["plain", "varied"])
@pytest.mark.parametrize("k", [1, 3, 4])
def test_propensities_of_softmax_are_those_of_learning(temperature: float, variety: Variety, k: int) -> None:
    scores = np.where(np.isneginf(SCORES), SCORES, 30 * SCORES)
    task = ranking(k, n=300, scores=scores, variety=variety)
    slates, chances = Softmax(temperature).draw(task, np.random.default_rng(3))
    logits, drawn = torch.from_numpy(task.scores / temperature), torch.from_numpy(slates)
    cooled = discount_of(task.variety._replace(weights=task.variety.weights / temperature), BLOCKS)
    logarithms = np.log(chances).sum(axis=1)
    assert logarithms == pytest.approx(varied_log_probabilities(logits, drawn, cooled).numpy())
    if variety is PLAIN:
        assert logarithms == pytest.approx(slate_log_probabilities(logits, drawn).numpy())


@pytest.mark.parametrize("explore", [Softmax(), EpsilonGreedy(0.5)], ids=lambda each: type(each).__name__)
def test_where_few_items_are_left_slates_are_short(explore: Any) -> None:
    slates, chances = explore.draw(ranking(5), np.random.default_rng(0))
    assert sorted(slates[0].tolist()) == [-1, 0, 1, 2, 3]
    assert (slates[0, 4], chances[0, 4]) == (-1, 1)
    nothing = np.full(5, -np.inf)
    slates, chances = explore.draw(ranking(2, scores=nothing), np.random.default_rng(0))
    assert (slates.tolist(), chances.tolist()) == ([[-1, -1]], [[1, 1]])


def test_long_random_slates_have_propensities_too() -> None:
    # The probability of a whole slate of 300 among 1000 items is below the smallest double.
    n, k = 1000, 300
    blocks = blocks_of([Item(str(i), "", ()) for i in range(n)], ())
    plain = Variety(np.zeros((20, 0)), np.zeros((20, 0, 0)), np.zeros(0))
    best: Ints = np.tile(np.arange(k), (20, 1))
    scores: Floats = np.tile(-np.arange(n, dtype=np.float64), (20, 1))
    task = Ranking(scores, k, lambda: best, blocks, plain)
    slates, chances = EpsilonGreedy(0.5).draw(task, np.random.default_rng(0))
    is_random = slates[:, 1] != 1
    assert 0 < is_random.sum() < 20
    assert chances[is_random, 5:] == pytest.approx(np.tile(1 / (n - np.arange(5, k)), (is_random.sum(), 1)))
    assert chances[~is_random, 5:] == pytest.approx(1)


def test_extreme_scores_and_temperatures_stay_finite() -> None:
    scores = np.array([1e6, 0.0, -1e6, 5.0, 4.0])
    for temperature in (1e-9, 1.0, 1e9):
        slates, chances = Softmax(temperature).draw(ranking(5, scores=scores), np.random.default_rng(0))
        assert sorted(slates[0].tolist()) == [0, 1, 2, 3, 4]
        assert np.isfinite(chances).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Softmax(0), "temperature must be at least 1e-09, it is 0"),
        (lambda: Softmax(float("nan")), "temperature must be a number, it is nan"),
        (lambda: EpsilonGreedy(1.5), "epsilon must be in [0, 1], it is 1.5"),
        (lambda: EpsilonGreedy("much"), "epsilon must be a number, it is 'much'"),
    ],
)
def test_values_out_of_range_are_one_line(make: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        make()
    assert str(caught.value) == message
