"""The temperature of soft actor-critic."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pydeeprecsys.rl.neural_networks.base_network import BaseNetwork


class Temperature(BaseNetwork):
    """The reward of one nat of a policy's entropy; learned on its logarithm, so that it stays above 0.

    Haarnoja et al., Soft Actor-Critic Algorithms and Applications, 2018, section 5.

    Args:
        initial: initial value, at least 0; at 0 it cannot learn.
        learning_rate: step size of Adam, above 0.
        device: of the parameter; if None, CUDA if available, else the CPU.
    """

    def __init__(
        self, initial: float, learning_rate: float = 1e-3, *, device: str | torch.device | None = None
    ) -> None:
        super().__init__(device)
        self.logarithm = nn.Parameter(torch.tensor(initial, device=self.device).log())
        self.optimizer = torch.optim.Adam(self.parameters(), lr=learning_rate, fused=True)

    @property
    def value(self) -> Tensor:
        """() the temperature; no gradient flows into it."""
        return self.logarithm.detach().exp()
