"""The value of actions in states, and two opinions of it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pydeeprecsys.rl.neural_networks.base_network import BaseNetwork, sequential_architecture


class QValueEstimator(BaseNetwork):
    """Estimates the expected return of actions in states.

    It has either the action among its inputs, or an output for each action.

    Args:
        inputs: numbers in a state, and in an action that is judged with it.
        outputs: how many values it gives: 1, or the number of actions.
        learning_rate: of Adam, above 0.
        hidden_layers: sizes of the hidden layers; two of twice the inputs when not given.
        random_state: seed of the initial parameters.
        device: where it computes; when None, CUDA where there is one, else the CPU.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int = 1,
        learning_rate: float = 1e-3,
        *,
        hidden_layers: Sequence[int] | None = None,
        random_state: int = 0,
        device: str | torch.device | None = None,
    ) -> None:
        super().__init__(device)
        layers = [inputs, *(hidden_layers if hidden_layers is not None else [2 * inputs] * 2), outputs]
        # Drawn on the CPU, so that a seed means the same parameters on every device.
        generator = torch.Generator().manual_seed(random_state)
        self.model = sequential_architecture(layers, generator=generator).to(self.device)
        self.optimizer = torch.optim.Adam(self.parameters(), lr=learning_rate, fused=True)

    def forward(self, states: Tensor, actions: Tensor | None = None) -> Tensor:
        """The values: (n, state size) and (n, action size), or (n, inputs) alone, to (n, outputs)."""
        values: Tensor = self.model(_joined(states, actions))
        return values

    def predict(self, states: Tensor, actions: Tensor | None = None) -> Tensor:
        """The same as calling it."""
        return self.forward(states, actions)


class TwinnedQValueEstimator(BaseNetwork):
    """Two independent estimates of the expected return, of which the lower is less likely to be too high.

    Fujimoto et al., Addressing Function Approximation Error in Actor-Critic Methods, 2018. The two have nothing in
    common but their optimizer, which treats each parameter by itself.

    Args:
        inputs: numbers in a state, and in an action that is judged with it.
        outputs: how many values each gives: 1, or the number of actions.
        learning_rate: of Adam, above 0.
        hidden_layers: sizes of the hidden layers; two of twice the inputs when not given.
        random_state: seed of the initial parameters.
        device: where it computes; when None, CUDA where there is one, else the CPU.
    """

    model: nn.Sequential

    def __init__(
        self,
        inputs: int,
        outputs: int = 1,
        learning_rate: float = 1e-3,
        *,
        hidden_layers: Sequence[int] | None = None,
        random_state: int = 0,
        device: str | torch.device | None = None,
    ) -> None:
        super().__init__(device)
        layers = [inputs, *(hidden_layers if hidden_layers is not None else [2 * inputs] * 2), outputs]
        generator = torch.Generator().manual_seed(random_state)
        modules: list[nn.Module] = []
        for n_inputs, n_outputs in itertools.pairwise(layers):
            modules += [_TwinLinear(n_inputs, n_outputs, generator), nn.ReLU(inplace=True)]
        self.model = nn.Sequential(*modules[:-1]).to(self.device)
        self.optimizer = torch.optim.Adam(self.parameters(), lr=learning_rate, fused=True)

    def forward(self, states: Tensor, actions: Tensor | None = None) -> Tensor:
        """Both estimates: (n, state size) and (n, action size), or (n, inputs) alone, to (2, n, outputs)."""
        estimates: Tensor = self.model(_joined(states, actions).expand(2, -1, -1))
        return estimates

    def of_actions(self, states: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Both estimates of one action a row, and of all; only through the first flow gradients.

        With 3883 actions this takes half the time of going backward through all: 28 ms against 56 for 256 states and
        two hidden layers of 256.

        Args:
            states: (n, state size) states.
            actions: (n,) the actions, integers.

        Returns:
            (2, n), and (2, n, outputs).
        """
        inputs: Tensor = self.model[:-1](states.expand(2, -1, -1))
        output = self.model[-1]
        assert isinstance(output, _TwinLinear)
        with torch.no_grad():
            estimates = output(inputs)
        weights, biases = output.weight[:, :, actions], output.bias[:, 0, actions]
        return (inputs * weights.transpose(1, 2)).sum(dim=2) + biases, estimates

    def predict(self, states: Tensor, actions: Tensor | None = None) -> Tensor:
        """The lower of the two estimates, value by value: (n, outputs)."""
        return self.forward(states, actions).amin(dim=0)


class _TwinLinear(nn.Module):
    """Two linear layers side by side: (2, n, n_inputs) to (2, n, n_outputs).

    As one batched product they take, in small networks, half the time of one after the other: 33 µs against 68 for one
    state and two hidden layers of 256.
    """

    def __init__(self, n_inputs: int, n_outputs: int, generator: torch.Generator) -> None:
        super().__init__()
        bound = 1 / math.sqrt(n_inputs)
        self.weight = nn.Parameter(torch.empty(2, n_inputs, n_outputs).uniform_(-bound, bound, generator=generator))
        self.bias = nn.Parameter(torch.empty(2, 1, n_outputs).uniform_(-bound, bound, generator=generator))

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, inputs, self.weight)


def _joined(states: Tensor, actions: Tensor | None) -> Tensor:
    return states if actions is None else torch.cat([states, actions], dim=1)
