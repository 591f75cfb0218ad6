"""From ratings to a vector for each user and each item whose dot product is the rating.

Alternating least squares with a regularisation that grows with the number of ratings (Zhou et al. 2008, "Large-scale
parallel collaborative filtering for the Netflix prize"), over latent dimensions, biases, and the genres of the items:

    rating = latent_u . latent_i + bias_u + bias_i + affinity_u . genres_i / sqrt(number of genres of i)
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from pydeeprecsys.data.dataset import GENRES, Dataset
from pydeeprecsys.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FactorizationSettings:
    """How ratings are factorized.

    Attributes:
        latent_dimensions: how many dimensions are learned besides biases and genres.
        sweeps: alternations over all users and all items.
        regularization: strength of the pull towards 0, for each rating that a user or an item has.
        held_out: share of the ratings that is kept back to measure the error, in (0, 1).
        seed: of the split and of the starting vectors.
    """

    latent_dimensions: int = 16
    sweeps: int = 12
    regularization: float = 0.07
    held_out: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.latent_dimensions < 0 or self.sweeps < 1 or not self.regularization > 0 or not 0 < self.held_out < 1:
            raise InputError(
                "factorization needs latent_dimensions >= 0, sweeps >= 1, regularization > 0 and 0 < held_out < 1"
            )


@dataclass(frozen=True)
class Factors:
    """What factorization finds.

    Attributes:
        user_vectors: (users, d) latent dimensions, bias of the user, 1, affinity for each of the 19 genres.
        item_vectors: (items, d) latent dimensions, 1, bias of the item with the mean of all ratings folded in, and
            1 / sqrt(number of genres) at each of the item's genres.
        record: the settings, `held_out_rmse` and `train_rmse` of predictions clipped to [1, 5], `train_ratings`,
            `held_out_ratings`.
    """

    user_vectors: Floats
    item_vectors: Floats
    record: dict[str, Any]


def factorize(
    dataset: Dataset,
    settings: FactorizationSettings | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Factors:
    """Learn a vector for each user and each item, in time linear in the number of ratings.

    Args:
        dataset: the ratings.
        settings: how, by default as `FactorizationSettings` says.
        progress: called with the number of sweeps done and of all sweeps.
    """
    settings = settings or FactorizationSettings()
    rng = np.random.default_rng(settings.seed)
    held_out = np.zeros(len(dataset.ratings), dtype=np.bool_)
    held_out[rng.permutation(len(held_out))[: max(1, round(settings.held_out * len(held_out)))]] = True
    if held_out.all():
        raise InputError(f"{dataset.name}: one rating is too few to learn from some and measure on others; give more")
    users, items = dataset.user_index[~held_out], dataset.item_index[~held_out]
    ratings = dataset.ratings[~held_out].astype(np.float64)
    mean = ratings.mean()
    ratings -= mean

    latent = settings.latent_dimensions
    user_bias, item_bias, genres = latent, latent + 1, slice(latent + 2, latent + 2 + len(GENRES))
    user_vectors = np.zeros((len(dataset.users), genres.stop))
    item_vectors = np.zeros((len(dataset.items), genres.stop))
    user_vectors[:, item_bias] = 1
    item_vectors[:, user_bias] = 1
    item_vectors[:, genres] = dataset.genres / np.sqrt(dataset.genres.sum(axis=1, keepdims=True))
    item_vectors[:, :latent] = rng.normal(0, 0.1, (len(item_vectors), latent))

    # Each side learns some of its columns and takes the product of the others as given.
    user_learns, user_given = np.r_[:latent, user_bias, genres], np.r_[item_bias]
    item_learns, item_given = np.r_[:latent, item_bias], np.r_[user_bias, genres]
    by_user = _grouped(users, items, ratings, len(user_vectors))
    by_item = _grouped(items, users, ratings, len(item_vectors))
    for sweep in range(settings.sweeps):
        _apart(_solve, *by_user, user_vectors, item_vectors, user_learns, user_given, settings.regularization)
        _apart(_solve, *by_item, item_vectors, user_vectors, item_learns, item_given, settings.regularization)
        progress(sweep + 1, settings.sweeps)
    item_vectors[:, item_bias] += mean

    def rmse(rows: NDArray[np.bool_]) -> float:
        truth = dataset.user_index[rows], dataset.item_index[rows], dataset.ratings[rows]
        errors = _apart(_errors, user_vectors, item_vectors, *truth)
        return float(np.sqrt(np.mean(errors**2)))

    record = asdict(settings) | {
        "held_out_rmse": rmse(held_out),
        "train_rmse": rmse(~held_out),
        "held_out_ratings": int(held_out.sum()),
        "train_ratings": len(ratings),
    }
    return Factors(user_vectors, item_vectors, record)


def _apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function that runs in parallel from a thread of its own.

    OpenMP sets the number of threads for whoever calls it, also when others such as torch call it later from the same
    thread, who may have asked for fewer: small networks that wait for more threads learn many times slower.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(function, *arguments).result()


def _grouped(
    rows: NDArray[np.int32], columns: NDArray[np.int32], ratings: Floats, n_rows: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], Floats]:
    """The ratings in compressed rows: where each row starts, and the column and the rating of each entry."""
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n_rows))])
    order = np.argsort(rows, kind="stable")
    return starts, columns[order], ratings[order]


@njit(parallel=True, cache=True)
def _solve(
    starts: NDArray[np.int64],
    columns: NDArray[np.int32],
    ratings: Floats,
    own: Floats,
    other: Floats,
    learns: NDArray[np.int64],
    given: NDArray[np.int64],
    regularization: float,
) -> None:
    """Solve one ridge regression for each row of `own`, in place, by the normal equations and Cholesky.

    Compiled because the rows have very different lengths; every row is solved by one thread alone, so the result does
    not depend on how many there are.
    """
    size = len(learns)
    for row in prange(len(own)):
        count = starts[row + 1] - starts[row]
        for a in range(size):
            own[row, learns[a]] = 0.0
        if count == 0:
            continue
        gram = np.zeros((size, size))
        solution = np.zeros(size)
        for entry in range(starts[row], starts[row + 1]):
            vector = other[columns[entry]]
            target = ratings[entry]
            for g in given:
                target -= own[row, g] * vector[g]
            for a in range(size):
                x = vector[learns[a]]
                if x != 0.0:  # most genre entries are
                    solution[a] += x * target
                    for b in range(a + 1):
                        gram[a, b] += x * vector[learns[b]]
        for a in range(size):
            gram[a, a] += regularization * count
            for b in range(a + 1):
                rest = gram[a, b]
                for c in range(b):
                    rest -= gram[a, c] * gram[b, c]
                gram[a, b] = np.sqrt(rest) if a == b else rest / gram[b, b]
        for a in range(size):
            for b in range(a):
                solution[a] -= gram[a, b] * solution[b]
            solution[a] /= gram[a, a]
        for a in range(size - 1, -1, -1):
            for b in range(a + 1, size):
                solution[a] -= gram[b, a] * solution[b]
            solution[a] /= gram[a, a]
            own[row, learns[a]] = solution[a]


@njit(parallel=True, cache=True)
def _errors(
    user_vectors: Floats,
    item_vectors: Floats,
    users: NDArray[np.int32],
    items: NDArray[np.int32],
    ratings: NDArray[np.float32],
) -> Floats:
    """Rating minus prediction clipped to [1, 5], without ever holding a vector for every rating."""
    errors = np.empty(len(ratings))
    for r in prange(len(ratings)):
        prediction = 0.0
        for c in range(user_vectors.shape[1]):
            prediction += user_vectors[users[r], c] * item_vectors[items[r], c]
        errors[r] = ratings[r] - min(max(prediction, 1.0), 5.0)
    return errors
