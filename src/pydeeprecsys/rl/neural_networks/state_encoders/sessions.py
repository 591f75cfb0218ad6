"""What sequence encoders read of observations: one vector per slate of each session."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from pydeeprecsys.history import DEMOGRAPHICS
from pydeeprecsys.rl.neural_networks.base_network import sequential_architecture
from pydeeprecsys.rl.neural_networks.state_encoders.slates import Slates, in_time, read_slates, sessions_of
from pydeeprecsys.rl.neural_networks.state_encoders.state_encoder import Observed
from pydeeprecsys.scale import MAX_RATING, MIN_RATING


class Sessions(NamedTuple):
    """The m sessions among n observations, of at most t slates."""

    vectors: Tensor  # (m, t + 1, units) one per slate in the order of time, after one of no slate
    session: Tensor  # (n,) session of each observation, in 0..m−1
    steps: Tensor  # (n,) slates that each observation holds, the first of its session
    demographics: Tensor  # (n, 4)

    def encoded(self, outputs: Tensor) -> Tensor:
        """The output (m, t + 1, units) at the last slate of each observation, and its demographics: (n, units + 4)."""
        return torch.cat([outputs[self.session, self.steps], self.demographics], dim=1)


class SessionReader(nn.Module):
    """Observations as sessions: a vector per slate, linear in item vectors, ratings and choices.

    The items of a slate are those consumed, or all shown if none was: a refusal, which is flagged. Their vectors are
    averaged twice, once plainly and once weighted by rating minus expected rating, as in a regression of the ratings on
    the vectors.

    Args:
        observed: layout of the observations. Item vectors and expected ratings begin at the item estimates, the vectors
            scaled to a root mean square of 1; without estimates at random vectors of the same scale, and 3 stars.
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

    def forward(self, states: Tensor) -> Sessions:
        """Read observations (n, size)."""
        demographics = states[:, :DEMOGRAPHICS]
        slates, steps = in_time(self.layout, states)
        longest, session = sessions_of(demographics, slates, steps)
        inputs = self.inputs(read_slates(self.layout, slates[longest]))
        vectors = self.projection(nn.functional.pad(inputs, (0, 0, 1, 0)))
        return Sessions(vectors, session, steps, demographics)

    def inputs(self, slates: Slates) -> Tensor:
        """What slates tell, those of fewer items, too: (m, t, 2 · dimensions + 4).

        Mean item vectors, mean ratings, whether an item was chosen, and whether none was consumed.
        """
        consumed = slates.consumed.float()
        refused = ~slates.consumed.any(dim=2, keepdim=True)
        items = slates.items.clamp(min=0)
        counted = torch.where(refused, (slates.items >= 0).float(), consumed)
        shares = counted / counted.sum(dim=2, keepdim=True).clamp(min=1)
        surprises = consumed * (slates.ratings - self.expected[items])
        weights = torch.stack([shares, shares * surprises], dim=2)
        means = (weights @ nn.functional.embedding(items, self.vectors)).flatten(2)
        mean_rating, mean_surprise = (shares * torch.stack([slates.ratings, surprises])).sum(dim=3)
        flags = torch.stack([slates.chosen, refused.squeeze(2)], dim=2)
        return torch.cat([means, torch.stack([mean_rating, mean_surprise], dim=2), flags], dim=2)
