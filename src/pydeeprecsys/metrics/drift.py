"""Drift of taste: how far affinities moved, towards which categories, and whether taste became narrower.

Affinities are (..., c), of users, or of users and steps: with `before` as (n, 1, c) and `after` as (n, steps, c) all
figures are along the steps of a session. Shares and concentration are of positive affinities, for a user is drawn to
these; others count as 0.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pydeeprecsys.arrays import Floats
from pydeeprecsys.errors import InputError
from pydeeprecsys.metrics.checks import divided, number_or_array
from pydeeprecsys.metrics.exposure import entropy

_ROUNDING = 1e-24
"""Cosine distances below it are those of equal directions: angles of 1e-12 are rounding."""


def distance(before: ArrayLike, after: ArrayLike) -> Any:
    """Euclidean distance that affinities moved, ‖after − before‖, in the unit of affinities.

    Args:
        before: (..., c) affinities.
        after: (..., c) affinities, of a shape that broadcasts with `before`.

    Returns:
        (...), 0 or more.

    Raises:
        InputError: numbers that are not finite, or shapes that do not fit together.
    """
    start, end = _check_both(before, after)
    return number_or_array(np.linalg.norm(end - start, axis=-1))


def cosine_distance(before: ArrayLike, after: ArrayLike) -> Any:
    """Cosine distance that affinities moved, 1 − cosine of the angle: their direction alone, whatever their scale.

    Args:
        before: See `distance`.
        after: See `distance`.

    Returns:
        (...) in [0, 2], 0 where all affinities grew by the same factor; NaN where all affinities are 0.

    Raises:
        InputError: see `distance`.
    """
    units = [divided(each, np.linalg.norm(each, axis=-1, keepdims=True)) for each in _check_both(before, after)]
    # Half the squared distance of the directions: unlike 1 − cosine it is exact where they hardly differ.
    distances = 0.5 * ((units[1] - units[0]) ** 2).sum(axis=-1)
    return number_or_array(np.where(distances < _ROUNDING, 0.0, distances))


def share_shifts(before: ArrayLike, after: ArrayLike) -> Floats:
    """Change of each category's share of the positive affinities: towards which categories taste moved.

    Args:
        before: See `distance`.
        after: See `distance`.

    Returns:
        (..., c) in [-1, 1], which add up to 0; NaN where no affinity is positive.

    Raises:
        InputError: see `distance`.
    """
    start, end = _check_both(before, after)
    return _shares(end) - _shares(start)


def concentration(affinities: ArrayLike) -> Any:
    """Concentration of taste: 1 − entropy of the shares of positive affinities / ln(c).

    Narrower taste is higher: the recommender narrowed it where this is higher after a session than before.

    Args:
        affinities: (..., c), of two categories or more.

    Returns:
        (...) from 0, where all affinities are equal, to 1, where one is positive; NaN where none is.

    Raises:
        InputError: numbers that are not finite, or fewer than two categories.
    """
    table = _check("affinities", affinities)
    if table.shape[-1] < 2:
        raise InputError("concentration is among two categories or more, there is one")
    return number_or_array(np.clip(1 - entropy(np.maximum(table, 0), normalized=True), 0, 1))


def effective_categories(affinities: ArrayLike) -> Any:
    """Effective number of categories: e^entropy of the shares of positive affinities.

    The number of equal affinities that have the same entropy. Hill, Diversity and Evenness, 1973, of order 1; Jost,
    Entropy and diversity, 2006.

    Args:
        affinities: (..., c).

    Returns:
        (...) from 1 to c; NaN where no affinity is positive.

    Raises:
        InputError: numbers that are not finite.
    """
    return number_or_array(np.exp(entropy(np.maximum(_check("affinities", affinities), 0))))


def _shares(table: Floats) -> Floats:
    positive = np.maximum(table, 0)
    return divided(positive, positive.sum(axis=-1, keepdims=True))


def _check(name: str, affinities: ArrayLike) -> Floats:
    table = np.asarray(affinities, dtype=np.float64)
    if not table.ndim or not table.size or not np.isfinite(table).all():
        raise InputError(f"{name} must be finite numbers of shape (..., categories), the shape is {table.shape}")
    return table


def _check_both(before: ArrayLike, after: ArrayLike) -> tuple[Floats, Floats]:
    start, end = _check("before", before), _check("after", after)
    if start.shape[-1] == end.shape[-1]:
        with suppress(ValueError):
            np.broadcast_shapes(start.shape, end.shape)
            return start, end
    raise InputError(f"affinities before have the shape {start.shape}, after {end.shape}; give both of the same users")
