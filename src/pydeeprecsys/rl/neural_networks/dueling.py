"""Dueling networks with noisy layers, of action values or of distributions of returns."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.neural_networks.base_network import sequential_architecture
from pydeeprecsys.rl.neural_networks.base_scores import Base, BaseScores, zeroed
from pydeeprecsys.rl.neural_networks.deep_q_network import DeepQNetwork, Preferences, is_plain, outputs_of_actions
from pydeeprecsys.rl.neural_networks.item_head import output_layer
from pydeeprecsys.rl.neural_networks.noisy_layer import NoiseKind, NoisyLayer
from pydeeprecsys.rl.neural_networks.state_encoders.encoding import StateEncoding, make_encoder
from pydeeprecsys.rl.ops.categorical import expected_values


class DuelingDDQN(DeepQNetwork):
    """A deep Q-network with dueling streams and noisy layers, of action values or of distributions of returns.

    A value stream and an advantage stream stand on two common layers: Q(s, a) = V(s) + A(s, a) − mean of A(s, ·) (Wang
    et al., Dueling Network Architectures for Deep Reinforcement Learning, 2016, equation 9).

    A distribution gives a probability to each of `n_atoms` returns, equally spaced in [v_min, v_max] (Bellemare, Dabney
    & Munos, A Distributional Perspective on Reinforcement Learning, 2017); the action value is its mean. The streams
    are then combined atom by atom (Hessel et al., Rainbow, 2018).

    Args:
        n_input: size of an observation, at least 1, or how observations are encoded.
        n_output: number of actions, at least 1.
        learning_rate: step size of Adam, above 0.
        hidden_layers: sizes of the two common layers, the value's hidden layer and the advantages' hidden layer, at
            least 1 each; [256, 256, 64, 64] if None.
        noise_sigma: initial deviation of the noise, see `NoisyLayer`.
        dueling: whether there is a value stream; without it the advantages are the values.
        noisy: whether all hidden layers but the first have noise.
        noise_kind: "factorised" or "independent".
        n_atoms: 1 for values, at least 2 for distributions.
        v_min: lowest return of the distributions.
        v_max: highest return of the distributions, above v_min.
        item_features: (n_output, features) of the items that are the actions, to score them by; independent outputs
            if None.
        base: recommender whose scores, scaled, are the advantages before learning; none if None.
        random_state: seed of the initial parameters and of the noise, at least 0.
        device: of the parameters; if None, CUDA if available, else the CPU.

    Attributes:
        support: (n_atoms,) returns of the atoms.

    Raises:
        InputError: an argument is out of its range.
    """

    model: nn.ModuleDict
    support: Tensor

    def __init__(
        self,
        n_input: int | StateEncoding,
        n_output: int,
        learning_rate: float,
        hidden_layers: list[int] | None = None,
        noise_sigma: float = 0.017,
        *,
        dueling: bool = True,
        noisy: bool = True,
        noise_kind: NoiseKind = "factorised",
        n_atoms: int = 1,
        v_min: float = 0.0,
        v_max: float = 1.0,
        item_features: ArrayLike | None = None,
        base: Base | None = None,
        random_state: int = 0,
        device: str | torch.device | None = None,
    ) -> None:
        layers = [256, 256, 64, 64] if hidden_layers is None else hidden_layers
        if len(layers) != 4:
            raise InputError(
                f"hidden_layers must be four sizes, of two common layers, the value's and the advantages', they are "
                f"{len(layers)}"
            )
        if n_atoms > 1 and not -math.inf < v_min < v_max < math.inf:
            raise InputError(f"v_max must be above v_min, both finite, they are {v_max:g} and {v_min:g}")
        if base is not None and n_atoms > 1:
            raise InputError("a base gives values, not distributions of returns; leave categorical out")
        parameter_seed, noise_seed = map(int, np.random.SeedSequence(random_state).generate_state(2))
        # Drawn on the CPU, so that a seed means the same parameters on every device.
        generator = torch.Generator().manual_seed(parameter_seed)
        encoder = make_encoder(n_input, generator)

        def hidden(n_inputs: int, n_outputs: int) -> nn.Module:
            if noisy:
                return NoisyLayer(n_inputs, n_outputs, sigma=noise_sigma, kind=noise_kind, generator=generator)
            return sequential_architecture([n_inputs, n_outputs], generator=generator)[0]

        common_1, common_2, value_size, advantage_size = layers
        architecture = nn.ModuleDict()
        architecture["common_1"] = sequential_architecture([encoder.out_size, common_1], generator=generator)[0]
        architecture["common_2"] = hidden(common_1, common_2)
        architecture["advantage_hidden"] = hidden(common_2, advantage_size)
        architecture["advantage_output"] = output_layer(
            advantage_size, n_output, generator, item_features=item_features, n_atoms=n_atoms
        )
        if dueling:
            architecture["value_hidden"] = hidden(common_2, value_size)
            architecture["value_output"] = output_layer(value_size, 1, generator, n_atoms=n_atoms)
        scores = None if base is None else BaseScores(base, advantage_size)
        if base is not None:
            zeroed(architecture["advantage_output"])
        super().__init__(
            learning_rate, architecture, encoder=encoder, base=scores, random_state=noise_seed, device=device
        )
        self.n_output, self.n_atoms, self.dueling = n_output, n_atoms, dueling
        support = torch.linspace(v_min, v_max, n_atoms, device=self.device)
        self.register_buffer("support", support, persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Q(s, a): (n, n_input) to (n, n_output), or (n, n_output, n_atoms) with several atoms."""
        common = self._common(inputs)
        outputs = self._advantages(inputs, common)[0].view(common.shape[0], self.n_output, self.n_atoms)
        if self.dueling:
            outputs = outputs + (self._values(common).unsqueeze(1) - outputs.mean(dim=1, keepdim=True))
        return outputs if self.n_atoms > 1 else outputs.squeeze(2)

    def values(self, inputs: Tensor) -> Tensor:
        """Q(s, a), expected ones if there are several atoms: (n, n_input) to (n, n_output)."""
        values: Tensor = self(inputs)
        return expected_values(values, self.support) if self.n_atoms > 1 else values

    def preferences(self, inputs: Tensor) -> Preferences:
        """Numbers that rank the actions as their values do, at less cost: (n, n_input) to (n, n_output)."""
        if self.n_atoms > 1:
            return Preferences(self.values(inputs), None)
        return self._advantages(inputs, self._common(inputs))  # V(s) is the same for all actions

    def of_actions(self, inputs: Tensor, actions: Tensor) -> Tensor:
        """Q(s, a) of one action per state: (n, n_input) and (n,) to (n,), or to (n, n_atoms) with several atoms."""
        output = self.model["advantage_output"]
        if self.base is not None or not is_plain(output):
            among_all: Tensor = self(inputs)
            return among_all[torch.arange(len(inputs)), actions]
        common = self._common(inputs)
        hidden = torch.relu(self.model["advantage_hidden"](common))
        outputs = outputs_of_actions(output, hidden, actions, self.n_atoms)
        if self.dueling:
            # The mean of linear outputs is the output of the mean weights.
            weight = output.weight.view(self.n_output, self.n_atoms, -1).mean(dim=0)
            bias = output.bias.view(self.n_output, self.n_atoms).mean(dim=0)
            outputs = outputs + (self._values(common) - nn.functional.linear(hidden, weight, bias))
        return outputs if self.n_atoms > 1 else outputs.squeeze(1)

    def _common(self, inputs: Tensor) -> Tensor:
        return torch.relu(self.model["common_2"](torch.relu(self.model["common_1"](self.encoded(inputs)))))

    def _advantages(self, inputs: Tensor, common: Tensor) -> Preferences:
        """A(s, a) of all actions, before their mean is subtracted: (n, n_input) to (n, n_output · n_atoms)."""
        hidden = torch.relu(self.model["advantage_hidden"](common))
        return self._from_base(inputs, hidden, self.model["advantage_output"](hidden))

    def _values(self, common: Tensor) -> Tensor:
        """V(s): (n, common) to (n, n_atoms)."""
        values: Tensor = self.model["value_output"](torch.relu(self.model["value_hidden"](common)))
        return values
