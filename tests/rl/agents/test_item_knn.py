import numpy as np
import pytest

from contracts.agents import AgentContract
from contracts.recommenders import DRAWN, drawn_ratings
from pydeeprecsys.history import HistoryLayout
from pydeeprecsys.rl.agents.item_knn import ItemKNNAgent, _similarities

LAYOUT = HistoryLayout(n_items=7, slate_size=1, n_rated=1, length=3)
USER = [0.5] * 4
GENRES = np.zeros((7, 2))


class TestItemKNN(AgentContract):
    learns = False
    varies_slates = True
    test_other_seeds_give_other_lives = None  # there is no chance to it

    def make(self, n_actions: int, state_size: int, seed: int) -> ItemKNNAgent:
        return ItemKNNAgent(
            DRAWN, np.arange(2 * n_actions).reshape(n_actions, 2) % 3 == 0, drawn_ratings(), diversify=0.5
        )


def test_without_a_history_the_score_is_the_mean_rating() -> None:
    agent = ItemKNNAgent(LAYOUT, GENRES, drawn_ratings())
    np.testing.assert_allclose(agent.scores(LAYOUT.row(USER, [], [], [])[None]), [drawn_ratings().mean_ratings])


def test_a_prediction_by_hand() -> None:
    agent = ItemKNNAgent(LAYOUT, GENRES, drawn_ratings(), damping=0.5)
    agent.similarities = np.zeros((7, 7), np.float32)
    agent.similarities[[3, 5], 0] = 0.25, 0.5
    means = drawn_ratings().mean_ratings
    row = LAYOUT.row(USER, slates=[[3], [5], [6]], choices=[0, 0, -1], ratings=[[5], [2], [0]])
    a, b = 5 - means[3], 2 - means[5]
    offset = (a + b) / 7
    expected = means[0] + offset + (0.25 * (a - offset) + 0.5 * (b - offset)) / (0.75 + 0.5)
    scores = agent.scores(row[None])[0]
    np.testing.assert_allclose(scores[0], expected)
    np.testing.assert_allclose(scores[1:], means[1:] + offset)  # without neighbours


def test_agents_of_a_comparison_share_the_similarities() -> None:
    ItemKNNAgent(LAYOUT, GENRES, drawn_ratings(), shrinkage=12.5)
    before = _similarities.cache_info().misses
    ItemKNNAgent(LAYOUT, GENRES, drawn_ratings(), shrinkage=12.5)
    assert _similarities.cache_info().misses == before


@pytest.mark.parametrize(("option", "value"), [("neighbours", 0), ("shrinkage", -1.0), ("damping", 0.0)])
def test_options_out_of_range(option: str, value: float) -> None:
    with pytest.raises(ValueError, match=option):
        ItemKNNAgent(LAYOUT, GENRES, drawn_ratings(), **{option: value})
