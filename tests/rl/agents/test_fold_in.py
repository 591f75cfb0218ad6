import numpy as np
import pytest

from contracts.agents import AgentContract, AgentSmoke
from contracts.estimates import drawn_estimates, estimates
from contracts.recommenders import DRAWN
from pydeeprecsys.arrays import Singles
from pydeeprecsys.errors import InputError
from pydeeprecsys.history import HistoryLayout
from pydeeprecsys.rl.agents.fold_in import FoldInAgent

LAYOUT = HistoryLayout(n_items=3, slate_size=1, n_rated=1, length=4)
# A rating is 3 + x · u: items 0 and 1 have the category and x = 1, item 2 has x = 0.5; u is from N(0, 1).
KNOWN = estimates(
    np.array([[1.0], [1.0], [0.5]]), [[1.0]], counts=[0, 0, 99], categories=[[True], [True], [False]], noise=1.0
)


class TestFoldIn(AgentContract):
    learns = False
    test_other_seeds_give_other_lives = None  # there is no chance to it

    def make(self, n_actions: int, state_size: int, seed: int) -> FoldInAgent:
        return FoldInAgent(DRAWN, drawn_estimates(n_actions))


class TestFoldInWithAllParameters(AgentSmoke):
    learns = False
    varies_slates = True
    test_other_seeds_give_other_lives = None

    def make(self, n_actions: int, state_size: int, seed: int) -> FoldInAgent:
        numbers = {name: domain.high for name, domain in FoldInAgent.parameter_space.items()}
        return FoldInAgent(DRAWN, drawn_estimates(n_actions), **numbers)


def shown(*ratings: tuple[int, float]) -> Singles:
    """The state after ratings of items, the latest last."""
    latest_first = ratings[::-1]
    items, stars = [[item] for item, _ in latest_first], [[rating] for _, rating in latest_first]
    return LAYOUT.row([0.5] * 4, items, choices=[0] * len(items), ratings=stars)[None]


def test_scores_are_predicted_ratings() -> None:
    agent = FoldInAgent(LAYOUT, KNOWN)
    np.testing.assert_allclose(agent.scores(shown()), [[3, 3, 3]])
    # One residual of 2 with the precision 1 on top of the prior's: u is 1.
    np.testing.assert_allclose(agent.scores(shown((0, 5.0))), [[4, 4, 3.5]])
    np.testing.assert_allclose(FoldInAgent(LAYOUT, KNOWN, noise=3.0).scores(shown((0, 5.0))), [[3.5, 3.5, 3.25]])


def test_popularity_is_of_the_standardized_logarithm_of_counts() -> None:
    # The logarithms 0, 0 and log 100 are standardized to -1/√2, -1/√2 and √2.
    np.testing.assert_allclose(FoldInAgent(LAYOUT, KNOWN, popularity=2**0.5).scores(shown()), [[2, 2, 5]], rtol=1e-6)


def test_the_weight_of_uncertainty_moves_with_the_session() -> None:
    agent = FoldInAgent(LAYOUT, KNOWN, uncertainty_early=1.0, uncertainty_late=-1.0)
    np.testing.assert_allclose(agent.scores(shown()), [[4, 4, 3.5]])  # the standard deviation of u is 1
    # After one slate the weight is 0.9 - 0.1, and the variance of u 1/2; after two, 0.81 - 0.19 and 1/3.
    for n, variance, weight in ((1, 1 / 2, 0.8), (2, 1 / 3, 0.62)):
        plus = weight * variance**0.5
        scores = agent.scores(shown(*[(0, 3.0)] * n))
        np.testing.assert_allclose(scores, [[3 + plus, 3 + plus, 3 + plus / 2]], rtol=1e-6)


def test_ratings_are_corrected_for_satiation_before_the_regression() -> None:
    # The overlap of item 1 with item 0 before it is 0.9: its rating of 3 counts as 3 + 2 · 0.9. The first is as it is.
    state = shown((0, 3.0), (1, 3.0))
    u = 2 * 0.9 / 3
    np.testing.assert_allclose(
        FoldInAgent(LAYOUT, KNOWN, satiation=2.0).scores(state), [[3 + u, 3 + u, 3 + u / 2]], rtol=1e-6
    )


def test_overlap_is_penalized_over_three_time_scales() -> None:
    # After item 0 the memories of its category are the decays.
    for name, decay in (("diversify_fast", 0.6), ("diversify", 0.9), ("diversify_slow", 0.97)):
        agent = FoldInAgent(LAYOUT, KNOWN, **{name: 2.0})
        np.testing.assert_allclose(agent.scores(shown((0, 3.0))), [[3 - 2 * decay] * 2 + [3]], rtol=1e-6)


def test_parameters_of_a_policy_search_are_attributes_and_arguments() -> None:
    agent = FoldInAgent(LAYOUT, KNOWN)
    assert all(getattr(agent, name) in domain for name, domain in agent.parameter_space.items())
    agent.satiation = agent.noise = 3.0
    again = FoldInAgent(LAYOUT, KNOWN, satiation=3.0, noise=3.0)
    state = shown((0, 4.0), (1, 1.0))
    np.testing.assert_array_equal(agent.scores(state), again.scores(state))


def test_estimates_of_other_items_are_refused() -> None:
    with pytest.raises(InputError, match="categories are of 4 items, the history of 3"):
        FoldInAgent(LAYOUT, drawn_estimates(4))
