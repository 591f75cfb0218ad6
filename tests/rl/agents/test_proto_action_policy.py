import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.agents.proto_action_policy import ProtoActionPolicy
from pydeeprecsys.rl.agents.soft_policies import Options
from pydeeprecsys.rl.experience_replay.transition import Transition

OPTIONS = Options(state_size=3, hidden_layers=[8], learning_rate=0.1, target_entropy=None, random_state=0, device="cpu")


@pytest.fixture
def features() -> NDArray[np.float64]:
    """40 items; a column of huge numbers, and one that is the same for all."""
    rng = np.random.default_rng(0)
    return np.column_stack([rng.normal(1e6, 1e5, 40), np.full(40, 7.0), rng.random(40), rng.integers(0, 2, 40)])


@pytest.fixture
def scaled(features: NDArray[np.float64]) -> NDArray[np.float64]:
    varied = np.delete(features, 1, axis=1)
    return np.asarray(2 * (varied - varied.min(axis=0)) / np.ptp(varied, axis=0) - 1)


def test_items_fill_the_box_that_points_are_drawn_from(
    features: NDArray[np.float64], scaled: NDArray[np.float64]
) -> None:
    points = ProtoActionPolicy(features, 4, OPTIONS)._points(torch.arange(40)).numpy()
    np.testing.assert_allclose(points, scaled, atol=1e-5)
    assert points.min(axis=0).tolist() == [-1, -1, -1]
    assert points.max(axis=0).tolist() == [1, 1, 1]


@pytest.mark.parametrize("n", [1, 5, 40])
@pytest.mark.parametrize("with_masks", [True, False])
def test_the_nearest_are_those_of_brute_force(
    features: NDArray[np.float64], scaled: NDArray[np.float64], n: int, with_masks: bool
) -> None:
    rng = np.random.default_rng(1)
    points = rng.uniform(-1, 1, (50, 3)).astype(np.float32)
    masks = rng.random((50, 40)) < 0.5 if with_masks else None
    distances = ((points[:, None] - scaled) ** 2).sum(axis=2)
    if masks is not None:
        distances[~masks] = np.inf
    nearness, items = ProtoActionPolicy(features, 4, OPTIONS)._nearest(torch.from_numpy(points), n, masks)
    for row in range(50):
        allowed = np.isfinite(distances[row]).sum()
        expected = np.argsort(distances[row])[: min(n, allowed)]
        assert items[row, : len(expected)].tolist() == expected.tolist()
        shortest = (points[row] ** 2).sum() - nearness[row].numpy()
        np.testing.assert_allclose(shortest[: len(expected)], distances[row][expected], atol=1e-4)
        assert np.isinf(shortest[len(expected) :]).all()


@pytest.mark.parametrize(("k", "n_allowed"), [(1, 40), (3, 40), (6, 40), (6, 6), (1, 3), (3, 3)])
def test_of_the_nearest_the_critics_choose_the_best(features: NDArray[np.float64], k: int, n_allowed: int) -> None:
    policy = ProtoActionPolicy(features, 5, OPTIONS)
    rng = np.random.default_rng(2)
    states = rng.normal(size=(20, 3)).astype(np.float32)
    masks = rng.permuted(np.tile(np.arange(40) < n_allowed, (20, 1)), axis=1)
    chosen = policy.act(states, k, False, masks)
    points = policy.actor.predict(states, explore=False)
    for row in range(20):
        nearest = policy._nearest(points[row : row + 1], max(5, k), masks[row : row + 1])[1][0]
        candidates = nearest[torch.from_numpy(masks[row])[nearest]]
        state = torch.from_numpy(states[row : row + 1]).expand(len(candidates), -1)
        values = policy.critic.predict(state, policy._points(candidates))[:, 0].detach()
        expected = candidates[values.argsort(descending=True)][:k]
        assert chosen[row].tolist() == expected.tolist()
        assert masks[row][chosen[row]].all()


def test_as_many_candidates_as_items_make_the_critics_choose_of_all(features: NDArray[np.float64]) -> None:
    policy = ProtoActionPolicy(features, 1000, OPTIONS)
    states = np.random.default_rng(2).normal(size=(5, 3)).astype(np.float32)
    chosen = policy.act(states, 40, False, None)
    assert np.sort(chosen, axis=1).tolist() == [list(range(40))] * 5
    for row in range(5):
        values = policy.critic.predict(torch.from_numpy(states[[row] * 40]), policy._points(torch.arange(40)))
        assert chosen[row].tolist() == values[:, 0].argsort(descending=True).tolist()


def test_targets_judge_the_item_that_would_be_shown(features: NDArray[np.float64]) -> None:
    policy, twin = (ProtoActionPolicy(features, 5, OPTIONS) for _ in range(2))
    with torch.no_grad():
        for parameter in policy.target_critic.parameters():
            parameter.mul_(1.5)
    rng = np.random.default_rng(3)
    states, no = rng.normal(size=(6, 3)).astype(np.float32), np.zeros(6, dtype=np.bool_)
    new_states = torch.from_numpy(states)
    masks = rng.random((6, 40)) < 0.5
    masks[5] = False  # nothing follows
    batch = Transition(states, np.zeros(6, dtype=np.int64), np.arange(6.0), no, no, states, next_action_masks=masks)
    batch = batch._replace(discounts=np.array([0.9, 0.9, 0.9, 0.9, 0.9, 0.0]))
    targets = policy.targets(batch, torch.tensor(0.5))
    points, log_densities = twin.actor.sample(new_states)
    for row in range(5):
        shown = twin._choose(new_states[row : row + 1], points[row : row + 1], 1, masks[row : row + 1])[0]
        assert masks[row, shown]
        value = policy.target_critic.predict(new_states[row : row + 1], policy._points(shown)).item()
        expected = row + 0.9 * (value - 0.5 * log_densities[row].item())
        assert targets[row].item() == pytest.approx(expected, abs=1e-5)
    assert targets[5].item() == 5.0


def test_critics_learn_of_the_item_shown_and_the_actor_of_the_point(features: NDArray[np.float64]) -> None:
    policy, twin = (ProtoActionPolicy(features, 5, OPTIONS) for _ in range(2))
    seen, no = np.random.default_rng(4).normal(size=(4, 3)).astype(np.float32), np.zeros(4, dtype=np.bool_)
    shown = np.array([0, 7, 7, 39])
    batch = Transition(seen, shown, np.ones(4), no, no, seen, discounts=np.zeros(4))
    losses = policy.losses(batch, torch.zeros(()))
    states, actions = torch.from_numpy(seen), torch.from_numpy(shown)
    q = policy.critic(states, policy._points(actions)).squeeze(2).T
    torch.testing.assert_close(losses.critic, 0.5 * (1 - q).square().sum(dim=1))
    points, log_densities = twin.actor.sample(states)
    expected = log_densities - policy.critic.predict(states, points)[:, 0]
    torch.testing.assert_close(losses.actor, expected)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (np.zeros(3), r"\(items, features\)"),
        (np.array([[0.0], [np.nan]]), "finite"),
        (np.ones((3, 2)), "same for all items"),
    ],
)
def test_features_that_say_nothing_are_refused(table: NDArray[np.float64], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ProtoActionPolicy(table, 2, OPTIONS)
