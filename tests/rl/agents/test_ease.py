import numpy as np
import pytest

from contracts.agents import AgentContract, AgentSmoke
from contracts.recommenders import DRAWN, drawn_ratings
from pydeeprecsys.history import HistoryLayout
from pydeeprecsys.rl.agents.ease import EASEAgent, Feedback
from pydeeprecsys.rl.ops.item_models import ease_weights

LAYOUT = HistoryLayout(n_items=7, slate_size=1, n_rated=1, length=3)
USER = [0.5] * 4
GENRES = np.zeros((7, 2))


class TestEASE(AgentContract):
    learns = False
    varies_slates = True
    test_other_seeds_give_other_lives = None  # there is no chance to it

    def make(self, n_actions: int, state_size: int, seed: int) -> EASEAgent:
        return EASEAgent(DRAWN, np.arange(2 * n_actions).reshape(n_actions, 2) % 3 == 0, drawn_ratings(), diversify=0.5)


class TestEASEOfLikes(AgentSmoke):
    learns = False
    test_other_seeds_give_other_lives = None

    def make(self, n_actions: int, state_size: int, seed: int) -> EASEAgent:
        return EASEAgent(DRAWN, np.ones((n_actions, 2)), drawn_ratings(), feedback="likes", regularization=5.0)


@pytest.mark.parametrize("feedback", ["ratings", "likes"])
def test_without_a_history_the_score_is_the_mean_rating(feedback: Feedback) -> None:
    agent = EASEAgent(LAYOUT, GENRES, drawn_ratings(), feedback=feedback)
    np.testing.assert_allclose(agent.scores(LAYOUT.row(USER, [], [], [])[None]), [drawn_ratings().mean_ratings])


def test_scores_by_hand() -> None:
    row = LAYOUT.row(USER, slates=[[3], [5], [6]], choices=[0, 0, -1], ratings=[[5], [2], [0]])
    means = drawn_ratings().mean_ratings
    a, b = 5 - means[3], 2 - means[5]
    offset = (a + b) / 7
    agent = EASEAgent(LAYOUT, GENRES, drawn_ratings(), scale=2.0)
    expected = means + offset + 16 * ((a - offset) * agent.weights[3] + (b - offset) * agent.weights[5])
    np.testing.assert_allclose(agent.scores(row[None]), [expected])
    likes = EASEAgent(LAYOUT, GENRES, drawn_ratings(), feedback="likes", scale=2.0)
    np.testing.assert_allclose(likes.scores(row[None]), [means + 2 * likes.weights[3]])


def test_likes_are_ratings_of_4_stars_or_more() -> None:
    ratings = drawn_ratings()
    likes = EASEAgent(LAYOUT, GENRES, ratings, feedback="likes", regularization=3.0)
    expected = ease_weights(ratings.matrix(np.isin(ratings.stars, [4, 5])), regularization=3.0)
    np.testing.assert_array_equal(likes.weights, expected)


def test_what_is_predicted_follows_the_training_ratings() -> None:
    # Users like either the items 0 to 3 or the others.
    agent = EASEAgent(LAYOUT, GENRES, drawn_ratings(), regularization=50.0)
    row = LAYOUT.row(USER, slates=[[0]], choices=[0], ratings=[[5]])
    change = agent.scores(row[None])[0] - drawn_ratings().mean_ratings
    assert change[1:4].min() > change[4:].max()
