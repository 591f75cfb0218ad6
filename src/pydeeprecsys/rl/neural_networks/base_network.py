"""The base of all networks: device, saving and loading, backpropagation, target-network updates."""

from __future__ import annotations

import itertools
import math
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from pydeeprecsys.arrays import Array
from pydeeprecsys.errors import InputError
from pydeeprecsys.extras import naming_extras
from pydeeprecsys.rl.neural_networks.standardizer import RunningStandardizer
from pydeeprecsys.rl.parameters import check_parameters, read_parameters, write_parameters


def choose_device(device: str | torch.device | None) -> torch.device:
    """The device of that name; if None, CUDA if available, else the CPU.

    Raises:
        InputError: torch does not know the name, or sees no such CUDA device.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise InputError(f"{device!r} is not a device; give 'cpu', 'cuda' or 'cuda:0'") from error
    if chosen.type not in ("cpu", "cuda"):
        raise InputError(f"there is no training on the device {device!r}; give 'cpu', 'cuda' or 'cuda:0'")
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"there is no device {chosen}: torch sees {torch.cuda.device_count()} CUDA devices; give 'cpu'"
        )
    return chosen


def initialize(module: nn.Module, generator: torch.Generator) -> None:
    """Draw the parameters of every linear and recurrent layer within `module`, uniformly, as torch itself does.

    Within ±1/√inputs for a linear layer, ±1/√units for a recurrent one.

    Args:
        module: what to initialise, on the generator's device.
        generator: of the numbers; torch's global generator is not used.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            bound = 1 / math.sqrt(layer.in_features)
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            if layer.bias is not None:
                nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
        if isinstance(layer, nn.RNNBase):
            bound = 1 / math.sqrt(layer.hidden_size)
            for parameter in layer.parameters():
                nn.init.uniform_(parameter, -bound, bound, generator=generator)


class _Linear(nn.Linear):
    """A linear layer initialised by `initialize` only: torch's own draws from the global generator."""

    def reset_parameters(self) -> None:
        """Leave the parameters as they are."""


def sequential_architecture(
    layers: Sequence[int],
    bias: bool = True,
    activation: type[nn.Module] = nn.ReLU,
    generator: torch.Generator | None = None,
) -> nn.Sequential:
    """Fully connected layers with an activation after each but the last.

    Args:
        layers: sizes from input to output, at least two.
        bias: whether the layers have a bias.
        activation: class of the activation.
        generator: of the initial parameters; seed 0 if None.
    """
    modules: list[nn.Module] = []
    for n_inputs, n_outputs in itertools.pairwise(layers):
        modules += [_Linear(n_inputs, n_outputs, bias=bias), activation()]
    network = nn.Sequential(*modules[:-1])
    initialize(network, generator or torch.Generator().manual_seed(0))
    return network


