"""What a policy is given, as tensors: demographics, and the slates of the session."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Consumed(NamedTuple):
    """Consumed items of n users, the oldest first."""

    items: Tensor  # (n, m) -1 for none
    ratings: Tensor  # (n, m) in stars, 0 for none

    @property
    def rows(self) -> Tensor:
        """(n, m) the items, 0 for none."""
        return self.items.clamp(min=0)

    @property
    def flags(self) -> Tensor:
        """(n, m) whether there is an item, as 0 or 1 in double precision."""
        return (self.items >= 0).double()


class Slates(NamedTuple):
    """Slates of n users."""

    items: Tensor  # (n, h, k) items shown, -1 for none
    chosen: Tensor  # (n, h, k) whether the item was chosen
    ratings: Tensor  # (n, h, k) in stars, 0 for an item that was not consumed

    def at(self, places: Tensor, there: Tensor) -> Slates:
        """The slates at some places, (n, t) integers; of no item where there is none, (n, t)."""
        places, there = places.clamp(0, self.items.shape[1] - 1)[:, :, None], there[:, :, None]
        items, chosen, ratings = (each.gather(1, places.expand(-1, -1, each.shape[2])) for each in self)
        return Slates(torch.where(there, items, -1), chosen & there, torch.where(there, ratings, 0.0))

    def last(self, length: int) -> Slates:
        """The last slates, as many for every user, after slates of no item where there are fewer."""
        h = self.items.shape[1]
        nothing = torch.full_like(self.items[:, :1], -1).expand(-1, length, -1)
        padded = (
            torch.cat([before, each], dim=1)
            for before, each in zip((nothing, nothing > 0, nothing * 0.0), self, strict=True)
        )
        return Slates(*(each.narrow(1, h, length) for each in padded))

    def consumed(self, whole_slates: bool) -> Consumed:
        """What was consumed: of each slate every rated item, (n, h · k), or the chosen item, (n, h)."""
        if whole_slates:
            items = torch.where(self.ratings > 0, self.items, -1)
            return Consumed(items.flatten(1), self.ratings.flatten(1))
        return Consumed(torch.where(self.chosen, self.items + 1, 0).sum(dim=2) - 1, self.chosen_ratings)

    @property
    def chosen_ratings(self) -> Tensor:
        """(n, h) rating of the chosen item, 0 for none."""
        return torch.where(self.chosen, self.ratings, 0.0).sum(dim=2)


class Context(NamedTuple):
    """Demographics and slates of n users, the oldest slate first; what follows a user's last slate is of no item."""

    demographics: Tensor  # (n, 4)
    slates: Slates
    steps: Tensor  # (n,) slates shown, in 0..h
    whole_slates: bool  # whether all rated items of a slate were consumed, not only the chosen one
    consumed: Consumed
    posteriors: dict[tuple[int, float], tuple[Tensor, Tensor]]  # what was computed already, by estimates and noise

    def latest(self, length: int) -> Slates:
        """The last slates, (n, length, k), the latest first."""
        places = self.steps[:, None] - 1 - torch.arange(length, device=self.steps.device)
        return self.slates.at(places, places >= 0)


def in_time(demographics: Tensor, slates: Slates, whole_slates: bool) -> Context:
    """The context of histories that end with the latest slate, shorter ones beginning with slates of no item.

    Args:
        demographics: (n, 4) in [0, 1].
        slates: of n users.
        whole_slates: whether all rated items of a slate were consumed, not only the chosen one.
    """
    h = slates.items.shape[1]
    steps = (slates.items >= 0).any(dim=2).sum(dim=1)
    places = torch.arange(h, device=steps.device)
    slates = slates.at(places + (h - steps)[:, None], places < steps[:, None])
    return Context(demographics, slates, steps, whole_slates, consumed=slates.consumed(whole_slates), posteriors={})
