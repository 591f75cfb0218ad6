"""Networks as graphs: copies that read contexts in place of observations."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from pydeeprecsys.rl.neural_networks.base_network import BaseNetwork
from pydeeprecsys.rl.neural_networks.base_scores import BaseScores
from pydeeprecsys.rl.neural_networks.item_head import ItemHead
from pydeeprecsys.rl.neural_networks.state_encoders.features import Features
from pydeeprecsys.serving.graphs.encoders import encoder_graph
from pydeeprecsys.serving.graphs.recommenders import ReaderGraph


def with_contexts(network: BaseNetwork, observation: nn.Module) -> Any:
    """A copy of a network, on the CPU, that reads contexts in place of observations, and whose items are constants."""
    copy: Any = deepcopy(network).cpu().eval()  # whose methods take contexts in place of tensors
    is_features = isinstance(copy.encoder, Features | nn.Identity)
    copy.encoder = observation if is_features else encoder_graph(copy.encoder)
    for module in list(copy.modules()):
        for name, child in module.named_children():
            if isinstance(child, ItemHead):
                setattr(module, name, _Items(child))
        if isinstance(module, BaseScores):
            module.reader = ReaderGraph(module.reader)  # type: ignore[assignment]
    return copy


class _Items(nn.Module):
    """An `ItemHead` whose embeddings of items are constants."""

    embedding: Tensor
    bias: Tensor

    def __init__(self, head: ItemHead) -> None:
        super().__init__()
        self.state_tower, self.n_atoms, self.scale = head.state_tower, head.n_atoms, head.scale
        with torch.no_grad():
            items = head.item_tower(head.features)
        self.register_buffer("embedding", items[:, :-1].contiguous())
        self.register_buffer("bias", items[:, -1].clone())

    def forward(self, inputs: Tensor) -> Tensor:
        """Score all items: (n, n_inputs) to (n, items), or (n, items · n_atoms) with several atoms."""
        states = self.state_tower(inputs) * self.scale
        if self.n_atoms == 1:
            return nn.functional.linear(states, self.embedding, self.bias)
        scores = nn.functional.linear(torch.unflatten(states, -1, (self.n_atoms, -1)), self.embedding, self.bias)
        return scores.transpose(-1, -2).flatten(-2)
