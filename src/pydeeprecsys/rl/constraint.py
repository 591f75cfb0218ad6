"""A bound on the cost of sessions, and its Lagrange multiplier."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pydeeprecsys.arrays import Flags, Floats
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.experience_replay.transition import Transition
from pydeeprecsys.rl.ops.constraints import next_multiplier, next_value_at_risk, tail_excess
from pydeeprecsys.rl.states import all_or_nothing

MULTIPLIER_RATES, QUANTILE_RATE = {"mean": 1.0, "cvar": 100.0}, 3e-5
"""The learning rates of λ, per unit of cost, and of the value at risk v, where none are given."""
LARGEST_MULTIPLIER = 10_000.0
"""Bound of λ, far above what a session of rewards of 1 can return."""
_RECENT = 100
"""Updates over which the cost is averaged, to say whether the constraint is met."""

_STATE = ("multiplier", "value_at_risk", "length", "updates", "recent", "highest")

WITHOUT_COSTS = (
    "cost_limit bounds info['cost'], which the environment does not give (MovieLensFairness gives the violence of what "
    "is shown, if it is known); leave cost_limit out"
)


class Charges(NamedTuple):
    """What a constraint charges, and what critics know of the running sessions besides observations.

    For a CVaR: the excess of the session over the value at risk so far, and the time, each over the length of sessions,
    by which Chow et al. (2018) augment the state. Otherwise nothing, m = 0.
    """

    amounts: Floats  # (time, n) of every step
    before: Floats  # (time, n, m) before each step
    after: Floats  # (time, n, m) after it

    @classmethod
    def of_steps(cls, amounts: Floats) -> Charges:
        """With nothing for critics to know."""
        return cls(amounts, *np.empty((2, *amounts.shape, 0)))


class Constraint:
    """A bound on what a session costs, with its Lagrange multiplier λ.

    The cost C of a session is the mean cost of its steps. Bounded is its expectation; or, given a level α, its CVaR,
    the mean of the worst 1 − α of all sessions, whose value at risk v is learned along (Singh, Halpern, Thain,
    Christakopoulou, Chi, Chen & Beutel, Building Healthy Recommendation Sequences for Everyone, FAccTRec 2020). Then
    v begins at the quantile of the first batch, and costs are in [0, 1].

    Args:
        limit: bound β.
        level: α in [0, 1); None for a bound on the expectation.
        multiplier_rate: learning rate of λ, per unit of cost; if None 1, or 100 of a CVaR.
        quantile_rate: learning rate of v; 3e-5 if None.

    Attributes:
        multiplier: λ, 0 at first, at most `LARGEST_MULTIPLIER`.
        value_at_risk: v; 0 before the first batch.
        length: mean number of steps of the sessions that ended last; 0 before.
        updates: how often λ was moved.
        recent: what is bounded, a mean over the last updates.
        highest: highest λ so far.

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
        default_rate = MULTIPLIER_RATES["mean" if level is None else "cvar"]
        self.multiplier_rate = default_rate if multiplier_rate is None else multiplier_rate
        self.quantile_rate = QUANTILE_RATE if quantile_rate is None else quantile_rate
        self.multiplier = self.value_at_risk = self.length = 0.0
        self.updates, self.recent, self.highest = 0, 0.0, 0.0

    def charges(self, costs: Floats, sums: Floats, steps: Floats, ended: Flags) -> Charges:
        """What is charged for every step: its cost; or by how much it moves the excess of its session over v.

        The latter add up to the excess of the session, `tail_excess`, times `length`: what a session has exceeded
        before a step, which does not depend on the step's action, serves as a baseline. Until a session has ended, all
        are 0.

        Args:
            costs: (time, n) of each step.
            sums: (time, n) of the costs of the session so far.
            steps: (time, n) number of the step in its session, from 1.
            ended: (time, n) a session ended with this step.
        """
        if self.level is None:
            return Charges.of_steps(costs)
        if ended.any():
            if not self.length:
                self.value_at_risk = float(np.quantile((sums / steps)[ended], self.level))
            self.length = float(steps[ended].mean())
        length = self.length or float(steps.max())
        after = np.stack([(sums - self.value_at_risk * steps) / length, steps / length], axis=-1)
        before = after - np.stack([costs - self.value_at_risk, np.ones(costs.shape)], axis=-1) / length
        lengths = np.where(ended, steps, length)
        amounts = tail_excess(sums / lengths, self.value_at_risk * steps / lengths, self.level)
        amounts = length * (amounts - tail_excess(before[..., 0], 0.0, self.level))
        return Charges(amounts if self.length else np.zeros(costs.shape), before, after)

    @property
    def weight(self) -> float:
        """What a charge weighs, in units of reward: λ of costs; λ / `length` of the tail.

        So both are of the size of rewards, and critics learn both as well.
        """
        return self.multiplier if self.level is None else self.multiplier / max(self.length, 1.0)

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
        self.updates, self.highest = self.updates + 1, max(self.highest, self.multiplier)
        self.recent += (bounded - self.recent) / min(self.updates, _RECENT)
        return bounded

    @property
    def note(self) -> str:
        """That the constraint is not met in training, in one line; empty if it is.

        It is not if the cost of the last updates is above the limit, and λ is still about as high as it ever was.
        """
        if self.recent <= self.limit or self.multiplier < 0.95 * self.highest:
            return ""
        return (
            f"the constraint is not met in training: the cost is {self.recent:.3g} over the last "
            f"{min(self.updates, _RECENT)} updates, above cost_limit={self.limit:g}, and its multiplier has grown to "
            f"{self.multiplier:.3g} (at most {LARGEST_MULTIPLIER:g}); train for longer, or raise multiplier_rate or "
            "cost_limit"
        )

    def state_dict(self) -> dict[str, Any]:
        """λ, v, the length of sessions, and what has been reached."""
        return {name: getattr(self, name) for name in _STATE}

    @all_or_nothing
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from where `state_dict` was taken."""
        for name in _STATE:
            setattr(self, name, type(getattr(self, name))(state[name]))


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
