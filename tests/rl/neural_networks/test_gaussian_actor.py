from math import exp, log, pi

import numpy as np
import pytest
import torch
from torch import Tensor

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.neural_networks.gaussian_actor import LOG_DEVIATION_RANGE, GaussianActor


def make(seed: int = 0) -> GaussianActor:
    return GaussianActor(3, 2, random_state=seed, device="cpu")


def constant(means: list[float], log_deviations: list[float]) -> GaussianActor:
    """An actor that says the same of every state."""
    actor = GaussianActor(3, len(means), hidden_layers=[], device="cpu")
    weight, bias = actor.parameters()
    with torch.no_grad():
        weight.zero_()
        bias.copy_(torch.tensor(means + log_deviations))
    return actor


@pytest.fixture
def states() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(30, 3))


def test_the_outputs_are_means_and_bounded_deviations(states: np.ndarray) -> None:
    inputs = torch.from_numpy(states.astype(np.float32))
    means, log_deviations = constant([0.5, -1.0], [-50.0, 50.0])(inputs)
    assert means.tolist() == [[0.5, -1.0]] * 30
    assert log_deviations.tolist() == [list(LOG_DEVIATION_RANGE)] * 30


def test_draws_follow_the_squashed_gaussian() -> None:
    actor = constant([0.3, -1.0], [log(0.5), log(2.0)])
    actions, log_densities = actor.sample(torch.zeros(50_000, 3))
    assert actions.shape == (50_000, 2)
    assert log_densities.shape == (50_000,)
    draws = torch.atanh(actions.detach().double().clamp(-1 + 1e-7, 1 - 1e-7))
    np.testing.assert_allclose(draws.median(dim=0).values, [0.3, -1.0], atol=0.05)
    np.testing.assert_allclose(draws[:, 0].std(), 0.5, rtol=0.02)


def test_the_density_is_that_of_the_action() -> None:
    actor = constant([0.4], [log(0.5)])
    actions, log_densities = actor.sample(torch.zeros(5, 3))
    for action, log_density in zip(actions[:, 0].tolist(), log_densities.tolist(), strict=True):
        noise = (np.arctanh(action) - 0.4) / 0.5
        expected = exp(-0.5 * noise**2) / (0.5 * (2 * pi) ** 0.5) / (1 - action**2)
        assert log_density == pytest.approx(log(expected), abs=1e-4)


def test_gradients_flow_through_the_draw() -> None:
    actor = constant([0.0], [log(0.5)])
    actions, _ = actor.sample(torch.zeros(1, 3))
    actions.sum().backward()
    _, bias = actor.parameters()
    noise = float(np.arctanh(actions.item())) / 0.5
    slope = 1 - actions.item() ** 2
    assert bias.grad is not None
    assert bias.grad.tolist() == pytest.approx([slope, slope * noise * 0.5], rel=1e-4)


def test_without_exploration_it_gives_the_squashed_means_and_draws_nothing(states: np.ndarray) -> None:
    actor = make()
    before = actor.generator.get_state()
    actions = actor.predict(states, explore=False)
    means, _ = actor(actor.as_tensor(states))
    assert torch.equal(actions, means.tanh())
    assert torch.equal(actor.generator.get_state(), before)
    assert not torch.equal(actor.predict(states), actions)


def test_the_seed_decides_parameters_and_draws(states: np.ndarray) -> None:
    before = torch.get_rng_state()
    assert torch.equal(make(1).predict(states), make(1).predict(states))
    assert not torch.equal(make(0).predict(states), make(1).predict(states))
    assert torch.equal(torch.get_rng_state(), before)


def test_restored_it_draws_on(states: np.ndarray) -> None:
    actor, restored = make(0), make(1)
    actor.predict(states)
    actor.run_backpropagation(actor.sample(actor.as_tensor(states))[1].mean())
    restored.load_learning_state(actor.learning_state())
    for _ in range(2):
        drawn, expected = (a.sample(a.as_tensor(states)) for a in (restored, actor))
        assert torch.equal(drawn[0], expected[0])
        for a, (_, log_densities) in ((restored, drawn), (actor, expected)):
            a.run_backpropagation(log_densities.mean())


def test_the_state_of_another_actor_is_refused() -> None:
    with pytest.raises(InputError, match="does not fit this GaussianActor"):
        make().load_learning_state(GaussianActor(4, 2, device="cpu").learning_state())


def test_hidden_layers_are_twice_the_inputs_or_as_given() -> None:
    def weights(actor: GaussianActor) -> list[Tensor]:
        return [parameter for parameter in actor.parameters() if parameter.ndim == 2]

    assert [tuple(weight.shape) for weight in weights(make())] == [(6, 3), (6, 6), (4, 6)]
    small = GaussianActor(3, 2, hidden_layers=[5], device="cpu")
    assert [tuple(weight.shape) for weight in weights(small)] == [(5, 3), (4, 5)]
