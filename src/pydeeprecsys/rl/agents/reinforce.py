"""REINFORCE: learn from whole episodes by the policy gradient."""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.agents.agent import State
from pydeeprecsys.rl.agents.policy_gradient import PolicyGradientAgent
from pydeeprecsys.rl.experience_replay.episode_memory import CompleteSteps
from pydeeprecsys.rl.ops.policies import leave_one_out_baseline, standardize
from pydeeprecsys.rl.ops.returns import discounted_returns
from pydeeprecsys.rl.search_space import Between, OneOf, SearchSpace

Baseline = Literal["leave-one-out", "normalized"]

_DECAY = 0.95
"""Of the weights of earlier returns in the running means, per update: they go back over some 20 updates."""


class ReinforceAgent(PolicyGradientAgent):
    """REINFORCE with a baseline (Williams 1992), for discrete actions and environments whose episodes end.

    The advantage of an action is the discounted return minus a baseline. By default the baseline is the mean return of
    the update's other episodes at the same time step, and where there is no other, a running mean of the returns of
    earlier updates at this time step, 0 before the first. It does not depend on the action, so the policy gradient is
    unbiased.

    A truncated episode counts as one that ended by itself: its returns lack what it would still have brought, and are
    too low towards its end.

    Args:
        n_actions: number of actions, at least 1.
        state_size: numbers in a state, at least 1.
        hidden_layers: sizes of the hidden layers, at least 1 each; two of twice the state size when not given.
        discount_factor: what a reward is worth one step earlier, in 0..1.
        learning_rate: step size of Adam, above 0.
        baseline: leave-one-out, or normalized: the returns of an update minus their mean, divided by their standard
            deviation. That is biased, for the mean depends on the action: of one episode learned from alone, it cancels
            most of the gradient of its last steps.
        episodes_per_update: complete episodes an update waits for, at least 1; one an environment when not given.
        minibatches: parts an update's steps are dealt into, at least 1, a gradient step for each.
        entropy_coefficient: what a nat of the policy's entropy is worth at first, 0 or more.
        entropy_decay: what that is multiplied by after each update, above 0, at most 1.
        item_features: (n_actions, features) of the items that the actions stand for, to score them by; outputs are
            independent of one another when not given.
        standardize_states: by the mean and deviation of all states learned from so far; where the numbers of a state
            differ in scale.
        random_state: seed of the initial policy and of the exploration, 0 or more.
        device: cpu, cuda or cuda:N; CUDA where there is one, else the CPU, when not given.

    Attributes:
        policy_estimator: the policy.
        statistics: when set, the loss of every update is appended to it as the metric "loss".

    Raises:
        InputError: for an argument out of its range.
    """

    search_space: ClassVar[SearchSpace] = {
        "item_features": OneOf(False, True),
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
        n_actions: int,
        state_size: int,
        hidden_layers: list[int] | None = None,
        discount_factor: float = 0.99,
        learning_rate: float = 1e-3,
        *,
        baseline: Baseline = "leave-one-out",
        episodes_per_update: int | None = None,
        minibatches: int = 1,
        entropy_coefficient: float = 0.0,
        entropy_decay: float = 1.0,
        item_features: ArrayLike | None = None,
        standardize_states: bool = False,
        random_state: int = 42,
        device: str | None = None,
    ) -> None:
        if baseline not in get_args(Baseline):
            raise InputError(f"there is no baseline {baseline!r}; give one of {', '.join(get_args(Baseline))}")
        super().__init__(
            n_actions,
            state_size,
            [2 * state_size] * 2 if hidden_layers is None else hidden_layers,
            discount_factor,
            learning_rate,
            episodes_per_update,
            minibatches,
            entropy_coefficient,
            entropy_decay,
            item_features,
            standardize_states,
            random_state,
            device,
        )
        self.baseline = baseline
        self._earlier = np.zeros((2, 0))  # (2, time steps) sums of earlier returns and their weights

    def _advantages_and_returns(self, steps: CompleteSteps) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        ended = steps.terminated | steps.truncated
        time = np.arange(len(ended))[:, None]
        started = np.concatenate([np.ones((1, ended.shape[1]), dtype=np.bool_), ended[:-1]])
        step = (time - np.maximum.accumulate(np.where(started, time, 0)))[steps.complete]
        returns = discounted_returns(steps.rewards, self.discount_factor * ~ended)[steps.complete]
        if self.baseline == "normalized":
            return standardize(returns), returns
        baseline = leave_one_out_baseline(returns, step, alone=self._running_means(returns, step))
        return returns - baseline, returns

    def _running_means(self, returns: NDArray[np.float64], step: NDArray[np.int64]) -> NDArray[np.float64]:
        """(time steps,) means of earlier returns, 0 where there were none; takes those of now in for later."""
        now = np.stack([np.bincount(step, weights=returns), np.bincount(step)])
        room = max(0, now.shape[1] - self._earlier.shape[1])
        earlier = np.pad(self._earlier, ((0, 0), (0, room)))
        sums, weights = earlier
        means: NDArray[np.float64] = np.divide(sums, weights, out=np.zeros_like(sums), where=weights > 0)
        earlier[:, : now.shape[1]] = _DECAY * earlier[:, : now.shape[1]] + now
        self._earlier = earlier
        return means

    def state_dict(self) -> State:
        """What every policy-gradient agent keeps, and the running means of the returns."""
        return {**super().state_dict(), "earlier": self._earlier.copy()}

    def load_state_dict(self, state: State) -> None:
        """Go on from where `state_dict` was taken.

        Raises:
            InputError: where it is the state of an agent of other sizes.
        """
        super().load_state_dict(state)
        self._earlier = np.array(state["earlier"])
