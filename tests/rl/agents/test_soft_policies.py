from math import log, pi

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Space
from torch import Tensor, nn

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.agents.proto_action_policy import ProtoActionPolicy
from pydeeprecsys.rl.agents.soft_policies import (
    TARGET_ENTROPY_SHARE,
    BoxPolicy,
    CategoricalPolicy,
    GaussianPolicy,
    Options,
    numbered_actions,
)
from pydeeprecsys.rl.experience_replay.transition import Transition
from pydeeprecsys.rl.neural_networks.gaussian_actor import GaussianActor

LINEAR = Options(state_size=1, hidden_layers=[], learning_rate=0.1, target_entropy=None, random_state=0, device="cpu")
LOG_HALF, ZERO = torch.tensor(0.5).log(), torch.zeros(())
# Rows that go on, that were truncated two steps on, and that terminated.
REWARDS, DISCOUNTS = [1.0, 2.0, 3.0], [0.9, 0.81, 0.0]


def set_parameters(network: nn.Module, *values: list[float]) -> None:
    """Give the network these numbers, parameter by parameter."""
    with torch.no_grad():
        for parameter, numbers in zip(network.parameters(), values, strict=True):
            parameter.copy_(torch.tensor(numbers).reshape(parameter.shape))


def batch(actions: list[float] | list[int], masks: object = None, new_masks: object = None) -> Transition:
    """Three experiences in state 2 that lead to state 3."""
    taken = np.array(actions) if isinstance(actions[0], int) else np.array(actions, dtype=np.float32)[:, None]
    states, new_states, no = np.full((3, 1), 2.0), np.full((3, 1), 3.0), np.zeros(3, dtype=bool)
    return Transition(
        states,
        taken,
        np.array(REWARDS),
        no,
        no,
        new_states,
        discounts=np.array(DISCOUNTS),
        action_masks=None if masks is None else np.array(masks, dtype=bool),
        next_action_masks=None if new_masks is None else np.array(new_masks, dtype=bool),
    )


@pytest.fixture
def categorical() -> CategoricalPolicy:
    """Logits (0, 0, log 2) in every state: probabilities 1/4, 1/4, 1/2. Values are below, s is the state."""
    policy = CategoricalPolicy(3, LINEAR)
    set_parameters(policy.actor, [0.0] * 3, [0.0, 0.0, log(2)])
    set_parameters(policy.critic, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0], [0.0, 5.0, 1.0, 4.0, 0.0, 2.0])
    # (s, 5, 1) and (4, s, 2) in state s; the targets (s + 1, 5, 1) and (4, s, 2).
    set_parameters(policy.target_critic, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0], [1.0, 5.0, 1.0, 4.0, 0.0, 2.0])
    return policy


def test_categorical_targets_are_rewards_and_discounted_soft_values(categorical: CategoricalPolicy) -> None:
    # In state 3 the lower values are 4, 3, 1; their mean is 2.25; the entropy is 1.5 log 2.
    value = 2.25 + 0.5 * 1.5 * log(2)
    targets = categorical.targets(batch([0, 0, 0]), torch.tensor(0.5))
    assert targets.tolist() == pytest.approx([1 + 0.9 * value, 2 + 0.81 * value, 3.0])


def test_categorical_targets_leave_out_what_is_not_allowed_next(categorical: CategoricalPolicy) -> None:
    new_masks = [[1, 1, 0], [0, 0, 1], [0, 0, 0]]
    targets = categorical.targets(batch([0, 0, 0], new_masks=new_masks), torch.tensor(0.5))
    # Of 4 and 3, equally probable; only 1; nothing follows.
    assert targets.tolist() == pytest.approx([1 + 0.9 * (3.5 + 0.5 * log(2)), 2 + 0.81 * 1.0, 3.0])


def test_categorical_losses_by_hand(categorical: CategoricalPolicy) -> None:
    losses = categorical.losses(batch([0, 1, 2]), LOG_HALF)
    value = 2.25 + 0.75 * log(2)
    targets = [1 + 0.9 * value, 2 + 0.81 * value, 3.0]
    # In state 2 the critics say 2, 5, 1 and 4, 2, 2.
    pairs = [(2, 4), (5, 2), (1, 2)]
    expected = [0.5 * ((y - a) ** 2 + (y - b) ** 2) for y, (a, b) in zip(targets, pairs, strict=True)]
    assert losses.critic.tolist() == pytest.approx(expected)
    # The lower are 2, 2, 1, their mean 1.5.
    assert losses.actor.tolist() == pytest.approx([-0.5 * 1.5 * log(2) - 1.5] * 3)
    assert losses.temperature.tolist() == pytest.approx([0.5 * (1.5 * log(2) - TARGET_ENTROPY_SHARE * log(3))] * 3)


