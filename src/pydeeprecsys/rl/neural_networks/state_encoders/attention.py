"""Self-attention over the session."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pydeeprecsys.rl.neural_networks.base_network import sequential_architecture
from pydeeprecsys.rl.neural_networks.state_encoders.sessions import SessionReader
from pydeeprecsys.rl.neural_networks.state_encoders.state_encoder import Observed, StateEncoder

UNITS = 64
BLOCKS = 2


class AttentionEncoder(StateEncoder):
    """The output of causal self-attention at the latest slate of the session, and the demographics.

    Kang & McAuley, Self-Attentive Sequential Recommendation, 2018: two blocks of one head, learned positions. Without
    dropout, so that the policy that learns is the one that acted.

    Args:
        observed: layout of the observations, and the estimates at which item vectors begin.
        generator: of the initial parameters, on the CPU.
    """

    def __init__(self, observed: Observed, generator: torch.Generator) -> None:
        super().__init__()
        self.reader = SessionReader(observed, UNITS, generator)
        positions = torch.randn(observed.history.length + 1, UNITS, generator=generator)
        self.positions = nn.Parameter(UNITS**-0.5 * positions)
        self.blocks = nn.Sequential(*(_Block(generator) for _ in range(BLOCKS)), nn.LayerNorm(UNITS))
        self.out_size = UNITS + 4

    def encode(self, states: Tensor) -> Tensor:
        """Encode a batch of observations: (n, size) to (n, out_size)."""
        sessions = self.reader(states)
        vectors = sessions.vectors + self.positions[: sessions.vectors.shape[1]]
        encoded: Tensor = sessions.encoded(self.blocks(vectors))
        return encoded


class _Block(nn.Module):
    """Attention of each position to itself and those before it, then two layers; each is added to its input."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.attention_norm, self.layers_norm = nn.LayerNorm(UNITS), nn.LayerNorm(UNITS)
        self.projections = sequential_architecture([UNITS, 3 * UNITS], generator=generator)
        self.layers = sequential_architecture([UNITS, UNITS, UNITS], generator=generator)

    def forward(self, inputs: Tensor) -> Tensor:
        """(m, t, units) to (m, t, units)."""
        query, key, value = self.projections(self.attention_norm(inputs)).chunk(3, dim=2)
        hidden = inputs + nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        output: Tensor = hidden + self.layers(self.layers_norm(hidden))
        return output
