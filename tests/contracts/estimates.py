"""Item estimates with numbers of one's own."""

import numpy as np
from numpy.typing import ArrayLike

from pydeeprecsys.arrays import Floats
from pydeeprecsys.rl.item_estimates import ItemEstimates


def estimates(vectors: Floats, prior_covariance: ArrayLike, **others: ArrayLike) -> ItemEstimates:
    """Estimates in which all items have the offset 3 and all else is 0 or 1, unless it is given."""
    n, d = vectors.shape
    arrays = {"offsets": np.full(n, 3.0), "prior_mean": np.zeros(d), "mean_ratings": np.full(n, 3.0)}
    arrays |= {"counts": np.zeros(n, dtype=np.int64), "categories": np.zeros((n, 1), dtype=np.bool_)}
    arrays |= {name: np.asarray(value) for name, value in others.items()}
    noise = float(arrays.pop("noise", np.array(1.0)))
    return ItemEstimates(vectors=vectors, prior_covariance=np.asarray(prior_covariance), noise=noise, **arrays)


def drawn_estimates(n_items: int = 30, d: int = 5) -> ItemEstimates:
    """Vectors, offsets, prior, counts and categories of items, all drawn."""
    rng = np.random.default_rng(0)
    root = rng.normal(size=(d, d))
    return estimates(
        rng.normal(size=(n_items, d)),
        root @ root.T + np.eye(d),
        offsets=rng.normal(3.0, 0.5, n_items),
        prior_mean=rng.normal(size=d),
        noise=0.7,
        counts=rng.integers(0, 100, n_items),
        categories=rng.random((n_items, 2)) < 0.5,
    )
