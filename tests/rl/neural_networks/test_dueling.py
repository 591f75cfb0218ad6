import itertools
import math

import numpy as np
import pytest
import torch

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.neural_networks.dueling import DuelingDDQN
from pydeeprecsys.rl.neural_networks.noisy_layer import NoisyLayer
from pydeeprecsys.rl.ops.categorical import expected_values

FEATURES = np.random.default_rng(0).random((6, 4))
SIZES = [8, 7, 5, 4]


def make(seed: int = 0, **options: object) -> DuelingDDQN:
    arguments = {"hidden_layers": SIZES, "noise_sigma": 0.5, "random_state": seed, "device": "cpu", **options}
    return DuelingDDQN(3, 6, 0.01, **arguments)  # type: ignore[arg-type]


def all_kinds() -> list[DuelingDDQN]:
    kinds = itertools.product((True, False), (True, False), (1, 5), (None, FEATURES))
    return [make(dueling=dueling, noisy=noisy, n_atoms=n, item_features=items) for dueling, noisy, n, items in kinds]


@pytest.fixture
def inputs() -> torch.Tensor:
    return torch.rand(20, 3, generator=torch.Generator().manual_seed(0))


def test_the_default_is_the_network_of_the_notebook() -> None:
    layers = DuelingDDQN(3, 6, 0.01, device="cpu").model
    shapes = {name: tuple(layer.weight.shape) for name, layer in layers.items()}
    assert shapes == {
        "common_1": (256, 3),
        "common_2": (256, 256),
        "advantage_hidden": (64, 256),
        "advantage_output": (6, 64),
        "value_hidden": (64, 256),
        "value_output": (1, 64),
    }
    noisy = {name for name, module in layers.items() if isinstance(module, NoisyLayer)}
    assert noisy == {"common_2", "advantage_hidden", "value_hidden"}
    assert layers["common_2"].sigma_weight[0, 0].item() == pytest.approx(0.017 / 16)


def test_hidden_layers_are_two_common_ones_the_values_and_the_advantages() -> None:
    layers = make().model
    assert layers["common_1"].weight.shape == (8, 3)
    assert layers["common_2"].weight.shape == (7, 8)
    assert layers["value_output"].weight.shape == (1, 5)
    assert layers["advantage_output"].weight.shape == (6, 4)


@pytest.mark.parametrize("kind", ["factorised", "independent"])
def test_the_kind_of_noise(kind: str) -> None:
    layer = make(noise_kind=kind).model["common_2"]
    assert isinstance(layer, NoisyLayer)
    assert layer.factorised == (kind == "factorised")
    assert not any(isinstance(module, NoisyLayer) for module in make(noisy=False, noise_kind=kind).modules())


@pytest.mark.parametrize("n_atoms", [1, 5])
@pytest.mark.parametrize("features", [None, FEATURES])
def test_value_and_advantages_can_be_told_apart(
    inputs: torch.Tensor, n_atoms: int, features: np.ndarray | None
) -> None:
    network = make(n_atoms=n_atoms, item_features=features)
    value = network._values(network._common(inputs)).squeeze(-1)
    # The value is the mean over the actions, so the same outputs cannot come of another value.
    torch.testing.assert_close(network(inputs).mean(dim=1), value)


def test_what_all_advantages_have_in_common_does_not_count(inputs: torch.Tensor) -> None:
    dueling, single = make(), make(dueling=False)
    before = dueling(inputs), single(inputs)
    with torch.no_grad():
        for network in (dueling, single):
            network.model["advantage_output"].bias.add_(10.0)
    torch.testing.assert_close(dueling(inputs), before[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(single(inputs), before[1] + 10)
    with torch.no_grad():
        dueling.model["value_output"].bias.add_(10.0)
    torch.testing.assert_close(dueling(inputs), before[0] + 10)


@pytest.mark.parametrize("network", all_kinds())
def test_the_outputs_of_single_actions_are_those_of_all(network: DuelingDDQN, inputs: torch.Tensor) -> None:
    actions = torch.arange(20) % 6
    network.draw_noise()
    expected = network(inputs)[torch.arange(20), actions]
    single = network.of_actions(inputs, actions)
    torch.testing.assert_close(single, expected)
    parameters = list(network.parameters())
    upstream = torch.rand(single.shape, generator=torch.Generator().manual_seed(1))
    gradients = torch.autograd.grad(single, parameters, upstream)
    for gradient, wanted in zip(gradients, torch.autograd.grad(expected, parameters, upstream), strict=True):
        torch.testing.assert_close(gradient, wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("network", all_kinds())
def test_preferences_rank_the_actions_as_their_values_do(network: DuelingDDQN, inputs: torch.Tensor) -> None:
    q = network(inputs) if network.n_atoms == 1 else expected_values(network(inputs), network.support)
    assert network.preferences(inputs).first.argsort(dim=1).tolist() == q.argsort(dim=1).tolist()


def test_the_value_of_a_distribution_is_its_mean(inputs: torch.Tensor) -> None:
    network = make(n_atoms=3, v_min=-1.0, v_max=2.0)
    assert network.support.tolist() == [-1.0, 0.5, 2.0]
    assert network(inputs).shape == (20, 6, 3)
    weights = np.exp(network(inputs).detach().numpy().astype(np.float64))
    probabilities = weights / weights.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(network.preferences(inputs).first.detach(), probabilities @ [-1.0, 0.5, 2.0], rtol=1e-5)


def test_seeds(inputs: torch.Tensor) -> None:
    def life(seed: int) -> list[float]:
        network = make(seed)
        network.draw_noise()
        values: list[float] = network(inputs)[0].tolist()
        return values

    assert life(0) == life(0)
    assert life(0) != life(1)
    assert torch.equal(make(0)(inputs), make(0)(inputs))
    assert not torch.isclose(make(0)(inputs), make(1)(inputs)).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hidden_layers": [8, 8, 8]}, "hidden_layers must be four sizes"),
        ({"n_atoms": 2, "v_min": 1.0, "v_max": 1.0}, "v_max must be above v_min"),
        ({"n_atoms": 2, "v_min": math.nan}, "v_max must be above v_min"),
        ({"n_atoms": 2, "v_max": math.inf}, "finite"),
        ({"noise_kind": "pink"}, "pink"),
        ({"noise_sigma": -1.0}, "sigma"),
        ({"item_features": np.ones((5, 2))}, "5 rows, there are 6 actions"),
        ({"device": "abacus"}, "abacus"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        DuelingDDQN(3, 6, 0.01, **{"device": "cpu", **arguments})  # type: ignore[arg-type]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("n_atoms", [1, 5])
def test_on_cuda_it_is_the_same_network(inputs: torch.Tensor, n_atoms: int) -> None:
    cpu = make(n_atoms=n_atoms, noisy=False)
    cuda = make(n_atoms=n_atoms, noisy=False, device="cuda")
    actions = torch.arange(20) % 6
    for _ in range(3):
        for network in (cpu, cuda):
            values = network.of_actions(inputs.to(network.device), actions.to(network.device))
            network.run_backpropagation(values.square().mean())
    torch.testing.assert_close(cuda(inputs.cuda()).cpu(), cpu(inputs), rtol=1e-3, atol=1e-4)
