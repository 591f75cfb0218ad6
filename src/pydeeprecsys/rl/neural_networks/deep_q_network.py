"""Action values of all actions of a state."""

from __future__ import annotations

from typing import TypeGuard

import torch
from torch import Tensor, nn

from pydeeprecsys.rl.neural_networks.base_network import BaseNetwork
from pydeeprecsys.rl.neural_networks.item_head import ItemHead
from pydeeprecsys.rl.neural_networks.noisy_layer import NoisyLayer
from pydeeprecsys.rl.neural_networks.state_encoders.state_encoder import StateEncoder


class DeepQNetwork(BaseNetwork):
    """Q(s, a) of all actions a (Mnih et al., Human-Level Control Through Deep Reinforcement Learning, 2015).

    Args:
        learning_rate: step size of Adam, above 0.
        architecture: (n, size of an encoded state) to (n, actions); its `NoisyLayer`s, if any, are noiseless until
            `draw_noise`.
        encoder: of the observations; None if they are the inputs.
        random_state: seed of the noise.
        device: of the parameters; if None, CUDA if available, else the CPU.
    """

    generator: torch.Generator

    def __init__(
        self,
        learning_rate: float,
        architecture: nn.Module,
        *,
        encoder: StateEncoder | None = None,
        random_state: int = 0,
        device: str | torch.device | None = None,
    ) -> None:
        super().__init__(device)
        if encoder is not None:
            self.encoder = encoder.to(self.device)
        self.model = architecture.to(self.device)
        self.generator = torch.Generator(self.device).manual_seed(random_state)
        self._noisy_layers = [module for module in architecture.modules() if isinstance(module, NoisyLayer)]
        self.optimizer = torch.optim.Adam(self.parameters(), lr=learning_rate, fused=True)

    def draw_noise(self) -> None:
        """Draw new noise for every noisy layer."""
        for layer in self._noisy_layers:
            layer.resample(self.generator)

    def silence_noise(self) -> None:
        """Remove the noise of every noisy layer."""
        for layer in self._noisy_layers:
            layer.silence()

    def values(self, inputs: Tensor) -> Tensor:
        """Q(s, a) of all actions, expected ones of distributions: (n, state_size) to (n, actions)."""
        values: Tensor = self(inputs)
        return values

    def preferences(self, inputs: Tensor) -> Tensor:
        """Numbers that rank the actions as their values do, at less cost: (n, state_size) to (n, actions)."""
        return self.values(inputs)

    def of_actions(self, inputs: Tensor, actions: Tensor) -> Tensor:
        """Q(s, a) of one action per state: (n, state_size) and (n,) to (n,)."""
        *hidden, output = self.model if isinstance(self.model, nn.Sequential) else [self.model]
        encoded = self.encoded(inputs)
        for module in hidden:
            encoded = module(encoded)
        return outputs_of_actions(output, encoded, actions).squeeze(1)


def is_plain(layer: nn.Module) -> TypeGuard[nn.Linear]:
    """Whether the layer is a linear one with biases and without noise."""
    return isinstance(layer, nn.Linear) and not isinstance(layer, NoisyLayer) and layer.bias is not None


def outputs_of_actions(layer: nn.Module, inputs: Tensor, actions: Tensor, n_atoms: int = 1) -> Tensor:
    """Outputs of one action per row, if possible without computing those of the others.

    With thousands of actions this takes a fraction of the time, backwards too.

    Args:
        layer: output layer, (n, n_inputs) to (n, actions · n_atoms).
        inputs: (n, n_inputs).
        actions: (n,) actions, integers.
        n_atoms: numbers per action.

    Returns:
        (n, n_atoms).
    """
    if isinstance(layer, ItemHead):
        return layer.chosen(inputs, actions)
    if not is_plain(layer):
        outputs: Tensor = layer(inputs)
        return outputs.view(len(inputs), -1, n_atoms)[torch.arange(len(inputs)), actions]
    weights, biases = layer.weight.view(-1, n_atoms, layer.in_features), layer.bias.view(-1, n_atoms)
    return torch.baddbmm(biases[actions].unsqueeze(2), weights[actions], inputs.unsqueeze(2)).squeeze(2)
