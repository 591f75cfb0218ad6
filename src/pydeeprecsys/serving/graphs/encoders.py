"""State encoders as graphs: a context to the numbers that a network learned from."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.onnx import is_in_onnx_export

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.neural_networks.state_encoders.attention import AttentionEncoder
from pydeeprecsys.rl.neural_networks.state_encoders.fold_in import DECAYS, FoldInEncoder
from pydeeprecsys.rl.neural_networks.state_encoders.gru import GRUEncoder
from pydeeprecsys.rl.neural_networks.state_encoders.sessions import SessionReader
from pydeeprecsys.rl.neural_networks.state_encoders.slates import Slates
from pydeeprecsys.rl.neural_networks.state_encoders.state_encoder import StateEncoder
from pydeeprecsys.scale import MAX_RATING
from pydeeprecsys.serving.graphs.context import Context
from pydeeprecsys.serving.graphs.histories import MemoriesGraph, PosteriorGraph


class FoldInGraph(nn.Module):
    """`FoldInEncoder`: the posterior of the user's vector, memories of categories, and the last slate."""

    prior_mean: Tensor
    deviations: Tensor

    def __init__(self, encoder: FoldInEncoder) -> None:
        super().__init__()
        self.length, estimates = encoder.layout.length, encoder.estimates
        self.posterior = PosteriorGraph(estimates)
        self.memories = MemoriesGraph(encoder.kinds, DECAYS)
        self.register_buffer("prior_mean", torch.from_numpy(estimates.prior_mean))
        self.register_buffer("deviations", torch.from_numpy(np.sqrt(np.diag(estimates.prior_covariance))))

    def forward(self, context: Context) -> Tensor:
        """(n, out_size) encoded states."""
        means, covariances = self.posterior(context)
        last = context.latest(1).consumed(context.whole_slates)
        n_last = (last.items >= 0).sum(dim=1)
        columns = [
            (means - self.prior_mean) / self.deviations,
            covariances.diagonal(dim1=1, dim2=2).sqrt() / self.deviations,
            self.memories(context.consumed).flatten(1),
            (last.ratings.sum(dim=1) / n_last.clamp(min=1) / MAX_RATING)[:, None],
            ((context.steps > 0) & (n_last == 0))[:, None],
            (context.steps / self.length)[:, None],
            context.demographics,
        ]
        return torch.cat([column.float() for column in columns], dim=1)


class _Sessions(nn.Module):
    """One vector per slate, after one of no slate: `SessionReader` without the search for common sessions."""

    def __init__(self, reader: SessionReader) -> None:
        super().__init__()
        self.reader = reader

    def forward(self, context: Context) -> Tensor:
        """(n, h + 1, units) in the order of time."""
        items, chosen, ratings = context.slates
        consumed = ratings > 0 if context.whole_slates else chosen
        slates = Slates(items, chosen.any(dim=2), consumed, ratings=ratings * consumed)
        vectors: Tensor = self.reader.projection(nn.functional.pad(self.reader.inputs(slates), (0, 0, 1, 0)))
        return vectors


def _at_last(outputs: Tensor, context: Context) -> Tensor:
    """The output (n, h + 1, units) at the last slate of each user, and the demographics: (n, units + 4)."""
    index = context.steps[:, None, None].expand(-1, 1, outputs.shape[2])
    return torch.cat([outputs.gather(1, index).squeeze(1), context.demographics], dim=1)


class GRUGraph(nn.Module):
    """`GRUEncoder`: the hidden state after the latest slate."""

    def __init__(self, encoder: GRUEncoder) -> None:
        super().__init__()
        self.sessions, self.gru = _Sessions(encoder.reader), encoder.gru

    def forward(self, context: Context) -> Tensor:
        """(n, out_size) encoded states."""
        vectors = self.sessions(context)
        return _at_last(self._exported(vectors) if is_in_onnx_export() else self.gru(vectors)[0], context)

    def _exported(self, vectors: Tensor) -> Tensor:
        """The outputs (n, t, units) as one operator of ONNX: torch unrolls them, for one length only."""
        units, (n, t, _) = self.gru.hidden_size, vectors.shape
        # ONNX has update, reset and new gate in this order, torch the second first.
        weights, recurrent, bias, recurrent_bias = (
            each.view(3, units, -1)[[1, 0, 2]].flatten(0, 1) for each in self.gru.parameters()
        )
        outputs: Tensor = torch.onnx.ops.symbolic(
            "GRU",
            (vectors.transpose(0, 1), weights[None], recurrent[None], torch.cat([bias, recurrent_bias]).view(1, -1)),
            {"hidden_size": units, "linear_before_reset": 1},
            dtype=vectors.dtype,
            shape=(t, 1, n, units),
        )
        return outputs[:, 0].transpose(0, 1)


class AttentionGraph(nn.Module):
    """`AttentionEncoder`: causal self-attention, at the latest slate."""

    def __init__(self, encoder: AttentionEncoder) -> None:
        super().__init__()
        self.sessions, self.positions = _Sessions(encoder.reader), encoder.positions
        self.blocks: Any = encoder.blocks

    def forward(self, context: Context) -> Tensor:
        """(n, out_size) encoded states."""
        hidden = self.sessions(context)
        hidden = hidden + self.positions[: hidden.shape[1]]
        for block in self.blocks[:-1]:
            # With an axis of heads, which the exporter takes only.
            query, key, value = block.projections(block.attention_norm(hidden))[:, None].chunk(3, dim=3)
            hidden = hidden + nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)[:, 0]
            hidden = hidden + block.layers(block.layers_norm(hidden))
        return _at_last(self.blocks[-1](hidden), context)


@singledispatch
def encoder_graph(encoder: StateEncoder) -> nn.Module:
    """The graph of a state encoder of histories; register those of your own.

    Raises:
        InputError: there is none for such an encoder.
    """
    raise InputError(f"there is no graph of the state encoder {type(encoder).__name__}; register one by encoder_graph")


encoder_graph.register(FoldInEncoder, FoldInGraph)
encoder_graph.register(GRUEncoder, GRUGraph)
encoder_graph.register(AttentionEncoder, AttentionGraph)
