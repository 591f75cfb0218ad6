"""An exported policy as an agent, so that a simulator can ask it."""

from __future__ import annotations

from collections.abc import Mapping

from pydeeprecsys.arrays import Array, Flags, Ints
from pydeeprecsys.history import HistoryLayout
from pydeeprecsys.rl.agents.agent import ReinforcementLearning
from pydeeprecsys.serving.parity import inputs_of
from pydeeprecsys.serving.policy import Policy


class PolicyAgent(ReinforcementLearning):
    """An exported policy in a simulated world with the observation "items": it acts without exploration.

    Args:
        policy: the policy.
        history: layout of the observations.
    """

    def __init__(self, policy: Policy, history: HistoryLayout) -> None:
        self.policy, self.layout, self.n_actions = policy, history, history.n_items

    def score(self, states: Array, masks: Flags | None) -> Array:
        """The policy's scores: (n, size) to (n, items)."""
        return self._outputs(states)["scores"]

    def choose(self, states: Array, k: int, explore: bool, action_masks: Flags | None) -> Ints:
        """The policy's greedy slates: (n, size) to (n, k)."""
        slates: Ints = self._outputs(states)["slate"][:, :k]
        return slates

    def _outputs(self, states: Array) -> Mapping[str, Array]:
        return self.policy.outputs(*inputs_of(self.layout, states))
