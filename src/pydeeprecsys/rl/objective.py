"""The objective of policy gradients: the mean return, with a bound on the cost of sessions, or for the worst group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pydeeprecsys.arrays import Array, Flags, Floats, Ints
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.experience_replay.transition import Transition
from pydeeprecsys.rl.ops.constraints import (
    next_group_weights,
    next_multiplier,
    next_value_at_risk,
    session_sums,
    tail_excess,
)
from pydeeprecsys.rl.ops.returns import discounted_returns, generalized_advantages
from pydeeprecsys.rl.states import all_or_nothing

MULTIPLIER_RATE, QUANTILE_RATE = 1.0, 0.01
"""The learning rates of λ, per unit of cost, and of the value at risk v, where none are given."""
LARGEST_MULTIPLIER = 1000.0
"""Bound of λ: with rewards of at most 1 a policy that still violates the constraint there has stopped to earn."""
_IN_VAIN = 100
"""Updates in a row with a violation, after which the constraint is said not to be met."""

WITHOUT_COSTS = (
    "cost_limit bounds info['cost'], which the environment does not give (MovieLensFairness gives the violence of what "
    "is shown, if it is known); leave cost_limit out"
)


class Constraint:
    """A bound on what a session costs, with its Lagrange multiplier λ.

    The cost C of a session is the mean cost of its steps. Bounded is its expectation; or, given a level α, its CVaR,
    the mean of the worst 1 − α of all sessions, whose value at risk v is learned along (Singh, Halpern, Thain,
    Christakopoulou, Chi, Chen & Beutel, Building Healthy Recommendation Sequences for Everyone, FAccTRec 2020). Then
    v begins at the quantile of the first batch, and costs are in [0, 1].

    Args:
        limit: bound β.
        level: α in [0, 1); None for a bound on the expectation.
        multiplier_rate: learning rate of λ, per unit of cost; 1 if None.
        quantile_rate: learning rate of v; 0.01 if None.

    Attributes:
        multiplier: λ, 0 at first, at most `LARGEST_MULTIPLIER`.
        value_at_risk: v; NaN before the first batch.

    Raises:
        InputError: `quantile_rate` is given without a level.
    """

    def __init__(
        self,
        limit: float,
        level: float | None = None,
        multiplier_rate: float | None = None,
        quantile_rate: float | None = None,
    ) -> None:
        if level is None and quantile_rate is not None:
            raise InputError("quantile_rate is of a bound on the CVaR: give cvar_level too, or leave it out")
        self.limit, self.level = limit, level
        self.multiplier_rate = MULTIPLIER_RATE if multiplier_rate is None else multiplier_rate
        self.quantile_rate = QUANTILE_RATE if quantile_rate is None else quantile_rate
        self.multiplier, self.value_at_risk = 0.0, float("nan")
        self.violations = 0  # updates in a row

    def charges(self, costs: Floats, sessions: Floats, ended: Flags) -> Floats:
        """What λ weighs of every step: its cost; or, at the end of a session, the excess of its cost in the tail.

        Args:
            costs: (time, n) of each step.
            sessions: (time, n) where `ended`, the costs of sessions; of any finite numbers elsewhere.
            ended: (time, n) a session ended with this step.
        """
        if self.level is None:
            return costs
        if np.isnan(self.value_at_risk) and ended.any():
            self.value_at_risk = float(np.quantile(sessions[ended], self.level))
        return np.where(ended, tail_excess(sessions, self.value_at_risk, self.level), 0.0) if ended.any() else 0 * costs

    def discounts(self, steps: Transition, discount_factor: float) -> Floats:
        """(time, n) discounts of the charges: γ of costs, 1 of the tail: all steps of a session are charged alike."""
        if self.level is None:
            return np.where(steps.terminated, 0.0, discount_factor)
        return np.where(steps.terminated | steps.truncated, 0.0, 1.0)

    def update(self, costs: Floats) -> float:
        """Move v and λ by the costs of sessions (m,), at least one; give the bounded statistic of them.

        Raises:
            InputError: a cost beyond [0, 1], of which the CVaR is bounded.
        """
        bounded = float(costs.mean())
        if self.level is not None:
            if costs.min() < 0 or costs.max() > 1:
                raise InputError(
                    f"costs of sessions are in [0, 1] where their CVaR is bounded, one is "
                    f"{costs[(costs < 0) | (costs > 1)][0]:g}: scale info['cost']"
                )
            self.value_at_risk = next_value_at_risk(
                self.value_at_risk, costs, self.level, multiplier=self.multiplier, rate=self.quantile_rate
            )
            bounded = self.value_at_risk + float(tail_excess(costs, self.value_at_risk, self.level).mean())
        violation = bounded - self.limit
        self.multiplier = next_multiplier(self.multiplier, violation, self.multiplier_rate, LARGEST_MULTIPLIER)
        self.violations = self.violations + 1 if violation > 0 else 0
        return bounded

    @property
    def note(self) -> str:
        """That the constraint is not met, in one line; empty if it is, or is not known to be not."""
        if self.violations < _IN_VAIN and self.multiplier < LARGEST_MULTIPLIER:
            return ""
        return (
            f"the constraint is not met: the cost exceeded cost_limit={self.limit:g} in the last {self.violations} "
            f"updates, and its multiplier grew to {self.multiplier:g} (at most {LARGEST_MULTIPLIER:g}); raise "
            "cost_limit or multiplier_rate, or train for longer"
        )

    def state_dict(self) -> dict[str, Any]:
        """λ, v, and how long the constraint has been violated."""
        return {"multiplier": self.multiplier, "value_at_risk": self.value_at_risk, "violations": self.violations}

    @all_or_nothing
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from where `state_dict` was taken."""
        self.multiplier, self.value_at_risk = float(state["multiplier"]), float(state["value_at_risk"])
        self.violations = int(state["violations"])


