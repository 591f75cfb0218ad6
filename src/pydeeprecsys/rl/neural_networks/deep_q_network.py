"""A network of action values, and how it learns them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.experience_replay.transition import Sample
from pydeeprecsys.rl.neural_networks.base_network import BaseNetwork
from pydeeprecsys.rl.neural_networks.item_head import ItemHead
from pydeeprecsys.rl.neural_networks.noisy_layer import NoisyLayer
from pydeeprecsys.rl.ops.masks import masked
from pydeeprecsys.rl.ops.policies import top_k
from pydeeprecsys.rl.ops.values import LOSSES, Loss, q_learning_target, td_errors, weighted_mean

if TYPE_CHECKING:
    from pydeeprecsys.rl.learning_statistics import LearningStatistics


class DeepQNetwork(BaseNetwork):
    """The values of all actions in a state.

    Mnih et al., Human-Level Control Through Deep Reinforcement Learning, 2015.

    Whatever `NoisyLayer` the architecture has gets new noise each time that actions are chosen in exploration, and for
    each batch that is learned from; noise is off when actions are chosen without exploration.

    Args:
        learning_rate: step size of Adam, above 0.
        architecture: (n, state_size) to (n, actions).
        discount_factor: multiplied into the discounts of what it learns from, in 0..1; 1 where they hold it already, as
            those of a `ReplayMemory` do.
        statistics: when set, the loss of every update is appended to it as the metric "loss".
        loss: of a temporal-difference error, "huber" or "squared".
        random_state: seed of the noise.
        device: where it computes; when None, CUDA where there is one, else the CPU.

    Raises:
        InputError: for a loss that there is not.
    """

    def __init__(
        self,
        learning_rate: float,
        architecture: nn.Module,
        discount_factor: float = 0.99,
        statistics: LearningStatistics | None = None,
        *,
        loss: Loss = "huber",
        random_state: int = 0,
        device: str | torch.device | None = None,
    ) -> None:
        if loss not in LOSSES:
            raise InputError(f"there is no loss {loss!r}; give one of {', '.join(LOSSES)}")
        super().__init__(device)
        self.model = architecture.to(self.device)
        self.discount_factor = discount_factor
        self.statistics = statistics
        self.loss = loss
        self.generator = torch.Generator(self.device).manual_seed(random_state)
        self._noisy_layers = [module for module in architecture.modules() if isinstance(module, NoisyLayer)]
        self.optimizer = torch.optim.Adam(self.parameters(), lr=learning_rate, fused=True)

    def draw_noise(self) -> None:
        """Give every noisy layer new noise."""
        for layer in self._noisy_layers:
            layer.resample(self.generator)

    def silence_noise(self) -> None:
        """Take the noise of every noisy layer away."""
        for layer in self._noisy_layers:
            layer.silence()

    def q_values(self, inputs: Tensor) -> Tensor:
        """The values of all actions: (n, state_size) to (n, actions)."""
        values: Tensor = self(inputs)
        return values

    def preferences(self, inputs: Tensor) -> Tensor:
        """Numbers in the order of the values, which may cost less: (n, state_size) to (n, actions)."""
        return self.q_values(inputs)

    def of_actions(self, inputs: Tensor, actions: Tensor) -> Tensor:
        """What the network gives for one action in each state: (n, state_size) and (n,) to (n, 1)."""
        *hidden, output = self.model if isinstance(self.model, nn.Sequential) else [self.model]
        for module in hidden:
            inputs = module(inputs)
        return outputs_of_actions(output, inputs, actions)

    def choose(
        self,
        states: ArrayLike,
        k: int = 1,
        explore: bool = False,
        action_masks: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.int64]:
        """The k actions of the highest values in each state, best first.

        Args:
            states: (n, state_size) states.
            k: how many, in 1..actions.
            explore: with new noise, or without noise.
            action_masks: (n, actions) which actions are allowed, at least k a row; all when not given.

        Returns:
            (n, k) actions.
        """
        if explore:
            self.draw_noise()
        else:
            self.silence_noise()
        with torch.inference_mode():
            actions = top_k(masked(self.preferences(self.as_tensor(states)), action_masks), k)
            chosen: NDArray[np.int64] = actions.cpu().numpy()
        return chosen

    def best_action_for_state(self, state: ArrayLike) -> int:
        """The action of the highest value in one state, of any shape."""
        return int(self.choose(np.reshape(np.asarray(state), (1, -1)))[0, 0])

    def learn_from(
        self,
        sample: Sample,
        target_network: DeepQNetwork | None = None,
        *,
        double: bool = False,
    ) -> NDArray[np.float64]:
        """Take one step towards r + discount · value of the best action in the new state.

        Args:
            sample: of a replay buffer; observations (n, state_size).
            target_network: what the new states are worth; this network itself when not given.
            double: let this network choose the best action there, and the target network judge it.

        Returns:
            (n,) the errors, by which experiences can be prioritized.

        Raises:
            FloatingPointError: where the loss is NaN or infinite; the parameters stay as they were.
        """
        target_network = target_network or self
        self.draw_noise()
        if target_network is not self:
            target_network.draw_noise()
        experiences = sample.transitions
        new_states = self.as_tensor(experiences.next_observations)
        with torch.no_grad():
            # Of a new state only one action counts: the best, for which of the two networks it may be.
            chooser = self if double else target_network
            best = masked(chooser.preferences(new_states), experiences.next_action_masks).argmax(dim=1)
            new_outputs = target_network.of_actions(new_states, best)
        actions = torch.from_numpy(np.asarray(experiences.actions, dtype=np.int64)).to(self.device)
        errors, losses = self._errors_and_losses(
            self.of_actions(self.as_tensor(experiences.observations), actions),
            self.as_tensor(experiences.rewards),
            self.discount_factor * self.as_tensor(experiences.columns()["discounts"]),
            new_outputs,
        )
        loss = self.run_backpropagation(weighted_mean(losses, self.as_tensor(sample.weights)))
        if self.statistics is not None:
            self.statistics.append_metric("loss", loss)
        found: NDArray[np.float64] = errors.detach().double().cpu().numpy()
        return found

    def _errors_and_losses(
        self, outputs: Tensor, rewards: Tensor, discounts: Tensor, new_outputs: Tensor
    ) -> tuple[Tensor, Tensor]:
        """How wrong each row is, and what it costs, with gradient: (n,) each.

        Args:
            outputs: (n, 1) values of the actions taken.
            rewards: (n,) what they brought.
            discounts: (n,) what the values of the new states are worth.
            new_outputs: (n, 1) values of the new states.
        """
        target = q_learning_target(rewards, discounts, new_outputs)
        errors = td_errors(outputs, torch.zeros_like(rewards, dtype=torch.int64), target)
        return errors, LOSSES[self.loss](errors)

    def learning_state(self) -> dict[str, Any]:
        """Copies of the parameters, of what the optimizer remembers, and of the state of the noise, as arrays."""
        return {**super().learning_state(), "generator": self.generator.get_state().numpy()}

    def load_learning_state(self, state: dict[str, Any]) -> None:
        """Go on from where `learning_state` was taken.

        Raises:
            InputError: where it is not the state of such a network.
        """
        super().load_learning_state(state)
        self.generator.set_state(torch.from_numpy(np.array(state["generator"])))


def is_plain(layer: nn.Module) -> TypeGuard[nn.Linear]:
    """Whether the outputs of a layer are its weights times the inputs plus its biases, and nothing else."""
    return isinstance(layer, nn.Linear) and not isinstance(layer, NoisyLayer) and layer.bias is not None


def outputs_of_actions(layer: nn.Module, inputs: Tensor, actions: Tensor, n_atoms: int = 1) -> Tensor:
    """What an output layer gives for one action of each row, where it can without those of the others.

    With thousands of actions this takes a small part of the time, and so do its gradients.

    Args:
        layer: (n, n_inputs) to (n, actions · n_atoms).
        inputs: (n, n_inputs).
        actions: (n,) the actions.
        n_atoms: numbers for each action.

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
