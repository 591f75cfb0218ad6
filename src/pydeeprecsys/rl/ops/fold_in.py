"""Fold-in: a user's vector from a few ratings, by Bayesian linear regression on the vectors of the rated items.

With prior N(mu, Sigma) and noise of variance s², the posterior of the user vector given ratings r of items X is
N(m, C), where

    C = (Sigma^-1 + X' X / s²)^-1        m = C (Sigma^-1 mu + X' (r - offsets) / s²)

(Bishop, Pattern Recognition and Machine Learning, 2006, section 3.3). Users are independent of each other: what is
computed of one does not depend on the others in the batch.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numba import njit

from pydeeprecsys.arrays import Array, Floats, Ints, Singles
from pydeeprecsys.rl.item_estimates import ItemEstimates


class Posterior(NamedTuple):
    """Distribution of the vectors of n users."""

    means: Floats  # (n, d)
    covariances: Floats  # (n, d, d)


def fold_in(estimates: ItemEstimates, items: Ints, ratings: Array, *, noise: float = 1.0) -> Posterior:
    """Posterior of the user vectors, given ratings.

    Args:
        estimates: of the items, with the prior.
        items: (n, m) rated items, -1 for none; each rating of an item counts, also a repeated one.
        ratings: (n, m) in stars; not read where there is no item.
        noise: factor of the estimated variance of the noise.

    Returns:
        The posterior; of users without ratings, the prior.
    """
    rated = items >= 0
    residuals = np.where(rated, ratings - estimates.offsets[items], 0.0)
    return Posterior(
        *_posterior(
            items,
            residuals,
            vectors=estimates.vectors,
            noise=noise * estimates.noise,
            prior=(estimates.prior_mean, estimates.prior_precision),
        )
    )


def predicted_ratings(estimates: ItemEstimates, means: Floats) -> Singles:
    """(n, items) expected ratings in stars of users with the posterior means (n, d), in single precision."""
    return _product(np.column_stack([means, np.ones(len(means))]), estimates.columns)


def predicted_variances(estimates: ItemEstimates, covariances: Floats) -> Singles:
    """(n, items) variances of expected ratings, in stars², under posterior covariances (n, d, d); without the noise.

    A variance x' C x is the dot product of the lower triangles of C and x x', with the off-diagonals of one doubled,
    so all variances are one matrix product.
    """
    rows, columns = np.tril_indices(covariances.shape[1])
    doubled = np.where(rows == columns, 1.0, 2.0)
    variances = _product(covariances[:, rows, columns] * doubled, estimates.outer_products)
    return np.maximum(variances, 0, out=variances)


def _product(left: Floats, right: Singles) -> Singles:
    """(n, items) product in single precision, on as many threads as torch is set to use."""
    product: Singles = (torch.from_numpy(left.astype(np.float32)) @ torch.from_numpy(right)).numpy()
    return product


@njit(cache=True)
def _posterior(
    items: Ints, residuals: Floats, vectors: Floats, noise: float, prior: tuple[Floats, Floats]
) -> tuple[Floats, Floats]:
    prior_mean, precision = prior
    (n, m), d = items.shape, vectors.shape[1]
    means, covariances = np.empty((n, d)), np.empty((n, d, d))
    pull = precision @ prior_mean
    x, weight = np.empty((m, d)), noise**-0.5
    for user in range(n):
        moment, rows = pull.copy(), 0
        for j in range(m):
            if items[user, j] >= 0:
                for a in range(d):
                    x[rows, a] = weight * vectors[items[user, j], a]
                    moment[a] += weight * residuals[user, j] * x[rows, a]
                rows += 1
        gram = x[:rows].T @ x[:rows]
        for a in range(d):
            for b in range(d):
                covariances[user, a, b] = precision[a, b] + gram[a, b]
        _invert(covariances[user])
        means[user] = covariances[user] @ moment
    return means, covariances


@njit(cache=True)
def _invert(matrix: Floats) -> None:
    """Invert a symmetric positive definite matrix in place.

    By the sweep operator (Goodnight, A Tutorial on the SWEEP Operator, 1979), which gives minus the inverse.
    """
    d = len(matrix)
    row, scaled = np.empty(d), np.empty(d)
    for k in range(d):
        pivot = 1 / matrix[k, k]
        for a in range(d):
            row[a] = matrix[k, a]
            scaled[a] = pivot * row[a]
        for a in range(d):
            for b in range(d):
                matrix[a, b] -= scaled[a] * row[b]
        for a in range(d):
            matrix[k, a] = matrix[a, k] = scaled[a]
        matrix[k, k] = -pivot
    for a in range(d):
        for b in range(d):
            matrix[a, b] = -matrix[a, b]
