"""State values."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from pydeeprecsys.arrays import Singles
from pydeeprecsys.rl.neural_networks.base_network import BaseNetwork, sequential_architecture
from pydeeprecsys.rl.neural_networks.standardizer import standardizer_of
from pydeeprecsys.rl.neural_networks.state_encoders.encoding import StateEncoding, make_encoder
from pydeeprecsys.rl.ops.values import squared_losses


class ValueEstimator(BaseNetwork):
    """State values V(s), by fully connected layers with ReLU between.

    Args:
        input_size: size of an observation, or how observations are encoded.
        hidden_layers: sizes of the hidden layers.
        output_size: values per state.
        learning_rate: step size of Adam, above 0.
        standardize_inputs: whether encoded observations are standardised by running moments, see `observe`.
        more_inputs: how many other numbers the values depend on, besides the observations.
        random_state: seed of the initial parameters.
        device: of the parameters; if None, CUDA if available, else the CPU.
    """

    def __init__(
        self,
        input_size: int | StateEncoding,
        hidden_layers: Sequence[int],
        output_size: int = 1,
        learning_rate: float = 0.1,
        *,
        standardize_inputs: bool = False,
        more_inputs: int = 0,
        random_state: int = 0,
        device: str | torch.device | None = None,
    ) -> None:
        super().__init__(device)
        generator = torch.Generator().manual_seed(random_state)
        self.encoder, self.more_inputs = make_encoder(input_size, generator), more_inputs
        layers = [self.encoder.out_size + more_inputs, *hidden_layers, output_size]
        self.model = sequential_architecture(layers, generator=generator)
        self.standardizer = standardizer_of(self.encoder) if standardize_inputs else None
        self.to(self.device)
        self.optimizer = torch.optim.Adam(self.parameters(), lr=learning_rate, fused=True)

    def predict(self, state: ArrayLike | Tensor, more: ArrayLike | None = None) -> Singles:
        """The values of one or more states.

        Args:
            state: (..., input_size); a tensor is what `read` gives of it.
            more: (..., more_inputs) other numbers; None if there are none.

        Returns:
            (..., output_size).
        """
        with torch.inference_mode():
            values: Singles = self._values(state, more).cpu().numpy()
        return values

    def update(self, state: ArrayLike | Tensor, return_value: ArrayLike, more: ArrayLike | None = None) -> float:
        """Take one gradient step towards target values.

        Args:
            state: (..., input_size) one or more states, or as a tensor what `read` gives of them.
            return_value: (..., output_size) their target values.
            more: see `predict`.

        Returns:
            The loss: the mean of half the squared errors.

        Raises:
            FloatingPointError: the loss is NaN or infinite; the parameters are unchanged.
        """
        values = self._values(state, more)
        targets = self.as_tensor(return_value)
        return self.run_backpropagation(squared_losses(targets.reshape(values.shape) - values).mean())

    def _values(self, state: ArrayLike | Tensor, more: ArrayLike | None) -> Tensor:
        read = state if isinstance(state, Tensor) else self.read(self.as_tensor(state))
        encoded = self.encoded(read, are_read=True)
        if self.more_inputs and more is not None:
            encoded = torch.cat([encoded, self.as_tensor(more)], dim=-1)
        values: Tensor = self.model(encoded)
        return values
