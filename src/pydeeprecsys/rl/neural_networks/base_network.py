"""What every network can do: live on a device, be saved and loaded, learn from a loss, follow another network."""

from __future__ import annotations

import itertools
import json
import math
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import ArrayLike
from safetensors import SafetensorError
from torch import Tensor, nn

from pydeeprecsys.errors import InputError
from pydeeprecsys.files import whole_file
from pydeeprecsys.rl.neural_networks.standardizer import RunningStandardizer


def choose_device(device: str | torch.device | None) -> torch.device:
    """The device of that name; when None, CUDA where torch sees one, else the CPU.

    Raises:
        InputError: for a name that torch does not know, or CUDA where there is none.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise InputError(f"{device!r} is not a device; give 'cpu', 'cuda' or 'cuda:0'") from error
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"there is no device {chosen}: torch sees {torch.cuda.device_count()} CUDA devices; give 'cpu'"
        )
    return chosen


def initialize(module: nn.Module, generator: torch.Generator) -> None:
    """Draw the parameters of every linear layer within `module`: uniform within ±1/√(inputs), as torch itself does.

    Args:
        module: what to initialise, on the generator's device.
        generator: where the numbers come from; torch's global generator is left alone.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            bound = 1 / math.sqrt(layer.in_features)
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            if layer.bias is not None:
                nn.init.uniform_(layer.bias, -bound, bound, generator=generator)


class _Linear(nn.Linear):
    """A linear layer that leaves its parameters to `initialize`: torch's own draws them from the global generator."""

    def reset_parameters(self) -> None:
        """Draw nothing."""


def sequential_architecture(
    layers: Sequence[int],
    bias: bool = True,
    activation: type[nn.Module] = nn.ReLU,
    generator: torch.Generator | None = None,
) -> nn.Sequential:
    """Fully connected layers with an activation after each but the last.

    Args:
        layers: sizes, from the input's to the output's; at least two.
        bias: whether the layers have one.
        activation: the class of the activation.
        generator: draws the initial parameters; one of seed 0 when not given.
    """
    modules: list[nn.Module] = []
    for n_inputs, n_outputs in itertools.pairwise(layers):
        modules += [_Linear(n_inputs, n_outputs, bias=bias), activation()]
    network = nn.Sequential(*modules[:-1])
    initialize(network, generator or torch.Generator().manual_seed(0))
    return network


