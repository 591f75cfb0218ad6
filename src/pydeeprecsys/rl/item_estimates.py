"""What a recommender knows of the items: a linear model of their ratings, estimated from users' ratings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pydeeprecsys.arrays import Flags, Floats, Ints, Singles


@dataclass(frozen=True, eq=False)
class ItemEstimates:
    """Estimates of d numbers per item, and the prior distribution of d numbers per user.

    A rating is modelled as offset_i + vector_i . user vector + noise, with user vectors from N(prior_mean,
    prior_covariance) and noise of one variance. The simulator's own vectors are others, and unknown to agents.

    Attributes:
        vectors: (items, d) item vectors: latent dimensions, 1 for the bias of the user, and 1 / sqrt(number of
            categories) at each of the item's categories.
        offsets: (items,) biases of items, with the mean of all ratings, in stars.
        prior_mean: (d,) mean of the user vectors.
        prior_covariance: (d, d) covariance of the user vectors.
        noise: variance of the noise, in stars².
        mean_ratings: (items,) mean ratings in stars, shrunk towards that of all items where there are few.
        counts: (items,) number of ratings.
        categories: (items, c) which categories each item is known to have.
    """

    vectors: Floats
    offsets: Floats
    prior_mean: Floats
    prior_covariance: Floats
    noise: float
    mean_ratings: Floats
    counts: Ints
    categories: Flags

    @property
    def expected_ratings(self) -> Floats:
        """(items,) expected ratings of a new user, in stars."""
        expected: Floats = self.offsets + self.vectors @ self.prior_mean
        return expected

    @cached_property
    def popularity(self) -> Floats:
        """(items,) logarithms of 1 + count, less their mean, over their standard deviation; 0 if all are the same."""
        logs = np.log1p(self.counts)
        deviations: Floats = (logs - logs.mean()) / (logs.std() or 1.0)
        return deviations

    @cached_property
    def prior_precision(self) -> Floats:
        """(d, d) inverse of `prior_covariance`."""
        return np.asarray(np.linalg.inv(self.prior_covariance), dtype=np.float64)

    @cached_property
    def columns(self) -> Singles:
        """(d + 1, items) each item's vector and offset."""
        columns: Singles = np.ascontiguousarray(np.column_stack([self.vectors, self.offsets]).T, dtype=np.float32)
        return columns

    @cached_property
    def outer_products(self) -> Singles:
        """(d (d + 1) / 2, items) lower triangle of the outer product of each item's vector with itself."""
        rows, columns = np.tril_indices(self.vectors.shape[1])
        products: Singles = np.ascontiguousarray((self.vectors[:, rows] * self.vectors[:, columns]).T, dtype=np.float32)
        return products

    @property
    def features(self) -> Floats:
        """(items, c + 2 + latents) categories, mean rating, logarithm of 1 + count, and latent dimensions."""
        latents = self.vectors[:, : self.vectors.shape[1] - 1 - self.categories.shape[1]]
        return np.column_stack([self.categories, self.mean_ratings, np.log1p(self.counts), latents])
