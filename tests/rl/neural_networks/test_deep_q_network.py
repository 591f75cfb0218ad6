from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from contracts.agents import assert_same_state
from pydeeprecsys.rl.experience_replay.transition import Sample, Transition
from pydeeprecsys.rl.learning_statistics import LearningStatistics
from pydeeprecsys.rl.neural_networks.deep_q_network import DeepQNetwork, outputs_of_actions
from pydeeprecsys.rl.neural_networks.item_head import ItemHead
from pydeeprecsys.rl.neural_networks.noisy_layer import NoisyLayer
from pydeeprecsys.rl.ops.values import Loss

ONLINE = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
TARGET = [[10.0, 20.0, 30.0], [60.0, 50.0, 40.0]]


def table(
    values: list[list[float]], discount_factor: float = 1.0, learning_rate: float = 0.1, loss: Loss = "huber"
) -> DeepQNetwork:
    """Values of 3 actions in 2 states, which are unit vectors."""
    layer = nn.Linear(2, 3, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(values).T)
    return DeepQNetwork(learning_rate, layer, discount_factor, loss=loss, device="cpu")


def values(network: DeepQNetwork) -> Any:
    return network(torch.eye(2)).tolist()


def batch(
    states: list[int],
    actions: list[int],
    rewards: list[float],
    new_states: list[int],
    discounts: list[float],
    weights: list[float] | None = None,
) -> Sample:
    n = len(states)
    eye = np.eye(2, dtype=np.float32)
    none = np.zeros(n, dtype=np.bool_)
    transitions = Transition(eye[states], np.array(actions), np.array(rewards), none, none, eye[new_states])
    return Sample(
        transitions._replace(discounts=np.array(discounts)),
        np.ones(n) if weights is None else np.array(weights),
        np.arange(n),
    )


def masked(sample: Sample, masks: Any) -> Sample:
    return sample._replace(transitions=sample.transitions._replace(next_action_masks=masks))


# From state 0, where action 1 is worth 2, to state 1 for a reward of 0.5, with a discount of 0.9.
STEP = batch([0], [1], [0.5], [1], [0.9])


@pytest.mark.parametrize(
    ("double", "mask", "error"),
    [
        (False, None, 0.5 + 0.9 * 60 - 2),
        (False, [False, True, True], 0.5 + 0.9 * 50 - 2),
        (True, None, 0.5 + 0.9 * 40 - 2),
        (True, [True, True, False], 0.5 + 0.9 * 50 - 2),
        (True, [True, False, False], 0.5 + 0.9 * 60 - 2),
    ],
)
def test_errors_by_hand(double: bool, mask: list[bool] | None, error: float) -> None:
    masks = None if mask is None else np.array([mask])
    errors = table(ONLINE).learn_from(masked(STEP, masks), table(TARGET), double=double)
    assert errors.dtype == np.float64
    assert errors.tolist() == [pytest.approx(error, rel=1e-6)]


def test_without_a_target_network_it_judges_itself() -> None:
    assert table(ONLINE).learn_from(STEP)[0] == pytest.approx(0.5 + 0.9 * 6 - 2)


def test_discounts_of_the_batch_decide_what_the_new_state_counts() -> None:
    # The first terminated, where nothing may be allowed; the second did not.
    steps = batch([0, 0], [1, 1], [0.5, 0.5], [1, 1], [0.0, 0.9])
    masks = np.array([[False] * 3, [True] * 3])
    for double in (True, False):
        errors = table(ONLINE).learn_from(masked(steps, masks), table(TARGET), double=double)
        assert errors[0] == pytest.approx(0.5 - 2)
        assert errors[1] > 30


def test_the_discount_factor_is_multiplied_into_them() -> None:
    assert table(ONLINE, discount_factor=0.5).learn_from(STEP, table(TARGET))[0] == pytest.approx(0.5 + 0.45 * 60 - 2)


def test_one_update_moves_the_value_of_what_was_done_and_nothing_else() -> None:
    network, target = table(ONLINE), table(TARGET)
    steps = batch([0, 1], [1, 2], [0.5, 0.0], [1, 0], [0.9, 0.0])
    network.learn_from(steps, target)
    # Adam's first step is the learning rate, whatever the size of the gradient: up to 54.5, down to 0.
    np.testing.assert_allclose(values(network), [[1, 2.1, 3], [4, 5, 5.9]], rtol=1e-5)
    assert values(target) == TARGET


def test_the_loss_is_the_weighted_mean_of_hubers() -> None:
    network = table(ONLINE)
    network.statistics = LearningStatistics()
    # Errors −0.4 and 10: Huber 0.08 and 9.5.
    network.learn_from(batch([0, 1], [1, 2], [1.6, 16.0], [0, 0], [0.0, 0.0], weights=[1.0, 0.5]))
    losses = network.statistics.loss_values
    assert losses is not None
    assert losses.tolist() == [pytest.approx((0.08 + 4.75) / 2, rel=1e-5)]


