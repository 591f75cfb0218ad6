"""Actor-Critic: the policy gradient, with a learned value of the state as the baseline."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.agents.policy_gradient import PolicyGradientAgent
from pydeeprecsys.rl.experience_replay.episode_memory import CompleteSteps
from pydeeprecsys.rl.neural_networks.base_network import BaseNetwork
from pydeeprecsys.rl.neural_networks.value_estimator import ValueEstimator
from pydeeprecsys.rl.ops.policies import center_by_other_episodes, rescale
from pydeeprecsys.rl.ops.returns import generalized_advantages
from pydeeprecsys.rl.search_space import Between, OneOf, SearchSpace


class ActorCriticAgent(PolicyGradientAgent):
    """Advantage actor-critic, for discrete actions and environments whose episodes end.

    The actor learns from generalized advantages (Schulman et al. 2016), the critic from the λ-returns that belong to
    them. With λ = 1 these are Monte-Carlo returns, which wait for the end of the episode; below, they lean the more on
    the critic the smaller it is. A truncated episode goes on, for both, with what the critic says of its last state.

    Args:
        n_actions: number of actions, at least 1.
        state_size: numbers in a state, at least 1.
        discount_factor: what a reward is worth one step earlier, in 0..1.
        actor_hidden_layers: sizes of the actor's hidden layers, at least 1 each; two of twice the state size when not
            given.
        critic_hidden_layers: sizes of the critic's hidden layers, at least 1 each; twice and half the state size when
            not given.
        actor_learning_rate: step size of the actor's Adam, above 0.
        critic_learning_rate: step size of the critic's Adam, above 0.
        gae_lambda: λ of the advantages, in 0 (one reward, then the critic)..1 (all rewards of the episode).
        normalize_advantages: at each update, subtract from them the mean of the other episodes, and divide by their
            root mean square. The mean of all would depend on the action, and cancel part of the gradient.
        episodes_per_update: complete episodes an update waits for, at least 1; one an environment when not given.
        minibatches: parts an update's steps are dealt into, at least 1, a gradient step for each.
        entropy_coefficient: what a nat of the policy's entropy is worth at first, 0 or more.
        entropy_decay: what that is multiplied by after each update, above 0, at most 1.
        item_features: (n_actions, features) of the items that the actions stand for, to score them by; outputs are
            independent of one another when not given.
        standardize_states: by the mean and deviation of all states learned from so far; where the numbers of a state
            differ in scale.
        random_state: seed of the initial networks and of the exploration, 0 or more.
        device: cpu, cuda or cuda:N; CUDA where there is one, else the CPU, when not given.

    Attributes:
        policy_estimator: the actor.
        value_estimator: the critic.
        statistics: when set, the actor's loss of every update is appended to it as the metric "loss", the critic's of
            each of its gradient steps as "critic_loss".

    Raises:
        InputError: for an argument out of its range.
    """

    search_space: ClassVar[SearchSpace] = {
        "item_features": OneOf(False, True),
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
        n_actions: int,
        state_size: int,
        discount_factor: float = 0.99,
        actor_hidden_layers: list[int] | None = None,
        critic_hidden_layers: list[int] | None = None,
        actor_learning_rate: float = 1e-3,
        critic_learning_rate: float = 1e-3,
        *,
        gae_lambda: float = 1.0,
        normalize_advantages: bool = True,
        episodes_per_update: int | None = None,
        minibatches: int = 1,
        entropy_coefficient: float = 0.0,
        entropy_decay: float = 1.0,
        item_features: ArrayLike | None = None,
        standardize_states: bool = False,
        random_state: int = 42,
        device: str | None = None,
    ) -> None:
        actor_layers = [2 * state_size] * 2 if actor_hidden_layers is None else actor_hidden_layers
        critic_layers = [2 * state_size, max(1, state_size // 2)]
        if critic_hidden_layers is not None:
            critic_layers = critic_hidden_layers
        if min(critic_layers, default=1) < 1:
            raise InputError("every size in critic_hidden_layers must be at least 1")
        if not critic_learning_rate > 0:
            raise InputError(f"critic_learning_rate must be above 0, it is {critic_learning_rate:g}")
        if not 0 <= gae_lambda <= 1:
            raise InputError(f"gae_lambda must lie in 0..1, it is {gae_lambda:g}")
        super().__init__(
            n_actions,
            state_size,
            actor_layers,
            discount_factor,
            actor_learning_rate,
            episodes_per_update,
            minibatches,
            entropy_coefficient,
            entropy_decay,
            item_features,
            standardize_states,
            random_state,
            device,
        )
        # PolicyEstimator takes the first two of this sequence.
        critic_seed = int(np.random.SeedSequence(random_state).generate_state(3)[2])
        self.value_estimator = ValueEstimator(
            state_size,
            critic_layers,
            1,
            critic_learning_rate,
            standardize_inputs=standardize_states,
            random_state=critic_seed,
            device=device,
        )
        self.gae_lambda = gae_lambda
        self.normalize_advantages = normalize_advantages

    @property
    def _networks(self) -> dict[str, BaseNetwork]:
        return {**super()._networks, "value_estimator": self.value_estimator}

    def _advantages_and_returns(self, steps: CompleteSteps) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        ended = steps.terminated | steps.truncated
        values, new_values = (
            self.value_estimator.predict(states[..., : self.state_size])[..., 0]
            for states in (steps.states, steps.new_states)
        )
        discounts = self.discount_factor * ~steps.terminated
        advantages = generalized_advantages(steps.rewards, discounts, ended, values, new_values, self.gae_lambda)[
            steps.complete
        ]
        returns = advantages + values[steps.complete]
        if self.normalize_advantages:
            n = ended.shape[1]
            episode = (np.cumsum(ended, axis=0) - ended) * n + np.arange(n)
            advantages = rescale(center_by_other_episodes(advantages, episode[steps.complete]))
        return advantages, returns

    def _learn_values(self, states: NDArray[np.float32], returns: NDArray[np.float64]) -> None:
        loss = self.value_estimator.update(states, returns)
        if self.statistics is not None:
            self.statistics.append_metric("critic_loss", loss)
