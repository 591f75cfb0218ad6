"""A number for each item that could be shown, and one for none of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.neural_networks.base_network import BaseNetwork, sequential_architecture
from pydeeprecsys.rl.neural_networks.deep_q_network import outputs_of_actions
from pydeeprecsys.rl.neural_networks.item_head import output_layer


class ItemScores(BaseNetwork):
    """Scores all items, and choosing nothing: values, or logits of being chosen.

    Where the items on offer change from state to state and the state describes them, all are scored by one network
    that sees the user and one item at a time. Otherwise each item has an output.

    Args:
        state_size: numbers in a state.
        n_items: how many items.
        hidden_layers: sizes of the hidden layers, of the items' network and of that for nothing.
        learning_rate: of Adam, above 0.
        candidate_features: how many numbers at the end of a state describe each item, item by item; None where items
            are always the same.
        item_features: (n_items, features) of items that are always the same, to score them by; outputs are independent
            of one another when not given.
        random_state: seed of the initial parameters.
        device: where it computes; when None, CUDA where there is one, else the CPU.

    Raises:
        InputError: where states have no room for so many numbers, or both kinds of features are given.
    """

    def __init__(
        self,
        state_size: int,
        n_items: int,
        hidden_layers: Sequence[int],
        learning_rate: float,
        *,
        candidate_features: int | None = None,
        item_features: ArrayLike | None = None,
        random_state: int = 0,
        device: str | torch.device | None = None,
    ) -> None:
        super().__init__(device)
        self.n_items, self.candidate_features = n_items, candidate_features
        self._n_user = state_size - n_items * (candidate_features or 0)
        if self._n_user < 1:
            raise InputError(
                f"a state of {state_size} numbers cannot describe {n_items} items of {candidate_features} each"
            )
        if candidate_features is not None and item_features is not None:
            raise InputError("items that states describe have no item_features; give one of the two")
        # Drawn on the CPU, so that a seed means the same parameters on every device.
        generator = torch.Generator().manual_seed(random_state)
        inputs = self._n_user + (candidate_features or 0)
        layers = [inputs, *hidden_layers]
        output = (
            sequential_architecture([layers[-1], 1], generator=generator)
            if candidate_features is not None
            else output_layer(layers[-1], n_items, generator, item_features)
        )
        body = [*sequential_architecture(layers, generator=generator), nn.ReLU()] if hidden_layers else []
        self.items = nn.Sequential(*body, output)
        self.nothing = sequential_architecture([self._n_user, *hidden_layers, 1], generator=generator)
        self.to(self.device)
        self.optimizer = torch.optim.Adam(self.parameters(), lr=learning_rate, fused=True)

    def forward(self, states: Tensor) -> Tensor:
        """Map (n, state_size) states to (n, n_items + 1) scores, the last of nothing."""
        users = states[:, : self._n_user]
        items = (
            self.items(states) if self.candidate_features is None else self._described(users, self._candidates(states))
        )
        return torch.cat([items, self.nothing(users)], dim=1)

    def chosen(self, states: Tensor, items: Tensor) -> Tensor:
        """Score some items only, which takes a fraction of the time of all, backwards too.

        Args:
            states: (n, state_size) states.
            items: (n, m) items, integers; `n_items` for nothing.

        Returns:
            (n, m) the scores.
        """
        users = states[:, : self._n_user]
        nothing = items == self.n_items
        listed = items.masked_fill(nothing, 0)
        if self.candidate_features is None:
            *body, output = self.items
            inputs = states
            for layer in body:
                inputs = layer(inputs)
            inputs = inputs.repeat_interleave(items.shape[1], dim=0)
            scores = outputs_of_actions(output, inputs, listed.flatten()).view_as(items)
        else:
            candidates = self._candidates(states)
            scores = self._described(
                users, candidates.gather(1, listed.unsqueeze(2).expand(-1, -1, candidates.shape[2]))
            )
        return torch.where(nothing, self.nothing(users), scores)

    def _candidates(self, states: Tensor) -> Tensor:
        """(n, n_items, candidate_features) the items as the (n, state_size) states describe them."""
        return states[:, self._n_user :].reshape(len(states), self.n_items, -1)

    def _described(self, users: Tensor, candidates: Tensor) -> Tensor:
        """Map (n, user's numbers) and (n, m, candidate_features) to (n, m) scores."""
        pairs = torch.cat([users.unsqueeze(1).expand(-1, candidates.shape[1], -1), candidates], dim=2)
        scores: Tensor = self.items(pairs).squeeze(2)
        return scores
