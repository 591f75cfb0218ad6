"""Importance weights: what makes up for drawing some experiences more often than others."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pydeeprecsys.rl.ops.shapes import check_shapes


def importance_weights(
    probabilities: NDArray[np.floating[Any]], exponent: float, smallest_probability: float | None = None
) -> NDArray[np.float64]:
    """Weights of experiences that were drawn with unequal probabilities, the largest of them 1.

    w = (N · P)^−β / max w of Schaul et al., Prioritized Experience Replay, 2016, section 3.4. Divided by the largest,
    the number N of experiences cancels, and (P_smallest / P)^β is left.

    Args:
        probabilities: (n,) with which each row was drawn, above 0.
        exponent: β in [0, 1]: 0 makes up for nothing, 1 for the whole of the bias.
        smallest_probability: of all experiences that could have been drawn, so that weights mean the same in every
            batch; of these rows when not given.

    Returns:
        (n,) the weights, in (0, 1].

    Raises:
        ValueError: where an argument is out of its range, NaN included.
    """
    check_shapes(probabilities=(probabilities, "n"))
    if not 0 <= exponent <= 1:
        raise ValueError(f"the exponent of importance weights must lie in 0..1, it is {exponent:g}")
    least = float(probabilities.min(initial=np.inf))
    smallest = least if smallest_probability is None else smallest_probability
    # A smallest probability that was kept in another precision may differ in its last bits.
    if not 0 < smallest <= least * (1 + 1e-6):
        raise ValueError(f"probabilities must be above 0 and at least the smallest, {smallest:g}; one is {least:g}")
    weights: NDArray[np.float64] = np.minimum(smallest / probabilities.astype(np.float64), 1.0) ** exponent
    return weights
