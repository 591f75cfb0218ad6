"""Variational Bayesian matrix factorization, alternating between two sides, users and items.

Lim & Teh 2007, "Variational Bayesian approach to movie rating prediction"; Raiko, Ilin & Karhunen 2007, "Principal
component analysis for large scale problems with lots of missing values". A rating is

    latent_u . latent_i + coefficients_u . fixed_i + fixed_u . coefficients_i + noise

where `fixed` is known and the rest is learned. The d numbers learned of a row, a user or an item, have a Gaussian prior
N(mu, Lambda^-1), with one full precision Lambda for all rows of a side; the posterior is approximated by N(m, S),

    S = (Lambda + tau sum E[x x'])^-1        m = S (Lambda mu + tau sum E[x (rating - given)])

with sums over the ratings of the row, x = (latent, fixed) of the other side, `given` the contribution of the
coefficients of the other side, and tau 1 / variance of the noise. The priors are estimated from the posteriors
(empirical Bayes): a row with few ratings stays close to the prior mean, and a row without ratings has it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numba import njit, prange

from pydeeprecsys.arrays import Flags, Floats, Ints, Rows, Singles

_BLOCKS = 64  # of rows, each summed by one thread, whatever the number of threads

Grouped = tuple[Ints, Rows, Floats]
"""Ratings by row: (rows + 1,) start of each row, (ratings,) row on the other side, (ratings,) rating."""


class Posterior(NamedTuple):
    """The facts about each row that the other side needs; d numbers are learned: latents, then coefficients."""

    means: Floats  # (rows, d)
    second: Singles  # (rows, pairs) E[latent latent'], its lower triangle
    cross: Singles  # (rows, coefficients, latents) covariance of coefficients and latents
    bias_variance: Floats  # (rows,) variance of the first coefficient
    fixed: Floats  # (rows, coefficients of the other side) known factors of those coefficients


class Prior(NamedTuple):
    """The prior of a side: N(predictors . weights, precision^-1) for each row, weights and precision estimated."""

    predictors: Floats  # (rows, k) of the mean; the first is 1
    weights: Floats  # (k, d)
    learned: Flags  # (k, d) which of the weights are learned; the others keep their values
    precision: Floats  # (d, d) Lambda
    variances: Floats  # (d,) towards which the covariance is shrunk, with the weight of d rows

    @property
    def means(self) -> Floats:
        """(rows, d) the means; not by BLAS, whose rounding depends on the number of threads."""
        means: Floats = (self.predictors[:, :, None] * self.weights).sum(axis=1)
        return means


class Side:
    """The users or the items: their ratings, posterior and prior.

    Args:
        grouped: the ratings by row.
        fixed: (rows, coefficients of the other side) known factors of the coefficients of the other side.
        predictors: (rows, k) of the prior mean, which is predictors . weights; the first is 1.
        learned: (k, d) which of the weights are learned; the others are 0.
        variances: (d,) of the first prior; later ones are shrunk towards them with the weight of d rows.
        latents: (rows, latent dimensions) initial values.
    """

    def __init__(
        self, grouped: Grouped, fixed: Floats, predictors: Floats, learned: Flags, variances: Floats, latents: Floats
    ) -> None:
        rows, latent, size = len(latents), latents.shape[1], len(variances)
        self.grouped = grouped
        self.prior = Prior(predictors, np.zeros(learned.shape), learned, np.diag(1 / variances), variances=variances)
        first, second = np.tril_indices(latent)
        self.posterior = Posterior(
            means=np.hstack([latents, np.zeros((rows, size - latent))]),
            second=(latents[:, first] * latents[:, second]).astype(np.float32),
            cross=np.zeros((rows, size - latent, latent), dtype=np.float32),
            bias_variance=np.zeros(rows),
            fixed=fixed,
        )

    def update(self, other: Side, noise: float) -> float:
        """Update the posteriors given the other side's, then the prior given the posteriors.

        Returns:
            The expected sum of squared errors, valid where the only coefficient of the other side is a bias.
        """
        precision = self.prior.precision
        pull = np.einsum("rd,de->re", self.prior.means, precision)
        of_rows = partial(_solve, self.grouped, self.prior.predictors, self.posterior, other=other.posterior)
        covariances, squares = apart(of_rows, pull=pull, precision=precision, tau=1 / noise)
        self.prior = prior_step(self.prior, self.posterior.means, covariances.sum(axis=0))
        return float(squares.sum())


def prior_step(prior: Prior, means: Floats, covariances: Floats) -> Prior:
    """Empirical Bayes step: the weights of the prior mean and the precision, from the posteriors.

    The step for the weights is exact, given that the posterior means move along with them; each weight has a prior
    N(0, 1), for weights that no rating depends on. Sums over the rows use einsum, not BLAS, whose rounding depends on
    the number of threads.

    Args:
        prior: that the posteriors were computed with.
        means: (rows, d) posterior means.
        covariances: (k, k, d, d) sums over the rows of predictor * predictor * posterior covariance S.
    """
    (rows, size), (predictors, weights, learned, precision, variances) = means.shape, prior
    residuals = means - prior.means
    gradient = np.einsum("rk,rd->kd", predictors, residuals) @ precision - weights
    squares = np.einsum("rk,rl->kl", predictors, predictors)
    curvature = squares[:, :, None, None] * precision - precision @ covariances @ precision
    curvature = curvature.transpose(0, 2, 1, 3).reshape(weights.size, weights.size) + np.eye(weights.size)
    free = np.flatnonzero(learned)
    weights = weights.copy()
    weights.flat[free] += np.linalg.solve(curvature[np.ix_(free, free)], gradient.flat[free])
    residuals = means - prior._replace(weights=weights).means
    scatter = np.einsum("rd,re->de", residuals, residuals) + covariances[0, 0]
    precision = np.linalg.inv((scatter + size * np.diag(variances)) / (rows + size))
    return prior._replace(weights=weights, precision=precision)


def apart(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call a parallel function from a thread of its own.

    OpenMP sets the number of threads per calling thread, and so for later calls by other libraries: torch would use
    more threads than it was asked to, and small networks would learn many times slower.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(function, *arguments, **named).result()


def grouped(rows: Rows, columns: Rows, ratings: Floats, n_rows: int) -> Grouped:
    """The ratings by row."""
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n_rows))])
    order = np.argsort(rows, kind="stable")
    return starts, columns[order], ratings[order]


@njit(parallel=True, cache=True)
def _solve(
    grouped: Grouped,
    predictors: Floats,
    posterior: Posterior,
    other: Posterior,
    pull: Floats,
    precision: Floats,
    tau: float,
) -> tuple[Floats, Floats]:
    """Write the posterior of each row, in place; `pull` is Lambda mu of each row.

    Compiled because the rows have very different lengths. One thread solves each row and sums each block of
    covariances, so the result does not depend on the number of threads.

    Returns:
        (blocks, k, k, d, d) sums of predictor * predictor * covariance, and (rows,) expected squared errors.
    """
    starts, columns, ratings = grouped
    means, second, cross, bias_variance, fixed = posterior
    size, latent, k = means.shape[1], cross.shape[2], predictors.shape[1]
    covariances, squares = np.zeros((_BLOCKS, k, k, size, size)), np.zeros(len(means))
    for block in prange(len(covariances)):
        covariance = np.empty((size, size))
        for row in range(block, len(means), len(covariances)):
            some = slice(starts[row], starts[row + 1])
            gram, moment, squared = _sums(columns[some], ratings[some], fixed[row], other)
            for a in range(size):
                for b in range(a + 1):
                    covariance[a, b] = covariance[b, a] = precision[a, b] + tau * gram[a, b]
            _invert(covariance)
            for a in range(size):
                means[row, a] = 0.0
                for b in range(size):
                    means[row, a] += covariance[a, b] * (pull[row, b] + tau * moment[b])
            pair = 0
            for a in range(size):
                squared -= 2 * means[row, a] * moment[a]
                for b in range(a + 1):
                    expected = means[row, a] * means[row, b] + covariance[a, b]
                    squared += (1 if a == b else 2) * expected * gram[a, b]
                    if a < latent:
                        second[row, pair] = expected
                        pair += 1
            squares[row] = squared
            cross[row] = covariance[latent:, :latent]
            bias_variance[row] = covariance[latent, latent]
            for p in range(k):
                for q in range(k):
                    covariances[block, p, q] += predictors[row, p] * predictors[row, q] * covariance
    return covariances, squares


@njit(cache=True)
def _sums(columns: Rows, ratings: Floats, fixed: Floats, other: Posterior) -> tuple[Floats, Floats, float]:
    """Sums over the ratings of a row: E[x x'], its lower triangle; E[x (rating - given)]; E[(rating - given)^2].

    The sums are allocated here, which lets the compiler vectorize: arrays from outside could overlap.
    """
    means, second, cross, bias_variance, other_fixed = other
    latent, pairs = cross.shape[2], second.shape[1]
    size = latent + other_fixed.shape[1]
    x, of_latents, gram, moment = np.empty(size), np.zeros(pairs), np.zeros((size, size)), np.zeros(size)
    squared = 0.0
    used = np.flatnonzero(fixed)
    for entry in range(len(columns)):
        column = columns[entry]
        target = ratings[entry]
        for f in used:
            target -= fixed[f] * means[column, latent + f]
            for a in range(latent):
                moment[a] -= fixed[f] * cross[column, f, a]
        squared += target * target + bias_variance[column]
        for pair in range(pairs):
            of_latents[pair] += second[column, pair]
        for a in range(latent):
            x[a] = means[column, a]
        for a in range(latent, size):
            x[a] = other_fixed[column, a - latent]
        for a in range(size):
            moment[a] += x[a] * target
        for a in range(latent, size):
            if x[a] != 0.0:  # most entries of genres are 0
                for b in range(a + 1):
                    gram[a, b] += x[a] * x[b]
    pair = 0
    for a in range(latent):
        for b in range(a + 1):
            gram[a, b] = of_latents[pair]
            pair += 1
    return gram, moment, squared


@njit(cache=True)
def _invert(matrix: Floats) -> None:
    """Invert a positive definite matrix in place, by Gauss-Jordan elimination, which needs no pivoting for these."""
    size = len(matrix)
    for c in range(size):
        pivot = 1.0 / matrix[c, c]
        matrix[c, c] = 1.0
        for b in range(size):
            matrix[c, b] *= pivot
        for a in range(size):
            if a != c:
                factor = matrix[a, c]
                matrix[a, c] = 0.0
                for b in range(size):
                    matrix[a, b] -= factor * matrix[c, b]
