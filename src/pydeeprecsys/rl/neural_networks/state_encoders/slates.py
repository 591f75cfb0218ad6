"""The history in observations as tensors, and as the inputs of a sequence model."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from pydeeprecsys.history import DEMOGRAPHICS, HistoryLayout
from pydeeprecsys.rl.neural_networks.base_network import sequential_architecture
from pydeeprecsys.rl.neural_networks.state_encoders.state_encoder import Observed
from pydeeprecsys.scale import MAX_RATING, MIN_RATING


class Slates(NamedTuple):
    """Demographics and last slates of n users, latest slate first; t is the longest history among them."""

    demographics: Tensor  # (n, 4) in [0, 1]
    steps: Tensor  # (n,) slates shown, in 0..t
    items: Tensor  # (n, t, k) items shown; 0 before the first slate
    chosen: Tensor  # (n, t) whether an item was chosen
    consumed: Tensor  # (n, t, k) whether an item was consumed
    ratings: Tensor  # (n, t, k) ratings in stars, 0 for items that were not consumed


def read_slates(layout: HistoryLayout, states: Tensor) -> Slates:
    """The history in (n, size) states, on their device; says what `HistoryLayout.read` says.

    Raises:
        InputError: the states have another size, an item that does not exist, or a rating off the scale.
    """
    if states.shape[1] != layout.size:
        layout.read(states.numpy(force=True))
    k, n_rated = layout.slate_size, layout.n_rated
    slates = states[:, DEMOGRAPHICS:].view(len(states), layout.length, layout.width)
    steps = (slates[:, :, 0] > 0).sum(dim=1)
    slates = slates[:, : int(steps.max())]
    items, ratings, choices = slates[:, :, :k], slates[:, :, k:-1], slates[:, :, -1:]
    in_order = ((items >= 0) & (items <= layout.n_items)).all() & ((choices >= 0) & (choices <= k)).all()
    on_scale = ((ratings == 0) | ((ratings >= MIN_RATING) & (ratings <= MAX_RATING))).all()
    if not in_order & on_scale:
        layout.read(states.numpy(force=True))
    positions = torch.arange(1, k + 1, device=states.device)
    consumed = ratings > 0 if n_rated == k else choices.long() == positions
    return Slates(
        demographics=states[:, :DEMOGRAPHICS],
        steps=steps,
        items=(items.long() - 1).clamp(min=0),
        chosen=choices[:, :, 0] > 0,
        consumed=consumed,
        ratings=ratings * consumed,
    )


class SlateInputs(nn.Module):
    """One vector per slate: a linear function of its items' vectors, of ratings, and of whether an item was chosen.

    The items of a slate are those consumed, or all shown if none was: a refusal, which is flagged. Their vectors are
    averaged twice, once plainly and once weighted by rating minus expected rating, as in a regression of the ratings on
    the vectors.

    Args:
        observed: layout of the observations. Item vectors and expected ratings begin at the item estimates, the vectors
            scaled to a root mean square of 1; without estimates at random vectors of the same scale and 3 stars.
        units: size of a slate's vector.
        generator: of the initial parameters, on the CPU.
    """

    expected: Tensor

    def __init__(self, observed: Observed, units: int, generator: torch.Generator) -> None:
        super().__init__()
        self.layout, estimates = observed
        if estimates is None:
            vectors = torch.randn(self.layout.n_items, units // 2, generator=generator)
            expected = torch.full((self.layout.n_items,), (MIN_RATING + MAX_RATING) / 2)
        else:
            vectors = torch.from_numpy(estimates.vectors / np.sqrt(np.square(estimates.vectors).mean())).float()
            expected = torch.from_numpy(estimates.expected_ratings).float()
        self.vectors = nn.Parameter(vectors)
        # An argument of the constructor, as sizes are, and therefore not saved.
        self.register_buffer("expected", expected, persistent=False)
        self.projection = sequential_architecture([2 * vectors.shape[1] + 4, units], generator=generator)

    def forward(self, slates: Slates) -> Tensor:
        """The slates, latest first, and an empty one before the first: (n, t + 1, units)."""
        consumed = slates.consumed.float()
        refused = ~slates.consumed.any(dim=2, keepdim=True)
        counted = torch.where(refused, 1.0, consumed)
        shares = counted / counted.sum(dim=2, keepdim=True)
        surprise = consumed * (slates.ratings - self.expected[slates.items])
        weights = torch.stack([shares, shares * surprise], dim=2)
        means = (weights @ nn.functional.embedding(slates.items, self.vectors)).flatten(2)
        stars = (shares * torch.stack([slates.ratings, surprise], dim=0)).sum(dim=3).unbind()
        flags = [slates.chosen.float(), refused[:, :, 0].float()]
        inputs = torch.cat([means, torch.stack([*stars, *flags], dim=2)], dim=2)
        shown = torch.arange(inputs.shape[1], device=inputs.device) < slates.steps[:, None]
        vectors: Tensor = self.projection(nn.functional.pad(inputs * shown[:, :, None], (0, 0, 0, 1)))
        return vectors
