from collections.abc import Callable
from math import cosh, exp, inf, log, pi, tanh

import numpy as np
import pytest
import torch
from torch import Tensor

from pydeeprecsys.rl.ops.soft_actor_critic import (
    actor_losses,
    critic_losses,
    discrete_actor_losses,
    discrete_soft_q_target,
    discrete_temperature_losses,
    soft_q_target,
    soft_rewards,
    tanh_gaussian,
    temperature_losses,
)

HALF = torch.tensor(0.5)
AT_MEAN = -0.5 * log(2 * pi)  # logarithm of the standard normal density at its mean


def gradient(tensor: Tensor) -> list[float]:
    assert tensor.grad is not None
    values: list[float] = tensor.grad.flatten().tolist()
    return values


def test_soft_rewards_by_hand() -> None:
    found = soft_rewards(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 3.0]), torch.tensor(0.5))
    assert found.tolist() == [1, 3.5]


@pytest.mark.parametrize(
    ("mean", "deviation", "noise", "draw", "log_density"),
    [
        # At 0 tanh has slope 1.
        (0.0, 1.0, 0.0, 0.0, AT_MEAN),
        # A deviation of 2 halves the density, noise of 1 takes 1/2 off its logarithm; the slope is 1 / cosh² 2.5.
        (0.5, 2.0, 1.0, 2.5, AT_MEAN - log(2) - 0.5 + 2 * log(cosh(2.5))),
        (-1.0, 0.5, 2.0, 0.0, AT_MEAN + log(2) - 2.0),
        # Far out, cosh u is exp|u| / 2.
        (100.0, 1.0, 0.0, 100.0, AT_MEAN + 2 * (100.0 - log(2))),
        (-100.0, 1.0, 0.0, -100.0, AT_MEAN + 2 * (100.0 - log(2))),
    ],
)
def test_tanh_gaussian_hand_computed(
    mean: float, deviation: float, noise: float, draw: float, log_density: float
) -> None:
    action, log_probability = tanh_gaussian(
        torch.tensor([[mean]]), torch.tensor([[deviation]]).log(), torch.tensor([[noise]])
    )
    assert action.item() == pytest.approx(tanh(draw))
    assert log_probability.tolist() == pytest.approx([log_density], rel=1e-5)


def test_dimensions_are_independent() -> None:
    mean, log_deviation, noise = torch.randn(3, 2, 4, generator=torch.Generator().manual_seed(0))
    action, log_probability = tanh_gaussian(mean, log_deviation, noise)
    single = [tanh_gaussian(*(x[:, [i]] for x in (mean, log_deviation, noise))) for i in range(4)]
    torch.testing.assert_close(action, torch.cat([a for a, _ in single], dim=1))
    torch.testing.assert_close(log_probability, torch.stack([p for _, p in single]).sum(dim=0))


def test_the_density_integrates_to_one() -> None:
    actions = torch.linspace(-1, 1, 20_001, dtype=torch.float64)[1:-1, None]
    mean, deviation = torch.full_like(actions, 0.3), torch.full_like(actions, 0.7)
    drawn, log_probability = tanh_gaussian(mean, deviation.log(), (torch.atanh(actions) - mean) / deviation)
    torch.testing.assert_close(drawn, actions)
    assert torch.trapezoid(log_probability.exp(), actions[:, 0]).item() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("mean", [-100.0, -9.0, 0.0, 9.0, 100.0])
def test_gradients_of_the_density_are_right_where_tanh_rounds_to_one(mean: float) -> None:
    # log cosh² has the slope 2 · tanh; the deviation moves the draw by noise · deviation, and its density by −1.
    means, log_deviation = torch.tensor([[mean]], requires_grad=True), torch.zeros(1, 1, requires_grad=True)
    noise = torch.tensor([[0.5]])
    tanh_gaussian(means, log_deviation, noise)[1].sum().backward()
    slope = 2 * tanh(mean + 0.5)
    assert gradient(means) == pytest.approx([slope], rel=1e-5)
    assert gradient(log_deviation) == pytest.approx([0.5 * slope - 1], rel=1e-5, abs=1e-6)


