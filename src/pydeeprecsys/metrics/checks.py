"""Checks of the arrays that metrics are given, and what several of them do with their results."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pydeeprecsys.arrays import Floats, Ints
from pydeeprecsys.errors import InputError


def check_table(name: str, numbers: ArrayLike) -> Floats:
    """The numbers as a table of two dimensions; InputError unless they are finite and there are any."""
    table = np.asarray(numbers, dtype=np.float64, order="C")
    if table.ndim != 2 or not table.size or not np.isfinite(table).all():
        raise InputError(f"{name} must be finite numbers in a table of two dimensions, the shape is {table.shape}")
    return table


def check_counts(name: str, numbers: ArrayLike, rows: bool = False) -> Floats:
    """The numbers as (items,), or (..., items) with `rows`; InputError unless each is finite and 0 or more."""
    counts = np.asarray(numbers, dtype=np.float64)
    fits = counts.ndim == 1 or (rows and counts.ndim > 1)
    if not fits or not counts.size or not np.isfinite(counts).all() or counts.min() < 0:
        raise InputError(f"{name} must be a number of 0 or more for each item, the shape is {counts.shape}")
    return counts


def check_slates(slates: ArrayLike, n_items: int) -> Ints:
    """The slates as (n, k) integers; InputError unless each is an item in 0..n_items-1."""
    table = np.asarray(slates, order="C")
    if table.ndim != 2 or not table.size or table.dtype.kind not in "iu":
        raise InputError(f"slates must be whole numbers of shape (n, k), they are {table.dtype} of shape {table.shape}")
    if table.min() < 0 or table.max() >= n_items:
        raise InputError(f"slates hold items {table.min()} to {table.max()}; items are 0 to {n_items - 1}")
    return table.astype(np.int64, copy=False)


def number_or_array(found: Floats) -> Any:
    """A number of Python for an array without dimensions; other arrays as they are."""
    return found if found.ndim else found.item()


def divided(numbers: Floats, by: ArrayLike) -> Floats:
    """The quotients, NaN where the divisor is 0; the divisor broadcasts."""
    divisor = np.broadcast_to(by, np.shape(numbers))
    quotients: Floats = np.divide(numbers, divisor, out=np.full(divisor.shape, np.nan), where=divisor > 0)
    return quotients
