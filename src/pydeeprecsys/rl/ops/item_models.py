"""Item-to-item models: how much the rating of one item says of another."""

from __future__ import annotations

import numpy as np
from scipy.linalg import lapack
from scipy.sparse import csr_array

from pydeeprecsys.arrays import Floats, Singles


def item_similarities(deviations: csr_array, shrinkage: float) -> Singles:
    """Cosine similarities of items, shrunk where few users rated both.

    The cosine times n / (n + shrinkage) with n common raters (Bell and Koren, Scalable Collaborative Filtering with
    Jointly Derived Neighborhood Interpolation Weights, 2007).

    Args:
        deviations: (users, items) centred ratings.
        shrinkage: number of common raters at which half of the cosine is left, 0 or more.

    Returns:
        (items, items) similarities in [-1, 1], 0 of an item with itself and without common raters.
    """
    rated = deviations.copy()
    rated.data = np.ones_like(rated.data)
    products, common = (deviations.T @ deviations).toarray(), (rated.T @ rated).toarray()
    norms = np.sqrt(products.diagonal())
    scale = norms * norms[:, None] * (common + shrinkage)
    similarities = np.divide(products * common, scale, out=np.zeros_like(products), where=scale > 0)
    np.fill_diagonal(similarities, 0.0)
    single: Singles = similarities.astype(np.float32, order="C")
    return single


def nearest_neighbours(similarities: Singles, k: int) -> Singles:
    """(items, items) the k highest similarities of each row, as far as they are above 0, and 0 elsewhere.

    Each item passes on what a user thinks of it to its k neighbours only (Deshpande and Karypis, Item-Based Top-N
    Recommendation Algorithms, 2004).
    """
    kept: Singles = np.zeros(similarities.shape, dtype=np.float32)  # a row is read for each rating
    nearest = np.argpartition(-similarities, min(k, len(similarities)) - 1, axis=1)[:, :k]
    np.put_along_axis(kept, nearest, np.take_along_axis(similarities, nearest, axis=1).clip(min=0), axis=1)
    return kept


def ease_weights(profiles: csr_array, regularization: float) -> Singles:
    """The item-to-item weights of EASE: the ridge regression of each item's column on those of all other items.

    With P = (XᵀX + λI)⁻¹, the weights are B_ij = -P_ij / P_jj, and 0 on the diagonal (Steck, Embarrassingly Shallow
    Autoencoders for Sparse Data, 2019, equation 8). A profile x is scored by x B.

    Args:
        profiles: (users, items) X, 0 where nothing is known.
        regularization: λ, above 0.

    Returns:
        (items, items) the weights B.
    """
    gram = (profiles.T @ profiles).toarray()
    gram[np.diag_indices_from(gram)] += regularization
    # By Cholesky: a quarter of the time of a general inverse. LAPACK's own is the lower triangle of the transpose.
    factor, _ = lapack.dpotrf(gram.T, lower=1, overwrite_a=1)
    triangle, _ = lapack.dpotri(factor, lower=1, overwrite_c=1)
    inverse: Floats = np.tril(triangle) + np.tril(triangle, -1).T
    weights = -inverse / inverse.diagonal()
    np.fill_diagonal(weights, 0.0)
    return weights.astype(np.float32, order="C")
