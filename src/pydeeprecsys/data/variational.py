"""Variational Bayesian matrix factorization by alternating updates of two sides, users and items.

Lim & Teh 2007, "Variational Bayesian approach to movie rating prediction"; Raiko, Ilin & Karhunen 2007, "Principal
component analysis for large scale problems with lots of missing values". A rating is

    latent_u . latent_i + coefficients_u . fixed_i + fixed_u . coefficients_i + noise

where `fixed` is known and the rest is learned. The d numbers learned of a row, a user or an item, have a Gaussian prior
N(mu, Lambda^-1), with one full precision Lambda for all rows of a side; the posterior is approximated by N(m, S):

    S = (Lambda + tau sum E[x x'])^-1        m = S (Lambda mu + tau sum E[x (rating - given)])

The sums are over the ratings of the row, x = (latent, fixed) of the other side, `given` is what the coefficients of the
other side add, and tau is 1 / variance of the noise. The priors are estimated from the posteriors (empirical Bayes), so
that a row with few ratings stays near the prior mean, and one without ratings is there.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_BLOCKS = 64  # of rows whose covariances are added up by one thread, whatever the number of threads

Grouped = tuple[NDArray[np.int64], NDArray[np.int32], Floats]
"""Ratings by row: (rows + 1,) where each row starts, (ratings,) row on the other side, (ratings,) rating."""


class Posterior(NamedTuple):
    """What the other side needs of each row, of which d numbers are learned: latents, then coefficients."""

    means: Floats  # (rows, d)
    second: NDArray[np.float32]  # (rows, pairs) E[latent latent'], its lower triangle
    cross: NDArray[np.float32]  # (rows, coefficients, latents) covariance of coefficients and latents
    bias_variance: Floats  # (rows,) variance of the first coefficient


class Side:
    """The users or the items: their ratings, posterior and prior.

    Args:
        grouped: the ratings by row.
        fixed: (rows, coefficients of the other side) what the coefficients of the other side are multiplied with.
        predictors: (rows, k) of the prior mean, which is predictors . weights; the first is 1.
        learned: (k, d) which of the weights are learned; the others are 0.
        variances: (d,) of the first prior; later ones are drawn towards them as if by d rows.
        latents: (rows, latent dimensions) to start from.
    """

    def __init__(
        self,
        grouped: Grouped,
        fixed: Floats,
        predictors: Floats,
        learned: NDArray[np.bool_],
        variances: Floats,
        latents: Floats,
    ) -> None:
        rows, latent, size = len(latents), latents.shape[1], len(variances)
        self.grouped, self.fixed, self.predictors, self.learned = grouped, fixed, predictors, learned
        self.variances, self.precision = variances, np.diag(1 / variances)
        self.weights: Floats = np.zeros((learned.shape[0], size))
        first, second = np.tril_indices(latent)
        self.posterior = Posterior(
            means=np.hstack([latents, np.zeros((rows, size - latent))]),
            second=(latents[:, first] * latents[:, second]).astype(np.float32),
            cross=np.zeros((rows, size - latent, latent), dtype=np.float32),
            bias_variance=np.zeros(rows),
        )

    def update(self, other: Side, noise: float) -> float:
        """Update the posteriors given the other side's, then the prior given the posteriors.

        Returns:
            The expected sum of squared errors, where the only coefficient of the other side is a bias (not used else).
        """
        k, size = self.weights.shape
        means = (self.predictors[:, :, None] * self.weights).sum(axis=1)
        pull = np.einsum("rd,de->re", means, self.precision)
        covariances, squares = np.zeros((_BLOCKS, k, k, size, size)), np.zeros(len(means))
        own = self.grouped, self.fixed, self.predictors
        written = self.posterior, covariances, squares
        apart(_solve, *own, other.posterior, other.fixed, pull, self.precision, 1 / noise, *written)
        self.weights, self.precision = prior_step(
            self.posterior.means,
            covariances.sum(axis=0),
            self.predictors,
            self.weights,
            self.learned,
            self.precision,
            self.variances,
        )
        return float(squares.sum())


def prior_step(
    means: Floats,
    covariances: Floats,
    predictors: Floats,
    weights: Floats,
    learned: NDArray[np.bool_],
    precision: Floats,
    variances: Floats,
) -> tuple[Floats, Floats]:
    """The weights of the prior mean, and the precision, that the posteriors ask for.

    An exact step for the weights, given that the posterior means move along with them, and a prior N(0, 1) on each,
    for those that no rating depends on. Sums over the rows go through einsum, not BLAS, whose rounding depends on the
    number of threads.

    Args:
        means: (rows, d) posterior means.
        covariances: (k, k, d, d) sums over the rows of predictor * predictor * posterior covariance S.
        predictors: (rows, k) of the prior mean.
        weights: (k, d) that the posteriors were computed with.
        learned: (k, d) which of them are learned.
        precision: (d, d) Lambda that the posteriors were computed with.
        variances: (d,) what the new prior covariance is drawn towards, as if by d rows.
    """
    rows, size = means.shape
    residuals = means - (predictors[:, :, None] * weights).sum(axis=1)
    gradient = np.einsum("rk,rd->kd", predictors, residuals) @ precision - weights
    squares = np.einsum("rk,rl->kl", predictors, predictors)
    curvature = squares[:, :, None, None] * precision - precision @ covariances @ precision
    curvature = curvature.transpose(0, 2, 1, 3).reshape(weights.size, weights.size) + np.eye(weights.size)
    free = np.flatnonzero(learned)
    weights = weights.copy()
    weights.flat[free] += np.linalg.solve(curvature[np.ix_(free, free)], gradient.flat[free])
    residuals = means - (predictors[:, :, None] * weights).sum(axis=1)
    scatter = np.einsum("rd,re->de", residuals, residuals) + covariances[0, 0]
    return weights, np.linalg.inv((scatter + size * np.diag(variances)) / (rows + size))


def apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function that runs in parallel from a thread of its own.

    OpenMP sets the number of threads for whoever calls it, also when others such as torch call it later from the same
    thread, who may have asked for fewer: small networks that wait for more threads learn many times slower.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(function, *arguments).result()


def grouped(rows: NDArray[np.int32], columns: NDArray[np.int32], ratings: Floats, n_rows: int) -> Grouped:
    """The ratings by row."""
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n_rows))])
    order = np.argsort(rows, kind="stable")
    return starts, columns[order], ratings[order]


@njit(parallel=True, cache=True)
def _solve(
    grouped: Grouped,
    fixed: Floats,
    predictors: Floats,
    other: Posterior,
    other_fixed: Floats,
    pull: Floats,
    precision: Floats,
    tau: float,
    posterior: Posterior,
    covariances: Floats,
    squares: Floats,
) -> None:
    """Write the posterior of each row into the last three arguments; `pull` is Lambda mu of each row.

    Compiled because the rows have very different lengths; every row is solved by one thread alone, and every block of
    `covariances` is summed by one, so the result does not depend on how many there are.
    """
    starts, columns, ratings = grouped
    means, second, cross, bias_variance = posterior
    size, latent = means.shape[1], cross.shape[2]
    for block in prange(len(covariances)):
        covariance = np.empty((size, size))
        for row in range(block, len(means), len(covariances)):
            some = slice(starts[row], starts[row + 1])
            gram, moment, squared = _sums(columns[some], ratings[some], fixed[row], other, other_fixed)
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
            for p in range(predictors.shape[1]):
                for q in range(predictors.shape[1]):
                    covariances[block, p, q] += predictors[row, p] * predictors[row, q] * covariance


@njit(cache=True)
def _sums(
    columns: NDArray[np.int32], ratings: Floats, fixed: Floats, other: Posterior, other_fixed: Floats
) -> tuple[Floats, Floats, float]:
    """Sums over the ratings of a row: E[x x'], its lower triangle; E[x (rating - given)]; E[(rating - given)^2].

    The sums are arrays of this function's own, which lets the compiler vectorize: others might overlap with arguments.
    """
    means, second, cross, bias_variance = other
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
            if x[a] != 0.0:  # most genre entries are 0
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