def test_categorical_losses_with_masks(categorical: CategoricalPolicy) -> None:
    masks = [[1, 1, 0], [0, 1, 1], [0, 0, 1]]
    losses = categorical.losses(batch([0, 1, 2], masks, masks), LOG_HALF)
    entropies = [log(2), log(3) - 2 / 3 * log(2), 0.0]
    assert losses.actor.tolist() == pytest.approx([-0.5 * h - q for h, q in zip(entropies, (2, 4 / 3, 1), strict=True)])
    # Of two, two and one actions, on average.
    target = TARGET_ENTROPY_SHARE * log(2) * 2 / 3
    assert losses.temperature.tolist() == pytest.approx([0.5 * (h - target) for h in entropies])


def test_a_given_target_entropy_counts() -> None:
    policy = CategoricalPolicy(3, LINEAR._replace(target_entropy=0.7))
    set_parameters(policy.actor, [0.0] * 3, [0.0] * 3)
    for masks in (None, [[1, 1, 1]] * 3):
        assert policy.losses(batch([0, 1, 2], masks), ZERO).temperature.tolist() == pytest.approx([log(3) - 0.7] * 3)


def test_categorical_entropies_within_masks(categorical: CategoricalPolicy) -> None:
    states, masks = np.full((3, 1), 2.0), np.array([[1, 1, 0], [0, 1, 1], [0, 0, 1]], dtype=bool)
    assert categorical.entropies(states, masks).tolist() == pytest.approx([log(2), log(3) - 2 / 3 * log(2), 0])
    assert categorical.entropies(states, None).tolist() == pytest.approx([1.5 * log(2)] * 3)


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> BoxPolicy:
    """A box from 1 to 5, whose actor draws exactly what has the mean 0 and the deviation 1/2."""
    policy = BoxPolicy(Box(1, 5, (1,)), LINEAR)
    set_parameters(policy.actor, [0.0, 0.0], [0.0, log(0.5)])
    monkeypatch.setattr(torch, "randn", lambda shape, **_: torch.zeros(shape))
    # state + 2 · point and 4 − point; the targets state + 2 · point + 1 and 5 − point.
    set_parameters(policy.critic, [1.0, 2.0, 0.0, -1.0], [0.0, 4.0])
    set_parameters(policy.target_critic, [1.0, 2.0, 0.0, -1.0], [1.0, 5.0])
    return policy


# Logarithm of the density at the mean of a Gaussian of deviation 1/2, where tanh has slope 1.
AT_MEAN = -0.5 * log(2 * pi) + log(2)


def test_box_targets_are_rewards_and_discounted_soft_values(box: BoxPolicy) -> None:
    # In state 3 the actor draws 0; the target critics say 4 and 5.
    value = 4 - 0.5 * AT_MEAN
    targets = box.targets(batch([3.0, 5.0, 1.0]), torch.tensor(0.5))
    assert targets.tolist() == pytest.approx([1 + 0.9 * value, 2 + 0.81 * value, 3.0])


def test_box_losses_by_hand(box: BoxPolicy) -> None:
    losses = box.losses(batch([3.0, 5.0, 1.0]), LOG_HALF)
    value = 4 - 0.5 * AT_MEAN
    targets = [1 + 0.9 * value, 2 + 0.81 * value, 3.0]
    # The middle of the box is the point 0, its ends are 1 and −1.
    pairs = [(2, 4), (4, 3), (0, 5)]
    expected = [0.5 * ((y - a) ** 2 + (y - b) ** 2) for y, (a, b) in zip(targets, pairs, strict=True)]
    assert losses.critic.tolist() == pytest.approx(expected)
    assert losses.actor.tolist() == pytest.approx([0.5 * AT_MEAN - 2.0] * 3)
    # The entropy −AT_MEAN is above its target −1.
    assert losses.temperature.tolist() == pytest.approx([0.5 * (-AT_MEAN + 1)] * 3)


def test_entropies_of_points_are_minus_their_log_densities(box: BoxPolicy) -> None:
    assert box.entropies(np.zeros((3, 1)), None).tolist() == pytest.approx([-AT_MEAN] * 3)


def test_multi_step_targets_hold_the_entropies_in_between(categorical: CategoricalPolicy, box: BoxPolicy) -> None:
    entropies = np.array([0.0, 3.0, 5.0])
    for policy, steps in ((categorical, batch([0, 1, 2])), (box, batch([3.0, 5.0, 1.0]))):
        without = policy.targets(steps, torch.tensor(0.5))
        found = policy.targets(steps._replace(entropies=entropies), torch.tensor(0.5))
        assert (found - without).tolist() == pytest.approx([0, 1.5, 2.5])


