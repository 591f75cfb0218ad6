"""PPO: several epochs over a rollout, with clipped probability ratios."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pydeeprecsys.arguments import Count, Positive, Seed, checked
from pydeeprecsys.rl import arguments as arg
from pydeeprecsys.rl.agents.agent import ReinforcementLearning, State, check_slate_size
from pydeeprecsys.rl.experience_replay.rollout_memory import RolloutMemory
from pydeeprecsys.rl.experience_replay.transition import Transition
from pydeeprecsys.rl.neural_networks.base_network import load_networks, save_networks
from pydeeprecsys.rl.neural_networks.policy_estimator import PolicyEstimator
from pydeeprecsys.rl.neural_networks.value_estimator import ValueEstimator
from pydeeprecsys.rl.ops.policies import clipped_surrogate_losses, entropies, slate_log_probabilities, standardize
from pydeeprecsys.rl.ops.returns import generalized_advantages, last_steps
from pydeeprecsys.rl.search_space import Between, OneOf, SearchSpace

if TYPE_CHECKING:
    from pydeeprecsys.rl.learning_statistics import LearningStatistics


@checked
class PPOAgent(ReinforcementLearning):
    """Proximal policy optimization with clipping (Schulman et al. 2017), for discrete actions and slates.

    A slate is sampled item by item without replacement; its log-probability is that of the sequence, so all items share
    the credit. An update learns from the last `steps_per_update` steps of all environments, whether episodes are
    complete or not: the critic bootstraps after the last step. Action masks hold for learning as they did for acting.

    Args:
        actor_hidden_layers: Sizes of the actor's hidden layers; [64, 64] if None.
        critic_hidden_layers: Sizes of the critic's hidden layers; [64, 64] if None.
        steps_per_update: Environment steps per update, over all environments.
        epochs: Epochs over the rollout per update.
        minibatch_size: Minibatch size of a gradient step, in environment steps.
        clip_range: Clip range ε of the probability ratio.
        entropy_coefficient: Initial weight of the entropy bonus, in rewards per nat; for slates, the entropy of the
            first item.
        target_kl: Stop an update after the epoch in which the KL divergence exceeds this, in nats; no limit if None.

    Attributes:
        policy_estimator: The actor.
        value_estimator: The critic.
        statistics: If set, every update logs the actor's mean loss as the metric "loss" and the critic's as
            "critic_loss".

    Raises:
        InputError: An argument is out of range.
    """

    evaluation_changes_state = False

    search_space: ClassVar[SearchSpace] = {
        "item_features": OneOf(False, True),
        "standardize_states": OneOf(False, True),
        "discount_factor": Between(0.0, 1.0),
        "gae_lambda": Between(0.5, 1.0),
        "actor_learning_rate": Between(1e-4, 1e-2, log=True),
        "critic_learning_rate": Between(1e-4, 1e-2, log=True),
        "actor_hidden_layers": OneOf(None, [32], [128, 128]),
        "critic_hidden_layers": OneOf(None, [32], [128, 64]),
        "steps_per_update": Between(250, 4000, log=True),
        "epochs": Between(2, 20, log=True),
        "minibatch_size": OneOf(64, 128, 256),
        "clip_range": Between(0.1, 0.4),
        "entropy_coefficient": OneOf(0.0, 0.001, 0.01, 0.05),
        "entropy_decay": OneOf(1.0, 0.99, 0.95),
    }

    def __init__(
        self,
        n_actions: arg.NActions,
        state_size: arg.StateSize,
        discount_factor: arg.DiscountFactor = 0.99,
        actor_hidden_layers: arg.HiddenLayers = None,
        critic_hidden_layers: arg.HiddenLayers = None,
        actor_learning_rate: arg.ActorLearningRate = 3e-4,
        critic_learning_rate: arg.CriticLearningRate = 1e-3,
        *,
        steps_per_update: Count = 2048,
        epochs: Count = 10,
        minibatch_size: Count = 64,
        clip_range: Positive = 0.2,
        gae_lambda: arg.GaeLambda = 0.95,
        entropy_coefficient: arg.EntropyCoefficient = 0.0,
        entropy_decay: arg.EntropyDecay = 1.0,
        target_kl: Positive | None = None,
        item_features: arg.ItemFeatures = None,
        standardize_states: arg.StandardizeStates = False,
        random_state: Seed = 42,
        device: arg.Device = None,
    ) -> None:
        actor_seed, critic_seed, order_seed = map(int, np.random.SeedSequence(random_state).generate_state(3))
        self.policy_estimator = PolicyEstimator(
            state_size,
            [64, 64] if actor_hidden_layers is None else actor_hidden_layers,
            n_actions,
            actor_learning_rate,
            item_features=item_features,
            standardize_inputs=standardize_states,
            random_state=actor_seed,
            device=device,
        )
        self.value_estimator = ValueEstimator(
            state_size,
            [64, 64] if critic_hidden_layers is None else critic_hidden_layers,
            1,
            critic_learning_rate,
            standardize_inputs=standardize_states,
            random_state=critic_seed,
            device=device,
        )
        self._networks = {"policy_estimator": self.policy_estimator, "value_estimator": self.value_estimator}
        self._order = np.random.default_rng(order_seed)
        self._memory = RolloutMemory()
        self._n_updates = 0
        self.statistics: LearningStatistics | None = None
        self.n_actions, self.state_size = n_actions, state_size
        self.discount_factor, self.gae_lambda = discount_factor, gae_lambda
        self.steps_per_update, self.epochs, self.minibatch_size = steps_per_update, epochs, minibatch_size
        self.clip_range, self.target_kl = clip_range, target_kl
        self.entropy_coefficient, self.entropy_decay = entropy_coefficient, entropy_decay

    @property
    def updates(self) -> int:
        """Parameter updates so far."""
        return self._n_updates

    @property
    def first_update(self) -> str:
        """The hyperparameters that the first update waits for, with their values."""
        return f"steps_per_update={self.steps_per_update}"

    def top_k_actions_for_states(
        self,
        states: NDArray[Any],
        k: int = 1,
        *,
        explore: bool = True,
        action_masks: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.int64]:
        """Draw k different actions from the policy for each state; without exploration, take the k most probable.

        Raises:
            InputError: where there are fewer than k actions, or fewer allowed.
        """
        check_slate_size(k, self.n_actions, action_masks)
        return self.policy_estimator.sample(states.reshape(len(states), -1), k, explore, action_masks)

    def store_experiences(self, transitions: Transition) -> None:
        """Store one step of every environment, and learn when there are enough.

        Raises:
            FloatingPointError: a reward or a loss is NaN or infinite; the last finite parameters stay.
        """
        transitions.check_rewards()
        self._memory.add(transitions.keep("began", "action_masks")._replace(slates=transitions.shown))
        if len(self._memory) >= self.steps_per_update:
            self._learn(self._memory.take())

    def _learn(self, rollout: Transition) -> None:
        actor, critic = self.policy_estimator, self.value_estimator
        steps = rollout.map(lambda column: column.reshape(rollout.rewards.size, *column.shape[2:]))
        states, masks = steps.observations, steps.action_masks
        for network in (actor, critic):
            network.observe(states)
        values = critic.predict(rollout.observations)[..., 0]
        advantages = generalized_advantages(
            rollout.rewards,
            self.discount_factor * ~rollout.terminated,
            last_steps(rollout.terminated, rollout.truncated, rollout.columns()["began"]),
            v_tm1=values,
            v_t=critic.predict(rollout.next_observations)[..., 0],
            lambda_=self.gae_lambda,
        )
        targets = (advantages + values).reshape(-1)
        weights = actor.as_tensor(standardize(advantages.reshape(-1)))
        slates = torch.from_numpy(steps.shown).to(actor.device)
        before = self._log_probabilities(states, slates, masks)
        actor_losses, critic_losses = [], []
        for _ in range(self.epochs):
            order = self._order.permutation(len(states))
            for start in range(0, len(states), self.minibatch_size):
                part = order[start : start + self.minibatch_size]

                def losses(logits: Tensor, rows: slice, part: NDArray[np.int64] = part) -> Tensor:
                    chosen = torch.from_numpy(part[rows]).to(logits.device)
                    after = slate_log_probabilities(logits, slates[chosen])
                    loss = clipped_surrogate_losses(after, before[chosen], weights[chosen], self.clip_range)
                    if self.entropy_coefficient:
                        loss = loss - self.entropy_coefficient * entropies(logits)
                    return (loss / len(part)).sum()

                part_masks = None if masks is None else masks[part]
                actor_losses.append(actor.descend(states[part], losses, part_masks))
                critic_losses.append(critic.update(states[part], targets[part]))
            if self.target_kl is not None:
                change = (before - self._log_probabilities(states, slates, masks)).mean()
                if change > self.target_kl:
                    break
        self._n_updates += 1
        self.entropy_coefficient *= self.entropy_decay
        if self.statistics is not None:
            self.statistics.append_metric("loss", float(np.mean(actor_losses)))
            self.statistics.append_metric("critic_loss", float(np.mean(critic_losses)))

    @torch.no_grad()
    def _log_probabilities(
        self, states: NDArray[np.float32], slates: Tensor, masks: NDArray[np.bool_] | None
    ) -> Tensor:
        """(rows,) of the slates under the policy as it is now."""
        parts = self.policy_estimator.logits_in_parts(states, masks)
        return torch.cat([slate_log_probabilities(logits, slates[rows]) for logits, rows in parts])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the networks to one file, in the safetensors format."""
        save_networks(path, self._networks)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Read networks that `save` wrote.

        Raises:
            InputError: where there is no such file, or it does not hold networks of these sizes.
        """
        load_networks(path, self._networks)

    def state_dict(self) -> State:
        """The networks and their optimizers' memories, the steps not learned from yet, and all that is random."""
        networks = {name: network.learning_state() for name, network in self._networks.items()}
        return {
            **networks,
            "entropy_coefficient": self.entropy_coefficient,
            "memory": self._memory.state_dict(),
            "order": self._order.bit_generator.state,
            "n_updates": self._n_updates,
        }

    def load_state_dict(self, state: State) -> None:
        """Continue from where `state_dict` was taken.

        Raises:
            InputError: where it is the state of an agent of other sizes.
        """
        for name, network in self._networks.items():
            network.load_learning_state(state[name])
        self.entropy_coefficient = float(state["entropy_coefficient"])
        self._memory.load_state_dict(state["memory"])
        self._order.bit_generator.state = state["order"]
        self._n_updates = int(state["n_updates"])
