"""Bayesian ridge regressions of rewards on items: expected rewards and their posterior variances."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import LinAlgError, cho_solve, cholesky, solve_triangular

from pydeeprecsys.arrays import Array, Floats, Ints
from pydeeprecsys.errors import InputError

# Rows whose joint features are computed at once: 1,024 rows of 2,000 features take 16 MB.
_CHUNK = 1024
# States whose variances are computed at once, so that A^-1 is read once for all of them.
_STATES = 16

Arrays = dict[str, Array]


class Observations(NamedTuple):
    """Rewards of items: one row for each time that an item was shown and its reward is known."""

    states: Floats  # (m, state_size)
    items: Ints  # (m,)
    rewards: Floats  # (m,)


class Regression(Protocol):
    """A Bayesian ridge regression of rewards on states and items."""

    def add(self, seen: Observations) -> None:
        """Update the posterior.

        Raises:
            FloatingPointError: a number of it would not be finite; the posterior is unchanged.
        """

    def means(self, states: Floats) -> Floats:
        """(n, items) expected rewards."""

    def deviations(self, states: Floats) -> Floats:
        """(n, items) posterior standard deviations of the expected rewards, in units of the noise's."""

    def samples(self, states: Floats, scale: float, generator: np.random.Generator) -> Floats:
        """(n, items) expected rewards under one posterior sample per state; `scale` multiplies the deviations."""

    def arrays(self) -> Arrays:
        """Copies of the posterior."""

    def load(self, arrays: Arrays) -> None:
        """Continue from where `arrays` was taken."""


class JointRegression:
    """A ridge regression on the outer product of state and item: reward = x^T W y with x = (1, state), y = (1, item).

    The product contains the state and the item alone as well, and the interactions let preferences depend on the
    state. With the parameters W as a vector of length d the posterior is Gaussian: its precision is A = λ·I + Σ φ φ^T,
    its mean A^-1 b with b = Σ reward · φ and φ = x ⊗ y. No array of shape (n, items, d) is formed: a mean is
    (x^T W) y, and a variance y^T M y, where M = Σ_ij x_i x_j (A^-1)_ij, over the blocks of A^-1, is one small matrix
    per state.

    Args:
        state_size: size of the observation vector.
        item_vectors: (items, f) item features.
        regularization: regularization λ, above 0.
    """

    def __init__(self, state_size: int, item_vectors: Floats, regularization: float) -> None:
        self.items = np.column_stack([np.ones(len(item_vectors)), item_vectors])  # (items, q)
        self._shape = 1 + state_size, self.items.shape[1]  # p, q
        d = self._shape[0] * self._shape[1]
        self._settle(regularization * np.eye(d), np.zeros(d))

    def _settle(self, precision: Floats, response: Floats) -> None:
        try:
            factor = cholesky(precision, lower=True)
        except LinAlgError as error:
            raise FloatingPointError(
                "the regression lost its precision: states are too large for it; scale them, or raise regularization"
            ) from error
        self._precision, self._response, self._factor = precision, response, factor
        self.weights = cho_solve((factor, True), response).reshape(self._shape)
        self._covariance: Floats | None = None

    def add(self, seen: Observations) -> None:
        """Update the posterior, and solve for its mean."""
        precision, response = self._precision.copy(), self._response.copy()
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, len(seen.items), _CHUNK):
                rows = slice(start, start + _CHUNK)
                states, items = _with_one(seen.states[rows]), self.items[seen.items[rows]]
                joint = (states[:, :, None] * items[:, None, :]).reshape(len(states), -1)
                precision += joint.T @ joint
                response += seen.rewards[rows] @ joint
        if not (np.isfinite(precision).all() and np.isfinite(response).all()):
            raise FloatingPointError("the sums of the regression are no longer finite; look for huge states or rewards")
        self._settle(precision, response)

    def means(self, states: Floats) -> Floats:
        """(n, items) expected rewards."""
        scores: Floats = (_with_one(states) @ self.weights) @ self.items.T
        return scores

    def deviations(self, states: Floats) -> Floats:
        """(n, items) posterior standard deviations: sqrt(φ^T A^-1 φ)."""
        p, q = self._shape
        if self._covariance is None:
            self._covariance = cho_solve((self._factor, True), np.eye(p * q), overwrite_b=True)
        blocks_by_column = self._covariance.reshape(p, q * p * q)
        variances = np.empty((len(states), len(self.items)))
        for start in range(0, len(states), _STATES):
            rows = _with_one(states[start : start + _STATES])
            halves = (rows @ blocks_by_column).reshape(len(rows), q, p, q)
            for row, (state, half) in enumerate(zip(rows, halves, strict=True), start):
                np.einsum("iq,iq->i", self.items @ (state @ half), self.items, out=variances[row])
        # Rounding may make a variance negative.
        deviations: Floats = np.sqrt(np.maximum(variances, 0.0))
        return deviations

    def samples(self, states: Floats, scale: float, generator: np.random.Generator) -> Floats:
        """(n, items) expected rewards under parameters sampled from the posterior, one sample per state.

        With A = L L^T and normal z, L^-T z has the covariance A^-1.
        """
        drawn = generator.standard_normal((len(states), len(self._response)))
        shift = solve_triangular(self._factor, drawn.T, trans="T", lower=True).T.reshape(len(states), *self._shape)
        weights = self.weights + scale * shift  # (n, p, q)
        scores: Floats = np.einsum("np,npq->nq", _with_one(states), weights) @ self.items.T
        return scores

    def arrays(self) -> Arrays:
        """Copies of the sums, and of the items' vectors that they refer to."""
        return {
            "precision": self._precision.copy(),
            "response": self._response.copy(),
            "items": self.items.copy(),
        }

    def load(self, arrays: Arrays) -> None:
        """Continue from where `arrays` was taken."""
        # The vectors, too: principal components are unique up to rotation only, and may differ between machines.
        self._settle(np.array(arrays["precision"]), np.array(arrays["response"]))
        self.items = np.array(arrays["items"])