def test_the_squared_loss_by_hand() -> None:
    network = table(ONLINE, loss="squared")
    network.statistics = LearningStatistics()
    # Errors −0.4 and 10: half their squares are 0.08 and 50.
    network.learn_from(batch([0, 1], [1, 2], [1.6, 16.0], [0, 0], [0.0, 0.0], weights=[1.0, 0.5]))
    losses = network.statistics.loss_values
    assert losses is not None
    assert losses.tolist() == [pytest.approx((0.08 + 25) / 2, rel=1e-5)]


@pytest.mark.parametrize(("loss", "expected"), [("squared", [6.04, 7.0]), ("huber", [7.5, 7.45])])
def test_only_the_squared_loss_is_unbiased_where_endings_are_random(loss: Loss, expected: list[float]) -> None:
    # One state. Action 0 pays 1 and ends the episode one time in five, action 1 pays 0.7 and never does; discount 0.9.
    # Action 1 is best, of value 0.7 / (1 − 0.9) = 7; action 0 is worth 1 + 0.8 · 0.9 · 7 = 6.04.
    # Huber's loss lets an ending pull with 1, whatever it costs: 0.8 · (1 + 0.9 · q − q) = 0.2, and q = 7.5.
    steps = batch([0] * 10, [0] * 5 + [1] * 5, [1.0] * 5 + [0.7] * 5, [0] * 10, [0.0] + [0.9] * 9)
    network = table([[0.0, 0.0, -9.0]] * 2, learning_rate=0.05, loss=loss)
    for _ in range(1000):
        network.learn_from(steps)
    assert values(network)[0] == pytest.approx([*expected, -9.0], abs=1e-3)


def test_states_that_are_not_numbers_break_nothing() -> None:
    network = table(ONLINE)
    nan = STEP.transitions._replace(observations=np.full((1, 2), np.nan, dtype=np.float32))
    with pytest.raises(FloatingPointError, match="the loss of DeepQNetwork is nan"):
        network.learn_from(STEP._replace(transitions=nan))
    assert values(network) == ONLINE


def test_the_best_actions_come_first() -> None:
    network = table([[3.0, 1.0, 2.0], [4.0, 5.0, 6.0]])
    assert network.choose(np.eye(2), 3).tolist() == [[0, 2, 1], [2, 1, 0]]
    masks = np.array([[False, True, True], [True, True, False]])
    assert network.choose(np.eye(2), 2, action_masks=masks).tolist() == [[2, 1], [1, 0]]
    assert network.best_action_for_state([0.0, 1.0]) == 2
    assert network.best_action_for_state([[1.0], [0.0]]) == 0
    assert type(network.best_action_for_state([1.0, 0.0])) is int


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
    assert single.shape == (20, 1)
    expected = all_of_them.gather(1, actions.unsqueeze(1))
    torch.testing.assert_close(single, expected)
    parameters = list(network.parameters())
    upstream = torch.rand(20, 1, generator=draws)
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


def explored(network: DeepQNetwork, n: int = 30) -> list[Any]:
    return [network.choose(np.eye(2), 3, explore=True).tolist() for _ in range(n)]


def test_noise_is_new_whenever_it_explores_and_off_when_it_does_not() -> None:
    network = noisy()
    quiet = network.choose(np.eye(2), 3).tolist()
    assert len({str(slates) for slates in explored(network)}) > 5
    assert network.choose(np.eye(2), 3).tolist() == quiet
    assert explored(noisy(1)) == explored(noisy(1)) != explored(noisy(2))


def test_both_networks_have_new_noise_for_each_batch() -> None:
    network, target = noisy(), noisy(1)
    network.optimizer = torch.optim.SGD(network.parameters(), lr=0.0)
    seen = {float(network.learn_from(STEP, target, double=double)[0]) for double in (True, False) for _ in range(5)}
    assert len(seen) == 10
    for each in (network, target):
        before = each.generator.get_state()
        network.learn_from(STEP, target)
        assert not torch.equal(each.generator.get_state(), before)


def test_restored_it_goes_on_with_the_same_noise() -> None:
    network, restored = noisy(0), noisy(1)
    for _ in range(3):
        network.learn_from(STEP)
    restored.load_learning_state(network.learning_state())
    assert explored(restored) == explored(network)
    assert restored.learn_from(STEP).tolist() == network.learn_from(STEP).tolist()
    assert_same_state(restored.learning_state(), network.learning_state())