class BaseNetwork(nn.Module):
    """A network on a device. Subclasses set `model` and, to learn, `optimizer`, and move themselves to `device`.

    Those that standardise their inputs set `standardizer` too.

    Args:
        device: where it lives and computes; when None, CUDA where there is one, else the CPU.

    Raises:
        InputError: for a device that is not there.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer

    def __init__(self, device: str | torch.device | None = None) -> None:
        super().__init__()
        self.device = choose_device(device)
        self.standardizer: RunningStandardizer | None = None

    def forward(self, inputs: Tensor) -> Tensor:
        """The model's output."""
        output: Tensor = self.model(self.standardized(inputs))
        return output

    def observe(self, inputs: ArrayLike) -> None:
        """Let the standardizer, where there is one, take (n, size) inputs into account."""
        if self.standardizer is not None:
            self.standardizer.observe(self.as_tensor(inputs))

    def standardized(self, inputs: Tensor) -> Tensor:
        """The inputs as the layers see them."""
        return inputs if self.standardizer is None else self.standardizer(inputs)

    def as_tensor(self, array: ArrayLike) -> Tensor:
        """The array as a float32 tensor on the network's device, sharing its memory where it can."""
        return torch.from_numpy(np.asarray(array, dtype=np.float32)).to(self.device)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the parameters to one file in the safetensors format; the file appears whole or not at all."""
        with whole_file(path) as temporary:
            temporary.write_bytes(safetensors.torch.save({k: v.contiguous() for k, v in self.state_dict().items()}))

    def load(self, path: str | os.PathLike[str]) -> None:
        """Read the parameters from a file that `save` wrote.

        Raises:
            InputError: where there is no such file, or it does not hold the parameters of this network.
        """
        parameters = _read_parameters(path)
        self._check_parameters(parameters, str(path))
        self.load_state_dict(parameters)

    def _check_parameters(self, parameters: dict[str, Tensor], source: str) -> None:
        own = {name: tuple(tensor.shape) for name, tensor in self.state_dict().items()}
        given = {name: tuple(tensor.shape) for name, tensor in parameters.items()}
        for name in sorted(own.keys() | given.keys()):
            if own.get(name) != given.get(name):
                raise InputError(
                    f"{source} does not fit this {type(self).__name__}: {name} is of shape {given.get(name, 'none')} "
                    f"there and {own.get(name, 'none')} here; use the sizes it was saved with"
                )

    def learning_state(self) -> dict[str, Any]:
        """Copies of the parameters and of what the optimizer remembers, as arrays: all that learning goes on from."""
        optimizer: dict[int, dict[str, Tensor]] = self.optimizer.state_dict()["state"]
        return {
            "parameters": {name: _to_array(tensor) for name, tensor in self.state_dict().items()},
            "optimizer": {
                str(index): {name: _to_array(tensor) for name, tensor in memory.items()}
                for index, memory in optimizer.items()
            },
        }

    def load_learning_state(self, state: dict[str, Any]) -> None:
        """Go on from where `learning_state` was taken.

        Raises:
            InputError: where it is not the state of such a network.
        """
        parameters = {name: _to_tensor(array) for name, array in state["parameters"].items()}
        self._check_parameters(parameters, "the saved state")
        self.load_state_dict(parameters)
        memories = {
            int(index): {name: _to_tensor(array) for name, array in memory.items()}
            for index, memory in state["optimizer"].items()
        }
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": memories})

    def soft_parameter_update(self, source_network: nn.Module, update_rate: float) -> None:
        """Move every parameter towards that of the source: own ← (1 − update_rate) · own + update_rate · source.

        Args:
            source_network: a network of the same architecture.
            update_rate: in [0, 1]; 0 changes nothing, 1 copies the source.
        """
        if not 0 <= update_rate <= 1:
            raise InputError(f"the update rate must lie in 0..1, it is {update_rate:g}")
        with torch.no_grad():
            for own, source in zip(self.parameters(), source_network.parameters(), strict=True):
                own.lerp_(source.to(own.device), update_rate)

    def run_backpropagation(self, loss: Tensor | Iterable[Tensor]) -> float:
        """Let the optimizer take one step down the gradient of the loss.

        Args:
            loss: a scalar; or, where its whole graph would not fit into memory, its summands one after the other.

        Returns:
            The loss.

        Raises:
            FloatingPointError: where the loss or its gradient is NaN or infinite; the parameters stay as they were.
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
        # Fused optimizers do not say that they changed the parameters, which what was computed from them has to know.
        for parameter in self.parameters():
            torch.autograd.graph.increment_version(parameter)
        return value

    def disable_learning(self) -> None:
        """Freeze the parameters: no gradient is computed for them any more."""
        self.requires_grad_(False)

    def add_to_tensorboard(self, input_example: ArrayLike, directory: str | os.PathLike[str] = "output") -> None:
        """Draw the network: its graph for TensorBoard, and the graph of its gradients as a PDF.

        They are written to `directory`/writer/<class name> and `directory`/graphs/<class name>.pdf.

        Args:
            input_example: one input, or a batch of them.
            directory: where to write.

        Raises:
            InputError: where the libraries for it, or graphviz, are not installed.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter
            from torchviz import make_dot
        except ImportError as error:
            raise InputError(f"drawing networks needs {error.name}: pip install pydeeprecsys[graphs]") from error
        if shutil.which("dot") is None:
            raise InputError("drawing networks needs the program `dot`: install graphviz, e.g. apt install graphviz")
        inputs = self.as_tensor(input_example)
        name = type(self).__name__
        with SummaryWriter(str(Path(directory, "writer", name))) as writer:
            writer.add_graph(self, inputs)
        graph = make_dot(self(inputs), params=dict(self.named_parameters()), show_attrs=True, show_saved=True)
        graph.render(Path(directory, "graphs", name), format="pdf", cleanup=True)


def save_networks(path: str | os.PathLike[str], networks: Mapping[str, BaseNetwork]) -> None:
    """Write the parameters of several networks to one file in the safetensors format, whole or not at all.

    Its header holds, as JSON, the class of each network.
    """
    parameters = {
        f"{name}.{key}": tensor.contiguous()
        for name, network in networks.items()
        for key, tensor in network.state_dict().items()
    }
    classes = json.dumps({name: type(network).__name__ for name, network in networks.items()})
    with whole_file(path) as temporary:
        temporary.write_bytes(safetensors.torch.save(parameters, {"networks": classes}))


def load_networks(path: str | os.PathLike[str], networks: Mapping[str, BaseNetwork]) -> None:
    """Read the parameters of several networks from a file that `save_networks` wrote.

    Raises:
        InputError: where there is no such file, or it does not hold the parameters of these networks; they all stay as
            they were.
    """
    own: dict[str, dict[str, Tensor]] = {name: {} for name in networks}
    for key, tensor in _read_parameters(path).items():
        name, _, rest = key.partition(".")
        if name not in own:
            raise InputError(f"{path} is of another agent: it holds a network {name!r}, this has {', '.join(networks)}")
        own[name][rest] = tensor
    for name, network in networks.items():
        network._check_parameters(own[name], str(path))
    for name, network in networks.items():
        network.load_state_dict(own[name])


def _read_parameters(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    try:
        parameters: dict[str, Tensor] = safetensors.torch.load(Path(path).read_bytes())
    except OSError as error:
        raise InputError(f"cannot read the network's parameters from {path}: {error.strerror}") from error
    except SafetensorError as error:
        raise InputError(f"{path} is not a file of network parameters, or it is damaged: {error}") from error
    return parameters


def _to_array(tensor: Tensor) -> np.ndarray[Any, Any]:
    array: np.ndarray[Any, Any] = tensor.detach().cpu().numpy().copy()
    return array


def _to_tensor(array: ArrayLike) -> Tensor:
    return torch.from_numpy(np.array(array))
