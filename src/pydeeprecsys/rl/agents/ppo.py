"""PPO: several epochs over a rollout, with clipped probability ratios."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from pydeeprecsys.arguments import Count, Positive, Seed, checked
from pydeeprecsys.arrays import Array, Flags, Floats, Ints
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl import arguments as arg
from pydeeprecsys.rl.agents.agent import ReinforcementLearning, State
from pydeeprecsys.rl.constraint import constraint_of
from pydeeprecsys.rl.experience_replay.rollout_memory import RolloutMemory
from pydeeprecsys.rl.experience_replay.transition import Transition
from pydeeprecsys.rl.neural_networks.base_scores import LOGIT_SCALE, base_of
from pydeeprecsys.rl.neural_networks.networks import Networks, load_networks, save_networks
from pydeeprecsys.rl.neural_networks.policy_estimator import PolicyEstimator, Prepared
from pydeeprecsys.rl.neural_networks.state_encoders.encoding import StateEncoding
from pydeeprecsys.rl.neural_networks.value_estimator import ValueEstimator
from pydeeprecsys.rl.objective import Objective
from pydeeprecsys.rl.ops.policies import clipped_surrogate_losses, entropies, standardize
from pydeeprecsys.rl.ops.returns import last_steps, shuffled_episodes
from pydeeprecsys.rl.search_space import Between, OneOf, SearchSpace


@checked
class PPOAgent(ReinforcementLearning):
    """Proximal policy optimization with clipping (Schulman et al. 2017), for discrete actions and slates.

    A slate is sampled item by item without replacement; its log-probability is that of the sequence, so all items share
    the reward of the slate, even if each has a known reward of its own. An update learns from the last
    `steps_per_update` steps of all environments, whether episodes are complete or not: the critic bootstraps after the
    last step. Action masks hold for learning as they did for acting.

    Args:
        actor_hidden_layers: Sizes of the actor's hidden layers; [64, 64] if None.
        critic_hidden_layers: Sizes of the critic's hidden layers; [64, 64] if None.
        steps_per_update: Environment steps per update, over all environments.
        epochs: Epochs over the rollout per update.
        minibatch_size: Minibatch size of a gradient step, in environment steps.
        clip_range: Clip range ε of the probability ratio.
        entropy_coefficient: Initial weight of the entropy bonus (of slates, the first item's), in rewards per nat.
        vary_slates: Learn a weight, in logits, of the overlap of an item's categories with those before it in the
            slate. A base has such weights of its own.
        target_kl: Stop an update after the epoch whose KL divergence exceeds this, in nats; no limit if None.

    Attributes:
        policy_estimator: The actor.
        value_estimator: The critic.
        statistics: If set, every update logs the actor's mean loss as the metric "loss" and the critic's as
            "critic_loss".

    Raises:
        InputError: An argument is out of range, or slates are to vary that have a base or are of one item.
    """

    evaluation_changes_state = False
    save, load = save_networks, load_networks
    training_cost = 250

    search_space: ClassVar[SearchSpace] = {
        "item_features": OneOf("none", "ratings"),
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
        learning_rate_decay: arg.LearningRateDecay = 1.0,
        target_kl: Positive | None = None,
        vary_slates: bool = False,
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
        if vary_slates and base is not None:
            raise InputError("vary_slates is for policies without a base, which has weights of its own; leave it out")
        bound = constraint_of(cost_limit, cvar_level, multiplier_rate, quantile_rate)
        self.objective = Objective(bound, worst_group_rate)
        actor_seed, critic_seed, order_seed = map(int, np.random.SeedSequence(random_state).generate_state(3))
        encoding = StateEncoding(state_encoder, state_size, history, item_estimates)
        self.policy_estimator = PolicyEstimator(
            encoding,
            [64, 64] if actor_hidden_layers is None else actor_hidden_layers,
            n_actions,
            actor_learning_rate,
            item_features=item_features,
            standardize_inputs=standardize_states,
            base=base_of(base, item_estimates, scale=base_scale, default=LOGIT_SCALE),
            varies=vary_slates,
            random_state=actor_seed,
            device=device,
        )
        self.value_estimator = ValueEstimator(
            encoding,
            [64, 64] if critic_hidden_layers is None else critic_hidden_layers,
            self.objective.n_values,
            critic_learning_rate,
            standardize_inputs=standardize_states,
            more_inputs=self.objective.n_inputs,
            random_state=critic_seed,
            device=device,
        )
        self.networks = Networks(policy_estimator=self.policy_estimator, value_estimator=self.value_estimator)
        self._order = np.random.default_rng(order_seed)
        self.memory = RolloutMemory(history)
        self._acting: tuple[Array, Prepared] | None = None  # what `_read` gave last
        self._prepared: list[Prepared] = []  # of each step in the memory
        self.updates: int = 0
        self.n_actions, self.state_size = n_actions, state_size
        self.discount_factor, self.gae_lambda = discount_factor, gae_lambda
        self.steps_per_update, self.epochs, self.minibatch_size = steps_per_update, epochs, minibatch_size
        self.clip_range, self.target_kl = clip_range, target_kl
        self.actor_learning_rate, self.critic_learning_rate = actor_learning_rate, critic_learning_rate
        self.learning_rate_decay = learning_rate_decay
        self.entropy_coefficient, self.entropy_decay = entropy_coefficient, entropy_decay

    @property
    def note(self) -> str:  # type: ignore[override]
        """That a constraint is not met, in one line; empty if it is, or if there is none."""
        return self.objective.note

    @property
    def first_update(self) -> str:
        """The hyperparameters that the first update waits for, with their values."""
        return f"steps_per_update={self.steps_per_update}"

    def choose(self, states: Array, k: int, explore: bool, action_masks: Flags | None) -> Ints:
        """Draw k different actions from the policy for each state; without exploration, take the k most probable."""
        if not explore:
            return self.policy_estimator.sample(states, k, explore, action_masks)
        self._acting = self._read(states)
        return self.policy_estimator.sample(self._acting[1], k, explore, action_masks)

    def _read(self, states: Array) -> tuple[Array, Prepared]:
        """A copy of states, since environments may write the next ones over them, and what the actor reads of it."""
        copy = states.copy()
        return copy, self.policy_estimator.prepare(copy)

    def score(self, states: Array, masks: Flags | None) -> Array:
        """Logits of the policy: (n, state_size) to (n, actions)."""
        return self.policy_estimator.predict(states)

    def log_probability(self, states: Array, slates: Ints, masks: Flags | None) -> Array:
        """Log-probabilities of slates drawn item by item: (n, state_size) and (n, k) to (n,)."""
        return self.policy_estimator.log_probabilities(states, slates, masks)

    def store_experiences(self, transitions: Transition) -> None:
        """Store one step of every environment, and learn when there are enough.

        Raises:
            FloatingPointError: a reward or a loss is NaN or infinite; the last finite parameters stay.
        """
        transitions.check_rewards()
        self.objective.check(transitions)
        step = transitions.flat()
        self.memory.add(step.keep("began", "action_masks", *self.objective.columns)._replace(slates=step.shown))
        if len(self.memory) == len(step.rewards):
            self._prepared = []
        if self._acting is None or not np.array_equal(self._acting[0], step.observations):
            self._acting = self._read(step.observations)
        self._prepared.append(self._acting[1])
        if len(self.memory) >= self.steps_per_update:
            self._learn(self.memory.take(), Prepared.together(self._prepared))

    def _learn(self, rollout: Transition, prepared: Prepared) -> None:
        """One update: advantages of a rollout, then epochs of clipped gradient steps on shuffled minibatches."""
        actor, critic = self.policy_estimator, self.value_estimator
        steps = rollout.map(lambda column: column.reshape(rollout.rewards.size, *column.shape[2:]))
        read = critic.read(critic.as_tensor(steps.observations))
        # Before anything changes, the standardizer included: the policy that acted.
        before = actor.log_probabilities(prepared, steps.shown, steps.action_masks)
        steps = steps._replace(log_probabilities=before)
        actor.observe(prepared.states)
        critic.observe(read)
        charges, n_values = self.objective.read(rollout), self.objective.n_values
        more = charges.before.reshape(len(read), self.objective.n_inputs)
        values = critic.predict(read, more).reshape(*rollout.rewards.shape, n_values)
        ended = last_steps(rollout.terminated, rollout.truncated, rollout.columns()["began"])
        ended[-1] = True
        next_values = np.roll(values, -1, axis=0)
        next_values[ended] = critic.predict(rollout.next_observations[ended], charges.after[ended])
        advantages, targets = self.objective.advantages(
            rollout,
            ended,
            (values, next_values),
            charges=charges.amounts,
            discount_factor=self.discount_factor,
            lambda_=self.gae_lambda,
        )
        targets = targets.reshape(-1, n_values)
        weights = self.objective.weigh(standardize(advantages.reshape(-1)), steps.groups)
        actor_losses, critic_losses = [], []
        for _ in range(self.epochs):
            # An encoder that learns encodes a session once for all its steps in a minibatch, so these stay together.
            together = actor.encoder_learns
            order = shuffled_episodes(ended, self._order) if together else self._order.permutation(len(weights))
            for start in range(0, len(order), self.minibatch_size):
                rows = order[start : start + self.minibatch_size]
                losses = self._actor_losses(prepared.take(torch.from_numpy(rows)), steps.take(rows), weights[rows])
                actor_losses.append(actor.run_backpropagation(losses))
                critic_losses.append(critic.update(read[rows], targets[rows], more[rows]))
            if self.target_kl is not None:
                after = actor.log_probabilities(prepared, steps.shown, steps.action_masks)
                if (before - after).mean() > self.target_kl:
                    break
        self.objective.update(self.log)
        self.updates += 1
        self.entropy_coefficient *= self.entropy_decay
        self._set_learning_rates()
        self.log("loss", float(np.mean(actor_losses)))
        self.log("critic_loss", float(np.mean(critic_losses)))

    def _set_learning_rates(self) -> None:
        rates = {self.policy_estimator: self.actor_learning_rate, self.value_estimator: self.critic_learning_rate}
        for network, initial in rates.items():
            for group in network.optimizer.param_groups:
                group["lr"] = initial * self.learning_rate_decay**self.updates

    def _actor_losses(self, prepared: Prepared, steps: Transition, advantages: Floats) -> Iterator[Tensor]:
        """Summands of the mean clipped surrogate loss with an entropy bonus, of (rows, ...) steps and (rows,)."""
        actor = self.policy_estimator
        slates, weights = torch.from_numpy(steps.shown).to(actor.device), actor.as_tensor(advantages)
        before = actor.as_tensor(steps.columns()["log_probabilities"])
        for logits, rows in actor.logits_in_parts(prepared, steps.action_masks):
            after = logits.log_probabilities(slates[rows])
            losses = clipped_surrogate_losses(after, before[rows], weights[rows], self.clip_range)
            if self.entropy_coefficient:
                losses = losses - self.entropy_coefficient * entropies(logits.first)
            yield (losses / len(weights)).sum()

    def state_dict(self) -> State:
        """The networks and their optimizers, the steps not learned from yet, counts and generators."""
        return {
            "networks": self.networks.state_dict(),
            "entropy_coefficient": self.entropy_coefficient,
            **self.objective.state_dict(),
            "memory": self.memory.state_dict(),
            "order": self._order.bit_generator.state,
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
        self._acting, self._prepared = None, []
        if len(self.memory):
            self._prepared = [self._read(step)[1] for step in self.memory.steps().observations]
        self._order.bit_generator.state = state["order"]
        self.updates = int(state["updates"])
        self._set_learning_rates()