def test_gradients_flow_through_the_action() -> None:
    # The slope of tanh at the draw, 0.5 + 2 · 0.25 = 1, times 1 and times deviation · noise = 0.5.
    mean, log_deviation = torch.tensor([[0.5]], requires_grad=True), torch.tensor([[log(2)]], requires_grad=True)
    tanh_gaussian(mean, log_deviation, torch.tensor([[0.25]]))[0].sum().backward()
    assert gradient(mean) == pytest.approx([1 / cosh(1) ** 2])
    assert gradient(log_deviation) == pytest.approx([0.5 / cosh(1) ** 2])


def test_soft_q_target_hand_computed() -> None:
    # 1 + 0.5 · (2 + 0.5 · 1) = 2.25; terminated, the reward alone; 0 + 0.5 · (−4 − 0.5 · 2) = −2.5.
    q_t = torch.tensor([[3.0, 2.0], [3.0, 2.0], [-4.0, 0.0]], requires_grad=True)
    log_probability = torch.tensor([-1.0, -1.0, 2.0], requires_grad=True)
    target = soft_q_target(torch.tensor([1.0, 1.0, 0.0]), torch.tensor([0.5, 0.0, 0.5]), q_t, log_probability, HALF)
    assert target.tolist() == [2.25, 1.0, -2.5]
    assert not target.requires_grad


def test_critic_losses_and_their_gradients_hand_computed() -> None:
    # (2 − 1)² / 2 + (2 − 4)² / 2 = 2.5; the gradient of each critic is what it says too much.
    q_tm1, target = torch.tensor([[1.0, 4.0]], requires_grad=True), torch.tensor([2.0], requires_grad=True)
    losses = critic_losses(q_tm1, target)
    losses.sum().backward()
    assert losses.tolist() == [2.5]
    assert gradient(q_tm1) == [-1.0, 2.0]
    assert target.grad is None


def test_actor_losses_and_their_gradients_hand_computed() -> None:
    # 0.5 · (−1) − 2 = −2.5 and 0.5 · 2 − 0 = 1.
    log_probability = torch.tensor([-1.0, 2.0], requires_grad=True)
    q = torch.tensor([[3.0, 2.0], [0.0, 5.0]], requires_grad=True)
    temperature = torch.tensor(0.5, requires_grad=True)
    losses = actor_losses(log_probability, q, temperature)
    losses.sum().backward()
    assert losses.tolist() == [-2.5, 1.0]
    assert gradient(log_probability) == [0.5, 0.5]
    assert gradient(q) == [0.0, -1.0, -1.0, 0.0]
    assert temperature.grad is None


def test_temperature_losses_and_their_gradients_hand_computed() -> None:
    # −2 · (−1 − 2) = 6 and −2 · (3 − 2) = −2; as to the logarithm of the temperature, the gradient is the loss itself.
    log_temperature = torch.tensor(log(2), requires_grad=True)
    log_probability = torch.tensor([-1.0, 3.0], requires_grad=True)
    losses = temperature_losses(log_temperature, log_probability, -2.0)
    losses.sum().backward()
    assert losses.tolist() == pytest.approx([6.0, -2.0])
    assert gradient(log_temperature) == pytest.approx([4.0])
    assert log_probability.grad is None


