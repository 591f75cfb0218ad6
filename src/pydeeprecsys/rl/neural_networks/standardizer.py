"""Standardisation of inputs by their running mean and variance."""

from __future__ import annotations

import torch
from gymnasium.wrappers.utils import update_mean_var_count_from_moments
from torch import Tensor, nn

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.neural_networks.state_encoders.state_encoder import StateEncoder

LIMIT = 10.0  # in standard deviations; an input that never varied may lie any number of them from its mean


class RunningStandardizer(nn.Module):
    """Subtracts the mean of all inputs observed so far, and divides by their standard deviation.

    Before the first observation, mean 0 and variance 1 are assumed. The moments are saved and loaded with the network's
    parameters.

    Args:
        size: size of an input.

    Attributes:
        count: () number of inputs observed.
        mean: (size,) their mean.
        variance: (size,) their variance, without Bessel's correction.
    """

    count: Tensor
    mean: Tensor
    variance: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("variance", torch.ones(size, dtype=torch.float64))

    @torch.no_grad()
    def observe(self, inputs: Tensor) -> None:
        """Update the moments with (n, size) inputs, n at least 1."""
        rows = inputs.double()
        of_all = (self.mean, self.variance, self.count)
        of_these = (rows.mean(dim=0), rows.var(dim=0, correction=0), torch.tensor(len(rows)))
        moments = [moment.numpy(force=True) for moment in of_all + of_these]
        merged = update_mean_var_count_from_moments(*moments)  # type: ignore[no-untyped-call]
        for buffer, value in zip(of_all, merged, strict=True):
            buffer.copy_(torch.as_tensor(value))

    def forward(self, inputs: Tensor) -> Tensor:
        """Standardise (..., size) inputs, clipped to ±`LIMIT`."""
        deviations = self.variance.sqrt().clamp(min=1e-6)
        return ((inputs - self.mean) / deviations).to(inputs.dtype).clamp(-LIMIT, LIMIT)


def standardizer_of(encoder: StateEncoder) -> RunningStandardizer:
    """A standardizer of what an encoder gives.

    Raises:
        InputError: the encoder learns, so that moments of what it gave tell nothing of what it gives.
    """
    if any(True for _ in encoder.parameters()):
        raise InputError(
            "standardize_states is for state encoders that do not learn, features and fold-in; leave it out"
        )
    return RunningStandardizer(encoder.out_size)
