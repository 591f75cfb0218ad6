"""The observation itself."""

from __future__ import annotations

from torch import Tensor

from pydeeprecsys.rl.neural_networks.state_encoders.state_encoder import StateEncoder


class Features(StateEncoder):
    """The observation itself, for environments that compute features of the session.

    Args:
        size: of an observation.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.out_size = size

    def forward(self, states: Tensor) -> Tensor:
        """The observations: (..., size)."""
        return states
