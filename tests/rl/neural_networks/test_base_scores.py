"""Scores that begin as those of a recommender."""

import numpy as np
import pytest
import torch

from pydeeprecsys.errors import InputError
from pydeeprecsys.history import HistoryLayout
from pydeeprecsys.rl.agents.baselines import PopularAgent
from pydeeprecsys.rl.agents.fold_in import FoldInAgent
from pydeeprecsys.rl.item_estimates import ItemEstimates
from pydeeprecsys.rl.neural_networks.base_scores import FEATURES, Base, BaseScores, base_of, zeroed
from pydeeprecsys.rl.neural_networks.item_head import ItemHead

LAYOUT = HistoryLayout(n_items=3, slate_size=1, n_rated=1, length=4)
ESTIMATES = ItemEstimates(  # rating = 3 + user's number · item's number
    vectors=np.array([[1.0], [2.0], [-1.0]]),
    offsets=np.full(3, 3.0),
    prior_mean=np.zeros(1),
    prior_covariance=np.eye(1),
    noise=1.0,
    mean_ratings=np.full(3, 3.0),
    counts=np.array([0, 0, 9]),
    categories=np.array([[True, False], [True, False], [False, True]]),
)
NONE = LAYOUT.row([0.5] * 4, [], [], ratings=[])
# Item 0 got 5 stars, item 2 a refusal: the user's number is 2 · 1 / (1 + 1) = 1, with variance 1/2.
SESSION = LAYOUT.row([0.5] * 4, [[2], [0]], [-1, 0], ratings=[[0], [5]])
STATES = torch.from_numpy(np.stack([NONE, SESSION]))


def base(diversify: float = 0.0) -> Base:
    return Base(FoldInAgent(LAYOUT, ESTIMATES, diversify=diversify), ESTIMATES, scale=2.0)


def scores(module: BaseScores, residual: float = 0.0) -> list[list[float]]:
    first, _ = module(module.read(STATES), torch.ones(2, 1), torch.full((2, 3), residual))
    found: list[list[float]] = first.detach().numpy().round(5).tolist()
    return found


def test_scores_begin_as_those_of_the_base_times_the_scale() -> None:
    module = BaseScores(base(diversify=0.5), n_inputs=1)
    # After item 0, the memory of its category is 0.9, and 0.45 is subtracted where an item has it.
    assert scores(module) == [[6, 6, 6], pytest.approx([2 * 3.55, 2 * 4.55, 2 * 2.0])]
    assert scores(module, residual=1.5)[0] == [7.5] * 3


@pytest.mark.parametrize(
    ("feature", "without_history", "after_session"),
    [
        ("predicted rating", [3, 3, 3], [4, 5, 2]),
        ("uncertainty", [3 / 4, 6 / 4, 3 / 4], [0.53033, 1.06066, 0.53033]),  # the mean prior deviation is 4/3
        ("popularity", [-0.70711, -0.70711, 1.41421], [-0.70711, -0.70711, 1.41421]),
        ("similarity", [0, 0, 0], [1, 1, -1]),
        ("similarity · surprise", [0, 0, 0], [2, 2, -2]),
        ("repetition", [0, 0, 0], [1, 0, 0]),
        ("repetition · surprise", [0, 0, 0], [2, 0, 0]),
        ("overlap, decay 0.6", [0, 0, 0], [0.4, 0.4, 0]),
        ("overlap, decay 0.9", [0, 0, 0], [0.1, 0.1, 0]),
        ("overlap, decay 0.97", [0, 0, 0], [0.03, 0.03, 0]),
    ],
)
def test_interaction_features(feature: str, without_history: list[float], after_session: list[float]) -> None:
    module = BaseScores(base(), n_inputs=1)
    before = np.array(scores(module))
    with torch.no_grad():
        module.weights.bias[FEATURES.index(feature)] = 1.0
    difference = (np.array(scores(module)) - before) / 2  # the scale
    assert difference == pytest.approx(np.array([without_history, after_session]), abs=1e-4)


def test_weights_of_overlaps_continue_inside_a_slate() -> None:
    module = BaseScores(base(diversify=0.5), n_inputs=1)
    with torch.no_grad():
        module.weights.bias[FEATURES.index("overlap, decay 0.6")] = 3.0
        module.log_factor.fill_(np.log(2))
    _, discount = module(module.read(STATES), torch.ones(2, 1), torch.zeros(2, 3))
    # Normalized, the feature of decay 0.6 is 0.4 / 0.6 of the overlap; all is multiplied by the scale 2 and by 2.
    assert discount.weights[0].tolist() == pytest.approx([-8, 0, 0, 2])
    assert discount.decays.tolist() == pytest.approx([0.6, 0.9, 0.97, 0.9])


def test_a_state_value_is_the_same_for_all_items() -> None:
    module = BaseScores(base(), n_inputs=1, with_value=True)
    before = np.array(scores(module))
    with torch.no_grad():
        module.weights.weight[-1] = 4.0
    assert np.array(scores(module)) - before == pytest.approx(4)


def test_everything_begins_at_0_and_has_a_gradient() -> None:
    module = BaseScores(base(diversify=0.5), n_inputs=1)
    head = zeroed(ItemHead(1, np.eye(3), torch.Generator()))
    residual = head(torch.ones(2, 1))
    assert residual.tolist() == [[0] * 3] * 2
    first, _ = module(module.read(STATES), torch.ones(2, 1), residual)
    first[1, 0].backward()
    assert module.log_factor.grad == pytest.approx(2 * 3.55)
    assert module.weights.bias.grad is not None
    assert np.count_nonzero(module.weights.bias.grad) == len(FEATURES)
    assert any(parameter.grad.any() for parameter in head.parameters() if parameter.grad is not None)


def test_what_is_no_base_is_refused() -> None:
    popular = PopularAgent(np.arange(3))
    with pytest.raises(InputError, match="PopularAgent does not"):
        base_of(popular, ESTIMATES, scale=None, default=1.0)
    with pytest.raises(InputError, match="needs estimates of the items"):
        base_of(FoldInAgent(LAYOUT, ESTIMATES), None, scale=None, default=1.0)
    with pytest.raises(InputError, match="base_scale is the factor of the base's scores, and there is no base"):
        base_of(None, ESTIMATES, scale=2.0, default=1.0)
    others = HistoryLayout(n_items=4, slate_size=1, n_rated=1, length=4)
    recommender = FoldInAgent(LAYOUT, ESTIMATES)
    recommender.layout = others
    with pytest.raises(InputError, match="estimates are of 3 items, the base of 4"):
        base_of(recommender, ESTIMATES, scale=None, default=1.0)
