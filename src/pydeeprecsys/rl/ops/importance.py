"""Importance weights of prioritized replay."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pydeeprecsys.arrays import Floats
from pydeeprecsys.rl.ops.shapes import check_shapes


def importance_weights(
    probabilities: NDArray[np.floating[Any]], exponent: float, smallest_probability: float | None = None
) -> Floats:
    """Importance weights of transitions sampled with unequal probabilities, the largest weight being 1.

    w = (N · P)^−β / max w of Schaul et al., Prioritized Experience Replay, 2016, section 3.4. Divided by the largest
    weight, the number N of transitions cancels: (P_smallest / P)^β.

    Args:
        probabilities: (n,) probability of each row, above 0.
        exponent: β in [0, 1]: 0 corrects nothing, 1 the whole bias.
        smallest_probability: smallest probability in the whole buffer, so that weights have the same scale in every
            batch; the smallest of these rows if None.

    Returns:
        (n,) the weights, in (0, 1].

    Raises:
        ValueError: an argument is out of range, NaN included.
    """
    check_shapes(probabilities=(probabilities, "n"))
    if not 0 <= exponent <= 1:
        raise ValueError(f"the exponent of importance weights must be in [0, 1], it is {exponent:g}")
    least = float(probabilities.min(initial=np.inf))
    smallest = least if smallest_probability is None else smallest_probability
    # A smallest probability that was kept in another precision may differ in its last bits.
    if not 0 < smallest <= least * (1 + 1e-6):
        raise ValueError(f"probabilities must be above 0 and at least the smallest, {smallest:g}; one is {least:g}")
    weights: Floats = np.minimum(smallest / probabilities.astype(np.float64), 1.0) ** exponent
    return weights
