import itertools
import math

import numpy as np
import pytest
import torch

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.experience_replay.transition import Sample, Transition
from pydeeprecsys.rl.neural_networks.dueling import DuelingDDQN
from pydeeprecsys.rl.neural_networks.noisy_layer import NoisyLayer

FEATURES = np.random.default_rng(0).random((6, 4))
SIZES = [8, 7, 5, 4]


def make(seed: int = 0, **options: object) -> DuelingDDQN:
    return DuelingDDQN(3, 6, 0.01, SIZES, 0.5, random_state=seed, device="cpu", **options)  # type: ignore[arg-type]


def all_kinds() -> list[DuelingDDQN]:
    kinds = itertools.product((True, False), (True, False), (1, 5), (None, FEATURES))
    return [make(dueling=dueling, noisy=noisy, n_atoms=n, item_features=items) for dueling, noisy, n, items in kinds]


@pytest.fixture
def inputs() -> torch.Tensor:
    return torch.rand(20, 3, generator=torch.Generator().manual_seed(0))


def test_the_default_is_the_founding_network() -> None:
    network = DuelingDDQN(3, 6, 0.01, device="cpu").model
    layers = ["fully_connected_1", "fully_connected_2", "value_hidden", "value_output"]
    shapes = [tuple(getattr(network, name).weight.shape) for name in [*layers, "advantage_hidden", "advantage_output"]]
    assert shapes == [(256, 3), (256, 256), (64, 256), (1, 64), (64, 256), (6, 64)]
    noisy = [name for name, module in network.named_modules() if isinstance(module, NoisyLayer)]
    assert noisy == ["fully_connected_2", "advantage_hidden", "value_hidden"]
    assert network.fully_connected_2.sigma_weight[0, 0].item() == pytest.approx(0.017 / 16)


def test_hidden_layers_are_two_common_ones_the_values_and_the_advantages() -> None:
    network = make().model
    assert network.fully_connected_1.weight.shape == (8, 3)
    assert network.fully_connected_2.weight.shape == (7, 8)
    assert network.value_output.weight.shape == (1, 5)
    assert network.advantage_output.weight.shape == (6, 4)


@pytest.mark.parametrize("kind", ["factorised", "independent"])
def test_the_kind_of_noise(kind: str) -> None:
    layer = make(noise_kind=kind).model.fully_connected_2
    assert isinstance(layer, NoisyLayer)
    assert layer.factorised == (kind == "factorised")
    assert not any(isinstance(module, NoisyLayer) for module in make(noisy=False, noise_kind=kind).modules())


@pytest.mark.parametrize("n_atoms", [1, 5])
@pytest.mark.parametrize("features", [None, FEATURES])
def test_value_and_advantages_can_be_told_apart(
    inputs: torch.Tensor, n_atoms: int, features: np.ndarray | None
) -> None:
    network = make(n_atoms=n_atoms, item_features=features)
    common = network.model._common(inputs)
    value = network.model._value(common).squeeze(-1)
    # The value is the mean over the actions, so the same outputs cannot come of another value.
    torch.testing.assert_close(network(inputs).mean(dim=1), value)


