from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pydeeprecsys.rl.neural_networks.base_network import BaseNetwork
from pydeeprecsys.rl.neural_networks.q_value_estimator import QValueEstimator, TwinnedQValueEstimator

CLASSES = [QValueEstimator, TwinnedQValueEstimator]


def by_hand(critic: TwinnedQValueEstimator, which: int, inputs: Tensor) -> Tensor:
    """What one of the twins says, layer by layer."""
    parameters = [parameter.detach()[which] for parameter in critic.parameters()]
    pairs = list(zip(parameters[::2], parameters[1::2], strict=True))
    for weight, bias in pairs[:-1]:
        inputs = (inputs @ weight + bias).clamp_min(0)
    weight, bias = pairs[-1]
    return inputs @ weight + bias


@pytest.fixture
def states() -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32))


@pytest.fixture
def actions() -> Tensor:
    return torch.from_numpy(np.random.default_rng(1).normal(size=(20, 2)).astype(np.float32))


def test_the_action_is_an_input(states: Tensor, actions: Tensor) -> None:
    network = QValueEstimator(5, device="cpu")
    values = network(states, actions)
    assert values.shape == (20, 1)
    torch.testing.assert_close(values, network.model(torch.cat([states, actions], dim=1)))


def test_or_each_action_has_an_output(states: Tensor) -> None:
    network = QValueEstimator(3, 4, device="cpu")
    torch.testing.assert_close(network(states), network.model(states))
    assert network(states).shape == (20, 4)


def test_hidden_layers_are_twice_the_inputs_or_as_given() -> None:
    def sizes(network: QValueEstimator) -> list[tuple[int, int]]:
        return [(m.in_features, m.out_features) for m in network.modules() if isinstance(m, nn.Linear)]

    assert sizes(QValueEstimator(5, device="cpu")) == [(5, 10), (10, 10), (10, 1)]
    assert sizes(QValueEstimator(5, 2, hidden_layers=[7], device="cpu")) == [(5, 7), (7, 2)]
    assert sizes(QValueEstimator(5, hidden_layers=[], device="cpu")) == [(5, 1)]
    for layers in ([10, 10], [7], []):
        given = layers if layers != [10, 10] else None
        twins = TwinnedQValueEstimator(5, 2, hidden_layers=given, device="cpu")
        weights = [tuple(parameter.shape) for parameter in twins.parameters()][::2]
        assert weights == [(2, *pair) for pair in zip([5, *layers], [*layers, 2], strict=True)]


@pytest.mark.parametrize("hidden_layers", [[], [6], [8, 6]])
def test_twins_are_two_networks(states: Tensor, actions: Tensor, hidden_layers: list[int]) -> None:
    critic = TwinnedQValueEstimator(5, hidden_layers=hidden_layers, device="cpu")
    first, second = critic(states, actions)
    inputs = torch.cat([states, actions], dim=1)
    torch.testing.assert_close(first, by_hand(critic, 0, inputs))
    torch.testing.assert_close(second, by_hand(critic, 1, inputs))
    assert not torch.allclose(first, second)


def test_twins_predict_the_lower_of_two_values(states: Tensor) -> None:
    critic = TwinnedQValueEstimator(3, 4, device="cpu")
    first, second = critic(states)
    lower = critic.predict(states)
    torch.testing.assert_close(lower, torch.minimum(first, second))
    assert 0 < (lower == first).float().mean() < 1
    assert lower.shape == (20, 4)


@pytest.mark.parametrize("hidden_layers", [[], [8, 4]])
def test_estimates_of_actions_are_those_among_all(states: Tensor, hidden_layers: list[int]) -> None:
    critic = TwinnedQValueEstimator(3, 5, hidden_layers=hidden_layers, device="cpu")
    actions = torch.arange(20) % 4  # some twice, one never
    taken, estimates = critic.of_actions(states, actions)
    assert not estimates.requires_grad
    assert torch.equal(estimates, critic(states))
    among_all = critic(states)[:, torch.arange(20), actions]
    torch.testing.assert_close(taken, among_all)
    for found, expected in zip(
        torch.autograd.grad(taken.square().sum(), list(critic.parameters())),
        torch.autograd.grad(among_all.square().sum(), list(critic.parameters())),
        strict=True,
    ):
        torch.testing.assert_close(found, expected)


def test_twins_learn_apart(states: Tensor, actions: Tensor) -> None:
    critic = TwinnedQValueEstimator(5, learning_rate=0.01, device="cpu")
    before = [parameter.detach().clone() for parameter in critic.parameters()]
    for _ in range(2):  # the first step leaves Adam something to remember
        critic.run_backpropagation(critic(states, actions)[1].square().mean())
    for old, new in zip(before, critic.parameters(), strict=True):
        assert torch.equal(old[0], new[0])
        assert not torch.equal(old[1], new[1])


def test_parameters_start_within_the_inverse_root_of_the_inputs() -> None:
    critic = TwinnedQValueEstimator(25, hidden_layers=[100], device="cpu")
    for parameter, bound in zip(critic.parameters(), (0.2, 0.2, 0.1, 0.1), strict=True):
        assert parameter.abs().max() <= bound
    hidden = next(critic.parameters()).detach()
    assert hidden.abs().max() > 0.199
    assert abs(float(hidden.mean())) < 0.01


@pytest.mark.parametrize("network", CLASSES)
def test_the_seed_decides_the_parameters(network: type[BaseNetwork]) -> None:
    def parameters(seed: int) -> Tensor:
        return torch.cat([p.detach().flatten() for p in network(5, random_state=seed, device="cpu").parameters()])

    before = torch.get_rng_state()
    assert torch.equal(parameters(1), parameters(1))
    assert not torch.equal(parameters(0), parameters(1))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("network", CLASSES)
def test_saved_and_loaded_they_say_the_same(network: type[BaseNetwork], states: Tensor, tmp_path: Path) -> None:
    saved, loaded = network(3, random_state=0, device="cpu"), network(3, random_state=1, device="cpu")
    saved.save(tmp_path / "critic")
    assert not torch.equal(loaded(states), saved(states))
    loaded.load(tmp_path / "critic")
    assert torch.equal(loaded(states), saved(states))
