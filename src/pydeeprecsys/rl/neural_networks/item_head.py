"""Output layers with a number per action: independent outputs, or a tower over item features."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from pydeeprecsys.arrays import Floats
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.neural_networks.base_network import sequential_architecture


class ItemHead(nn.Module):
    """Two-tower scores: state embedding · item embedding + item bias, the latter two functions of the item's features.

    Yi et al., Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations, 2019: what is learned of
    one item generalises to similar ones.

    Args:
        n_inputs: outputs of the previous layer.
        item_features: (items, features) finite numbers; each column is standardised here.
        generator: of the initial parameters, on the CPU.
        n_atoms: numbers per item, at least 1; they share the item's embedding.
        embedding_size: size of an embedding.

    Raises:
        InputError: the features are not a table of finite numbers.
    """

    features: Tensor

    def __init__(
        self,
        n_inputs: int,
        item_features: ArrayLike,
        generator: torch.Generator,
        n_atoms: int = 1,
        embedding_size: int = 64,
    ) -> None:
        super().__init__()
        table = feature_table(item_features)
        deviations = table.std(axis=0)
        standardized = (table - table.mean(axis=0)) / np.where(deviations > 0, deviations, 1.0)
        # An argument of the constructor, as sizes are, and therefore not saved.
        self.register_buffer("features", torch.from_numpy(standardized.astype(np.float32)), persistent=False)
        self.n_atoms = n_atoms
        self.scale = embedding_size**-0.5
        self.state_tower = sequential_architecture([n_inputs, n_atoms * embedding_size], generator=generator)
        self.item_tower = sequential_architecture(
            [table.shape[1], embedding_size, embedding_size + 1], generator=generator
        )
        self._kept: tuple[tuple[int, ...], Tensor] | None = None

    def forward(self, inputs: Tensor) -> Tensor:
        """Score all items: (..., n_inputs) to (..., items), or (..., items · n_atoms) with several atoms."""
        items = self._items()
        embedding, bias = items[:, :-1], items[:, -1]
        states = self.state_tower(inputs) * self.scale
        if self.n_atoms == 1:
            return nn.functional.linear(states, embedding, bias)
        scores = nn.functional.linear(torch.unflatten(states, -1, (self.n_atoms, -1)), embedding, bias)
        return scores.transpose(-1, -2).flatten(-2)

    @torch.no_grad()
    def zero(self) -> None:
        """Make all scores 0 until it learns: the state embedding and the item biases."""
        for parameter in self.state_tower.parameters():
            parameter.zero_()
        *_, weight, bias = self.item_tower.parameters()
        weight[-1] = bias[-1] = 0

    def chosen(self, inputs: Tensor, actions: Tensor) -> Tensor:
        """Score one item per row: (n, n_inputs) and (n,) items to (n, n_atoms)."""
        items = self.item_tower(self.features[actions])
        states = torch.unflatten(self.state_tower(inputs) * self.scale, -1, (self.n_atoms, -1))
        scores: Tensor = (states * items[:, None, :-1]).sum(dim=-1) + items[:, -1:]
        return scores

    def _items(self) -> Tensor:
        """(items, embedding_size + 1) embeddings and biases of all items."""
        if torch.is_grad_enabled():
            items: Tensor = self.item_tower(self.features)
            return items
        # Embeddings are cached between updates; every change of a parameter raises its version.
        versions = tuple(parameter._version for parameter in self.item_tower.parameters())
        if self._kept is None or self._kept[0] != versions or self._kept[1].device != self.features.device:
            self._kept = versions, self.item_tower(self.features)
        return self._kept[1]


def output_layer(
    n_inputs: int,
    n_actions: int,
    generator: torch.Generator,
    *,
    item_features: ArrayLike | None = None,
    n_atoms: int = 1,
) -> nn.Module:
    """An output layer: (..., n_inputs) to (..., n_actions · n_atoms).

    Args:
        n_inputs: outputs of the previous layer.
        n_actions: number of actions.
        generator: of the initial parameters, on the CPU.
        item_features: (n_actions, features) of the items that are the actions, for an `ItemHead`; independent outputs
            if None.
        n_atoms: numbers per action.

    Raises:
        InputError: the features are not a table of finite numbers, one row per action.
    """
    if item_features is None:
        return sequential_architecture([n_inputs, n_actions * n_atoms], generator=generator)[0]
    return ItemHead(n_inputs, feature_table(item_features, n_actions), generator, n_atoms)


def feature_table(item_features: ArrayLike, n_actions: int | None = None) -> Floats:
    """Item features as an array (items, features).

    Raises:
        InputError: they are no table of finite numbers, or not of as many items as there are actions.
    """
    try:
        table = np.asarray(item_features, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"item_features must be finite numbers of shape (items, features): {error}") from error
    if table.ndim != 2 or not np.isfinite(table).all():
        raise InputError(f"item_features must be finite numbers of shape (items, features), it is {table.shape}")
    if n_actions is not None and len(table) != n_actions:
        raise InputError(f"item_features has {len(table)} rows, there are {n_actions} actions")
    return table
