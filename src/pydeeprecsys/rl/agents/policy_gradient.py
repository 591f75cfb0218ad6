"""Policy gradients from complete episodes: the base of REINFORCE and actor-critic."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch

from pydeeprecsys.arguments import Seed, checked
from pydeeprecsys.arrays import Array, Flags, Floats, Ints, Singles
from pydeeprecsys.rl import arguments as arg
from pydeeprecsys.rl.agents.agent import ReinforcementLearning, State
from pydeeprecsys.rl.constraint import constraint_of
from pydeeprecsys.rl.experience_replay.episode_memory import EpisodeMemory
from pydeeprecsys.rl.experience_replay.transition import Transition
from pydeeprecsys.rl.neural_networks.base_scores import LOGIT_SCALE, base_of
from pydeeprecsys.rl.neural_networks.networks import Networks, load_networks, save_networks
from pydeeprecsys.rl.neural_networks.policy_estimator import PolicyEstimator
from pydeeprecsys.rl.neural_networks.state_encoders.encoding import StateEncoding
from pydeeprecsys.rl.objective import Objective
from pydeeprecsys.rl.ops.policies import truncated_importance_weights


@checked
class PolicyGradientAgent(ReinforcementLearning, ABC):
    """Base of agents that sample actions from a policy and learn it by the policy gradient from complete episodes.

    Once enough episodes are complete, one update learns from all of them and forgets them; unfinished episodes wait for
    their end. Of their steps, taken by a policy that the update changes, the log-probabilities are kept: once complete,
    they get truncated importance weights (Espeholt et al. 2018). An episode that is abandoned is forgotten, and so is
    everything when the number of environments changes.

    Args:
        hidden_layers: Sizes of the policy's hidden layers; two of twice the encoded size if None.

    Attributes:
        policy_estimator: The policy.
        statistics: If set, every update logs its loss as the metric "loss".

    Raises:
        InputError: An argument is out of range.
    """

    evaluation_changes_state = False
    save, load = save_networks, load_networks
    training_cost = 150

    def __init__(
        self,
        *,
        n_actions: arg.NActions,
        state_size: arg.StateSize,
        hidden_layers: arg.HiddenLayers = None,
        discount_factor: arg.DiscountFactor = 0.99,
        learning_rate: arg.LearningRate = 1e-3,
        episodes_per_update: arg.EpisodesPerUpdate = None,
        minibatches: arg.Minibatches = 1,
        entropy_coefficient: arg.EntropyCoefficient = 0.0,
        entropy_decay: arg.EntropyDecay = 1.0,
        item_features: arg.ItemFeatures = None,
        state_encoder: arg.StateEncoder = "features",
        history: arg.History = None,
        item_estimates: arg.ItemEstimates = None,
        base: arg.Base = None,
        base_scale: arg.LogitScale = None,
        standardize_states: arg.StandardizeStates = False,
        cost_limit: arg.CostLimit = None,
        cvar_level: arg.CvarLevel = None,
        multiplier_rate: arg.MultiplierRate = None,
        quantile_rate: arg.QuantileRate = None,
        worst_group_rate: arg.WorstGroupRate = None,
        random_state: Seed = 42,
        device: arg.Device = None,
    ) -> None:
        self.encoding = StateEncoding(state_encoder, state_size, history, item_estimates)
        self.policy_estimator = PolicyEstimator(
            self.encoding,
            [2 * self.encoding.size] * 2 if hidden_layers is None else hidden_layers,
            n_actions,
            learning_rate,
            item_features=item_features,
            standardize_inputs=standardize_states,
            base=base_of(base, item_estimates, scale=base_scale, default=LOGIT_SCALE),
            random_state=random_state,
            device=device,
        )
        self.networks = Networks(policy_estimator=self.policy_estimator)
        self.n_actions, self.state_size = n_actions, state_size
        self.discount_factor = discount_factor
        self.episodes_per_update = episodes_per_update
        self.minibatches = minibatches
        self.entropy_coefficient, self.entropy_decay = entropy_coefficient, entropy_decay
        constraint = constraint_of(cost_limit, cvar_level, multiplier_rate, quantile_rate)
        self.objective = Objective(constraint, worst_group_rate)
        self.memory = EpisodeMemory(history)
        self.updates: int = 0

    @abstractmethod
    def _advantages_and_returns(self, steps: Transition, complete: Flags) -> tuple[Floats, Floats]:
        """Advantages (rows,) and returns (rows, ...) of the steps (time, n, ...) that are complete (time, n)."""

    def _learn_values(self, states: Singles, returns: Floats) -> None:
        """Fit a value function to (rows, state_size) observations and (rows, ...) returns. The default has none."""

    @property
    def note(self) -> str:  # type: ignore[override]
        """That a constraint is not met, in one line; empty if it is, or if there is none."""
        return self.objective.note

    @property
    def first_update(self) -> str:
        """The hyperparameters that the first update waits for, with their values."""
        return f"episodes_per_update={self.episodes_per_update or max(1, self.memory.n)}"

    def choose(self, states: Array, k: int, explore: bool, action_masks: Flags | None) -> Ints:
        """Draw k different actions from the policy for each state; without exploration, take the k most probable."""
        return self.policy_estimator.sample(states, k, explore, action_masks)

    def score(self, states: Array, masks: Flags | None) -> Array:
        """Logits of the policy: (n, state_size) to (n, actions)."""
        return self.policy_estimator.predict(states)

    def log_probability(self, states: Array, slates: Ints, masks: Flags | None) -> Array:
        """Log-probabilities of slates drawn item by item: (n, state_size) and (n, k) to (n,)."""
        return self.policy_estimator.log_probabilities(states, slates, masks)

    def store_experiences(self, transitions: Transition) -> None:
        """Store one step of every environment, and learn when enough episodes are complete.

        Raises:
            FloatingPointError: a reward or the loss of an update is NaN or infinite; the policy stays as it was.
        """
        transitions = transitions.of_items()
        transitions.check_rewards()
        self.objective.check(transitions)
        unknown = np.full(len(transitions.rewards), np.nan)
        kept = transitions.keep("began", "action_masks", *self.objective.columns)
        self.memory.add(kept._replace(log_probabilities=unknown))
        if self.memory.n_complete >= (self.episodes_per_update or self.memory.n):
            self._learn()

    def _learn(self) -> None:
        """One update: a policy-gradient step, or one per minibatch, with the advantages of all complete episodes."""
        memory = self.memory
        memory.record_log_probabilities(
            lambda steps: self.log_probability(steps.observations, steps.actions[:, None], steps.action_masks)
        )
        steps, complete = memory.complete_steps()
        rows = steps.take(complete)
        advantages, returns = self._advantages_and_returns(steps, complete)
        advantages = self.objective.weigh(self._centred(advantages, rows), rows.groups)
        losses = []
        # Strided: each minibatch spans all time steps and environments.
        for part in (slice(i, None, self.minibatches) for i in range(min(self.minibatches, len(advantages)))):
            minibatch = rows.take(part)
            loss = self.policy_estimator.update(
                minibatch.observations,
                advantages[part],
                minibatch.actions,
                n_episodes=memory.n_complete,
                entropy_coefficient=self.entropy_coefficient,
                action_masks=minibatch.action_masks,
                log_probabilities=minibatch.log_probabilities,
            )
            losses.append(loss)
            self._learn_values(minibatch.observations, returns[part])
        # After the gradient step: the policy that acted saw its states as they were standardized until now.
        for network in self.networks.values():
            network.observe(rows.observations)
        memory.forget_complete()
        self.objective.update(self.log)
        self.updates += 1
        self.entropy_coefficient *= self.entropy_decay
        self.log("loss", sum(losses))

    def _centred(self, advantages: Floats, rows: Transition) -> Floats:
        """Advantages less their mean, weighted by importance, if some steps are of earlier policies.

        Steps of earlier policies are the first of long episodes, often good ones, and their weights are below 1 where
        the policy now avoids the action. Without a new baseline the weighted advantages are below 0 on average, and the
        probabilities of all actions taken fall until the policy collapses.
        """
        before = rows.columns()["log_probabilities"]
        (stale,) = np.nonzero(~np.isnan(before))
        if not len(stale):
            return advantages
        old, weights = rows.take(stale), np.ones(len(advantages))
        after = self.log_probability(old.observations, old.actions[:, None], old.action_masks)
        weights[stale] = truncated_importance_weights(torch.from_numpy(after), torch.from_numpy(before[stale]))
        centred: Floats = advantages - np.average(advantages, weights=weights)
        return centred

    def state_dict(self) -> State:
        """The networks and their optimizers, the entropy coefficient, the unfinished episodes and counts."""
        return {
            "networks": self.networks.state_dict(),
            "entropy_coefficient": self.entropy_coefficient,
            **self.objective.state_dict(),
            "memory": self.memory.state_dict(),
            "updates": self.updates,
        }

    def load_state_dict(self, state: State) -> None:
        """Continue from where `state_dict` was taken.

        Raises:
            InputError: The state is that of an agent of other sizes.
        """
        self.networks.load_state_dict(state["networks"])
        self.entropy_coefficient = float(state["entropy_coefficient"])
        self.objective.load_state_dict(state)
        self.memory.load_state_dict(state["memory"])
        self.updates = int(state["updates"])
