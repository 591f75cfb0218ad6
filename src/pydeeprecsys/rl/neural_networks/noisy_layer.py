"""Noisy linear layer: exploration by weights with learned noise."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from pydeeprecsys.arguments import Count, NonNegative, checked

NoiseKind = Literal["factorised", "independent"]


@checked
class NoisyLayer(nn.Linear):
    """A linear layer whose weights and biases are learned means plus learned standard deviations times noise.

    Fortunato et al., Noisy Networks for Exploration, 2018. Factorised noise draws one number per input and one per
    output; the noise of a weight is the product of its two, after f(x) = sgn(x)·√|x|. Independent noise draws one
    number per weight. Both have mean 0; the variance is 2/π for factorised noise and 1 for independent noise.

    `resample` draws noise, which stays until the next call, so all rows of a batch see the same weights. Noise is not
    saved, and a new layer has none.

    Args:
        in_features: Number of inputs.
        out_features: Number of outputs.
        bias: Use biases.
        sigma: Initial standard deviation; divided by √in_features for factorised noise, as in the paper, which uses 0.5
            for factorised noise and 0.017 for independent noise.
        kind: Kind of noise: factorised, or independent for each weight.
        generator: Generator on the CPU for the initial means; one of seed 0 if None.

    Raises:
        InputError: An argument is out of range.
    """

    def __init__(
        self,
        in_features: Count,
        out_features: Count,
        bias: bool = True,
        sigma: NonNegative = 0.017,
        *,
        kind: NoiseKind = "factorised",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(in_features, out_features, bias=bias)
        self.factorised = kind == "factorised"
        generator = generator or torch.Generator().manual_seed(0)
        bound = math.sqrt((1 if self.factorised else 3) / in_features)
        deviation = sigma / math.sqrt(in_features) if self.factorised else sigma
        nn.init.uniform_(self.weight, -bound, bound, generator=generator)
        self.sigma_weight = nn.Parameter(torch.full((out_features, in_features), deviation))
        self.sigma_bias = nn.Parameter(torch.full((out_features,), deviation)) if bias else None
        if bias:
            nn.init.uniform_(self.bias, -bound, bound, generator=generator)
        self._noise: tuple[Tensor, Tensor] | None = None

    def reset_parameters(self) -> None:
        """Do nothing: torch's own method draws from the global generator."""

    def resample(self, generator: torch.Generator) -> None:
        """Draw new noise from a generator on the layer's device."""
        n_inputs, n_outputs = self.in_features, self.out_features
        n_first = n_inputs if self.factorised else n_outputs * n_inputs
        draw = torch.randn(n_first + n_outputs, generator=generator, device=generator.device)
        if self.factorised:
            draw = draw.abs().sqrt_().copysign_(draw)
        first = draw[:n_first] if self.factorised else draw[:n_first].view(n_outputs, n_inputs)
        self._noise = first, draw[n_first:]

    def silence(self) -> None:
        """Remove the noise: the output depends on the means alone."""
        self._noise = None

    def forward(self, input: Tensor) -> Tensor:
        """(..., in_features) to (..., out_features), with the current noise."""
        if self._noise is None:
            return super().forward(input)
        first, second = self._noise
        if self.factorised:
            # (σ ∘ second·firstᵀ)·x is second ∘ σ·(first ∘ x): the noisy weights themselves need not be formed.
            noise = nn.functional.linear(input * first, self.sigma_weight, self.sigma_bias) * second
            return super().forward(input) + noise
        bias = None if self.sigma_bias is None else self.bias + self.sigma_bias * second
        return nn.functional.linear(input, self.weight + self.sigma_weight * first, bias)
