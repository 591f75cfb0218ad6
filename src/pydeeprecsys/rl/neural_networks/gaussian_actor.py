"""A tanh-squashed Gaussian policy over points in [−1, 1]."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from pydeeprecsys.rl.neural_networks.base_network import BaseNetwork, sequential_architecture
from pydeeprecsys.rl.neural_networks.state_encoders.encoding import StateEncoding, make_encoder
from pydeeprecsys.rl.ops.soft_actor_critic import tanh_gaussian

LOG_DEVIATION_RANGE = (-20.0, 2.0)
"""Bounds of the logarithms of the standard deviations, those of Haarnoja et al."""


class GaussianActor(BaseNetwork):
    """Samples actions from a Gaussian, squashed by tanh into (−1, 1) in every dimension.

    The policy of Haarnoja et al., Soft Actor-Critic: Off-Policy Maximum Entropy Deep Reinforcement Learning with a
    Stochastic Actor, 2018.

    Args:
        inputs: size of an observation, or how observations are encoded.
        outputs: dimensions of an action.
        learning_rate: step size of Adam, above 0.
        hidden_layers: sizes of the hidden layers; two of twice the encoded size if None.
        random_state: seed of the initial parameters and of the samples.
        device: of the parameters; if None, CUDA if available, else the CPU.
    """

    generator: torch.Generator

    def __init__(
        self,
        inputs: int | StateEncoding,
        outputs: int,
        learning_rate: float = 1e-3,
        *,
        hidden_layers: Sequence[int] | None = None,
        random_state: int = 0,
        device: str | torch.device | None = None,
    ) -> None:
        super().__init__(device)
        parameter_seed, sampling_seed = map(int, np.random.SeedSequence(random_state).generate_state(2))
        # Drawn on the CPU, so that a seed means the same parameters on every device.
        generator = torch.Generator().manual_seed(parameter_seed)
        self.encoder = make_encoder(inputs, generator).to(self.device)
        size = self.encoder.out_size
        layers = [size, *(hidden_layers if hidden_layers is not None else [2 * size] * 2), 2 * outputs]
        self.model = sequential_architecture(layers, generator=generator).to(self.device)
        self.generator = torch.Generator(self.device).manual_seed(sampling_seed)
        self.optimizer = torch.optim.Adam(self.parameters(), lr=learning_rate, fused=True)

    def forward(self, states: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """Means and logarithms of the standard deviations before squashing: (n, inputs) to (n, outputs) each."""
        means, log_deviations = self.model(self.encoded(states)).chunk(2, dim=-1)
        return means, log_deviations.clamp(*LOG_DEVIATION_RANGE)

    def sample(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Sample an action per state; gradients flow through it.

        Args:
            states: (n, inputs) states.

        Returns:
            (n, outputs) actions in [−1, 1]; (n,) their log-densities.
        """
        means, log_deviations = self.forward(states)
        noise = torch.randn(means.shape, generator=self.generator, device=self.device)
        return tanh_gaussian(means, log_deviations, noise)

    def predict(self, states: ArrayLike, explore: bool = True) -> Tensor:
        """Actions for states, without gradients.

        Args:
            states: (n, inputs) states.
            explore: sample; otherwise squash the means.

        Returns:
            (n, outputs) actions in [−1, 1].
        """
        with torch.inference_mode():
            inputs = self.as_tensor(states)
            return self.sample(inputs)[0] if explore else self.forward(inputs)[0].tanh()
