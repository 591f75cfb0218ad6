"""The value of a state."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from pydeeprecsys.rl.neural_networks.base_network import BaseNetwork, sequential_architecture
from pydeeprecsys.rl.neural_networks.standardizer import RunningStandardizer
from pydeeprecsys.rl.ops.values import squared_losses


class ValueEstimator(BaseNetwork):
    """The expected return from a state on: fully connected layers with ReLU between.

    Args:
        input_size: numbers in a state.
        hidden_layers: sizes of the hidden layers.
        output_size: how many values of a state.
        learning_rate: of Adam, above 0.
        standardize_inputs: by the mean and deviation of what `observe` is given.
        random_state: seed of the initial parameters.
        device: where it computes; when None, CUDA where there is one, else the CPU.
    """

    def __init__(
        self,
        input_size: int,
        hidden_layers: Sequence[int],
        output_size: int = 1,
        learning_rate: float = 0.1,
        *,
        standardize_inputs: bool = False,
        random_state: int = 0,
        device: str | torch.device | None = None,
    ) -> None:
        super().__init__(device)
        generator = torch.Generator().manual_seed(random_state)
        layers = [input_size, *hidden_layers, output_size]
        self.model = sequential_architecture(layers, generator=generator)
        self.standardizer = RunningStandardizer(input_size) if standardize_inputs else None
        self.to(self.device)
        self.optimizer = torch.optim.Adam(self.parameters(), lr=learning_rate, fused=True)

    def predict(self, state: ArrayLike) -> NDArray[np.float32]:
        """The values of one or more states: (..., input_size) to (..., output_size)."""
        with torch.inference_mode():
            values: NDArray[np.float32] = self(self.as_tensor(state)).cpu().numpy()
        return values

    def update(self, state: ArrayLike, return_value: ArrayLike) -> float:
        """Take one step towards what the values of states should be.

        Args:
            state: (..., input_size) one or more states.
            return_value: (..., output_size) their values.

        Returns:
            The loss: the mean of half the squared errors.

        Raises:
            FloatingPointError: where the loss is NaN or infinite; the parameters stay as they were.
        """
        predicted, wanted = self(self.as_tensor(state)), self.as_tensor(return_value)
        return self.run_backpropagation(squared_losses(wanted.reshape(predicted.shape) - predicted).mean())
