"""Action values as the value of a state plus the advantages of the actions, with noisy layers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.neural_networks.base_network import sequential_architecture
from pydeeprecsys.rl.neural_networks.deep_q_network import DeepQNetwork, is_plain, outputs_of_actions
from pydeeprecsys.rl.neural_networks.item_head import output_layer
from pydeeprecsys.rl.neural_networks.noisy_layer import NoiseKind, NoisyLayer
from pydeeprecsys.rl.ops.categorical import categorical_double_q_losses, expected_values
from pydeeprecsys.rl.ops.values import Loss

if TYPE_CHECKING:
    from pydeeprecsys.rl.learning_statistics import LearningStatistics


class DuelingArchitecture(nn.Module):
    """Two streams on common layers: one for the value of the state, one for the advantages of the actions.

    Q = V + A − mean of A over the actions (Wang et al., Dueling Network Architectures for Deep Reinforcement Learning,
    2016, equation 9). With several atoms all of it holds for each atom (Hessel et al., Rainbow, 2018).

    Args:
        n_input: numbers in a state.
        n_output: number of actions.
        hidden_layers: sizes of the two common layers, of the value's hidden layer and of the advantages'.
        noise_sigma: initial deviation of the noise; None for layers without noise. The first layer never has any.
        noise_kind: "factorised" or "independent".
        dueling: whether there is a stream for the value; if not, the advantages are the values.
        n_atoms: numbers for each action.
        item_features: (n_output, features) of the items that the actions stand for, to score them by.
        generator: draws the initial parameters, on the CPU.
    """

    def __init__(
        self,
        n_input: int,
        n_output: int,
        hidden_layers: list[int],
        noise_sigma: float | None,
        noise_kind: NoiseKind,
        dueling: bool,
        n_atoms: int,
        item_features: ArrayLike | None,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.n_output, self.n_atoms = n_output, n_atoms
        common_1, common_2, value_size, advantage_size = hidden_layers

        def hidden(n_inputs: int, n_outputs: int) -> nn.Module:
            if noise_sigma is None:
                return sequential_architecture([n_inputs, n_outputs], generator=generator)[0]
            return NoisyLayer(n_inputs, n_outputs, sigma=noise_sigma, kind=noise_kind, generator=generator)

        self.fully_connected_1 = sequential_architecture([n_input, common_1], generator=generator)[0]
        self.fully_connected_2 = hidden(common_1, common_2)
        self.advantage_hidden = hidden(common_2, advantage_size)
        self.advantage_output = output_layer(advantage_size, n_output, generator, item_features, n_atoms)
        if dueling:
            self.value_hidden = hidden(common_2, value_size)
            self.value_output = output_layer(value_size, 1, generator, n_atoms=n_atoms)
        self.dueling = dueling

    def forward(self, inputs: Tensor) -> Tensor:
        """(n, n_input) to (n, n_output), or (n, n_output, n_atoms) with several atoms."""
        common = self._common(inputs)
        advantages: Tensor = self.advantage_output(torch.relu(self.advantage_hidden(common)))
        advantages = advantages.view(len(inputs), self.n_output, self.n_atoms)
        outputs = advantages
        if self.dueling:
            outputs = advantages + (self._value(common).unsqueeze(1) - advantages.mean(dim=1, keepdim=True))
        return outputs if self.n_atoms > 1 else outputs.squeeze(2)

    def of_actions(self, inputs: Tensor, actions: Tensor) -> Tensor:
        """What `forward` gives for one action in each state: (n, n_input) and (n,) to (n, n_atoms)."""
        output = self.advantage_output
        if not is_plain(output):
            outputs: Tensor = self(inputs).view(len(inputs), self.n_output, self.n_atoms)
            return outputs[torch.arange(len(inputs)), actions]
        common = self._common(inputs)
        hidden = torch.relu(self.advantage_hidden(common))
        advantages = outputs_of_actions(output, hidden, actions, self.n_atoms)
        if not self.dueling:
            return advantages
        # The mean of linear outputs is the output of the mean weights.
        weight = output.weight.view(self.n_output, self.n_atoms, -1).mean(dim=0)
        bias = output.bias.view(self.n_output, self.n_atoms).mean(dim=0)
        return advantages + (self._value(common) - nn.functional.linear(hidden, weight, bias))

    def advantages(self, inputs: Tensor) -> Tensor:
        """The stream of the advantages alone: (n, n_input) to (n, n_output · n_atoms)."""
        advantages: Tensor = self.advantage_output(torch.relu(self.advantage_hidden(self._common(inputs))))
        return advantages

    def _common(self, inputs: Tensor) -> Tensor:
        return torch.relu(self.fully_connected_2(torch.relu(self.fully_connected_1(inputs))))

    def _value(self, common: Tensor) -> Tensor:
        value: Tensor = self.value_output(torch.relu(self.value_hidden(common)))
        return value


class DuelingDDQN(DeepQNetwork):
    """A deep Q-network with dueling streams and noisy layers, of values or of distributions of returns.

    With several atoms an action has the probabilities of that many returns, equally spaced in v_min..v_max (Bellemare,
    Dabney & Munos, A Distributional Perspective on Reinforcement Learning, 2017), and its value is their mean.

    Args:
        n_input: numbers in a state, at least 1.
        n_output: number of actions, at least 1.
        learning_rate: step size of Adam, above 0.
        hidden_layers: sizes of the two common layers, of the value's hidden layer and of the advantages', at least 1
            each; [256, 256, 64, 64] when not given.
        noise_sigma: initial deviation of the noise, as `NoisyLayer` takes it.
        discount_factor: as `DeepQNetwork` takes it.
        statistics: when set, the loss of every update is appended to it as the metric "loss".
        dueling: whether there is a stream for the value of the state.
        noisy: whether all hidden layers but the first have noise.
        noise_kind: "factorised" or "independent".
        n_atoms: 1 for values, at least 2 for distributions.
        loss: of a temporal-difference error, "huber" or "squared"; distributions have their own.
        v_min: the lowest return of the distributions.
        v_max: the highest return of the distributions, above v_min.
        item_features: (n_output, features) of the items that the actions stand for, to score them by; outputs are
            independent of one another when not given.
        random_state: seed of the initial parameters and of the noise, 0 or more.
        device: where it computes; when None, CUDA where there is one, else the CPU.

    Attributes:
        support: (n_atoms,) the returns that the atoms stand for.

    Raises:
        InputError: for an argument out of its range.
    """

    model: DuelingArchitecture
    support: Tensor

    def __init__(
        self,
        n_input: int,
        n_output: int,
        learning_rate: float,
        hidden_layers: list[int] | None = None,
        noise_sigma: float = 0.017,
        discount_factor: float = 0.99,
        statistics: LearningStatistics | None = None,
        *,
        dueling: bool = True,
        noisy: bool = True,
        noise_kind: NoiseKind = "factorised",
        n_atoms: int = 1,
        v_min: float = 0.0,
        v_max: float = 1.0,
        loss: Loss = "huber",
        item_features: ArrayLike | None = None,
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
        if n_atoms > 1 and loss != "huber":
            raise InputError(f"distributions of returns (categorical) have their own loss; leave out loss={loss!r}")
        parameter_seed, noise_seed = map(int, np.random.SeedSequence(random_state).generate_state(2))
        architecture = DuelingArchitecture(
            n_input,
            n_output,
            layers,
            noise_sigma if noisy else None,
            noise_kind,
            dueling,
            n_atoms,
            item_features,
            torch.Generator().manual_seed(parameter_seed),
        )
        super().__init__(
            learning_rate,
            architecture,
            discount_factor,
            statistics,
            loss=loss,
            random_state=noise_seed,
            device=device,
        )
        support = torch.linspace(v_min, v_max, n_atoms, device=self.device)
        self.register_buffer("support", support, persistent=False)

    def q_values(self, inputs: Tensor) -> Tensor:
        """The values of all actions, of distributions their means: (n, n_input) to (n, n_output)."""
        outputs: Tensor = self(inputs)
        return outputs if self.model.n_atoms == 1 else expected_values(outputs, self.support)

    def preferences(self, inputs: Tensor) -> Tensor:
        """Numbers in the order of the values, which may cost less: (n, n_input) to (n, n_output)."""
        # What is added to all advantages alike does not change their order.
        return self.model.advantages(inputs) if self.model.n_atoms == 1 else self.q_values(inputs)

    def of_actions(self, inputs: Tensor, actions: Tensor) -> Tensor:
        """What the network gives for one action in each state: (n, n_input) and (n,) to (n, n_atoms)."""
        return self.model.of_actions(inputs, actions)

    def _errors_and_losses(
        self, outputs: Tensor, rewards: Tensor, discounts: Tensor, new_outputs: Tensor
    ) -> tuple[Tensor, Tensor]:
        if self.model.n_atoms == 1:
            return super()._errors_and_losses(outputs, rewards, discounts, new_outputs)
        losses = categorical_double_q_losses(
            outputs.unsqueeze(1),
            torch.zeros_like(rewards, dtype=torch.int64),
            rewards,
            discounts,
            torch.zeros_like(rewards).unsqueeze(1),
            new_outputs.unsqueeze(1),
            self.support,
        )
        return losses, losses
