"""Soft actor-critic: off-policy learning of a policy that maximizes rewards and entropy."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import torch
from gymnasium.spaces import Box
from numpy.typing import ArrayLike

from pydeeprecsys.arguments import Count, Finite, Natural, Positive, Seed, UnitInterval, checked
from pydeeprecsys.arrays import Array, Flags, Ints
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl import arguments as arg
from pydeeprecsys.rl.agents.agent import RandomAgent, ReinforcementLearning, State
from pydeeprecsys.rl.agents.proto_action_policy import ProtoActionPolicy
from pydeeprecsys.rl.agents.soft_policies import (
    BoxPolicy,
    CategoricalPolicy,
    Options,
    SoftPolicy,
    numbered_actions,
)
from pydeeprecsys.rl.experience_replay.buffer_parameters import ExperienceReplayBufferParameters, PERBufferParameters
from pydeeprecsys.rl.experience_replay.experience_buffer import ExperienceReplayBuffer
from pydeeprecsys.rl.experience_replay.priority_replay_buffer import PrioritizedExperienceReplayBuffer
from pydeeprecsys.rl.experience_replay.replay_memory import ReplayMemory
from pydeeprecsys.rl.experience_replay.transition import Transition
from pydeeprecsys.rl.neural_networks.base_scores import LOGIT_SCALE, base_of
from pydeeprecsys.rl.neural_networks.item_head import feature_table
from pydeeprecsys.rl.neural_networks.networks import Networks, load_networks, save_networks
from pydeeprecsys.rl.neural_networks.state_encoders.encoding import StateEncoding
from pydeeprecsys.rl.neural_networks.temperature import Temperature
from pydeeprecsys.rl.ops.values import weighted_mean
from pydeeprecsys.rl.search_space import Between, OneOf, SearchSpace


@checked
class SoftActorCritic(ReinforcementLearning):
    """Soft actor-critic with twin critics and automatic temperature (Haarnoja et al. 2018b).

    The policy depends on the action space (see `soft_policies`). For a Box it is a squashed Gaussian. For discrete
    actions, single (Discrete) or slates (MultiDiscrete), it is categorical, with one value per action (Christodoulou
    2019). For items with features the Gaussian draws a point in feature space, and the critics choose among the nearest
    items (Dulac-Arnold et al. 2015).

    Multi-step targets hold the entropies of the steps in between: of the policy that acted, in the state where it did.
    They are a matter of the policy and the state, not of the action; so where something else acted, as in the random
    first time steps, they are the entropies of the policy as it was then, whose soft values the critics learn.

    Args:
        action_space: A Box with finite bounds, Discrete, or MultiDiscrete for slates.
        timesteps_to_start_predicting: Environment steps with random actions before learning begins.
        learning_rate: Learning rate of Adam, for all networks.
        soft_target_update_rate: Polyak rate τ of the target critics.
        entropy_coefficient: Entropy coefficient (temperature), in rewards per nat; the initial one if automatic.
        target_update_interval: Updates between updates of the target critics.
        buffer_parameters: Size, batch size and seed of the replay buffer, in place of the arguments for these.
        per_parameters: Prioritized replay: its parameters; setting it turns prioritized replay on.
        automatic_entropy_coefficient: Learn the entropy coefficient, so that the entropy stays at its target.
        target_entropy: Target entropy in nats; if None, minus the dimensions of a Box, or 0.65 of the log of the number
            of allowed actions. Near the full log, the coefficient grows without bound.
        hidden_layers: Sizes of the hidden layers of all networks; [256, 256] if None.
        n_candidates: Nearest items among which the critics choose; used with item features.
        prioritized: Prioritized experience replay.

    Attributes:
        actor: The policy.
        critic: The twin critics.
        target_critic: The target critics.
        temperature: The entropy coefficient.
        timesteps: Environment steps so far.
        statistics: If set, every update logs the critics' loss as the metric "loss" and the entropy coefficient as
            "temperature".

    Raises:
        InputError: An argument is out of range or does not fit the others, or there is no policy for the action space.
    """

    evaluation_changes_state = False
    save, load = save_networks, load_networks
    training_cost = 40000

    search_space: ClassVar[SearchSpace] = {
        "item_features": OneOf("none", "ratings"),
        "n_candidates": Between(1, 100, log=True),
        "discount_factor": Between(0.0, 1.0),
        "learning_rate": Between(1e-5, 1e-2, log=True),
        "soft_target_update_rate": Between(0.001, 0.1, log=True),
        "entropy_coefficient": Between(0.01, 1.0, log=True),
        "automatic_entropy_coefficient": OneOf(True, False),
        "hidden_layers": OneOf(None, [64, 64], [128, 128]),
        "batch_size": OneOf(64, 128, 256),
        "update_frequency": Between(1, 16, log=True),
        "prioritized": OneOf(False, True),
        "n_steps": Between(1, 5),
    }

    def __init__(
        self,
        action_space: gym.Space[Any],
        state_size: arg.StateSize,
        timesteps_to_start_predicting: Natural = 256,
        learning_rate: arg.LearningRate = 1e-4,
        soft_target_update_rate: UnitInterval = 0.005,
        entropy_coefficient: Positive = 0.2,
        target_update_interval: Count = 2,
        discount_factor: arg.DiscountFactor = 0.99,
        buffer_parameters: ExperienceReplayBufferParameters | None = None,
        per_parameters: PERBufferParameters | None = None,
        *,
        automatic_entropy_coefficient: bool = True,
        target_entropy: Finite | None = None,
        hidden_layers: arg.HiddenLayers = None,
        item_features: arg.ItemFeatures = None,
        state_encoder: arg.StateEncoder = "features",
        history: arg.History = None,
        item_estimates: arg.ItemEstimates = None,
        base: arg.Base = None,
        base_scale: arg.LogitScale = None,
        n_candidates: Count = 10,
        buffer_size: arg.BufferSize = 100_000,
        batch_size: arg.BatchSize = 256,
        prioritized: bool = False,
        n_steps: arg.NSteps = 1,
        update_frequency: arg.UpdateFrequency = 1,
        random_state: Seed = 42,
        device: arg.Device = None,
    ) -> None:
        policy_seed, buffer_seed, warm_up_seed = map(int, np.random.SeedSequence(random_state).generate_state(3))
        options = Options(
            state_size=StateEncoding(state_encoder, state_size, history, item_estimates),
            hidden_layers=[256, 256] if hidden_layers is None else hidden_layers,
            learning_rate=learning_rate,
            target_entropy=target_entropy,
            random_state=policy_seed,
            device=device,
            base=base_of(base, item_estimates, scale=base_scale, default=LOGIT_SCALE),
        )
        self._first, self.n_actions = numbered_actions(action_space)
        self.policy = _policy(action_space, item_features, n_candidates, options)
        self.actor, self.critic = self.policy.actor, self.policy.critic
        self.target_critic = self.policy.target_critic
        self.temperature = Temperature(entropy_coefficient, learning_rate, device=device)
        self.networks = Networks(
            actor=self.actor, critic=self.critic, target_critic=self.target_critic, temperature=self.temperature
        )
        self.state_size, self.timesteps = state_size, 0
        self.timesteps_to_start_predicting = timesteps_to_start_predicting
        self.soft_target_update_rate = soft_target_update_rate
        self.target_update_interval = target_update_interval
        self.automatic_entropy_coefficient = automatic_entropy_coefficient
        self.updates: int = 0
        self.random_agent = RandomAgent(action_space, warm_up_seed)
        parameters = buffer_parameters or ExperienceReplayBufferParameters(
            buffer_size, batch_size, batch_size, buffer_seed
        )
        buffer = (
            PrioritizedExperienceReplayBuffer(parameters, per_parameters, history)
            if prioritized or per_parameters is not None
            else ExperienceReplayBuffer(parameters, history)
        )
        self.memory = ReplayMemory(buffer, n_steps, discount_factor, update_frequency)

    @property
    def first_update(self) -> str:
        """The hyperparameters that the first update waits for, with their values."""
        return (
            f"timesteps_to_start_predicting={self.timesteps_to_start_predicting}, batch_size={self.memory.burn_in}, "
            f"update_frequency={self.memory.update_frequency}"
        )

    def choose(self, states: Array, k: int, explore: bool, action_masks: Flags | None) -> Ints:
        """The actions that the policy draws, at random during warm-up; without exploration, the best."""
        if explore and self.timesteps < self.timesteps_to_start_predicting:
            return self.random_agent.top_k_actions_for_states(states, k, action_masks=action_masks)
        chosen: Ints = self.policy.act(states, k, explore, action_masks)
        return chosen + self._first

    def score(self, states: Array, masks: Flags | None) -> Array:
        """Logits of the policy or, with item features, values of the candidates: (n, state_size) to (n, actions)."""
        assert isinstance(self.policy, CategoricalPolicy | ProtoActionPolicy)  # of counted actions
        return self.policy.scores(states, masks)

    def log_probability(self, states: Array, slates: Ints, masks: Flags | None) -> Array:
        """Log-probabilities of slates under the policy, or uniform in warm-up: (n, state_size) and (n, k) to (n,).

        Raises:
            NotImplementedError: there are item features: the choice among the neighbours of a point has no density.
        """
        if self.timesteps < self.timesteps_to_start_predicting:
            return self.random_agent.log_probability(states, slates, masks)
        if not isinstance(self.policy, CategoricalPolicy):
            return super().log_probability(states, slates, masks)
        return self.policy.log_probabilities(states, slates - self._first, masks)

    def actions_for_states(self, states: Array, *, explore: bool = True, action_masks: Flags | None = None) -> Array:
        """Choose one action for each state: (n, ...) observations to (n,) actions, or (n, ...) points of the box.

        Arguments are those of `top_k_actions_for_states`.

        Raises:
            InputError: fewer than one action is allowed, or there are masks for a box.
        """
        if self.n_actions:
            return super().actions_for_states(states, explore=explore, action_masks=action_masks)
        self._refuse_masks_of_a_box(action_masks)
        if explore and self.timesteps < self.timesteps_to_start_predicting:
            return self.random_agent.actions_for_states(states).astype(np.float32, copy=False)
        return self.policy.act(states.reshape(len(states), -1), 1, explore, None)

    def store_experiences(self, transitions: Transition) -> None:
        """Store one step of every environment, and make the updates that are due.

        Raises:
            InputError: there are masks for a box.
            FloatingPointError: a reward or a loss is NaN or infinite; all networks stay as they were.
        """
        if not self.n_actions:
            self._refuse_masks_of_a_box(transitions.action_masks)
        transitions = transitions.of_items()
        actions = transitions.actions
        taken = actions - self._first if self.n_actions else actions.astype(np.float32, copy=False)
        steps = transitions.keep("began", "action_masks", "next_action_masks")
        if self.memory.n_steps.n_steps > 1:
            # The policy is still the one that acted: it changes below at the earliest.
            states = transitions.observations.reshape(len(taken), -1)
            steps = steps._replace(entropies=self.policy.entropies(states, transitions.action_masks))
        due = self.memory.add(steps._replace(actions=taken))
        self.timesteps += len(taken)
        if self.timesteps >= self.timesteps_to_start_predicting:
            for _ in range(due):
                self._learn()

    def _refuse_masks_of_a_box(self, masks: Flags | None) -> None:
        if masks is not None:
            raise InputError("the actions of a box cannot be counted, so there are no masks of them; leave them out")

    def _learn(self) -> None:
        """One update of the actor, the critics and the temperature, by the losses of the policy's kind."""
        sample = self.memory.sample()
        losses = self.policy.losses(sample.transitions, self.temperature.logarithm)
        weights = self.critic.as_tensor(sample.weights)
        critic_loss, actor_loss = weighted_mean(losses.critic, weights), weighted_mean(losses.actor, weights)
        # Check both losses before the first optimizer step, or one network would be updated before the other is found
        # to be non-finite.
        if not torch.isfinite(critic_loss + actor_loss):
            raise FloatingPointError(
                f"the loss of the critics of SoftActorCritic is {critic_loss.item()}, that of its actor "
                f"{actor_loss.item()}; look for NaN or huge numbers in observations and rewards, "
                "or lower the learning rate"
            )
        # The actor first: its gradient flows through the critics as they were when the losses were computed.
        self.actor.run_backpropagation(actor_loss)
        loss = self.critic.run_backpropagation(critic_loss)
        if self.automatic_entropy_coefficient:
            self.temperature.run_backpropagation(losses.temperature.mean())
        self.updates += 1
        if self.updates % self.target_update_interval == 0:
            self.target_critic.soft_parameter_update(self.critic, self.soft_target_update_rate)
        # The root of half the sum of two squares is the root mean square of the two critics' errors.
        self.memory.buffer.update_priorities(sample.indices, losses.critic.detach().sqrt().cpu().numpy())
        self.log("loss", loss)
        self.log("temperature", float(self.temperature.value))

    def state_dict(self) -> State:
        """The networks and their optimizers, the replay memory, counts and generators."""
        return {
            "networks": self.networks.state_dict(),
            "memory": self.memory.state_dict(),
            "generator": self.random_agent.state_dict(),
            "timesteps": self.timesteps,
            "updates": self.updates,
        }

    def load_state_dict(self, state: State) -> None:
        """Continue from where `state_dict` was taken.

        Raises:
            InputError: The state is that of an agent of other sizes.
        """
        self.networks.load_state_dict(state["networks"])
        self.memory.load_state_dict(state["memory"])
        self.random_agent.load_state_dict(state["generator"])
        self.timesteps = int(state["timesteps"])
        self.updates = int(state["updates"])


def _policy(space: gym.Space[Any], item_features: ArrayLike | None, n_candidates: int, options: Options) -> SoftPolicy:
    _, n_actions = numbered_actions(space)
    if isinstance(space, Box):
        if item_features is not None:
            raise InputError("the actions of a box are no items; leave item_features out")
        return BoxPolicy(space, options)
    if item_features is None:
        return CategoricalPolicy(n_actions, options)
    return ProtoActionPolicy(feature_table(item_features, n_actions), n_candidates, options)
