"""Item estimates from the ratings of training users, kept on disk, so that each is computed once."""

from __future__ import annotations

import hashlib
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from pydeeprecsys.arrays import Floats, Ints
from pydeeprecsys.data.download import data_home
from pydeeprecsys.data.factorization import FactorizationSettings, alternate
from pydeeprecsys.data.world import World
from pydeeprecsys.files import kept, saved_arrays, whole_file
from pydeeprecsys.rl.item_estimates import ItemEstimates

SETTINGS = FactorizationSettings(latent_dimensions=12, seed=1)
"""Other dimensions and another seed than those of worlds."""

_RECIPE = 1  # part of the name of every file: raised when the same ratings give other estimates


def item_estimates(world: World, users: Ints) -> ItemEstimates:
    """Estimates of a world's items from the ratings of some of its users, and nothing else of the world.

    The first call with the same ratings and users factorizes them, which takes about 10 s per million ratings; later
    ones read the file that it left in the data folder, see `files.kept`.

    Args:
        world: of the ratings and the categories.
        users: (m,) rows of users.

    Raises:
        InputError: they have rated nothing.
    """
    return kept(_path(world, users), load=_read, build=lambda: estimate_items(world, users), save=_write)


def estimate_items(world: World, users: Ints, settings: FactorizationSettings = SETTINGS) -> ItemEstimates:
    """Factorize the ratings of some users; see `item_estimates`, which keeps the result."""
    means = world.observed_means(users)  # raises if there are no ratings
    row_of = np.full(world.n_users, -1, dtype=np.int32)
    row_of[users] = np.arange(len(users))
    rows = row_of[world.rating_users]
    theirs = rows >= 0
    fit = alternate(
        rows[theirs],
        world.rating_items[theirs],
        stars=world.rating_stars[theirs],
        n_users=len(users),
        genres=world.genres,
        settings=settings,
        rng=np.random.default_rng(settings.seed),
    )
    prior = fit.users.prior
    return ItemEstimates(
        vectors=fit.item_vectors,
        offsets=fit.item_biases,
        prior_mean=prior.weights[0],
        prior_covariance=np.asarray(np.linalg.inv(prior.precision), dtype=np.float64),
        noise=fit.noise,
        mean_ratings=means,
        counts=world.observed_counts(users),
        categories=world.known_genres,
    )


def world_features(world: World, users: Ints) -> Floats:
    """Features of items for an upper bound: categories, mean rating, and the simulator's own vector.

    Args:
        world: of the items.
        users: (m,) whose ratings the mean is of, see `World.observed_means`.

    Returns:
        (items, features), more than any recommender knows.
    """
    return np.column_stack([world.genres, world.observed_means(users), world.item_vectors]).astype(np.float64)


@lru_cache(maxsize=4)
def _read(path: Path) -> ItemEstimates:
    # Estimates are read-only by convention, so that the agents of one process may share them.
    with saved_arrays(path, "item estimates") as file:
        arrays: dict[str, Any] = {each.name: file[each.name] for each in fields(ItemEstimates)}
    return ItemEstimates(**arrays | {"noise": float(arrays["noise"])})


def _write(estimates: ItemEstimates, path: Path) -> None:
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **{each.name: getattr(estimates, each.name) for each in fields(estimates)})


def _path(world: World, users: Ints) -> Path:
    """Path of the estimates: its name depends on everything that they are computed from."""
    digest = hashlib.sha256(f"{_RECIPE} {SETTINGS}".encode())
    for array in (world.rating_users, world.rating_items, world.rating_stars, world.genres, world.genres_known, users):
        digest.update(np.ascontiguousarray(array).data)
    return data_home() / "estimates" / f"{world.name}-{digest.hexdigest()[:16]}.npz"
