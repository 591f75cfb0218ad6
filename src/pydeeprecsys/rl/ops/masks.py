"""Action masks."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor


def masked(scores: Tensor, masks: ArrayLike | None) -> Tensor:
    """Scores with minus infinity where an action is not allowed.

    A row without any allowed action is left unchanged: it belongs to the end of an episode, where results are
    multiplied by a discount of 0, which minus infinity would turn into NaN.

    Args:
        scores: (n, actions) logits or values.
        masks: (n, actions) allowed actions; None if all are allowed.

    Returns:
        (n, actions) the scores.
    """
    if masks is None:
        return scores
    forbidden = np.logical_not(masks)
    forbidden[forbidden.all(axis=1)] = False  # in torch this takes several times as long
    return scores.masked_fill(torch.from_numpy(forbidden).to(scores.device), -torch.inf)
