"""Policies of soft actor-critic by kind of action, with their twin critics and losses."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, MultiDiscrete, Space
from torch import Tensor, nn

from pydeeprecsys.arrays import Array, Flags, Floats, Ints, Singles
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.experience_replay.transition import Transition
from pydeeprecsys.rl.neural_networks.base_network import BaseNetwork
from pydeeprecsys.rl.neural_networks.base_scores import Base
from pydeeprecsys.rl.neural_networks.gaussian_actor import GaussianActor
from pydeeprecsys.rl.neural_networks.policy_estimator import PolicyEstimator
from pydeeprecsys.rl.neural_networks.q_value_estimator import TwinnedQValueEstimator
from pydeeprecsys.rl.neural_networks.state_encoders.encoding import StateEncoding
from pydeeprecsys.rl.ops.masks import masked
from pydeeprecsys.rl.ops.policies import entropies
from pydeeprecsys.rl.ops.soft_actor_critic import (
    actor_losses,
    critic_losses,
    discrete_actor_losses,
    discrete_soft_q_target,
    discrete_temperature_losses,
    soft_q_target,
    soft_rewards,
    temperature_losses,
)

TARGET_ENTROPY_SHARE = 0.65
"""Default target entropy of a discrete policy, as a fraction of the maximum over the allowed actions.

