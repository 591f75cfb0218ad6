"""Advantage actor-critic: the policy gradient with a learned state value as the baseline."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from pydeeprecsys.arguments import Seed, checked
from pydeeprecsys.arrays import Flags, Floats, Singles
from pydeeprecsys.rl import arguments as arg
from pydeeprecsys.rl.agents.policy_gradient import PolicyGradientAgent
from pydeeprecsys.rl.experience_replay.transition import Transition
from pydeeprecsys.rl.neural_networks.value_estimator import ValueEstimator
from pydeeprecsys.rl.ops.policies import center_by_other_episodes, rescale
from pydeeprecsys.rl.search_space import Between, OneOf, SearchSpace


@checked
class ActorCriticAgent(PolicyGradientAgent):
    """Advantage actor-critic (A2C), for discrete actions and episodic environments.

    The actor learns from generalized advantages (Schulman et al. 2016), the critic from the corresponding λ-returns.
    With λ = 1 these are Monte Carlo returns; a smaller λ relies more on the critic. For a truncated episode both
    bootstrap with the critic's value of its last state.

    Args:
        actor_hidden_layers: Sizes of the actor's hidden layers; two of twice the encoded size if None.
        critic_hidden_layers: Sizes of the critic's hidden layers; twice and half the encoded size if None.
        normalize_advantages: Per update, subtract the mean advantage of the other episodes and divide by the root mean
            square. The mean of all episodes would depend on the action, and cancel part of the gradient.

    Attributes:
        policy_estimator: The actor.
        value_estimator: The critic.
        statistics: If set, every update logs the actor's loss as the metric "loss", and every gradient step the
            critic's as "critic_loss".

    Raises:
        InputError: An argument is out of range.
    """

    search_space: ClassVar[SearchSpace] = {
        "item_features": OneOf("none", "ratings"),
        "standardize_states": OneOf(False, True),
        "discount_factor": Between(0.0, 1.0),
        "gae_lambda": Between(0.5, 1.0),
        "actor_learning_rate": Between(1e-4, 1e-2, log=True),
        "critic_learning_rate": Between(1e-4, 1e-2, log=True),
        "actor_hidden_layers": OneOf(None, [32], [128, 128]),
        "critic_hidden_layers": OneOf(None, [32], [128, 64]),
        "normalize_advantages": OneOf(True, False),
        "episodes_per_update": OneOf(None, 4, 16),
        "minibatches": OneOf(1, 4, 16),
        "entropy_coefficient": OneOf(0.0, 0.01, 0.1, 0.5),
        "entropy_decay": OneOf(1.0, 0.99, 0.95),
    }

    def __init__(
        self,
        n_actions: arg.NActions,
        state_size: arg.StateSize,
        discount_factor: arg.DiscountFactor = 0.99,
        actor_hidden_layers: arg.HiddenLayers = None,
        critic_hidden_layers: arg.HiddenLayers = None,
        actor_learning_rate: arg.ActorLearningRate = 1e-3,
        critic_learning_rate: arg.CriticLearningRate = 1e-3,
        *,
        gae_lambda: arg.GaeLambda = 1.0,
        normalize_advantages: bool = True,
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
        super().__init__(
            n_actions=n_actions,
            state_size=state_size,
            hidden_layers=actor_hidden_layers,
            discount_factor=discount_factor,
            learning_rate=actor_learning_rate,
            episodes_per_update=episodes_per_update,
            minibatches=minibatches,
            entropy_coefficient=entropy_coefficient,
            entropy_decay=entropy_decay,
            item_features=item_features,
            state_encoder=state_encoder,
            history=history,
            item_estimates=item_estimates,
            base=base,
            base_scale=base_scale,
            standardize_states=standardize_states,
            cost_limit=cost_limit,
            cvar_level=cvar_level,
            multiplier_rate=multiplier_rate,
            quantile_rate=quantile_rate,
            worst_group_rate=worst_group_rate,
            random_state=random_state,
            device=device,
        )
        size = self.encoding.size
        # PolicyEstimator takes the first two seeds of this sequence.
        critic_seed = int(np.random.SeedSequence(random_state).generate_state(3)[2])
        self.value_estimator = self.networks["value_estimator"] = ValueEstimator(
            self.encoding,
            [2 * size, max(1, size // 2)] if critic_hidden_layers is None else critic_hidden_layers,
            self.objective.n_values,
            critic_learning_rate,
            standardize_inputs=standardize_states,
            random_state=critic_seed,
            device=device,
        )
        self.gae_lambda = gae_lambda
        self.normalize_advantages = normalize_advantages

    def _advantages_and_returns(self, steps: Transition, complete: Flags) -> tuple[Floats, Floats]:
        ended = steps.terminated | steps.truncated
        critic, charges = self.value_estimator, self.objective.read(steps, complete)
        advantages, targets = self.objective.advantages(
            steps,
            ended,
            (critic.predict(steps.observations), critic.predict(steps.next_observations)),
            charges=charges.amounts,
            discount_factor=self.discount_factor,
            lambda_=self.gae_lambda,
        )
        advantages = advantages[complete]
        if self.normalize_advantages:
            n = ended.shape[1]
            episode = (np.cumsum(ended, axis=0) - ended) * n + np.arange(n)
            advantages = rescale(center_by_other_episodes(advantages, episode[complete]))
        return advantages, targets[complete]

    def _learn_values(self, states: Singles, returns: Floats) -> None:
        self.log("critic_loss", self.value_estimator.update(states, returns))