@pytest.mark.parametrize(
    ("discount", "probabilities", "values", "temperature", "expected"),
    [
        # The smaller values are 1 and 2, of mean 1.5; the entropy is ln 2.
        (0.5, [0.5, 0.5], [[1.0, 3.0], [2.0, 2.0]], 1.0, 1 + 0.5 * (1.5 + log(2))),
        # 1/4 · 4 + 3/4 · 0 = 1; twice the entropy, 1/4 · ln 4 + 3/4 · ln 4/3.
        (0.5, [0.25, 0.75], [[4.0, 1.0], [5.0, 0.0]], 2.0, 1 + 0.5 * (1 + 2 * (0.25 * log(4) + 0.75 * log(4 / 3)))),
        (0.0, [0.5, 0.5], [[1.0, 3.0], [2.0, 2.0]], 1.0, 1.0),
        # A policy that is certain has no entropy: 1 + 0.5 · 2.
        (0.5, [0.0, 1.0], [[1.0, 3.0], [2.0, 2.0]], 1.0, 2.0),
    ],
)
def test_discrete_target_hand_computed(
    discount: float, probabilities: list[float], values: list[list[float]], temperature: float, expected: float
) -> None:
    q_t = torch.tensor([values], requires_grad=True)
    logits = (torch.tensor([probabilities]).log() + 5.0).requires_grad_()
    target = discrete_soft_q_target(
        torch.tensor([1.0]), torch.tensor([discount]), q_t, logits, torch.tensor(temperature)
    )
    assert target.tolist() == pytest.approx([expected])
    assert not target.requires_grad


def test_discrete_actor_losses_and_their_gradients_hand_computed() -> None:
    # f = 0.5 · ln π − min q = −0.5 · ln 4 − 4 and −0.5 · ln 4/3 − 0; the loss is its mean under π, and the gradient of
    # each logit π · (f − loss).
    logits = torch.tensor([[0.25, 0.75]]).log().requires_grad_()
    q = torch.tensor([[[4.0, 1.0], [5.0, 0.0]]], requires_grad=True)
    temperature = torch.tensor(0.5, requires_grad=True)
    losses = discrete_actor_losses(logits, q, temperature)
    losses.sum().backward()
    f = [-0.5 * log(4) - 4, -0.5 * log(4 / 3)]
    expected = 0.25 * f[0] + 0.75 * f[1]
    assert losses.tolist() == pytest.approx([expected])
    assert gradient(logits) == pytest.approx([0.25 * (f[0] - expected), 0.75 * (f[1] - expected)])
    assert q.grad is None
    assert temperature.grad is None


def test_the_best_discrete_policy_is_the_softmax_of_values_over_temperature() -> None:
    q = torch.tensor([[[1.0, 2.0, -1.0]], [[0.0, 0.5, 3.0]]])
    logits = (q[:, 0] / 0.5).requires_grad_()
    losses = discrete_actor_losses(logits, q, HALF)
    losses.sum().backward()
    assert gradient(logits) == pytest.approx([0.0] * 6, abs=1e-6)
    torch.testing.assert_close(losses, -0.5 * torch.logsumexp(q[:, 0] / 0.5, dim=1))


def test_discrete_temperature_losses_and_their_gradients_hand_computed() -> None:
    # 2 · (ln 2 − 0.5) > 0 lowers the temperature; 2 · (0 − 0.5) = −1 raises it.
    log_temperature = torch.tensor(log(2), requires_grad=True)
    logits = torch.tensor([[3.0, 3.0], [3.0, -inf]], requires_grad=True)
    losses = discrete_temperature_losses(log_temperature, logits, 0.5)
    losses.sum().backward()
    assert losses.tolist() == pytest.approx([2 * (log(2) - 0.5), -1.0])
    assert gradient(log_temperature) == pytest.approx([2 * (log(2) - 0.5) - 1])
    assert logits.grad is None


