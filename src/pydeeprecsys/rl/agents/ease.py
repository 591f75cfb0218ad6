"""EASE: embarrassingly shallow autoencoders."""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar, Literal

import numpy as np

from pydeeprecsys.arguments import Positive, checked
from pydeeprecsys.arrays import Floats, Singles
from pydeeprecsys.history import History
from pydeeprecsys.rl.agents.recommender import DIVERSIFY, Categories, Diversify, Layout, Recommender
from pydeeprecsys.rl.ops.histories import centred, linear_scores
from pydeeprecsys.rl.ops.item_models import ease_weights
from pydeeprecsys.rl.ratings import Ratings, TrainingRatings
from pydeeprecsys.rl.search_space import Between, SearchSpace

LIKED = 4.0
"""Lowest rating that counts as a like, in stars."""

Feedback = Literal["ratings", "likes"]
_STARS: dict[Feedback, float] = {"ratings": 8.0, "likes": 1.0}  # per unit of the score


@checked
class EASEAgent(Recommender):
    """EASE: a linear model in which every item is predicted from all other items that the user rated.

    Steck, Embarrassingly Shallow Autoencoders for Sparse Data, 2019, fitted to ratings centred by item and user, or to
    likes. Relevance is in stars: the item's mean rating, with ratings plus the user's offset, plus the score times a
    factor; without a history it is the mean rating. EASE counts missing ratings as 0, so that its scores are far
    smaller than the deviations they predict: a unit of score counts 8 stars with ratings, the coefficient of held-out
    ratings of MovieLens-1M regressed on the scores of 5 to 25 others (7 to 9), and 1 star with likes.

    Args:
        feedback: What the model is of: ratings, or likes, which are ratings of 4 stars or more.
        regularization: Regularization λ.
        scale: Further factor of the score.

    Raises:
        InputError: An argument is out of range.
    """

    search_space: ClassVar[SearchSpace] = {
        "diversify": DIVERSIFY,
        "regularization": Between(50.0, 10_000.0, log=True),
        "scale": Between(0.1, 10.0, log=True),
    }

    def __init__(
        self,
        history: Layout,
        categories: Categories,
        ratings: TrainingRatings,
        *,
        diversify: Diversify = 0.0,
        feedback: Feedback = "ratings",
        regularization: Positive = 2000.0,
        scale: Positive = 1.0,
    ) -> None:
        super().__init__(history, categories, diversify)
        self.mean_ratings, self.feedback = ratings.mean_ratings, feedback
        self.scale = scale * _STARS[feedback]
        self.weights = _weights(ratings, feedback, regularization)

    def relevance(self, history: History) -> Floats:
        """(n, items) mean ratings, raised or lowered by the score, in stars."""
        items, deviations, offsets = centred(history.items, history.ratings, self.mean_ratings)
        if self.feedback == "likes":
            likes = (history.ratings >= LIKED).astype(np.float64)
            return self.mean_ratings + self.scale * linear_scores(items, likes, self.weights)
        return self.mean_ratings + offsets[:, None] + self.scale * linear_scores(items, deviations, self.weights)


@lru_cache(maxsize=2)
def _weights(ratings: Ratings, feedback: Feedback, regularization: float) -> Singles:
    profiles = ratings.matrix(ratings.centred if feedback == "ratings" else ratings.stars >= LIKED)
    return ease_weights(profiles, regularization)
