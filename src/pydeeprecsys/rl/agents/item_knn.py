"""Item-based k nearest neighbours."""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar

import numpy as np

from pydeeprecsys.arguments import Count, NonNegative, Positive, checked
from pydeeprecsys.arrays import Floats, Singles
from pydeeprecsys.history import History
from pydeeprecsys.rl.agents.recommender import DIVERSIFY, Categories, Diversify, Layout, Recommender
from pydeeprecsys.rl.ops.histories import centred, linear_scores
from pydeeprecsys.rl.ops.item_models import item_similarities, nearest_neighbours
from pydeeprecsys.rl.ratings import Ratings, TrainingRatings
from pydeeprecsys.rl.search_space import Between, SearchSpace


@checked
class ItemKNNAgent(Recommender):
    """Item-based k nearest neighbours: predicts a rating from those that the user gave to similar items.

    Sarwar et al., Item-Based Collaborative Filtering Recommendation Algorithms, 2001, on ratings centred by item and
    user: mean + user's offset + Σ similarity · deviation / (Σ similarity + damping), over the rated items that the item
    is a neighbour of. Without ratings, or without rated neighbours, this is the mean rating.

    Args:
        neighbours: Number of items that each item is similar to.
        shrinkage: Number of common raters at which half of a similarity counts.
        damping: Sum of similarities at which half of the neighbours' mean deviation counts.

    Raises:
        InputError: An argument is out of range.
    """

    search_space: ClassVar[SearchSpace] = {
        "diversify": DIVERSIFY,
        "neighbours": Between(20, 2000, log=True),
        "shrinkage": Between(5.0, 500.0, log=True),
        "damping": Between(0.01, 10.0, log=True),
    }

    def __init__(
        self,
        history: Layout,
        categories: Categories,
        ratings: TrainingRatings,
        *,
        diversify: Diversify = 0.0,
        neighbours: Count = 500,
        shrinkage: NonNegative = 50.0,
        damping: Positive = 0.1,
    ) -> None:
        super().__init__(history, categories, diversify)
        self.mean_ratings, self.damping = ratings.mean_ratings, damping
        self.similarities = _similarities(ratings, shrinkage, neighbours)

    def relevance(self, history: History) -> Floats:
        """(n, items) predicted ratings in stars."""
        items, deviations, offsets = centred(history.items, history.ratings, self.mean_ratings)
        sums = linear_scores(items, deviations, self.similarities)
        trust = linear_scores(items, np.ones_like(deviations), self.similarities)
        predicted: Floats = self.mean_ratings + offsets[:, None] + sums / (trust + self.damping)
        return predicted


@lru_cache(maxsize=2)
def _similarities(ratings: Ratings, shrinkage: float, neighbours: int) -> Singles:
    return nearest_neighbours(item_similarities(ratings.matrix(ratings.centred), shrinkage), neighbours)