def test_what_all_advantages_have_in_common_does_not_count(inputs: torch.Tensor) -> None:
    dueling, single = make(), make(dueling=False)
    before = dueling(inputs), single(inputs)
    with torch.no_grad():
        for network in (dueling, single):
            network.model.advantage_output.bias.add_(10.0)
    torch.testing.assert_close(dueling(inputs), before[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(single(inputs), before[1] + 10)
    with torch.no_grad():
        dueling.model.value_output.bias.add_(10.0)
    torch.testing.assert_close(dueling(inputs), before[0] + 10)


@pytest.mark.parametrize("network", all_kinds())
def test_the_outputs_of_single_actions_are_those_of_all(network: DuelingDDQN, inputs: torch.Tensor) -> None:
    actions = torch.arange(20) % 6
    network.draw_noise()
    expected = network(inputs).view(20, 6, -1)[torch.arange(20), actions]
    single = network.of_actions(inputs, actions)
    torch.testing.assert_close(single, expected)
    parameters = list(network.parameters())
    upstream = torch.rand(single.shape, generator=torch.Generator().manual_seed(1))
    gradients = torch.autograd.grad(single, parameters, upstream)
    for gradient, wanted in zip(gradients, torch.autograd.grad(expected, parameters, upstream), strict=True):
        torch.testing.assert_close(gradient, wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("network", all_kinds())
def test_actions_are_chosen_in_the_order_of_their_values(network: DuelingDDQN, inputs: torch.Tensor) -> None:
    expected = network.q_values(inputs).argsort(dim=1, descending=True)
    assert network.choose(inputs.numpy(), 6).tolist() == expected.tolist()


def test_the_value_of_a_distribution_is_its_mean(inputs: torch.Tensor) -> None:
    network = make(n_atoms=3, v_min=-1.0, v_max=2.0)
    assert network.support.tolist() == [-1.0, 0.5, 2.0]
    assert network(inputs).shape == (20, 6, 3)
    weights = np.exp(network(inputs).detach().numpy().astype(np.float64))
    probabilities = weights / weights.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(network.q_values(inputs).detach(), probabilities @ [-1.0, 0.5, 2.0], rtol=1e-5)


@pytest.mark.parametrize("double", [True, False])
def test_one_update_of_distributions_by_hand(double: bool) -> None:
    network, target = (make(seed, noisy=False, n_atoms=3, v_min=0.0, v_max=2.0) for seed in (0, 1))
    state, new_state = np.array([[0.1, 0.2, 0.3]], dtype=np.float32), np.array([[0.9, 0.5, 0.1]], dtype=np.float32)
    mask = np.array([[False, True, True, False, True, True]])
    chooser = network if double else target
    q = chooser.q_values(torch.from_numpy(new_state)).detach().numpy()[0]
    best = int(np.argmax(np.where(mask[0], q, -np.inf)))
    p = torch.softmax(target(torch.from_numpy(new_state))[0, best], dim=-1).detach().numpy()
    # r + γz are 0.5, 1 and 1.5: the outer two lie halfway between two atoms.
    m = np.array([p[0] / 2, p[0] / 2 + p[1] + p[2] / 2, p[2] / 2])
    log_probabilities = torch.log_softmax(network(torch.from_numpy(state))[0, 4], dim=-1).detach().numpy()
    none = np.zeros(1, dtype=np.bool_)
    one = np.ones(1)
    transitions = Transition(state, np.array([4]), one / 2, none, none, new_state, next_action_masks=mask)
    step = Sample(transitions._replace(discounts=one / 2), one, np.array([0]))
    network.discount_factor = 1.0
    errors = network.learn_from(step, target, double=double)
    assert errors.tolist() == [pytest.approx((m * (np.log(m) - log_probabilities)).sum(), rel=1e-4)]
    for _ in range(300):
        network.learn_from(step, target)
    # Without double the target stays as it is, and is learned.
    if not double:
        learned = torch.softmax(network(torch.from_numpy(state))[0, 4], dim=-1).detach().numpy()
        np.testing.assert_allclose(learned, m, atol=0.01)
        # So the priority of what is known by heart is that of an error of 0, however spread out the target is.
        assert network.learn_from(step, target) == pytest.approx(0, abs=1e-3)


def test_seeds(inputs: torch.Tensor) -> None:
    def life(seed: int) -> list[list[int]]:
        network = make(seed)
        return [network.choose(inputs.numpy(), 6, explore=True)[0].tolist() for _ in range(5)]

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
        ({"loss": "absolute"}, "no loss 'absolute'; give one of huber, squared"),
        ({"n_atoms": 2, "loss": "squared"}, "leave out loss='squared'"),
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
    cuda = DuelingDDQN(3, 6, 0.01, SIZES, 0.5, n_atoms=n_atoms, noisy=False, device="cuda")
    rng = np.random.default_rng(1)
    states = inputs.numpy()
    none = np.zeros(20, dtype=np.bool_)
    ones = np.ones(20)
    transitions = Transition(states, rng.integers(0, 6, 20), ones, none, none, states[::-1].copy(), discounts=ones / 2)
    step = Sample(transitions, ones, np.arange(20))
    for _ in range(3):
        np.testing.assert_allclose(cuda.learn_from(step, double=True), cpu.learn_from(step, double=True), rtol=1e-3)
    torch.testing.assert_close(cuda(inputs.cuda()).cpu(), cpu(inputs), rtol=1e-3, atol=1e-4)
