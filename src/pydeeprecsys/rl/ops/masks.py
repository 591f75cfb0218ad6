"""Action masks that travel with the states they belong to, through every memory that keeps states."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

# Whole numbers of so many bits are exact in float32, the type of states.
_BITS = 16


def attach_masks(states: NDArray[Any], masks: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    """Make states float32 and append their masks, 16 actions a number.

    Args:
        states: (n, state_size) observations.
        masks: (n, actions) which actions are allowed; None for no masks.

    Returns:
        (n, state_size), or (n, state_size + ⌈actions / 16⌉) with masks.
    """
    rows = states.astype(np.float32, copy=False)
    if masks is None:
        return rows
    packed = np.packbits(np.pad(masks, ((0, 0), (0, -masks.shape[1] % _BITS))), axis=1)
    return np.concatenate([rows, packed.view(np.uint16).astype(np.float32)], axis=1)


def split_masks(
    rows: NDArray[np.float32], state_size: int, n_actions: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None]:
    """Undo `attach_masks`.

    Args:
        rows: (n, state_size), or (n, state_size + ⌈actions / 16⌉) with masks.
        state_size: numbers in an observation.
        n_actions: number of actions.

    Returns:
        (n, state_size) states; (n, actions) masks, or None where there are none.
    """
    if rows.shape[1] == state_size:
        return rows, None
    packed = rows[:, state_size:].astype(np.uint16).view(np.uint8)
    return rows[:, :state_size], np.unpackbits(packed, axis=1, count=n_actions).astype(np.bool_)


def masked(scores: Tensor, masks: ArrayLike | None) -> Tensor:
    """Scores with minus infinity where an action is not allowed.

    A row without any allowed action stays as it is: nothing follows the end of an episode, and what is computed of it
    is multiplied by a discount of 0, which minus infinity would turn into NaN.

    Args:
        scores: (n, actions) logits or values.
        masks: (n, actions) which actions are allowed; None for all.

    Returns:
        (n, actions) the scores.
    """
    if masks is None:
        return scores
    forbidden = np.logical_not(masks)
    forbidden[forbidden.all(axis=1)] = False  # in torch this takes several times as long
    return scores.masked_fill(torch.from_numpy(forbidden).to(scores.device), -torch.inf)
