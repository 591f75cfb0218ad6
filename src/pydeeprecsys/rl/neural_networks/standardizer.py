"""The first layer of networks whose inputs come in scales of their own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

LIMIT = 10.0  # deviations from the mean; what was never seen to vary may lie any number of them away


class RunningStandardizer(nn.Module):
    """Subtracts the mean of all inputs observed so far, and divides by their standard deviation.

    It passes inputs on as they are until it has observed some. What it observed is part of the network's parameters:
    saved and loaded with them, but not learned.

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
        """Take (n, size) inputs into account, n at least 1.

        Two sets are merged without the cancellation of sums of squares (Chan, Golub & LeVeque, Algorithms for Computing
        the Sample Variance, 1983, equation 2.1).
        """
        inputs = inputs.double()
        n, mean = len(inputs), inputs.mean(dim=0)
        total = self.count + n
        apart = mean - self.mean
        squares = self.variance * self.count + inputs.var(dim=0, correction=0) * n
        self.variance.copy_((squares + apart.square() * self.count * n / total) / total)
        self.mean.add_(apart * n / total)
        self.count.copy_(total)

    def forward(self, inputs: Tensor) -> Tensor:
        """Standardise (..., size) inputs, to within ±`LIMIT`."""
        deviations = self.variance.sqrt().clamp(min=1e-6)
        return ((inputs - self.mean) / deviations).to(inputs.dtype).clamp(-LIMIT, LIMIT)