def test_discrete_losses_are_expectations_of_the_continuous_ones() -> None:
    logits = torch.tensor([[0.3, -1.0, 2.0]])
    q = torch.tensor([[[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]])
    probabilities, log_probabilities = torch.softmax(logits, 1)[0], torch.log_softmax(logits, 1)[0]
    actor = probabilities @ actor_losses(log_probabilities, q[0].T, HALF)
    temperature = probabilities @ temperature_losses(HALF, log_probabilities, 0.7)
    torch.testing.assert_close(discrete_actor_losses(logits, q, HALF)[0], actor)
    torch.testing.assert_close(discrete_temperature_losses(HALF, logits, 0.7)[0], temperature)


def test_with_a_single_action_nothing_is_left_to_choose() -> None:
    logits = torch.tensor([[4.0], [-7.0]], requires_grad=True)
    q = torch.tensor([[[3.0], [2.0]], [[0.0], [5.0]]])
    target = discrete_soft_q_target(torch.tensor([1.0, 1.0]), torch.tensor([0.5, 0.5]), q, logits, HALF)
    assert target.tolist() == [2.0, 1.0]
    losses = discrete_actor_losses(logits, q, HALF)
    losses.sum().backward()
    assert losses.tolist() == [-2.0, 0.0]
    assert gradient(logits) == [0.0, 0.0]
    assert discrete_temperature_losses(torch.tensor(0.0), logits, 0.0).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("forbidden", [-inf, -1e4])
def test_actions_of_no_probability_change_nothing(forbidden: float) -> None:
    free = torch.tensor([[0.3, -1.0]], requires_grad=True)
    masked = torch.tensor([[0.3, forbidden, -1.0]], requires_grad=True)
    q = torch.tensor([[[1.0, 50.0, 3.0], [2.0, 60.0, 1.0]]])
    losses = discrete_actor_losses(masked, q, HALF)
    expected = discrete_actor_losses(free, q[:, :, [0, 2]], HALF)
    torch.testing.assert_close(losses, expected)
    losses.sum().backward()
    expected.sum().backward()
    without = gradient(free)
    assert gradient(masked) == pytest.approx([without[0], 0.0, without[1]])
    rewards = torch.ones(1)
    torch.testing.assert_close(
        discrete_soft_q_target(rewards, HALF[None], q, masked, HALF),
        discrete_soft_q_target(rewards, HALF[None], q[:, :, [0, 2]], free, HALF),
    )


def test_descending_the_temperature_losses_leads_entropy_to_its_target() -> None:
    # Values 0 and 1 give the best policy the entropy of a Bernoulli distribution with logit 1 / temperature.
    log_temperature = torch.tensor(0.0, requires_grad=True)
    for _ in range(300):
        logits = torch.tensor([[0.0, 1.0]]) / log_temperature.detach().exp()
        loss = discrete_temperature_losses(log_temperature, logits, 0.3).sum()
        (slope,) = torch.autograd.grad(loss, log_temperature)
        log_temperature = (log_temperature - slope).detach().requires_grad_()
    p = 1 / (1 + exp(-1 / exp(log_temperature.item())))
    assert -p * np.log(p) - (1 - p) * np.log(1 - p) == pytest.approx(0.3, abs=1e-3)


ROWS, COLUMN, TABLE, TABLES = torch.ones(3), torch.ones(3, 1), torch.ones(3, 2), torch.ones(3, 2, 4)
LOGITS = torch.ones(3, 4)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("noise", lambda: tanh_gaussian(TABLE, TABLE, COLUMN)),
        ("log_probability_t", lambda: soft_q_target(ROWS, ROWS, TABLE, COLUMN, HALF)),
        ("temperature", lambda: soft_q_target(ROWS, ROWS, TABLE, ROWS, ROWS)),
        ("target_t", lambda: critic_losses(TABLE, COLUMN)),
        ("q", lambda: actor_losses(ROWS, ROWS, HALF)),
        ("log_probability", lambda: temperature_losses(HALF, COLUMN, 0.0)),
        ("discount_t", lambda: discrete_soft_q_target(ROWS, COLUMN, TABLES, LOGITS, HALF)),
        ("q_t", lambda: discrete_soft_q_target(ROWS, ROWS, TABLE, LOGITS, HALF)),
        ("q", lambda: discrete_actor_losses(LOGITS, TABLE, HALF)),
        ("temperature", lambda: discrete_actor_losses(LOGITS, TABLES, COLUMN)),
        ("log_temperature", lambda: discrete_temperature_losses(ROWS, LOGITS, 0.0)),
    ],
)
def test_rows_never_meet_columns(name: str, call: Callable[[], Tensor | tuple[Tensor, Tensor]]) -> None:
    with pytest.raises(ValueError, match=f"^{name} is of shape"):
        call()
