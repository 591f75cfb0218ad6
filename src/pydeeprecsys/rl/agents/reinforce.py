"""REINFORCE: Monte Carlo policy gradient with a baseline."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from pydeeprecsys.arguments import Seed, checked
from pydeeprecsys.arrays import Flags, Floats, Ints
from pydeeprecsys.rl import arguments as arg
from pydeeprecsys.rl.agents.agent import State
from pydeeprecsys.rl.agents.policy_gradient import PolicyGradientAgent
from pydeeprecsys.rl.experience_replay.transition import Transition
from pydeeprecsys.rl.ops.policies import leave_one_out_baseline, standardize
from pydeeprecsys.rl.ops.returns import steps_in_episode
from pydeeprecsys.rl.search_space import Between, OneOf, SearchSpace

Baseline = Literal["leave-one-out", "normalized"]

_DECAY = 0.95
"""Decay per update of earlier returns in the running means, which thus reach back over about 20 updates."""


@checked
class ReinforceAgent(PolicyGradientAgent):
    """REINFORCE with a baseline (Williams 1992), for discrete actions and episodic environments.

    The advantage of an action is the discounted return minus a baseline. By default the baseline is the mean return of
    the other episodes in the update at the same time step; if there is none, a running mean of the returns of earlier
    updates at this time step, 0 before the first. It does not depend on the action, so the policy gradient is unbiased.

    A truncated episode counts as terminated: its returns lack the rewards after the truncation.

    Args:
        hidden_layers: Sizes of the policy's hidden layers; two of twice the encoded size if None.
        baseline: Baseline of the returns: leave-one-out, or normalized to subtract the mean of the update's returns and
            divide by their standard deviation. The latter is biased, as the mean depends on the action: with one
            episode per update it cancels most of the gradient of the last steps.

    Attributes:
        policy_estimator: The policy.
        statistics: If set, every update logs its loss as the metric "loss".

    Raises:
        InputError: An argument is out of range.
    """

    search_space: ClassVar[SearchSpace] = {
        "item_features": OneOf("none", "ratings"),
        "standardize_states": OneOf(False, True),
        "discount_factor": Between(0.0, 1.0),
        "learning_rate": Between(1e-4, 1e-2, log=True),
        "hidden_layers": OneOf(None, [32], [128, 128]),
        "episodes_per_update": OneOf(None, 4, 16),
        "minibatches": OneOf(1, 4, 16),
        "entropy_coefficient": OneOf(0.0, 0.01, 0.1, 0.5),
        "entropy_decay": OneOf(1.0, 0.99, 0.95),
    }

    def __init__(
        self,
        n_actions: arg.NActions,
        state_size: arg.StateSize,
        hidden_layers: arg.HiddenLayers = None,
        discount_factor: arg.DiscountFactor = 0.99,
        learning_rate: arg.LearningRate = 1e-3,
        *,
        baseline: Baseline = "leave-one-out",
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
            hidden_layers=hidden_layers,
            discount_factor=discount_factor,
            learning_rate=learning_rate,
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
        self.baseline = baseline
        self._earlier = np.zeros((2, 0))  # (2, time steps) sums of earlier returns and their weights

    def _advantages_and_returns(self, steps: Transition, complete: Flags) -> tuple[Floats, Floats]:
        ended = steps.terminated | steps.truncated
        step = steps_in_episode(ended)[complete]
        returns = self.objective.returns(steps, self.discount_factor, complete)[complete]
        if self.baseline == "normalized":
            return standardize(returns), returns
        baseline = leave_one_out_baseline(returns, step, alone=self._running_means(returns, step))
        return returns - baseline, returns

    def _running_means(self, returns: Floats, step: Ints) -> Floats:
        """(time steps,) means of earlier returns, 0 where there were none; adds the present returns for later."""
        now = np.stack([np.bincount(step, weights=returns), np.bincount(step)])
        room = max(0, now.shape[1] - self._earlier.shape[1])
        earlier = np.pad(self._earlier, ((0, 0), (0, room)))
        sums, weights = earlier
        means: Floats = np.divide(sums, weights, out=np.zeros_like(sums), where=weights > 0)
        earlier[:, : now.shape[1]] = _DECAY * earlier[:, : now.shape[1]] + now
        self._earlier = earlier
        return means

    def state_dict(self) -> State:
        """What every policy-gradient agent keeps, and the running means of the returns."""
        return {**super().state_dict(), "earlier": self._earlier.copy()}

    def load_state_dict(self, state: State) -> None:
        """Continue from where `state_dict` was taken.

        Raises:
            InputError: it is the state of an agent of other sizes.
        """
        super().load_state_dict(state)
        self._earlier = np.array(state["earlier"])
