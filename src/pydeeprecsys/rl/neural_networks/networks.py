"""The networks of an agent, by name: saved, loaded and resumed together."""

from __future__ import annotations

import json
import os
from typing import Any, Protocol

from pydeeprecsys.arrays import Array
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.neural_networks.base_network import BaseNetwork
from pydeeprecsys.rl.parameters import check_parameters, read_parameters, write_parameters


class Networks(dict[str, BaseNetwork]):
    """Networks by name."""

    def state_dict(self) -> dict[str, Any]:
        """The `learning_state` of each network, by name."""
        return {name: network.learning_state() for name, network in self.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume all networks from a `state_dict`.

        Raises:
            InputError: it is the state of other networks.
        """
        if state.keys() != self.keys():
            raise InputError(f"the state is of an agent with {', '.join(state)}, this one has {', '.join(self)}")
        for name, network in self.items():
            network.load_learning_state(state[name])


class HasNetworks(Protocol):
    """An agent with networks."""

    networks: Networks


def save_networks(agent: HasNetworks, path: str | os.PathLike[str]) -> None:
    """Write the parameters of all networks to one safetensors file, whole or not at all.

    Its header holds, as JSON, the class of each network.
    """
    networks = agent.networks.items()
    parameters = {f"{name}.{key}": array for name, net in networks for key, array in net.parameter_arrays().items()}
    write_parameters(path, parameters, networks=json.dumps({name: type(net).__name__ for name, net in networks}))


def load_networks(agent: HasNetworks, path: str | os.PathLike[str]) -> None:
    """Read the parameters that `save` wrote.

    Raises:
        InputError: there is no such file, or it does not hold the parameters of these networks, which are unchanged.
    """
    networks = agent.networks
    own: dict[str, dict[str, Array]] = {name: {} for name in networks}
    for key, array in read_parameters(path).items():
        name, _, rest = key.partition(".")
        if name not in own:
            raise InputError(f"{path} is of another agent: it holds a network {name!r}, this has {', '.join(networks)}")
        own[name][rest] = array
    for name, network in networks.items():
        check_parameters(own[name], network.parameter_arrays(), source=str(path), owner=network)
    for name, network in networks.items():
        network.load_parameter_arrays(own[name], str(path))
