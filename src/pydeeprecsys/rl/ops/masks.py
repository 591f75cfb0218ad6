"""Action masks."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from pydeeprecsys.arrays import Flags
from pydeeprecsys.errors import InputError


def check_slate_size(k: int, n_actions: int, action_masks: Flags | None = None) -> None:
    """Raise an InputError if n actions, or those that masks allow, do not suffice for slates of k different ones."""
    if not 1 <= k <= n_actions:
        raise InputError(
            f"a slate of {k} cannot be filled with different actions of {n_actions}; give 1 to {n_actions}"
        )
    if action_masks is not None:
        allowed = action_masks.sum(axis=1).min(initial=n_actions)
        if action_masks.shape[1] != n_actions or allowed < k:
            raise InputError(
                f"a mask allows {allowed} of {action_masks.shape[1]} actions, a slate takes {k} of {n_actions}; "
                f"allow at least {k}"
            )


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
