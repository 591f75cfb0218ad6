from pathlib import Path

import numpy as np
import pytest
import torch

from pydeeprecsys.rl.neural_networks import policy_estimator
from pydeeprecsys.rl.neural_networks.policy_estimator import PolicyEstimator
from pydeeprecsys.rl.ops.policies import slate_log_probabilities


def make(seed: int = 0, hidden_layers: tuple[int, ...] = (8, 8), learning_rate: float = 1e-2) -> PolicyEstimator:
    return PolicyEstimator(3, hidden_layers, 5, learning_rate, random_state=seed, device="cpu")


def flat(network: PolicyEstimator) -> np.ndarray:
    return np.concatenate([parameter.detach().numpy().ravel() for parameter in network.parameters()])


@pytest.fixture
def states() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(40, 3))


@pytest.mark.parametrize("hidden_layers", [(), (8,), (8, 6)])
def test_probabilities_are_the_softmax_of_the_model(states: np.ndarray, hidden_layers: tuple[int, ...]) -> None:
    network = make(hidden_layers=hidden_layers)
    assert sum(isinstance(module, torch.nn.Tanh) for module in network.model) == len(hidden_layers)
    probabilities = network.action_probabilities(states)
    expected = torch.softmax(network.model(torch.tensor(states, dtype=torch.float32)), dim=-1)
    torch.testing.assert_close(probabilities, expected)
    np.testing.assert_allclose(probabilities.sum(-1).detach(), 1, rtol=1e-6)
    torch.testing.assert_close(network.action_probabilities(states[0]), expected[0])


def test_draws_follow_the_probabilities(states: np.ndarray) -> None:
    network = make()
    n = 50_000
    expected = network.action_probabilities(states[0]).detach().numpy()
    drawn = network.sample(np.repeat(states[:1], n, axis=0))[:, 0]
    np.testing.assert_allclose(np.bincount(drawn, minlength=5) / n, expected, atol=0.01)


def test_without_exploration_the_most_probable_come_first(states: np.ndarray) -> None:
    network = make()
    expected = np.argsort(-network.action_probabilities(states).detach().numpy(), axis=-1)
    assert network.sample(states, 3, explore=False).tolist() == expected[:, :3].tolist()


def test_an_update_is_the_gradient_step_of_the_definition(states: np.ndarray) -> None:
    network, reference = make(), make()
    rng = np.random.default_rng(1)
    actions, advantages = rng.integers(0, 5, 40), rng.normal(size=40)
    optimizer = torch.optim.Adam(reference.parameters(), lr=1e-2)
    for _ in range(3):
        loss = network.update(states, advantages, actions, n_episodes=4)
        expected = torch.zeros(())
        for state, action, advantage in zip(states, actions, advantages, strict=True):
            expected -= torch.log(reference.action_probabilities(state)[action]) * float(advantage) / 4
        optimizer.zero_grad()
        expected.backward()
        optimizer.step()
        assert loss == pytest.approx(expected.item(), rel=1e-5)
    np.testing.assert_allclose(flat(network), flat(reference), atol=1e-6)


def test_log_probabilities_are_those_of_slates_within_the_masks(states: np.ndarray) -> None:
    network, masks, slates = make(), np.tile([True, True, False, True, False], (40, 1)), np.array([[0, 3]] * 40)
    logits = network(network.as_tensor(states)).detach()
    logits[:, [2, 4]] = -torch.inf
    expected = slate_log_probabilities(logits, torch.from_numpy(slates))
    np.testing.assert_allclose(network.log_probabilities(states, slates, masks), expected, rtol=1e-6)


def test_an_update_gives_steps_of_an_earlier_policy_their_weights(states: np.ndarray) -> None:
    weighted, by_hand = make(), make()
    actions, advantages, before = np.arange(5), np.arange(1.0, 6.0), np.log([0.9, 0.5, np.nan, 0.1, 0.8])
    chosen = weighted.action_probabilities(states[:5]).detach().numpy()[actions, actions]
    weights = np.minimum(chosen / np.exp(before), 1)
    weights[2] = 1
    loss = weighted.update(states[:5], advantages, actions, log_probabilities=before)
    assert loss == pytest.approx(by_hand.update(states[:5], weights * advantages, actions), rel=1e-5)
    assert 0 < weights.min() < weights.max() == 1
    np.testing.assert_allclose(flat(weighted), flat(by_hand), atol=1e-6)


def test_an_update_makes_good_actions_more_and_bad_ones_less_probable(states: np.ndarray) -> None:
    network = make()
    before = network.action_probabilities(states[0]).detach()
    network.update(states[[0, 0]], [1.0, -1.0], [2, 4])
    after = network.action_probabilities(states[0]).detach()
    assert after[2] > before[2]
    assert after[4] < before[4]


def test_learning_in_parts_is_learning_at_once(states: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once, in_parts = make(), make()
    rng = np.random.default_rng(1)
    actions, advantages = rng.integers(0, 5, 40), rng.normal(size=40)
    loss = at_once.update(states, advantages, actions)
    # Parts of 7 rows, the last of 5.
    monkeypatch.setattr(policy_estimator, "LOGITS_AT_ONCE", 35)
    assert in_parts.update(states, advantages, actions) == pytest.approx(loss, rel=1e-5)
    np.testing.assert_allclose(flat(in_parts), flat(at_once), atol=1e-6)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_broken_loss_changes_nothing(states: np.ndarray, broken: float) -> None:
    network = make()
    before = flat(network)
    with pytest.raises(FloatingPointError, match="the loss of PolicyEstimator is"):
        network.update(states[:2], [1.0, broken], [0, 1])
    assert flat(network).tolist() == before.tolist()


def test_seeds(states: np.ndarray) -> None:
    assert flat(make(0)).tolist() == flat(make(0)).tolist()
    assert flat(make(0)).tolist() != flat(make(1)).tolist()
    assert make(0).sample(states).tolist() == make(0).sample(states).tolist()
    network = make(0)
    assert network.sample(states).tolist() != network.sample(states).tolist()


def test_saved_and_loaded_it_decides_the_same(states: np.ndarray, tmp_path: Path) -> None:
    saved, loaded = make(0), make(1)
    saved.save(tmp_path / "policy")
    loaded.load(tmp_path / "policy")
    assert loaded.sample(states, 5, explore=False).tolist() == saved.sample(states, 5, explore=False).tolist()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_it_is_the_same_network(states: np.ndarray) -> None:
    cpu, cuda = make(0), PolicyEstimator(3, (8, 8), 5, random_state=0, device="cuda")
    rng = np.random.default_rng(1)
    actions, advantages = rng.integers(0, 5, 40), rng.normal(size=40)
    for _ in range(3):
        assert cuda.update(states, advantages, actions) == pytest.approx(
            cpu.update(states, advantages, actions), rel=1e-4
        )
    torch.testing.assert_close(
        cuda.action_probabilities(states).cpu(), cpu.action_probabilities(states), rtol=1e-3, atol=0
    )
    resumed = PolicyEstimator(3, (8, 8), 5, random_state=1, device="cuda")
    resumed.load_learning_state(cuda.learning_state())
    for network in (cuda, resumed):
        network.update(states, advantages, actions)
    assert resumed.sample(states, 3).tolist() == cuda.sample(states, 3).tolist()
