"""The objective of policy gradients: the mean return, with a bound on the cost of sessions, or for the worst group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pydeeprecsys.arrays import Array, Flags, Floats, Ints
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.constraint import WITHOUT_COSTS, Charges, Constraint
from pydeeprecsys.rl.experience_replay.transition import Transition
from pydeeprecsys.rl.ops.constraints import next_group_weights, session_sums
from pydeeprecsys.rl.ops.returns import discounted_returns, generalized_advantages


class Objective:
    """What a policy gradient maximizes: the mean return, minus λ times the constraint, over groups by their weights.

    Group weights q maximize the return of the worst group (Sagawa et al. 2020): a step of group g counts q_g over the
    share of g among the steps.

    Args:
        constraint: on the cost of sessions; none if None.
        worst_group_rate: step size η of the group weights, per unit of return; None for the mean over all sessions.

    Attributes:
        columns: the optional columns of transitions that it needs.
        n_values: state values that critics learn: of the return and, with a constraint, of its charges.
        n_inputs: numbers that these depend on besides observations, see `Charges`.
        group_weights: (groups,) q; empty before the first update, and without groups.
    """

    def __init__(self, constraint: Constraint | None = None, worst_group_rate: float | None = None) -> None:
        self.constraint, self.worst_group_rate = constraint, worst_group_rate
        self.columns = [*(["costs"] if constraint else []), *(["groups"] if worst_group_rate else [])]
        self.n_values = 2 if constraint else 1
        self.n_inputs = 2 if constraint and constraint.level is not None else 0
        self.group_weights: Floats = np.zeros(0)
        self._running = np.zeros((3, 0))  # (3, n) costs, rewards and steps of running sessions
        self._sessions: tuple[Floats, Floats, Ints | None] | None = None  # costs, returns and groups since the update

    def check(self, transitions: Transition) -> None:
        """Raise an InputError unless a step has the columns that are needed."""
        if self.constraint and transitions.costs is None:
            raise InputError(WITHOUT_COSTS)
        if self.worst_group_rate and transitions.groups is None:
            raise InputError(
                "worst_group_rate is of groups, info['group'], which the environment does not give: make it with the "
                "option group, say --env-option group=sex, or leave worst_group_rate out"
            )

    def read(self, steps: Transition, complete: Flags | None = None) -> Charges:
        """Take note of the sessions that end, for `update`, and give the charges of a constraint.

        Args:
            steps: (time, n, ...) consecutive steps, which continue those read before.
            complete: (time, n) steps of complete episodes, where others are in between; nothing then continues.
        """
        nothing = Charges.of_steps(np.zeros(steps.rewards.shape))
        if not self.columns:
            return nothing
        n = steps.rewards.shape[1]
        if complete is not None or n != self._running.shape[1]:
            self._running = np.zeros((3, n))
        everywhere = np.ones(steps.rewards.shape)
        costs = everywhere if steps.costs is None else steps.costs
        ended = steps.terminated | steps.truncated
        began = np.zeros(ended.shape, dtype=np.bool_) if steps.began is None else steps.began
        if complete is not None:
            ended = ended & complete
        total_costs, returns, lengths = (
            session_sums(x_t, began, ended, running)
            for x_t, running in zip((costs, steps.rewards, everywhere), self._running, strict=True)
        )
        groups = None if steps.groups is None else steps.groups[ended]
        self._sessions = (total_costs / lengths)[ended], returns[ended], groups
        return self.constraint.charges(costs, total_costs, lengths, ended) if self.constraint else nothing

    def returns(self, steps: Transition, discount_factor: float, complete: Flags) -> Floats:
        """(time, n) returns of complete episodes, less λ times those of the charges."""
        ended = steps.terminated | steps.truncated
        charges = self.read(steps, complete).amounts
        returns = discounted_returns(steps.rewards, discount_factor * ~ended)
        if self.constraint:
            own = self.constraint.discounts(steps, discount_factor) * ~ended
            returns -= self.constraint.weight * discounted_returns(charges, own)
        return returns

    def advantages(
        self,
        steps: Transition,
        ended: Flags,
        values: tuple[Array, Array],
        *,
        charges: Floats,
        discount_factor: float,
        lambda_: float,
    ) -> tuple[Floats, Floats]:
        """Generalized advantages of the returns, less λ times those of the charges.

        Args:
            steps: (time, n, ...) consecutive steps.
            ended: (time, n) the next row is of another episode.
            values: (time, n, n_values) of the states before each step, and after it.
            charges: (time, n) of a constraint, as `read` gives them.
            discount_factor: γ of the rewards.
            lambda_: λ of generalized advantage estimation.

        Returns:
            (time, n) the advantages, and (time, n, n_values) λ-returns, the targets of the values.
        """
        signals = [(steps.rewards, discount_factor * ~steps.terminated, 1.0)]
        if self.constraint:
            own_discounts = self.constraint.discounts(steps, discount_factor)
            signals.append((charges, own_discounts, -self.constraint.weight))
        advantages, targets = np.zeros(steps.rewards.shape), np.empty(values[0].shape)
        for i, (signal, discounts, weight) in enumerate(signals):
            v_tm1, v_t = (each[..., i] for each in values)
            own = generalized_advantages(signal, discounts, ended, v_tm1=v_tm1, v_t=v_t, lambda_=lambda_)
            advantages += weight * own
            targets[..., i] = own + values[0][..., i]
        return advantages, targets

    def weigh(self, advantages: Floats, groups: Ints | None) -> Floats:
        """The advantages (rows,) by the weights of their groups (rows,)."""
        if groups is None or not self.worst_group_rate:
            return advantages
        self._know(groups)
        shares = np.bincount(groups, minlength=len(self.group_weights)) / len(groups)
        return advantages * (self.group_weights / np.maximum(shares, 1 / len(groups)))[groups]

    def _know(self, groups: Ints) -> None:
        """Have a weight for each of these groups; at first all are equal."""
        if (n := int(groups.max()) + 1) > (known := len(self.group_weights)):
            self.group_weights = np.concatenate([self.group_weights * known, np.ones(n - known)]) / n

    def update(self, log: Callable[[str, float], None]) -> None:
        """Move λ, v and the group weights by the sessions that ended, and log them."""
        if self._sessions is None or not len(self._sessions[0]):
            return
        costs, returns, groups = self._sessions
        self._sessions = None
        if self.constraint:
            log("session_cost", self.constraint.update(costs))
            log("multiplier", self.constraint.multiplier)
        if self.worst_group_rate and groups is not None:
            self._know(groups)
            self.group_weights = next_group_weights(self.group_weights, returns, groups, self.worst_group_rate)
            log("largest_group_weight", float(self.group_weights.max()))

    @property
    def note(self) -> str:
        """That the constraint is not met, in one line; empty if it is, or if there is none."""
        return self.constraint.note if self.constraint else ""

    def state_dict(self) -> dict[str, Any]:
        """Under "objective" the constraint, the group weights, and sums of running sessions; empty without any."""
        if not self.columns:
            return {}
        constraint = self.constraint.state_dict() if self.constraint else {}
        state = {"constraint": constraint, "group_weights": self.group_weights.copy(), "running": self._running.copy()}
        return {"objective": state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from where `state_dict` was taken.

        Raises:
            InputError: the state is that of another objective.
        """
        own = state.get("objective", {})
        if bool(own) != bool(self.columns) or (own and bool(own["constraint"]) != bool(self.constraint)):
            raise InputError("the state is that of an agent with another objective; give the same arguments")
        if own:
            if self.constraint:
                self.constraint.load_state_dict(own["constraint"])
            self.group_weights, self._running = np.array(own["group_weights"]), np.array(own["running"])
