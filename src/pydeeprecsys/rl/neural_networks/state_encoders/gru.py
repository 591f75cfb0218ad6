"""A recurrent network over the session."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pydeeprecsys.rl.neural_networks.base_network import initialize
from pydeeprecsys.rl.neural_networks.state_encoders.slates import SlateInputs, read_slates
from pydeeprecsys.rl.neural_networks.state_encoders.state_encoder import Observed, StateEncoder

UNITS = 64


class _GRU(nn.GRU):
    """A recurrent layer initialised by `initialize` only: torch's own draws from the global generator."""

    def reset_parameters(self) -> None:
        """Leave the parameters as they are."""


class GRU(StateEncoder):
    """The last hidden state of a gated recurrent unit over the slates of the session, and the demographics.

    Hidasi et al., Session-based Recommendations with Recurrent Neural Networks, 2016.

    Args:
        observed: layout of the observations, and the estimates at which item vectors begin.
        generator: of the initial parameters, on the CPU.
    """

    def __init__(self, observed: Observed, generator: torch.Generator) -> None:
        super().__init__()
        self.layout = observed.history
        self.inputs = SlateInputs(observed, UNITS, generator)
        self.gru = _GRU(UNITS, UNITS, batch_first=True)
        initialize(self.gru, generator)
        self.out_size = UNITS + 4

    def encode(self, states: Tensor) -> Tensor:
        """Encode a batch of observations: (n, size) to (n, out_size)."""
        slates = read_slates(self.layout, states)
        latest_first = self.inputs(slates)
        # In the order of time; what comes after a session's last slate is left out by packing.
        places = torch.arange(latest_first.shape[1], device=states.device)
        order = (slates.steps[:, None] - places).clamp(min=0)
        in_time = latest_first.gather(1, order[:, :, None].expand_as(latest_first))
        packed = nn.utils.rnn.pack_padded_sequence(
            in_time, (slates.steps + 1).cpu(), batch_first=True, enforce_sorted=False
        )
        _, hidden = self.gru(packed)
        return torch.cat([hidden[0], slates.demographics], dim=1)
