"""Fold-in: predicted ratings from a posterior of the user's vector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import numpy as np

from pydeeprecsys.arguments import Finite, Positive, checked
from pydeeprecsys.arrays import Singles
from pydeeprecsys.history import History
from pydeeprecsys.rl.agents.recommender import DECAY, DIVERSIFY, Diversify, Layout, Recommender
from pydeeprecsys.rl.item_estimates import ItemEstimates
from pydeeprecsys.rl.ops.fold_in import fold_in, predicted_ratings, predicted_variances
from pydeeprecsys.rl.ops.variety import Penalty, overlaps
from pydeeprecsys.rl.search_space import Between, SearchSpace

Estimates = Annotated[ItemEstimates, "Item vectors, and the prior of the user vectors."]

_FAST, _SLOW = 0.6, 0.97  # decays beside that of `diversify`


@checked
class FoldInAgent(Recommender):
    """Fold-in: Bayesian linear regression of the session's ratings on estimated item vectors; nothing is trained.

    By default an item's score is its predicted rating. The other arguments are the parameters of a policy search: they
    penalize overlap with the categories just consumed over three time scales, reward uncertainty or popularity, and
    correct the ratings for satiation before the regression.

    Args:
        diversify_fast: Penalty for overlap as `diversify`, with decay 0.6 in place of 0.9, in stars.
        diversify_slow: Penalty for overlap with decay 0.97, in stars.
        uncertainty_early: Weight of the standard deviation of the predicted rating at the first slate.
        uncertainty_late: Weight that it tends to later: 0.9 of the distance is left after each slate.
        popularity: Weight of the standardized logarithm of 1 + count, in stars.
        noise: Factor of the estimated variance of the ratings' noise.
        satiation: Stars by which overlap of 1, with decay 0.9, has lowered a rating of the history.

    Raises:
        InputError: An argument is out of range, or history and estimates are of different items.
    """

    search_space: ClassVar[SearchSpace] = {"diversify": DIVERSIFY}
    parameter_space: ClassVar[Mapping[str, Between]] = {
        "diversify": Between(0.0, 1.5),
        "diversify_fast": Between(-0.5, 1.5),
        "diversify_slow": Between(-0.5, 0.5),
        "uncertainty_early": Between(-2.0, 2.0),
        "uncertainty_late": Between(-2.0, 2.0),
        "popularity": Between(-0.5, 0.5),
        "noise": Between(0.05, 5.0, log=True),
        "satiation": Between(-0.5, 1.0),
    }
    """Bounds of the policy's parameters, for a policy search."""

    def __init__(
        self,
        history: Layout,
        item_estimates: Estimates,
        *,
        diversify: Diversify = 0.0,
        diversify_fast: Finite = 0.0,
        diversify_slow: Finite = 0.0,
        uncertainty_early: Finite = 0.0,
        uncertainty_late: Finite = 0.0,
        popularity: Finite = 0.0,
        noise: Positive = 1.0,
        satiation: Finite = 0.0,
    ) -> None:
        super().__init__(history, item_estimates.categories, diversify)
        self.estimates = item_estimates
        self.diversify_fast, self.diversify_slow = diversify_fast, diversify_slow
        self.uncertainty_early, self.uncertainty_late = uncertainty_early, uncertainty_late
        self.popularity, self.noise, self.satiation = popularity, noise, satiation

    @property
    def penalty(self) -> Penalty:
        """Weights and decays of the overlaps with the categories just consumed."""
        both = [(self.diversify_fast, _FAST), (self.diversify, DECAY), (self.diversify_slow, _SLOW)]
        weights, decays = np.array([pair for pair in both if pair[0]], dtype=np.float64).reshape(-1, 2).T.copy()
        return Penalty(weights, decays)

    def relevance(self, history: History) -> Singles:
        """(n, items) predicted ratings in stars, with what uncertainty and popularity add."""
        items, ratings = history.in_order
        if self.satiation:
            ratings = ratings + self.satiation * overlaps(items, self.kinds, DECAY).astype(np.float32)
        posterior = fold_in(self.estimates, items, ratings, noise=self.noise)
        scores = predicted_ratings(self.estimates, posterior.means)
        if self.popularity:
            scores += (self.popularity * self.estimates.popularity).astype(np.float32)
        if self.uncertainty_early or self.uncertainty_late:
            early = DECAY**history.steps
            weights = early * self.uncertainty_early + (1 - early) * self.uncertainty_late
            deviations = np.sqrt(predicted_variances(self.estimates, posterior.covariances))
            scores += weights.astype(np.float32)[:, None] * deviations
        return scores
