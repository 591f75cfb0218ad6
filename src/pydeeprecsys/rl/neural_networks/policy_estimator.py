"""A softmax policy over discrete actions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from pydeeprecsys.arrays import Flags, Ints, Singles
from pydeeprecsys.rl.neural_networks.base_network import BaseNetwork, sequential_architecture
from pydeeprecsys.rl.neural_networks.base_scores import Base, BaseScores, Read, zeroed
from pydeeprecsys.rl.neural_networks.item_head import output_layer
from pydeeprecsys.rl.neural_networks.slate_discount import discount_of
from pydeeprecsys.rl.neural_networks.standardizer import standardizer_of
from pydeeprecsys.rl.neural_networks.state_encoders.encoding import StateEncoding, make_encoder
from pydeeprecsys.rl.ops.masks import masked
from pydeeprecsys.rl.ops.policies import (
    entropies,
    policy_gradient_losses,
    sample_top_k,
    top_k,
)
from pydeeprecsys.rl.ops.varied_policies import Discount, slates_of, varied_log_probabilities

# Logits in memory at once while learning: rows · actions. Small parts learn a third faster than a large batch at once,
# because they stay in the processor's cache. An encoder that learns encodes whole sessions for each part: larger ones.
LOGITS_AT_ONCE, LOGITS_OF_SESSIONS = 2**19, 2**21


class Prepared(NamedTuple):
    """Observations, with what is computed of them once, however often they are learned from."""

    states: Tensor  # (n, input_size), or what `read` gives of them
    read: Read | None  # None without a base

    def take(self, rows: Tensor | slice) -> Prepared:
        """Some of the rows."""
        return Prepared(self.states[rows], None if self.read is None else self.read.take(rows))

    @classmethod
    def together(cls, parts: Sequence[Prepared]) -> Prepared:
        """All rows of several."""
        reads = [part.read for part in parts if part.read is not None]
        return cls(torch.cat([part.states for part in parts]), Read.together(reads) if reads else None)


class Logits(NamedTuple):
    """Unnormalised log-probabilities of the items of a slate."""

    first: Tensor  # (n, actions) of the first item
    discount: Discount | None  # of later items; None if theirs are the same

    def log_probabilities(self, slates: Tensor) -> Tensor:
        """Log-probabilities of slates (n, k), drawn item by item without replacement: (n,)."""
        return varied_log_probabilities(self.first, slates, self.discount)


class PolicyEstimator(BaseNetwork):
    """Probabilities of all actions of a state: fully connected layers with tanh between, softmax at the end.

    Args:
        input_size: size of an observation, or how observations are encoded.
        hidden_layers: sizes of the hidden layers; empty for a linear policy.
        output_size: number of actions.
        learning_rate: step size of Adam, above 0.
        item_features: (output_size, features) of the items that are the actions, to score them by; independent outputs
            if None.
        standardize_inputs: whether encoded observations are standardised by running moments, see `observe`.
        base: recommender whose scores, scaled, are the logits before learning; none if None.
        varies: learn to vary slates without a base, see `SlateDiscount`.
        random_state: seed of the initial parameters and of the sampling.
        device: of the parameters; if None, CUDA if available, else the CPU.
    """

    model: nn.Sequential
    generator: torch.Generator

    def __init__(
        self,
        input_size: int | StateEncoding,
        hidden_layers: Sequence[int],
        output_size: int,
        learning_rate: float = 1e-2,
        *,
        item_features: ArrayLike | None = None,
        standardize_inputs: bool = False,
        base: Base | None = None,
        varies: bool = False,
        random_state: int = 0,
        device: str | torch.device | None = None,
    ) -> None:
        super().__init__(device)
        self.output_size = output_size
        parameter_seed, sampling_seed = map(int, np.random.SeedSequence(random_state).generate_state(2))
        # Drawn on the CPU, so that a seed means the same parameters on every device.
        generator = torch.Generator().manual_seed(parameter_seed)
        self.encoder = make_encoder(input_size, generator)
        layers = [self.encoder.out_size, *hidden_layers]
        hidden = sequential_architecture(layers, activation=nn.Tanh, generator=generator)
        output = output_layer(layers[-1], output_size, generator, item_features=item_features)
        self.model = nn.Sequential(*hidden, *([nn.Tanh()] if hidden_layers else []), output)
        self.base = None if base is None else BaseScores(base, layers[-1])
        if base is not None:
            zeroed(output)
        self.discount = discount_of(input_size, layers[-1]) if varies else None
        self.standardizer = standardizer_of(self.encoder) if standardize_inputs else None
        self.to(self.device)
        self._hidden = [(layer.weight, layer.bias) for layer in hidden if isinstance(layer, nn.Linear)]
        self._output = (output.weight, output.bias) if isinstance(output, nn.Linear) else None
        self.generator = torch.Generator(self.device).manual_seed(sampling_seed)
        self.optimizer = torch.optim.Adam(self.parameters(), lr=learning_rate, fused=True)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits, the unnormalised log-probabilities: (..., input_size) to (..., output_size)."""
        return self.logits(self.prepare(inputs)).first

    def prepare(self, states: ArrayLike | Tensor) -> Prepared:
        """Compute once what learning does not change: (..., input_size) states, (n, input_size) with a base."""
        inputs = states if isinstance(states, Tensor) else self.as_tensor(states)
        return Prepared(self.read(inputs), None if self.base is None else self.base.read(inputs))

    def _prepared(self, states: ArrayLike | Prepared) -> Prepared:
        return states if isinstance(states, Prepared) else self.prepare(states)

    def logits(self, prepared: Prepared) -> Logits:
        """Logits of slates."""
        inputs = self.encoded(prepared.states, are_read=True)
        # Calling the modules one by one gives the same, but their overhead is a fifth of the time of one action.
        for weight, bias in self._hidden:
            inputs = torch.tanh(nn.functional.linear(inputs, weight, bias))
        logits = nn.functional.linear(inputs, *self._output) if self._output is not None else self.model[-1](inputs)
        if self.base is None or prepared.read is None:
            return Logits(logits, None if self.discount is None else self.discount(inputs))
        return Logits(*self.base(prepared.read, inputs, logits))

    def action_probabilities(self, states: ArrayLike) -> Tensor:
        """The policy: (..., input_size) states to (..., output_size) probabilities."""
        return torch.softmax(self(self.as_tensor(states)), dim=-1)

    def predict(self, states: ArrayLike) -> Singles:
        """Logits, without gradients: (..., input_size) states to (..., output_size)."""
        with torch.inference_mode():
            logits: Singles = self(self.as_tensor(states)).cpu().numpy()
        return logits

    def sample(
        self, states: ArrayLike | Prepared, k: int = 1, explore: bool = True, action_masks: Flags | None = None
    ) -> Ints:
        """Choose k different actions per state, best first.

        Args:
            states: (n, input_size) states, or what `prepare` gives of them.
            k: actions per state, in 1..output_size.
            explore: sample from the policy without replacement; otherwise take the k most probable.
            action_masks: (n, output_size) allowed actions, at least k per row; all if None.

        Returns:
            (n, k) actions.
        """
        with torch.inference_mode():
            first, discount = self.logits(self._prepared(states))
            first = masked(first, action_masks)
            pick = partial(sample_top_k, generator=self.generator) if explore else top_k
            chosen: Ints = slates_of(first, k, discount, pick).cpu().numpy()
        return chosen

    def update(
        self,
        states: ArrayLike,
        reward_baseline: ArrayLike,
        actions: ArrayLike,
        n_episodes: int = 1,
        *,
        entropy_coefficient: float = 0.0,
        action_masks: Flags | None = None,
        log_probabilities: ArrayLike | None = None,
    ) -> float:
        """Take one gradient step of REINFORCE with the steps of one or more episodes.

        The loss is summed over the steps of an episode, as the gradient of its return is, and averaged over the
        episodes.

        Args:
            states: (rows, input_size) states.
            reward_baseline: (rows,) advantages: return minus baseline of each step.
            actions: (rows,) actions taken.
            n_episodes: number of episodes that the rows come from.
            entropy_coefficient: reward of a nat of the policy's entropy in a state (Mnih et al., Asynchronous Methods
                for Deep Reinforcement Learning, 2016).
            action_masks: (rows, output_size) actions that were allowed; all if None. The policy that learns is
                then the one that acted (Huang & Ontañón, A Closer Look at Invalid Action Masking, 2022).
            log_probabilities: (rows,) of the actions under an earlier policy that took them, whose steps get truncated
                importance weights; NaN where the present policy took them, as it did all if None.

        Returns:
            The loss.

        Raises:
            FloatingPointError: the loss is NaN or infinite; the parameters are unchanged.
        """
        advantages = self.as_tensor(reward_baseline)
        taken = torch.from_numpy(np.asarray(actions, dtype=np.int64)).to(self.device)
        before = self.as_tensor(np.full(len(taken), np.nan) if log_probabilities is None else log_probabilities)

        def summands() -> Iterator[Tensor]:
            for (logits, _), rows in self.logits_in_parts(self.prepare(states), action_masks):
                losses = policy_gradient_losses(logits, taken[rows], advantages[rows], before[rows])
                if entropy_coefficient:
                    losses = losses - entropy_coefficient * entropies(logits)
                yield losses.sum() / n_episodes

        return self.run_backpropagation(summands())

    @torch.no_grad()
    def log_probabilities(
        self, states: ArrayLike | Prepared, slates: Ints, action_masks: Flags | None = None
    ) -> Singles:
        """Log-probabilities of slates (rows, k), in states (rows, input_size), within their masks: (rows,)."""
        shown = torch.from_numpy(slates).to(self.device)
        parts = self.logits_in_parts(self._prepared(states), action_masks)
        return torch.cat([logits.log_probabilities(shown[rows]) for logits, rows in parts]).cpu().numpy()

    def logits_in_parts(self, prepared: Prepared, action_masks: Flags | None = None) -> Iterator[tuple[Logits, slice]]:
        """Masked logits of at most `LOGITS_AT_ONCE` numbers at a time, and the rows they are of."""
        size = max(1, (LOGITS_OF_SESSIONS if self.encoder_learns else LOGITS_AT_ONCE) // self.output_size)
        for start in range(0, len(prepared.states), size):
            rows = slice(start, start + size)
            first, discount = self.logits(prepared.take(rows))
            yield Logits(masked(first, None if action_masks is None else action_masks[rows]), discount), rows
