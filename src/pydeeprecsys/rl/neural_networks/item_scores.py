"""A score for each item on offer, and one for choosing nothing."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.neural_networks.base_network import sequential_architecture
from pydeeprecsys.rl.neural_networks.deep_q_network import DeepQNetwork, outputs_of_actions
from pydeeprecsys.rl.neural_networks.item_head import output_layer
from pydeeprecsys.rl.neural_networks.state_encoders.encoding import StateEncoding, make_encoder
from pydeeprecsys.rl.neural_networks.state_encoders.features import Features


class ItemScores(DeepQNetwork):
    """Scores of all items and of choosing nothing: action values, or logits of a choice model.

    Where the state describes the items on offer, one network scores them all, from the user and one item at a time.
    Otherwise each item has an output.

    Args:
        state_size: size of an observation, or how observations are encoded.
        n_items: number of items.
        hidden_layers: sizes of the hidden layers, of the items' network and of that for nothing.
        learning_rate: step size of Adam, above 0.
        candidate_features: numbers at the end of a state that describe each item, item by item; None where items are
            always the same.
        item_features: (n_items, features) of items that are always the same, to score them by; independent outputs
            if None.
        random_state: seed of the initial parameters.
        device: of the parameters; if None, CUDA if available, else the CPU.

    Raises:
        InputError: states are too short to describe the items, or both kinds of features are given.
    """

    model: nn.ModuleDict

    def __init__(
        self,
        state_size: int | StateEncoding,
        n_items: int,
        hidden_layers: Sequence[int],
        learning_rate: float,
        *,
        candidate_features: int | None = None,
        item_features: ArrayLike | None = None,
        random_state: int = 0,
        device: str | torch.device | None = None,
    ) -> None:
        # Drawn on the CPU, so that a seed means the same parameters on every device.
        generator = torch.Generator().manual_seed(random_state)
        encoder = make_encoder(state_size, generator)
        n_user = encoder.out_size - n_items * (candidate_features or 0)
        if n_user < 1:
            raise InputError(
                f"a state of {encoder.out_size} numbers cannot describe {n_items} items of {candidate_features} each"
            )
        if candidate_features is not None and item_features is not None:
            raise InputError("items that states describe have no item_features; give one of the two")
        if candidate_features is not None and not isinstance(encoder, Features):
            raise InputError("items that states describe need state_encoder 'features'")
        layers = [n_user + (candidate_features or 0), *hidden_layers]
        output = (
            sequential_architecture([layers[-1], 1], generator=generator)
            if candidate_features is not None
            else output_layer(layers[-1], n_items, generator, item_features=item_features)
        )
        body = [*sequential_architecture(layers, generator=generator), nn.ReLU()] if hidden_layers else []
        nothing = sequential_architecture([n_user, *hidden_layers, 1], generator=generator)
        architecture = nn.ModuleDict({"item": nn.Sequential(*body, output), "nothing": nothing})
        super().__init__(learning_rate, architecture, encoder=encoder, device=device)
        self.n_items, self.candidate_features, self._n_user = n_items, candidate_features, n_user

    def forward(self, states: Tensor) -> Tensor:
        """Scores of all items, and of nothing in the last column: (n, state_size) to (n, n_items + 1)."""
        states = self.encoded(states)
        users = states[:, : self._n_user]
        scores = (
            self.model["item"](states)
            if self.candidate_features is None
            else self._described(users, self._candidates(states))
        )
        return torch.cat([scores, self.model["nothing"](users)], dim=1)

    def of_actions(self, states: Tensor, items: Tensor) -> Tensor:
        """Scores of some items only, which takes a fraction of the time of all, backwards too.

        Args:
            states: (n, state_size).
            items: (n,) or (n, m) integers; `n_items` for nothing.

        Returns:
            (n,) or (n, m) scores.
        """
        states = self.encoded(states)
        users = states[:, : self._n_user]
        nothing = (items == self.n_items).view(len(items), -1)
        listed = items.view(len(items), -1).masked_fill(nothing, 0)
        if self.candidate_features is None:
            *body, output = self.model["item"].children()
            inputs = states
            for layer in body:
                inputs = layer(inputs)
            inputs = inputs.repeat_interleave(listed.shape[1], dim=0)
            scores = outputs_of_actions(output, inputs, listed.flatten()).view_as(listed)
        else:
            candidates = self._candidates(states)
            scores = self._described(
                users, candidates.gather(1, listed.unsqueeze(2).expand(-1, -1, candidates.shape[2]))
            )
        return torch.where(nothing, self.model["nothing"](users), scores).view_as(items)

    def _candidates(self, states: Tensor) -> Tensor:
        """The items as states describe them: (n, state_size) to (n, n_items, candidate_features)."""
        return states[:, self._n_user :].reshape(len(states), self.n_items, -1)

    def _described(self, users: Tensor, candidates: Tensor) -> Tensor:
        """Scores of described items: (n, user's numbers) and (n, m, candidate_features) to (n, m)."""
        pairs = torch.cat([users.unsqueeze(1).expand(-1, candidates.shape[1], -1), candidates], dim=2)
        scores: Tensor = self.model["item"](pairs).squeeze(2)
        return scores
