"""The interface of all state encoders."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from pydeeprecsys.history import HistoryLayout
from pydeeprecsys.rl.item_estimates import ItemEstimates


class Observed(NamedTuple):
    """What a state encoder knows of the observations."""

    history: HistoryLayout
    item_estimates: ItemEstimates | None  # None if nothing is known of the items


class StateEncoder(nn.Module):
    """Encodes observations. A subclass implements `encode`.

    Attributes:
        out_size: numbers per encoded state.
    """

    out_size: int

    def forward(self, states: Tensor) -> Tensor:
        """Encode observations: (..., size) to (..., out_size)."""
        rows = states.reshape(-1, states.shape[-1])
        return self.encode(rows).view(*states.shape[:-1], self.out_size)

    def encode(self, states: Tensor) -> Tensor:
        """Encode a batch of observations: (n, size) to (n, out_size)."""
        raise NotImplementedError(f"{type(self).__name__} implements neither encode nor forward")
