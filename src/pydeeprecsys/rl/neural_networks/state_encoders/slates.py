"""The history in observations as tensors."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from pydeeprecsys.history import DEMOGRAPHICS, HistoryLayout
from pydeeprecsys.scale import MIN_RATING


class Slates(NamedTuple):
    """Slates of n users in the order of time; what follows a user's last slate means nothing."""

    items: Tensor  # (n, t, k) items shown, integers; -1 for none
    chosen: Tensor  # (n, t) whether an item was chosen
    consumed: Tensor  # (n, t, k) whether an item was consumed
    ratings: Tensor  # (n, t, k) ratings in stars, 0 for items that were not consumed


def in_time(layout: HistoryLayout, states: Tensor) -> tuple[Tensor, Tensor]:
    """The numbers of each slate in the order of time, as far back as the longest history among them, t slates.

    Args:
        layout: of the observations.
        states: (n, size) observations.

    Returns:
        (n, t, width) slates, those after a user's last one being any; (n,) number of each user's slates, in 0..t.

    Raises:
        InputError: the states have another size, an item that does not exist, or a rating off the scale.
    """
    if states.shape[1] != layout.size:
        layout.read(states.numpy(force=True))
    latest_first = states[:, DEMOGRAPHICS:].view(len(states), layout.length, layout.width)
    steps = (latest_first[:, :, 0] != 0).sum(dim=1)
    places = torch.arange(int(steps.max()), device=states.device)
    rows = torch.arange(len(states), device=states.device)[:, None]
    slates = latest_first[rows, (steps[:, None] - 1 - places).clamp(min=0)]
    ratings = slates[:, :, layout.slate_size : -1]
    highest = torch.from_numpy(layout.highest[-layout.width :]).to(states.device)
    in_range = ((slates >= 0) & (slates <= highest)).all() & ((ratings == 0) | (ratings >= MIN_RATING)).all()
    if not in_range:
        layout.read(states.numpy(force=True))
    return slates, steps


def read_slates(layout: HistoryLayout, slates: Tensor) -> Slates:
    """What the numbers of slates (n, t, width) tell, as `HistoryLayout.read` has it."""
    k = layout.slate_size
    ratings, choices = slates[:, :, k:-1], slates[:, :, -1:].long()
    positions = torch.arange(1, k + 1, device=slates.device)
    consumed = ratings > 0 if layout.n_rated == k else choices == positions
    items = (slates[:, :, :k].long() - 1).clamp(min=0)
    return Slates(items, choices[:, :, 0] > 0, consumed, ratings=ratings * consumed)


def sessions_of(users: Tensor, slates: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
    """Longest histories, and the one among them that each history begins like.

    Histories of one session at several times are learned from together, and computed once. Only those that share user
    and first slate are compared, each with the longest.

    Args:
        users: (n, numbers) what is known of the users.
        slates: (n, t, width) slates in the order of time.
        steps: (n,) number of slates of each.

    Returns:
        (m,) the longest histories, as rows; (n,) the longest history of each, counted from 0 among those m.
    """
    rows = torch.arange(len(steps), device=steps.device)
    if slates.shape[1] == 0:
        return rows, rows
    first = torch.cat([users, slates[:, 0]], dim=1)
    kinds = first.double() @ torch.arange(1, first.shape[1] + 1, device=steps.device).double().sqrt()
    kind = torch.unique(kinds, return_inverse=True)[1]
    order = torch.argsort(kind * (slates.shape[1] + 1) + steps)
    longest = order[torch.searchsorted(kind[order], kind, right=True) - 1]
    later = torch.arange(slates.shape[1], device=steps.device) >= steps[:, None]
    begins = ((slates == slates[longest]).all(dim=2) | later).all(dim=1)
    sessions, session = torch.unique(torch.where(begins, longest, rows), return_inverse=True)
    return sessions, session
