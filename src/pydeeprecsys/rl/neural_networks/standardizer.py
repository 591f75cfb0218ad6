"""The first layer of networks whose inputs come in scales of their own."""

from __future__ import annotations

import torch
from gymnasium.wrappers.utils import update_mean_var_count_from_moments
from torch import Tensor, nn

LIMIT = 10.0  # deviations from the mean; what was never seen to vary may lie any number of them away


class RunningStandardizer(nn.Module):
    """Subtracts the mean of all inputs observed so far, and divides by their standard deviation.

    Until it has observed some, it passes them on, within the same limit. What it observed is part of the network's
    parameters: saved and loaded with them, but not learned.

    Args:
        size: numbers in an input.

    Attributes:
        count: () how many inputs were observed.
        mean: (size,) of them.
        variance: (size,) of them, not corrected for the number.
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
        """Take (n, size) inputs into account, n at least 1."""
        rows = inputs.double()
        of_all = (self.mean, self.variance, self.count)
        of_these = (rows.mean(dim=0), rows.var(dim=0, correction=0), torch.tensor(len(rows)))
        moments = [moment.numpy(force=True) for moment in of_all + of_these]
        merged = update_mean_var_count_from_moments(*moments)  # type: ignore[no-untyped-call]
        for buffer, value in zip(of_all, merged, strict=True):
            buffer.copy_(torch.as_tensor(value))

    def forward(self, inputs: Tensor) -> Tensor:
        """Standardise (..., size) inputs, to within ±`LIMIT`."""
        deviations = self.variance.sqrt().clamp(min=1e-6)
        return ((inputs - self.mean) / deviations).to(inputs.dtype).clamp(-LIMIT, LIMIT)
