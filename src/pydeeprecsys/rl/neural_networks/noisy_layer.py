"""A linear layer that explores: its weights carry noise, and it learns how much."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from pydeeprecsys.errors import InputError

NoiseKind = Literal["factorised", "independent"]


class NoisyLayer(nn.Linear):
    """A linear layer whose weights and biases are learned means plus learned deviations times noise.

    Fortunato et al., Noisy Networks for Exploration, 2018. Factorised noise draws one number for each input and one for
    each output, and gives a weight the product of its two, after f(x) = sgn(x)·√|x|; independent noise draws one number
    for each weight. Both have mean 0; the variance is 2/π of factorised noise and 1 of independent.

    Noise is drawn by `resample` and stays until the next one, so that all rows of a batch and all that is computed from
    it meet the same weights. It is no part of what is saved. A new layer has none.

    Args:
        in_features: inputs, at least 1.
        out_features: outputs, at least 1.
        bias: whether it has biases.
        sigma: initial deviation, finite, 0 or more; that of factorised noise is divided by √in_features, as in the
            paper, which takes 0.5 for factorised noise and 0.017 for independent.
        kind: "factorised" or "independent".
        generator: draws the initial means, on the CPU; one of seed 0 when not given.

    Raises:
        InputError: for an argument out of its range.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        sigma: float = 0.017,
        *,
        kind: NoiseKind = "factorised",
        generator: torch.Generator | None = None,
    ) -> None:
        if kind not in get_args(NoiseKind):
            raise InputError(f"the kind of noise must be one of {', '.join(get_args(NoiseKind))}, it is {kind!r}")
        if not 0 <= sigma < math.inf:
            raise InputError(f"sigma must be a finite number, 0 or more, it is {sigma:g}")
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
        """Draw nothing: torch's own would draw from the global generator."""

    def resample(self, generator: torch.Generator) -> None:
        """Draw new noise; the generator is on the layer's device."""
        n_inputs, n_outputs = self.in_features, self.out_features
        n_first = n_inputs if self.factorised else n_outputs * n_inputs
        draw = torch.randn(n_first + n_outputs, generator=generator, device=generator.device)
        if self.factorised:
            draw = draw.abs().sqrt_().copysign_(draw)
        first = draw[:n_first] if self.factorised else draw[:n_first].view(n_outputs, n_inputs)
        self._noise = first, draw[n_first:]

    def silence(self) -> None:
        """Take the noise away: the means alone decide."""
        self._noise = None

    def forward(self, input: Tensor) -> Tensor:
        """(..., in_features) to (..., out_features), with the noise that was drawn last."""
        if self._noise is None:
            return super().forward(input)
        first, second = self._noise
        if self.factorised:
            # (σ ∘ second·firstᵀ)·x is second ∘ σ·(first ∘ x): the noisy weights themselves need not be formed.
            noise = nn.functional.linear(input * first, self.sigma_weight, self.sigma_bias) * second
            return super().forward(input) + noise
        bias = None if self.sigma_bias is None else self.bias + self.sigma_bias * second
        return nn.functional.linear(input, self.weight + self.sigma_weight * first, bias)