class ItemRegression:
    """A ridge regression on the item alone: a mean reward per item, shrunk to the mean of all.

    The posterior of an item with c observations is Gaussian with mean (λ · mean of all + sum of its rewards) / (λ + c)
    and variance 1 / (λ + c), in units of the noise's. Shrinking to the mean of all, not to 0, keeps items without
    observations competitive if all rewards are far from 0.

    Args:
        n_items: number of items.
        regularization: regularization λ, above 0.
    """

    def __init__(self, n_items: int, regularization: float) -> None:
        self.regularization = regularization
        self._counts, self._sums = np.zeros(n_items), np.zeros(n_items)

    def add(self, seen: Observations) -> None:
        """Add to counts and sums."""
        with np.errstate(over="ignore", invalid="ignore"):
            sums = self._sums + np.bincount(seen.items, weights=seen.rewards, minlength=len(self._sums))
            total = sums.sum()
        if not np.isfinite(total):
            raise FloatingPointError("the sums of the regression are no longer finite; look for huge rewards")
        self._sums = sums
        self._counts = self._counts + np.bincount(seen.items, minlength=len(self._counts))

    def means(self, states: Floats) -> Floats:
        """(n, items) expected rewards, the same for all states."""
        of_all = self._sums.sum() / max(self._counts.sum(), 1.0)
        means = (self.regularization * of_all + self._sums) / (self.regularization + self._counts)
        return np.tile(means, (len(states), 1))

    def deviations(self, states: Floats) -> Floats:
        """(n, items) posterior standard deviations, the same for all states."""
        return np.tile((self.regularization + self._counts) ** -0.5, (len(states), 1))

    def samples(self, states: Floats, scale: float, generator: np.random.Generator) -> Floats:
        """(n, items) expected rewards, sampled independently for each state and item."""
        drawn = generator.standard_normal((len(states), len(self._sums)))
        return self.means(states) + scale * self.deviations(states) * drawn

    def arrays(self) -> Arrays:
        """Copies of the counts and sums."""
        return {"counts": self._counts.copy(), "sums": self._sums.copy()}

    def load(self, arrays: Arrays) -> None:
        """Continue from where `arrays` was taken."""
        self._counts, self._sums = np.array(arrays["counts"]), np.array(arrays["sums"])


def _with_one(states: Floats) -> Floats:
    """(n, state_size) to (n, 1 + state_size)."""
    return np.column_stack([np.ones(len(states)), states])


def item_vectors(item_features: ArrayLike, n_items: int, limit: int) -> Floats:
    """Standardized item features, or their leading principal components: (items, f), of about unit length.

    Args:
        item_features: (items, features) finite numbers.
        n_items: Number of items.
        limit: Maximum number of components.

    Raises:
        InputError: The features are not a table of finite numbers for all items, or are the same for all items.
    """
    table = np.asarray(item_features, dtype=np.float64)
    if table.ndim != 2 or len(table) != n_items or not np.isfinite(table).all():
        raise InputError(
            f"item_features must be finite numbers of shape (items, features) for {n_items} items, it is {table.shape}"
        )
    deviations = table.std(axis=0)
    differs = deviations > 0
    if not differs.any():
        raise InputError("item_features are the same for all items; give features that tell them apart")
    vectors: Floats = ((table - table.mean(axis=0))[:, differs] / deviations[differs]) / np.sqrt(
        np.count_nonzero(differs)
    )
    if vectors.shape[1] > limit:
        _, directions = np.linalg.eigh(vectors.T @ vectors)  # the largest eigenvalues last
        vectors = vectors @ directions[:, ::-1][:, :limit]
    return vectors