class BaseNetwork(nn.Module):
    """A network on a device. Subclasses set `model` and, to learn, `optimizer`, and move themselves to `device`.

    Args:
        device: of the parameters; if None, CUDA if available, else the CPU.

    Attributes:
        encoder: turns observations into the model's inputs; set by subclasses, none by default.
        standardizer: standardises what the encoder gives; set by subclasses that do so.
        generator: of the noise or the samples; set by subclasses that draw any.

    Raises:
        InputError: there is no such device.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer

    def __init__(self, device: str | torch.device | None = None) -> None:
        super().__init__()
        self.device = choose_device(device)
        self.encoder: nn.Module = nn.Identity()
        self.standardizer: RunningStandardizer | None = None
        self.generator: torch.Generator | None = None

    def forward(self, inputs: Tensor) -> Tensor:
        """The model's output."""
        output: Tensor = self.model(self.encoded(inputs))
        return output

    def observe(self, inputs: ArrayLike | Tensor) -> None:
        """Update the standardizer, if any, with (n, size) observations; as a tensor, with what `read` gives of them."""
        if self.standardizer is not None:
            self.standardizer.observe(inputs if isinstance(inputs, Tensor) else self.read(self.as_tensor(inputs)))

    def read(self, states: Tensor) -> Tensor:
        """Observations, encoded already if the encoder does not learn: once, however often they are learned from."""
        return states if self.encoder_learns else self.encoder(states)

    def encoded(self, states: Tensor, are_read: bool = False) -> Tensor:
        """Observations, or what `read` gives of them, encoded, and standardised if there is a standardizer."""
        encoded: Tensor = states if are_read and not self.encoder_learns else self.encoder(states)
        return encoded if self.standardizer is None else self.standardizer(encoded)

    @property
    def encoder_learns(self) -> bool:
        """Whether the encoder has parameters."""
        return next(self.encoder.parameters(), None) is not None

    def as_tensor(self, array: ArrayLike) -> Tensor:
        """The array as a float32 tensor on the network's device, without a copy where possible."""
        return torch.from_numpy(np.asarray(array, dtype=np.float32)).to(self.device)

    def parameter_arrays(self) -> dict[str, Array]:
        """Copies of the parameters and buffers as arrays, by name."""
        return {name: _to_array(tensor) for name, tensor in self.state_dict().items()}

    def load_parameter_arrays(self, arrays: Mapping[str, Array], source: str) -> None:
        """Set the parameters and buffers to `parameter_arrays`, or raise an InputError that names their source."""
        check_parameters(arrays, self.parameter_arrays(), source=source, owner=self)
        self.load_state_dict({name: _to_tensor(array) for name, array in arrays.items()})

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the parameters to one safetensors file, whole or not at all."""
        write_parameters(path, self.parameter_arrays())

    def load(self, path: str | os.PathLike[str]) -> None:
        """Read the parameters that `save` wrote.

        Raises:
            InputError: there is no such file, or it does not hold the parameters of this network.
        """
        self.load_parameter_arrays(read_parameters(path), str(path))

    def learning_state(self) -> dict[str, Any]:
        """Copies, as arrays, of the parameters, the optimizer's state and the generator's."""
        optimizer: dict[int, dict[str, Tensor]] = self.optimizer.state_dict()["state"]
        state = {
            "parameters": self.parameter_arrays(),
            "optimizer": {
                str(index): {name: _to_array(tensor) for name, tensor in moments.items()}
                for index, moments in optimizer.items()
            },
        }
        return state if self.generator is None else {**state, "generator": self.generator.get_state().numpy()}

    def load_learning_state(self, state: dict[str, Any]) -> None:
        """Resume from a `learning_state`.

        Raises:
            InputError: it is the state of another network.
        """
        self.load_parameter_arrays(state["parameters"], "the saved state")
        moments = {
            int(index): {name: _to_tensor(array) for name, array in arrays.items()}
            for index, arrays in state["optimizer"].items()
        }
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})
        if self.generator is not None:
            self.generator.set_state(_to_tensor(state["generator"]))

    def soft_parameter_update(self, source_network: nn.Module, update_rate: float) -> None:
        """Polyak-average the parameters: own ← (1 − update_rate) · own + update_rate · source.

        Args:
            source_network: a network of the same architecture.
            update_rate: in [0, 1]; 0 changes nothing, 1 copies the source.
        """
        if not 0 <= update_rate <= 1:
            raise InputError(f"the update rate must lie in [0, 1], it is {update_rate:g}")
        with torch.no_grad():
            for own, source in zip(self.parameters(), source_network.parameters(), strict=True):
                own.lerp_(source.to(own.device), update_rate)

    def run_backpropagation(self, loss: Tensor | Iterable[Tensor]) -> float:
        """Take one gradient step.

        Args:
            loss: a scalar; or its summands, where the graph of the whole would not fit into memory.

        Returns:
            The loss.

        Raises:
            FloatingPointError: the loss or its gradient is NaN or infinite; the parameters are unchanged.
        """
        self.optimizer.zero_grad()
        total = torch.zeros((), device=self.device)
        for summand in [loss] if isinstance(loss, Tensor) else loss:
            summand.backward()
            total += summand.detach()
        value = float(total)
        gradients = [parameter.grad for parameter in self.parameters() if parameter.grad is not None]
        slope = float(torch.nn.utils.get_total_norm(gradients))
        for name, number in (("loss", value), ("gradient", slope)):
            if not math.isfinite(number):
                raise FloatingPointError(
                    f"the {name} of {type(self).__name__} is {number}; look for NaN or huge numbers in observations "
                    "and rewards, or lower the learning rate"
                )
        self.optimizer.step()
        # Fused optimizers do not raise the version counters, by which caches of derived tensors are invalidated.
        for parameter in self.parameters():
            torch.autograd.graph.increment_version(parameter)
        return value

    def disable_learning(self) -> None:
        """Freeze the parameters."""
        self.requires_grad_(False)

    def add_to_tensorboard(self, input_example: ArrayLike, directory: str | os.PathLike[str] = "output") -> None:
        """Write the network's graph for TensorBoard, and its gradient graph as a PDF.

        The files are `directory`/writer/<class name> and `directory`/graphs/<class name>.pdf.

        Args:
            input_example: one input, or a batch of them.
            directory: where to write.

        Raises:
            InputError: a library that this needs, or graphviz, is not installed.
        """
        with naming_extras():
            from torch.utils.tensorboard import SummaryWriter
            from torchviz import make_dot
        if shutil.which("dot") is None:
            raise InputError("drawing networks needs the program `dot`: install graphviz, e.g. apt install graphviz")
        inputs = self.as_tensor(input_example)
        name = type(self).__name__
        with SummaryWriter(str(Path(directory, "writer", name))) as writer:
            writer.add_graph(self, inputs)
        graph = make_dot(self(inputs), params=dict(self.named_parameters()), show_attrs=True, show_saved=True)
        graph.render(Path(directory, "graphs", name), format="pdf", cleanup=True)


def _to_array(tensor: Tensor) -> Array:
    return np.array(tensor.numpy(force=True))


def _to_tensor(array: ArrayLike) -> Tensor:
    return torch.from_numpy(np.array(array))
