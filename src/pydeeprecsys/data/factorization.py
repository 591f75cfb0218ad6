"""Matrix factorization: from ratings to vectors of users and items whose dot product is the rating.

    rating = latent_u . latent_i + bias_u + bias_i + affinity_u . genres_i / sqrt(number of genres of i) + noise

Genres are the categories of the data set; all else is learned: posterior means of a variational Bayesian factorization
whose priors are estimated from the ratings (see `variational`), so that an item with few ratings stays close to the
prior mean. The prior mean of an item's bias is linear in the square root of its number of ratings: popular items are
liked better.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numba import njit, prange

from pydeeprecsys.arrays import Flags, Floats, Rows, Singles
from pydeeprecsys.data.calibration import calibration
from pydeeprecsys.data.dataset import Dataset
from pydeeprecsys.data.variational import Side, apart, grouped
from pydeeprecsys.errors import InputError
from pydeeprecsys.scale import MAX_RATING, MIN_RATING

_USER_LATENT, _ITEM_LATENT, _BIAS, _AFFINITY = 0.3, 0.03, 0.2, 0.1  # variances of the first priors
_LEAST_NOISE = 1e-4  # variance in stars²; ratings that are explained exactly would make the equations singular


@dataclass(frozen=True)
class FactorizationSettings:
    """How ratings are factorized.

    Attributes:
        latent_dimensions: number of dimensions learned besides biases and affinities.
        sweeps: alternations over all users and all items.
        held_out: share of the ratings held out to measure the error, in (0, 1).
        seed: of the split and of the starting vectors.
    """

    latent_dimensions: int = 16
    sweeps: int = 12
    held_out: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.latent_dimensions < 0 or self.sweeps < 1 or not 0 < self.held_out < 1:
            raise InputError("factorization needs latent_dimensions >= 0, sweeps >= 1 and 0 < held_out < 1")


@dataclass(frozen=True)
class Factors:
    """Posterior means of the factorization.

    Attributes:
        user_vectors: (users, d) latent dimensions, bias of the user, 1, affinity for each category. The
            affinities for a category average 0: their mean over users is in the biases of the items.
        item_vectors: (items, d) latent dimensions, 1, bias of the item with the mean of all ratings folded in, and
            1 / sqrt(number of genres) at each of the item's genres.
        record: the settings, `train_ratings`, `held_out_ratings`; and, of predictions clipped to the scale of the data
            set and in its units, `train_rmse`, `held_out_rmse` and the `calibration` on held-out ratings.
    """

    user_vectors: Floats
    item_vectors: Floats
    record: dict[str, Any]


@dataclass(frozen=True)
class Fit:
    """What alternating arrives at: rating = mean + item bias + item vector . (latent_u, bias_u, affinity_u) + noise.

    Attributes:
        users: posteriors and prior of the d numbers of each user: latent dimensions, bias, affinities.
        items: those of each item: latent dimensions, bias.
        mean: of all ratings, in stars.
        noise: variance of the noise, in stars².
    """

    users: Side
    items: Side
    mean: float
    noise: float

    @property
    def item_vectors(self) -> Floats:
        """(items, d) latent dimensions, 1, and 1 / sqrt(number of genres) at each of the item's genres."""
        return np.hstack([self.items.posterior.means[:, :-1], self.items.posterior.fixed])

    @property
    def item_biases(self) -> Floats:
        """(items,) biases with the mean of all ratings, in stars."""
        biases: Floats = self.items.posterior.means[:, -1] + self.mean
        return biases


