"""A recurrent network over the session."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pydeeprecsys.rl.neural_networks.base_network import initialize
from pydeeprecsys.rl.neural_networks.state_encoders.sessions import SessionReader
from pydeeprecsys.rl.neural_networks.state_encoders.state_encoder import Observed, StateEncoder

UNITS = 64


class GRUEncoder(StateEncoder):
    """The hidden state of a gated recurrent unit after the latest slate of the session, and the demographics.

    Hidasi et al., Session-based Recommendations with Recurrent Neural Networks, 2016.

    Args:
        observed: layout of the observations, and the estimates at which item vectors begin.
        generator: of the initial parameters, on the CPU.
    """

    def __init__(self, observed: Observed, generator: torch.Generator) -> None:
        super().__init__()
        self.reader = SessionReader(observed, UNITS, generator)
        self.gru = _GRU(UNITS, UNITS, batch_first=True)
        initialize(self.gru, generator)
        self.out_size = UNITS + 4

    def encode(self, states: Tensor) -> Tensor:
        """Encode a batch of observations: (n, size) to (n, out_size)."""
        sessions = self.reader(states)
        hidden, _ = self.gru(sessions.vectors)
        encoded: Tensor = sessions.encoded(hidden)
        return encoded


class _GRU(nn.GRU):
    """A recurrent layer initialised by `initialize` only: torch's own draws from the global generator."""

    def reset_parameters(self) -> None:
        """Leave the parameters as they are."""