On CartPole, 0.3 and less converge before returning from the edges was explored, and with 0.87 (the paper: 0.98) the
temperature grows without bound.
"""

Masks = Flags | None


class Options(NamedTuple):
    """Hyperparameters of every kind of policy."""

    state_size: int | StateEncoding  # size of an observation, or how observations are encoded
    hidden_layers: list[int]  # of all networks
    learning_rate: float  # of all networks
    target_entropy: float | None  # in nats; None for the default of the kind of action
    random_state: int  # seed of the initial parameters and of the samples
    device: str | None
    base: Base | None = None  # of a categorical policy: whose scores its logits begin with


class Losses(NamedTuple):
    """Losses of each part, one per row."""

    critic: Tensor  # (n,)
    actor: Tensor  # (n,)
    temperature: Tensor  # (n,)


class CategoricalPolicy:
    """Discrete actions: a probability and twin values for each, so that expectations are exact.

    Christodoulou, Soft Actor-Critic for Discrete Action Settings, 2019.

    Args:
        n_actions: number of actions.
        options: of the policy; a `target_entropy` of None is `TARGET_ENTROPY_SHARE` · log(number of allowed actions).
    """

    def __init__(self, n_actions: int, options: Options) -> None:
        encoding, layers, learning_rate, self.target_entropy, random_state, device, base = options
        actor_seed, critic_seed = map(int, np.random.SeedSequence(random_state).generate_state(2))
        self.n_actions = n_actions
        self.actor = PolicyEstimator(
            encoding, layers, n_actions, learning_rate, base=base, random_state=actor_seed, device=device
        )
        self.critic = TwinnedQValueEstimator(
            encoding, n_actions, learning_rate, hidden_layers=layers, random_state=critic_seed, device=device
        )
        self.target_critic = _frozen_copy(self.critic)

    def act(self, states: Array, k: int, explore: bool, masks: Masks) -> Ints:
        """Sample k different actions per state, or take the k most probable: (n, k)."""
        return self.actor.sample(states, k, explore, masks)

    def scores(self, states: Array, masks: Masks) -> Singles:
        """Logits of the policy: (n, state_size) to (n, actions)."""
        return self.actor.predict(states)

    def log_probabilities(self, states: Array, slates: Ints, masks: Masks) -> Singles:
        """Log-probabilities of slates drawn item by item: (n, state_size) and (n, k) to (n,)."""
        return self.actor.log_probabilities(states, slates, masks)

    @torch.inference_mode()
    def entropies(self, states: Array, masks: Masks) -> Floats:
        """Entropies of the policy in states (n, state_size), in nats: (n,)."""
        logits = masked(self.actor(self.actor.as_tensor(states)), masks)
        return entropies(logits).double().cpu().numpy()

    @torch.no_grad()
    def targets(self, batch: Transition, temperature: Tensor) -> Tensor:
        """Targets of the critics: (n,)."""
        rewards, discounts, states = _of_targets(batch, self.actor, temperature)
        logits = masked(self.actor(states), batch.next_action_masks)
        q = self.target_critic(states).transpose(0, 1)
        return discrete_soft_q_target(rewards, discounts, q, logits, temperature=temperature)

    def losses(self, batch: Transition, log_temperature: Tensor) -> Losses:
        """All losses, with the present parameters."""
        temperature = log_temperature.detach().exp()
        states = self.actor.as_tensor(batch.observations)
        q_taken, q = self.critic.of_actions(states, torch.from_numpy(batch.actions).to(states.device))
        logits = masked(self.actor(states), batch.action_masks)
        return Losses(
            critic_losses(q_taken.T, self.targets(batch, temperature)),
            discrete_actor_losses(logits, q.transpose(0, 1), temperature),
            discrete_temperature_losses(log_temperature, logits, self._target_entropy(batch.action_masks)),
        )

    def _target_entropy(self, masks: Masks) -> float:
        if self.target_entropy is not None:
            return self.target_entropy
        if masks is None:
            return TARGET_ENTROPY_SHARE * math.log(self.n_actions)
        # The loss is linear in the target: the mean of the rows' targets has the same effect as a target per row.
        return TARGET_ENTROPY_SHARE * float(np.log(masks.sum(axis=1)).mean())


class GaussianPolicy(ABC):
    """Base of policies that act by points of a squashed Gaussian, in [−1, 1] per dimension, with critics of points.

    Haarnoja et al., Soft Actor-Critic Algorithms and Applications, 2018.

    Args:
        dimensions: of a point.
        options: of the policy; a `target_entropy` of None is minus the dimensions; without a base.

    Raises:
        InputError: there is a base.
    """

    def __init__(self, dimensions: int, options: Options) -> None:
        encoding, layers, rate, target_entropy, random_state, device, base = options
        if base is not None:
            raise InputError("only a categorical policy begins at a base; leave base or item_features out")
        actor_seed, critic_seed = map(int, np.random.SeedSequence(random_state).generate_state(2))
        self.target_entropy = -float(dimensions) if target_entropy is None else target_entropy
        self.actor = GaussianActor(
            encoding, dimensions, rate, hidden_layers=layers, random_state=actor_seed, device=device
        )
        self.critic = TwinnedQValueEstimator(
            encoding,
            1,
            rate,
            action_size=dimensions,
            hidden_layers=layers,
            random_state=critic_seed,
            device=device,
        )
        self.target_critic = _frozen_copy(self.critic)

    @abstractmethod
    def act(self, states: Array, k: int, explore: bool, masks: Masks) -> Array:
        """Choose k items per state, (n, k), or a point of the box, (n, ...)."""

    @torch.inference_mode()
    def entropies(self, states: Array, masks: Masks) -> Floats:
        """Estimates of the policy's entropies in states (n, state_size), in nats: (n,).

        Minus the log-density of an action that the policy draws there, as in the targets: unbiased, and known for items
        too, whose choice among the neighbours of a point has no density.
        """
        return -self.actor.sample(self.actor.as_tensor(states))[1].double().cpu().numpy()

    @abstractmethod
    def _points(self, actions: Tensor) -> Tensor:
        """Points of actions: (n, dimensions)."""

    def _followed(self, states: Tensor, points: Tensor, masks: Masks) -> Tensor:
        """Points of the actions that are taken when the actor samples these points: (n, dimensions)."""
        return points

    @torch.no_grad()
    def targets(self, batch: Transition, temperature: Tensor) -> Tensor:
        """Targets of the critics: (n,)."""
        rewards, discounts, states = _of_targets(batch, self.actor, temperature)
        drawn, log_probability = self.actor.sample(states)
        q = _by_row(self.target_critic(states, self._followed(states, drawn, batch.next_action_masks)))
        return soft_q_target(rewards, discounts, q, log_probability, temperature=temperature)

    def losses(self, batch: Transition, log_temperature: Tensor) -> Losses:
        """All losses, with the present parameters."""
        temperature = log_temperature.detach().exp()
        states = self.actor.as_tensor(batch.observations)
        actions = torch.from_numpy(batch.actions).to(states.device)
        q_taken = _by_row(self.critic(states, self._points(actions)))
        drawn, log_probability = self.actor.sample(states)
        with _frozen(self.critic):
            q_drawn = _by_row(self.critic(states, drawn))
        return Losses(
            critic_losses(q_taken, self.targets(batch, temperature)),
            actor_losses(log_probability, q_drawn, temperature),
            temperature_losses(log_temperature, log_probability, self.target_entropy),
        )


SoftPolicy = CategoricalPolicy | GaussianPolicy


class BoxPolicy(GaussianPolicy):
    """Actions in a box, scaled to [−1, 1] per dimension, so that the entropy does not depend on their units.

    Args:
        space: of real numbers, with finite bounds.
        options: of the policy.

    Raises:
        InputError: the box is another.
    """

    def __init__(self, space: Box, options: Options) -> None:
        self._low, self._high = space.low.astype(np.float32), space.high.astype(np.float32)
        finite = np.isfinite(self._low).all() and np.isfinite(self._high).all()
        if not (finite and np.issubdtype(space.dtype, np.floating) and (self._low < self._high).all()):
            raise InputError(f"actions must be real numbers between finite bounds, the space is {space}; rescale it")
        super().__init__(self._low.size, options)
        self._center = self.actor.as_tensor((self._high + self._low).ravel() / 2)
        self._scale = self.actor.as_tensor((self._high - self._low).ravel() / 2)

    def act(self, states: Array, k: int, explore: bool, masks: Masks) -> Singles:
        """Sample a point of the box per state, or take the squashed mean: (n, ...)."""
        points = self._center + self._scale * self.actor.predict(states, explore)
        shaped: Singles = points.cpu().numpy().reshape(len(states), *self._low.shape)
        return np.clip(shaped, self._low, self._high)  # scaling rounds

    def _points(self, actions: Tensor) -> Tensor:
        return (actions.reshape(len(actions), -1) - self._center) / self._scale


def _of_targets(batch: Transition, network: BaseNetwork, temperature: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Soft rewards (n,), discounts (n,) and next observations (n, state_size) as tensors."""
    columns = batch.columns()
    rewards, discounts, states = (
        network.as_tensor(columns[name]) for name in ("rewards", "discounts", "next_observations")
    )
    if batch.entropies is not None:
        rewards = soft_rewards(rewards, network.as_tensor(batch.entropies), temperature)
    return rewards, discounts, states


def _by_row(estimates: Tensor) -> Tensor:
    """(critics, n, 1) estimates to (n, critics)."""
    return estimates.squeeze(2).T


def _frozen_copy(critic: TwinnedQValueEstimator) -> TwinnedQValueEstimator:
    copy = deepcopy(critic)
    copy.disable_learning()
    return copy


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """A context in which gradients flow through the network, but not to its parameters."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)


def numbered_actions(space: Space[Any]) -> tuple[int, int]:
    """The first action and the number of actions; (0, 0) for a Box, whose actions are not numbered.

    Raises:
        InputError: soft actor-critic has no policy for the space.
    """
    if isinstance(space, Box):
        return 0, 0
    if isinstance(space, Discrete):
        return int(space.start), int(space.n)
    if isinstance(space, MultiDiscrete):
        first, counts = np.unique(space.start), np.unique(space.nvec)
        if len(first) == len(counts) == 1:
            return int(first[0]), int(counts[0])
    raise InputError(
        f"there is no soft actor-critic for the action space {space}; it takes a Box, Discrete, or a MultiDiscrete "
        "whose positions all choose among the same items"
    )
