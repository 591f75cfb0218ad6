from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pydeeprecsys.rl.neural_networks.deep_q_network import DeepQNetwork, outputs_of_actions
from pydeeprecsys.rl.neural_networks.item_head import ItemHead
from pydeeprecsys.rl.neural_networks.noisy_layer import NoisyLayer


class Wrapped(nn.Module):
    """A module that is not a sequence of layers."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.inner(inputs)
        return outputs


def layers() -> list[nn.Module]:
    features = np.random.default_rng(0).random((7, 4))
    linear = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 7))
    items = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), ItemHead(6, features, torch.Generator().manual_seed(0)))
    noisy_output = nn.Sequential(linear[0], NoisyLayer(6, 7, sigma=1.0))
    no_bias = nn.Sequential(linear[0], nn.Linear(6, 7, bias=False))
    return [linear, items, linear[0], Wrapped(linear), noisy_output, no_bias]


@pytest.mark.parametrize("architecture", layers())
def test_the_values_of_single_actions_are_those_of_all(architecture: nn.Module) -> None:
    network = DeepQNetwork(0.1, architecture, device="cpu")
    network.draw_noise()
    draws = torch.Generator().manual_seed(1)
    inputs = torch.rand(20, 5, generator=draws)
    actions = torch.randint(6, (20,), generator=draws)
    single, all_of_them = network.of_actions(inputs, actions), network(inputs)
    assert single.shape == (20,)
    expected = all_of_them.gather(1, actions.unsqueeze(1)).squeeze(1)
    torch.testing.assert_close(single, expected)
    parameters = list(network.parameters())
    upstream = torch.rand(20, generator=draws)
    gradients = torch.autograd.grad(single, parameters, upstream)
    for gradient, wanted in zip(gradients, torch.autograd.grad(expected, parameters, upstream), strict=True):
        torch.testing.assert_close(gradient, wanted)


@pytest.mark.parametrize("layer", [nn.Linear(5, 21), Wrapped(nn.Linear(5, 21))])
def test_several_numbers_for_each_action(layer: nn.Module) -> None:
    inputs, actions = torch.rand(4, 5, generator=torch.Generator().manual_seed(0)), torch.tensor([6, 0, 3, 3])
    expected = layer(inputs).view(4, 7, 3)[[0, 1, 2, 3], actions]
    torch.testing.assert_close(outputs_of_actions(layer, inputs, actions, n_atoms=3), expected)


def noisy(seed: int = 0) -> DeepQNetwork:
    architecture = nn.Sequential(NoisyLayer(2, 4, sigma=1.0), nn.ReLU(), NoisyLayer(4, 3, sigma=1.0))
    return DeepQNetwork(0.1, architecture, random_state=seed, device="cpu")


def with_new_noise(network: DeepQNetwork, n: int = 5) -> list[Any]:
    values = []
    for _ in range(n):
        network.draw_noise()
        values.append(network(torch.eye(2)).tolist())
    return values


def test_noise_is_new_at_each_draw_and_can_be_silenced() -> None:
    network = noisy()
    quiet = network(torch.eye(2)).tolist()
    assert len({str(values) for values in with_new_noise(network)}) == 5
    network.silence_noise()
    assert network(torch.eye(2)).tolist() == quiet
    assert with_new_noise(noisy(1)) == with_new_noise(noisy(1)) != with_new_noise(noisy(2))


def test_a_restored_network_continues_with_the_same_noise() -> None:
    network, restored = noisy(0), noisy(1)
    with_new_noise(network)
    restored.load_learning_state(network.learning_state())
    assert with_new_noise(restored) == with_new_noise(network)
