"""Correction of p-values where many hypotheses are tested together."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pydeeprecsys.arrays import Floats
from pydeeprecsys.errors import InputError


def holm(p_values: ArrayLike) -> Floats:
    """Holm's step-down correction: the chance of any false rejection is at most the level, however they depend.

    The i-th smallest of m p-values is multiplied by m - i + 1, and made no smaller than those before it. Holm, A Simple
    Sequentially Rejective Multiple Test Procedure, 1979.

    Args:
        p_values: (m,) in [0, 1]; NaN where nothing is tested, which is not counted.

    Returns:
        (m,) corrected p-values, in [0, 1]; NaN where nothing is tested.

    Raises:
        InputError: some lie outside [0, 1].
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or ((p < 0) | (p > 1)).any():
        raise InputError("p_values must be a list of numbers in [0, 1], NaN where nothing is tested")
    order = np.argsort(p)[: np.count_nonzero(~np.isnan(p))]  # NaN are sorted last
    corrected = np.full(len(p), np.nan)
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1)
    return corrected