def factorize(
    dataset: Dataset,
    settings: FactorizationSettings | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Factors:
    """Learn a vector for each user and each item.

    Time and memory are linear in the number of ratings. With 16 latent dimensions the moments that the other side
    needs take 1.8 KB for each user and 0.6 KB for each item.

    Args:
        dataset: the ratings.
        settings: how, by default as `FactorizationSettings` says.
        progress: called with the number of sweeps done and of all sweeps.
    """
    settings = settings or FactorizationSettings()
    rng = np.random.default_rng(settings.seed)
    held_out = _held_out(dataset, settings, rng)
    users, items = dataset.user_index[~held_out], dataset.item_index[~held_out]
    fit = alternate(
        users,
        items,
        stars=dataset.stars[~held_out],
        n_users=len(dataset.users),
        genres=dataset.genres,
        settings=settings,
        rng=rng,
        progress=progress,
    )

    bias = settings.latent_dimensions
    of_users = fit.users.posterior.means
    user_vectors = np.insert(of_users, bias + 1, 1, axis=1)
    item_vectors = np.insert(fit.item_vectors, bias + 1, fit.item_biases, axis=1)
    return _measured(dataset, user_vectors, item_vectors, held_out, record=asdict(settings))


def known_factors(dataset: Dataset, user_vectors: Floats, item_vectors: Floats) -> Factors:
    """Factors that are known and need no learning, measured on the ratings that learning would hold out.

    Args:
        dataset: the ratings.
        user_vectors: (users, d) as in `Factors`; the mean affinities are moved into the biases of the items, in place.
        item_vectors: (items, d) likewise.
    """
    settings = FactorizationSettings()
    held_out = _held_out(dataset, settings, np.random.default_rng(settings.seed))
    return _measured(dataset, user_vectors, item_vectors, held_out, record={})


def _held_out(dataset: Dataset, settings: FactorizationSettings, rng: np.random.Generator) -> Flags:
    held_out = np.zeros(len(dataset.ratings), dtype=np.bool_)
    held_out[rng.permutation(len(held_out))[: max(1, round(settings.held_out * len(held_out)))]] = True
    if held_out.all():
        raise InputError(f"{dataset.name}: one rating is too few to learn from some and measure on others; give more")
    return held_out


def _measured(
    dataset: Dataset, user_vectors: Floats, item_vectors: Floats, held_out: Flags, *, record: dict[str, Any]
) -> Factors:
    _move_shared_affinities(user_vectors, item_vectors, dataset.genres.shape[1])
    stars = apart(_dot_products, user_vectors, item_vectors, users=dataset.user_index, items=dataset.item_index)
    predicted = dataset.from_stars(stars.clip(MIN_RATING, MAX_RATING))
    rated = dataset.ratings.astype(np.float64)
    squared_errors = (predicted - rated) ** 2
    counts = np.bincount(dataset.item_index[~held_out], minlength=len(item_vectors))[dataset.item_index[held_out]]
    record |= {
        "held_out_rmse": float(np.sqrt(squared_errors[held_out].mean())),
        "train_rmse": float(np.sqrt(squared_errors[~held_out].mean())),
        "held_out_ratings": int(held_out.sum()),
        "train_ratings": int((~held_out).sum()),
        "calibration": calibration(rated[held_out], predicted[held_out], counts, dataset.scale),
    }
    return Factors(user_vectors, item_vectors, record)


def alternate(
    users: Rows,
    items: Rows,
    *,
    stars: Singles,
    n_users: int,
    genres: Flags,
    settings: FactorizationSettings,
    rng: np.random.Generator,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Fit:
    """Alternate between all users and all items, as often as the settings say.

    Args:
        users: (ratings,) row of the user of each rating; at least one rating.
        items: (ratings,) row of the item.
        stars: (ratings,) the rating.
        n_users: number of users.
        genres: (items, c) which categories each item has; at least one per item.
        settings: of which the share held out and the seed are not read here.
        rng: of the starting vectors.
        progress: called with the number of sweeps done and of all sweeps.
    """
    ratings = stars.astype(np.float64)
    mean = ratings.mean()
    ratings -= mean
    latent, ones = settings.latent_dimensions, np.ones((n_users, 1))
    shares = genres / np.sqrt(genres.sum(axis=1, keepdims=True))
    counts, n_genres = np.bincount(items, minlength=len(genres)), genres.shape[1]
    user = Side(
        grouped(users, items, ratings, len(ones)),
        fixed=ones,
        predictors=ones,
        learned=np.ones((1, latent + 1 + n_genres), dtype=np.bool_),
        variances=np.r_[np.full(latent, _USER_LATENT), _BIAS, np.full(n_genres, _AFFINITY)],
        latents=np.zeros((len(ones), latent)),
    )
    item = Side(
        grouped(items, users, ratings, len(genres)),
        fixed=np.insert(shares, 0, 1, axis=1),
        predictors=np.stack([np.ones(len(genres)), np.sqrt(counts / counts.mean())], axis=1),
        learned=np.tile(np.arange(latent + 1) == latent, (2, 1)),
        variances=np.r_[np.full(latent, _ITEM_LATENT), _BIAS],
        latents=rng.normal(0, 0.1, (len(genres), latent)),
    )
    noise = max(float(np.mean(ratings**2)), _LEAST_NOISE)
    for sweep in range(settings.sweeps):
        squares = user.update(item, noise)
        noise = max(squares / len(ratings), _LEAST_NOISE)
        item.update(user, noise)
        progress(sweep + 1, settings.sweeps)
    return Fit(user, item, mean=mean, noise=noise)


def _move_shared_affinities(user_vectors: Floats, item_vectors: Floats, n_genres: int) -> None:
    """Move the mean of the users' affinities into the biases of the items, in place; predictions stay the same."""
    affinities, genres = user_vectors[:, -n_genres:], item_vectors[:, -n_genres:]
    mean = affinities.mean(axis=0)
    affinities -= mean
    item_vectors[:, -n_genres - 1] += (genres * mean).sum(axis=1)


@njit(parallel=True, cache=True)
def _dot_products(user_vectors: Floats, item_vectors: Floats, users: Rows, items: Rows) -> Floats:
    """(ratings,) user vector . item vector, without ever holding a vector for every rating."""
    products = np.zeros(len(users))
    for r in prange(len(users)):
        for c in range(user_vectors.shape[1]):
            products[r] += user_vectors[users[r], c] * item_vectors[items[r], c]
    return products
