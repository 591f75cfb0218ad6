"""A policy over discrete actions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.neural_networks.base_network import BaseNetwork, sequential_architecture
from pydeeprecsys.rl.neural_networks.item_head import output_layer
from pydeeprecsys.rl.neural_networks.standardizer import RunningStandardizer
from pydeeprecsys.rl.ops.masks import masked
from pydeeprecsys.rl.ops.policies import entropies, policy_gradient_losses, sample_top_k, top_k

# Rows of a batch times actions that are in memory at once while learning. A large batch in parts of this size also
# learns a third faster than at once, because a part stays in the processor's cache.
LOGITS_AT_ONCE = 2**21


class PolicyEstimator(BaseNetwork):
    """The probability of each action in a state: fully connected layers with tanh between, softmax at the end.

    Args:
        input_size: numbers in a state.
        hidden_layers: sizes of the hidden layers; empty for a linear policy.
        output_size: number of actions.
        learning_rate: of Adam, above 0.
        item_features: (output_size, features) of the items that the actions stand for, to score them by; outputs are
            independent of one another when not given.
        standardize_inputs: by the mean and deviation of what `observe` is given.
        random_state: seed of the initial parameters and of the sampling.
        device: where it computes; when None, CUDA where there is one, else the CPU.
    """

    model: nn.Sequential

    def __init__(
        self,
        input_size: int,
        hidden_layers: Sequence[int],
        output_size: int,
        learning_rate: float = 1e-2,
        *,
        item_features: ArrayLike | None = None,
        standardize_inputs: bool = False,
        random_state: int = 0,
        device: str | torch.device | None = None,
    ) -> None:
        super().__init__(device)
        self.output_size = output_size
        parameter_seed, sampling_seed = map(int, np.random.SeedSequence(random_state).generate_state(2))
        # Drawn on the CPU, so that a seed means the same parameters on every device.
        generator = torch.Generator().manual_seed(parameter_seed)
        layers = [input_size, *hidden_layers]
        hidden = sequential_architecture(layers, activation=nn.Tanh, generator=generator)
        output = output_layer(layers[-1], output_size, generator, item_features)
        self.model = nn.Sequential(*hidden, *([nn.Tanh()] if hidden_layers else []), output)
        self.standardizer = RunningStandardizer(input_size) if standardize_inputs else None
        self.to(self.device)
        self._hidden = [(layer.weight, layer.bias) for layer in hidden if isinstance(layer, nn.Linear)]
        self._output = (output.weight, output.bias) if isinstance(output, nn.Linear) else None
        self.generator = torch.Generator(self.device).manual_seed(sampling_seed)
        self.optimizer = torch.optim.Adam(self.parameters(), lr=learning_rate, fused=True)

    def forward(self, inputs: Tensor) -> Tensor:
        """Unnormalised logarithms of the probabilities: (..., input_size) to (..., output_size)."""
        inputs = self.standardized(inputs)
        # The same as calling the modules one by one, whose overhead is a fifth of the time of choosing one action.
        for weight, bias in self._hidden:
            inputs = torch.tanh(nn.functional.linear(inputs, weight, bias))
        if self._output is not None:
            return nn.functional.linear(inputs, *self._output)
        logits: Tensor = self.model[-1](inputs)
        return logits

    def action_probabilities(self, states: ArrayLike) -> Tensor:
        """The policy: (..., input_size) states to (..., output_size) probabilities."""
        return torch.softmax(self(self.as_tensor(states)), dim=-1)

    def sample(
        self, states: ArrayLike, k: int = 1, explore: bool = True, action_masks: NDArray[np.bool_] | None = None
    ) -> NDArray[np.int64]:
        """Choose k different actions for each state, best first.

        Args:
            states: (n, input_size) states.
            k: how many, in 1..output_size.
            explore: draw them from the policy, one after the other; otherwise the k most probable.
            action_masks: (n, output_size) which actions are allowed, at least k a row; all when not given.

        Returns:
            (n, k) actions.

        Raises:
            InputError: where there are fewer than k actions.
        """
        if not 1 <= k <= self.output_size:
            raise InputError(f"cannot choose {k} different actions out of {self.output_size}")
        with torch.inference_mode():
            logits = masked(self(self.as_tensor(states)), action_masks)
            actions = sample_top_k(logits, k, self.generator) if explore else top_k(logits, k)
            chosen: NDArray[np.int64] = actions.cpu().numpy()
        return chosen

    def predict(self, state: ArrayLike, k: int = 1) -> NDArray[np.int64]:
        """Draw k different actions from the policy: (input_size,) state to (k,) actions, or (n, ...) to (n, k)."""
        states = np.asarray(state, dtype=np.float32)
        return self.sample(states, k) if states.ndim > 1 else self.sample(states[None], k)[0]

    def update(
        self,
        states: ArrayLike,
        reward_baseline: ArrayLike,
        actions: ArrayLike,
        n_episodes: int = 1,
        *,
        entropy_coefficient: float = 0.0,
        action_masks: NDArray[np.bool_] | None = None,
    ) -> float:
        """Take one step up the policy gradient with all the steps of one or more episodes.

        The loss is summed over the steps of an episode, as the gradient of its return is, and averaged over the
        episodes, so that its size does not depend on how many of them are learned from at once.

        Args:
            states: (rows, input_size) the states.
            reward_baseline: (rows,) return minus baseline of each step.
            actions: (rows,) the actions taken.
            n_episodes: how many episodes the rows come from.
            entropy_coefficient: what a nat of the policy's entropy in a state is worth (Mnih et al., Asynchronous
                Methods for Deep Reinforcement Learning, 2016).
            action_masks: (rows, output_size) which actions were allowed; all when not given. The policy that learns is
                the one that acted: over these alone (Huang & Ontañón, A Closer Look at Invalid Action Masking, 2022).

        Returns:
            The loss.

        Raises:
            FloatingPointError: where the loss is NaN or infinite; the parameters stay as they were.
        """
        advantages = self.as_tensor(reward_baseline)
        taken = torch.from_numpy(np.asarray(actions, dtype=np.int64)).to(self.device)

        def losses(logits: Tensor, rows: slice) -> Tensor:
            loss = policy_gradient_losses(logits, taken[rows], advantages[rows])
            if entropy_coefficient:
                loss = loss - entropy_coefficient * entropies(logits)
            return loss.sum() / n_episodes

        return self.descend(states, losses, action_masks)

    def descend(
        self,
        states: ArrayLike,
        losses: Callable[[Tensor, slice], Tensor],
        action_masks: NDArray[np.bool_] | None = None,
    ) -> float:
        """Take one step down the gradient of a loss that is a sum over rows.

        Args:
            states: (rows, input_size) the states.
            losses: gives the loss of so many rows, from their logits (m, output_size) and which rows they are.
            action_masks: (rows, output_size) which actions were allowed; all when not given.

        Returns:
            The loss.

        Raises:
            FloatingPointError: where the loss is NaN or infinite; the parameters stay as they were.
        """
        parts = self.logits_in_parts(states, action_masks)
        return self.run_backpropagation(losses(logits, rows) for logits, rows in parts)

    def logits_in_parts(
        self, states: ArrayLike, action_masks: NDArray[np.bool_] | None = None
    ) -> Iterator[tuple[Tensor, slice]]:
        """The logits of the states, minus infinity where not allowed, so many rows at a time, and which rows."""
        inputs = self.as_tensor(states)
        size = max(1, LOGITS_AT_ONCE // self.output_size)
        for start in range(0, len(inputs), size):
            rows = slice(start, start + size)
            yield masked(self(inputs[rows]), None if action_masks is None else action_masks[rows]), rows

    def learning_state(self) -> dict[str, Any]:
        """Copies of the parameters, of what the optimizer remembers, and of the state of the sampling, as arrays."""
        return {**super().learning_state(), "generator": self.generator.get_state().numpy()}

    def load_learning_state(self, state: dict[str, Any]) -> None:
        """Go on from where `learning_state` was taken.

        Raises:
            InputError: where it is not the state of such a network.
        """
        super().load_learning_state(state)
        self.generator.set_state(torch.from_numpy(np.array(state["generator"])))
