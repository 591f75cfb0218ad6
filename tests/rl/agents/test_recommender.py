import numpy as np
import pytest

from contracts.agents import AgentContract
from contracts.recommenders import DRAWN
from pydeeprecsys.arrays import Floats
from pydeeprecsys.errors import InputError
from pydeeprecsys.history import History, HistoryLayout
from pydeeprecsys.rl.agents.recommender import Recommender

STARS = np.array([5.0, 4.9, 4.6, 4.0, 3.9])
GENRES = [[1, 0], [1, 0], [1, 1], [0, 1], [0, 0]]
CHOSEN = HistoryLayout(n_items=5, slate_size=2, n_rated=1, length=3)
WHOLE = HistoryLayout(n_items=5, slate_size=2, n_rated=2, length=3)
USER = [0.0, 1.0, 0.5, 0.25]


class Same(Recommender):
    """Finds the same items relevant to everybody."""

    def relevance(self, history: History) -> Floats:
        return np.tile(np.resize(STARS, self.n_actions), (len(history.items), 1))


class TestRecommender(AgentContract):
    learns = False
    varies_slates = True
    test_other_seeds_give_other_lives = None  # there is no chance to it

    def make(self, n_actions: int, state_size: int, seed: int) -> Same:
        return Same(DRAWN, np.arange(2 * n_actions).reshape(n_actions, 2) % 3 == 0, diversify=0.5)


def test_without_a_history_the_slate_is_varied_in_itself() -> None:
    # After item 0 the memory is (0.9, 0): 4.9 - 0.6 · 0.9 = 4.36, 4.6 - 0.6 · 0.9 / √2 = 4.22, 4, 3.9.
    # After item 1, (1.71, 0): 4.6 - 0.6 · 1.71 / √2 = 3.87, 4, 3.9.
    states = CHOSEN.row(USER, [], [], [])[None]
    assert Same(CHOSEN, GENRES, diversify=0.6).top_k_actions_for_states(states, 3).tolist() == [[0, 1, 3]]
    assert Same(CHOSEN, GENRES).top_k_actions_for_states(states, 3).tolist() == [[0, 1, 2]]


def test_scores_are_relevance_less_the_overlap_with_what_was_consumed() -> None:
    # Item 3 long ago, item 0 last, and between them a slate without a choice: 0.9 · (0.9 · (0, 1) + (1, 0)).
    row = CHOSEN.row(USER, slates=[[0, 4], [2, 1], [1, 3]], choices=[0, -1, 1], ratings=[[4], [0], [2]])
    agent, (a, b) = Same(CHOSEN, GENRES, diversify=2.0), (0.9, 0.81)
    expected = STARS - 2 * np.array([a, a, (a + b) / 2**0.5, b, 0])
    np.testing.assert_allclose(agent.scores(row[None]), [expected])
    masks = CHOSEN.allowed(row[None])
    np.testing.assert_allclose(agent.scores(row[None], masks), [[-np.inf, *expected[1:3], -np.inf, expected[4]]])
    assert agent.top_k_actions_for_states(row[None], 1, action_masks=masks).tolist() == [[4]]


def test_of_whole_slates_every_item_counts_from_the_top_position_down() -> None:
    row = WHOLE.row(USER, slates=[[3, 4], [0, 2]], choices=[0, 0], ratings=[[4, 4], [5, 5]])
    # Item 0, 2, 3 and 4; the last is of no category, and the memory decays all the same.
    first = 0.9**4 + 0.9**3 / 2**0.5
    second = 0.9**3 / 2**0.5 + 0.9**2
    scores = Same(WHOLE, GENRES, diversify=1.0).scores(row[None])
    np.testing.assert_allclose(scores, [STARS - [first, first, (first + second) / 2**0.5, second, 0]])


def test_no_item_is_twice_in_a_slate_whether_or_not_it_was_consumed() -> None:
    row = CHOSEN.row(USER, slates=[[0, 4]], choices=[0], ratings=[[4]])
    assert sorted(Same(CHOSEN, GENRES, diversify=3.0).top_k_actions_for_states(row[None], 5)[0]) == [0, 1, 2, 3, 4]


def test_arguments_that_do_not_fit() -> None:
    with pytest.raises(InputError, match="categories are of 4 items, the history of 5"):
        Same(CHOSEN, GENRES[:4])
    with pytest.raises(InputError, match=r"takes \(n, 16\)"):
        Same(CHOSEN, GENRES).scores(np.zeros((2, 25)))
