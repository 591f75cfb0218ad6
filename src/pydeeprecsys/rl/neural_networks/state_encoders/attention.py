"""Self-attention over the session."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pydeeprecsys.rl.neural_networks.base_network import sequential_architecture
from pydeeprecsys.rl.neural_networks.state_encoders.slates import SlateInputs, read_slates
from pydeeprecsys.rl.neural_networks.state_encoders.state_encoder import Observed, StateEncoder

UNITS = 64
BLOCKS = 2


class Attention(StateEncoder):
    """Causal self-attention over the slates of the session, its output at the latest slate, and the demographics.

    Kang & McAuley, Self-Attentive Sequential Recommendation, 2018: two blocks of one head, learned positions counted
    back from the latest slate. Without dropout: the policy that learns must be the one that acted.

    Args:
        observed: layout of the observations, and the estimates at which item vectors begin.
        generator: of the initial parameters, on the CPU.
    """

    def __init__(self, observed: Observed, generator: torch.Generator) -> None:
        super().__init__()
        self.layout = observed.history
        self.inputs = SlateInputs(observed, UNITS, generator)
        self.positions = nn.Parameter(torch.randn(self.layout.length + 1, UNITS, generator=generator) * UNITS**-0.5)
        self.blocks = nn.ModuleList(_Block(generator) for _ in range(BLOCKS))
        self.norm = nn.LayerNorm(UNITS)
        self.out_size = UNITS + 4

    def encode(self, states: Tensor) -> Tensor:
        """Encode a batch of observations: (n, size) to (n, out_size)."""
        slates = read_slates(self.layout, states)
        latest_first = self.inputs(slates)
        places = torch.arange(latest_first.shape[1], device=states.device)
        # A slate attends to itself and to those before it; what is before the first slate attends to itself only.
        before = (places >= places[:, None]) & (places <= slates.steps[:, None, None])
        attended = before | torch.eye(len(places), dtype=torch.bool, device=states.device)
        hidden = latest_first + self.positions[: len(places)]
        *blocks, last = self.blocks
        for block in blocks:
            hidden = block(hidden, hidden, attended)
        latest = last(hidden[:, :1], hidden, attended[:, :1])  # the output at the other slates is not needed
        return torch.cat([self.norm(latest[:, 0]), slates.demographics], dim=1)


class _Block(nn.Module):
    """Attention and two layers per position, each added to its input after normalising that."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.attention_norm, self.layers_norm = nn.LayerNorm(UNITS), nn.LayerNorm(UNITS)
        self.query = sequential_architecture([UNITS, UNITS], generator=generator)
        self.keys_and_values = sequential_architecture([UNITS, 2 * UNITS], generator=generator)
        self.layers = sequential_architecture([UNITS, UNITS, UNITS], generator=generator)

    def forward(self, positions: Tensor, among: Tensor, attended: Tensor) -> Tensor:
        """Attend from positions to others: (n, p, units) and (n, q, units), where (n, p, q) allow, to (n, p, units)."""
        query = self.query(self.attention_norm(positions))
        keys, values = self.keys_and_values(self.attention_norm(among)).chunk(2, dim=2)
        hidden = positions + nn.functional.scaled_dot_product_attention(query, keys, values, attn_mask=attended)
        output: Tensor = hidden + self.layers(self.layers_norm(hidden))
        return output