def gradients(network: nn.Module) -> list[Tensor | None]:
    return [parameter.grad for parameter in network.parameters()]


def test_losses_reach_the_networks_they_belong_to(box: BoxPolicy, categorical: CategoricalPolicy) -> None:
    for policy, actions in ((box, [3.0, 5.0, 1.0]), (categorical, [0, 1, 2])):
        log_temperature = torch.zeros((), requires_grad=True)
        losses = policy.losses(batch(actions), log_temperature)
        owners = {"critic": policy.critic, "actor": policy.actor}
        for name, owner in owners.items():
            getattr(losses, name).mean().backward(retain_graph=True)
            assert log_temperature.grad is None
            assert gradients(policy.target_critic) == [None] * len(list(policy.target_critic.parameters()))
            for other in owners.values():
                reached = [gradient is not None and bool(gradient.any()) for gradient in gradients(other)]
                assert any(reached) == (other is owner), name
                other.zero_grad()
        losses.temperature.mean().backward()
        assert log_temperature.grad is not None
        assert not any(g is not None for owner in owners.values() for g in gradients(owner))


def test_the_actor_of_points_follows_the_lower_value(box: BoxPolicy) -> None:
    # In state 2 the lower critic rises with the point: the mean should too, by 2 for each unit of it.
    box.losses(batch([3.0, 5.0, 1.0]), torch.tensor(-30.0)).actor.mean().backward()
    bias = list(box.actor.parameters())[1]
    assert bias.grad is not None
    assert bias.grad[0].item() == pytest.approx(-2.0)


@pytest.mark.parametrize("shape", [(1,), (2, 3)])
def test_boxes_are_filled_to_their_bounds(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    low = rng.uniform(-1000, 0, shape).astype(np.float32)
    high = low + rng.uniform(0.001, 1000, shape).astype(np.float32)
    policy = BoxPolicy(Box(low, high), LINEAR)
    states = np.array([[-1e6], [0.0], [1e6]])
    for explore in (True, False):
        actions = policy.act(states, 1, explore, None)
        assert actions.shape == (3, *shape)
        assert actions.dtype == np.float32
        assert (actions >= low).all()
        assert (actions <= high).all()
        ends = np.isclose(actions[0], low) | np.isclose(actions[0], high)
        assert ends.all()
        np.testing.assert_allclose(actions[0] + actions[2], low + high, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize(
    "space", [Box(-np.inf, np.inf, (2,)), Box(0, np.inf, (2,)), Box(0, 5, (2,), dtype=np.int64), Box(1, 1, (2,))]
)
def test_boxes_that_cannot_be_scaled_are_refused(space: Box) -> None:
    with pytest.raises(InputError, match="finite bounds"):
        BoxPolicy(space, LINEAR)


def test_the_entropy_of_points_aims_at_minus_their_dimensions_or_as_told() -> None:
    def target(policy: GaussianPolicy) -> float:
        return policy.target_entropy

    assert target(BoxPolicy(Box(-1, 1, (2, 3)), LINEAR)) == -6
    assert target(ProtoActionPolicy(np.eye(4), 2, LINEAR)) == -4
    assert target(BoxPolicy(Box(-1, 1, (2, 3)), LINEAR._replace(target_entropy=-2.5))) == -2.5


def test_actions_have_numbers_or_not() -> None:
    assert numbered_actions(Box(-1, 1, (2,))) == (0, 0)
    assert numbered_actions(Discrete(5)) == (0, 5)
    assert numbered_actions(Discrete(5, start=3)) == (3, 5)
    assert numbered_actions(MultiDiscrete([80, 80, 80])) == (0, 80)
    assert numbered_actions(MultiDiscrete([8, 8], start=[2, 2])) == (2, 8)


@pytest.mark.parametrize(
    "space", [MultiBinary(3), Dict({"a": Discrete(2)}), MultiDiscrete([3, 4]), MultiDiscrete([3, 3], start=[0, 1])]
)
def test_other_action_spaces_are_refused(space: Space[object]) -> None:
    with pytest.raises(InputError, match="action space"):
        numbered_actions(space)


def test_critics_start_equal_to_their_targets() -> None:
    for policy in (CategoricalPolicy(3, LINEAR), BoxPolicy(Box(-1, 1, (1,)), LINEAR)):
        for parameter, target in zip(policy.critic.parameters(), policy.target_critic.parameters(), strict=True):
            assert torch.equal(parameter, target)
            assert parameter.data_ptr() != target.data_ptr()
            assert parameter.requires_grad
            assert not target.requires_grad
        assert isinstance(policy.actor, GaussianActor) == isinstance(policy, BoxPolicy)