def constraint_of(
    cost_limit: float | None, cvar_level: float | None, multiplier_rate: float | None, quantile_rate: float | None
) -> Constraint | None:
    """The constraint that arguments of an agent describe; None without a limit.

    Raises:
        InputError: one of the other arguments is given without a limit, or does not fit.
    """
    if cost_limit is not None:
        return Constraint(cost_limit, cvar_level, multiplier_rate, quantile_rate)
    others = {"cvar_level": cvar_level, "multiplier_rate": multiplier_rate, "quantile_rate": quantile_rate}
    for name, value in others.items():
        if value is not None:
            raise InputError(f"{name} is of a constraint: give cost_limit too, or leave it out")
    return None


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
        group_weights: (groups,) q; empty before the first update, and without groups.
    """

    def __init__(self, constraint: Constraint | None = None, worst_group_rate: float | None = None) -> None:
        self.constraint, self.worst_group_rate = constraint, worst_group_rate
        self.columns = [*(["costs"] if constraint else []), *(["groups"] if worst_group_rate else [])]
        self.n_values = 2 if constraint else 1
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

    def read(self, steps: Transition, complete: Flags | None = None) -> Floats:
        """Take note of the sessions that end, for `update`, and give the charges (time, n) of a constraint.

        Args:
            steps: (time, n, ...) consecutive steps, which continue those read before.
            complete: (time, n) steps of complete episodes, where others are in between; nothing then continues.
        """
        if not self.columns:
            return np.zeros(0)
        n = steps.rewards.shape[1]
        if complete is not None or n != self._running.shape[1]:
            self._running = np.zeros((3, n))
        everywhere = np.ones(steps.rewards.shape)
        costs = everywhere if steps.costs is None else steps.costs
        began, ended = steps.columns()["began"], steps.terminated | steps.truncated
        if complete is not None:
            ended = ended & complete
        total_costs, returns, lengths = (
            session_sums(x_t, began, ended, running)
            for x_t, running in zip((costs, steps.rewards, everywhere), self._running, strict=True)
        )
        of_sessions = total_costs / lengths
        self._sessions = of_sessions[ended], returns[ended], None if steps.groups is None else steps.groups[ended]
        return self.constraint.charges(costs, of_sessions, ended) if self.constraint else np.zeros(0)

    def returns(self, steps: Transition, discount_factor: float, complete: Flags) -> Floats:
        """(time, n) returns of complete episodes, less λ times those of the charges."""
        ended = steps.terminated | steps.truncated
        charges, returns = self.read(steps, complete), discounted_returns(steps.rewards, discount_factor * ~ended)
        if self.constraint:
            own = self.constraint.discounts(steps, discount_factor) * ~ended
            returns -= self.constraint.multiplier * discounted_returns(charges, own)
        return returns

    def advantages(
        self,
        steps: Transition,
        ended: Flags,
        values: tuple[Array, Array],
        *,
        discount_factor: float,
        lambda_: float,
        complete: Flags | None = None,
    ) -> tuple[Floats, Floats]:
        """Generalized advantages of the returns, less λ times those of the charges.

        Args:
            steps: (time, n, ...) consecutive steps, see `read`.
            ended: (time, n) the next row is of another episode.
            values: (time, n, n_values) of the states before each step, and after it.
            discount_factor: γ of the rewards.
            lambda_: λ of generalized advantage estimation.
            complete: see `read`.

        Returns:
            (time, n) the advantages, and (time, n, n_values) λ-returns, the targets of the values.
        """
        charges = self.read(steps, complete)
        signals = [(steps.rewards, discount_factor * ~steps.terminated, 1.0)]
        if self.constraint:
            own_discounts = self.constraint.discounts(steps, discount_factor)
            signals.append((charges, own_discounts, -self.constraint.multiplier))
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
        """What of the constraint is not met, in one line; empty if nothing."""
        return self.constraint.note if self.constraint else ""

    def state_dict(self) -> dict[str, Any]:
        """The state of the constraint, the group weights, and sums of running sessions; empty if there is none."""
        if not self.columns:
            return {}
        constraint = self.constraint.state_dict() if self.constraint else {}
        return {"constraint": constraint, "group_weights": self.group_weights.copy(), "running": self._running.copy()}

    @all_or_nothing
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from where `state_dict` was taken.

        Raises:
            InputError: the state is that of another objective.
        """
        if bool(state) != bool(self.columns) or (state and bool(state["constraint"]) != bool(self.constraint)):
            raise InputError("the state is that of an agent with another objective; give the same arguments")
        if state:
            if self.constraint:
                self.constraint.load_state_dict(state["constraint"])
            self.group_weights, self._running = np.array(state["group_weights"]), np.array(state["running"])
