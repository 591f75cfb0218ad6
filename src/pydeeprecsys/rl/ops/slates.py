"""Values of slates under a conditional choice model, and the slates of the highest value.

The user chooses item i of a slate with probability weight_i / (weight of nothing + Σ weights of the slate): a
multinomial logit, whose weights are exponentials of scores, or any other model in proportion to weights. Choosing
nothing has a value of its own. Items that are not allowed have values of minus infinity.

Ie et al., SlateQ: A Tractable Decomposition for Reinforcement Learning with Recommendation Sets, 2019. All functions
raise ValueError where the shapes do not fit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from pydeeprecsys.rl.ops.shapes import check_shapes

# Dinkelbach's method converges superlinearly; a few rounds reach single precision.
_ROUNDS = 20
ROUNDING = 1e-6  # relative error of the value of a slate


class ChoiceProblem(NamedTuple):
    """Values and choice weights of all items, and of choosing nothing."""

    q: Tensor  # (n, items) value of each item when it is chosen
    weights: Tensor  # (n, items) positive choice weights
    q_nothing: Tensor  # (n,) value of choosing nothing
    weight_nothing: Tensor  # (n,) its choice weight, at least 0

    def take(self, rows: Tensor) -> ChoiceProblem:
        """The problems of some rows: (m,) integers."""
        return ChoiceProblem(*(column.index_select(0, rows) for column in self))


def choice_weights(logits: Tensor) -> Tensor:
    """Weights in proportion to the exponentials of logits, the largest of a row being 1: (n, choices) to the same.

    Weights below exp(−60) are raised to it, so that none vanishes and all keep their order.
    """
    return (logits - logits.amax(dim=1, keepdim=True)).clamp_(min=-60).exp_()


def slate_values(problem: ChoiceProblem, slates: Tensor) -> Tensor:
    """Values of slates: Σ P(i | slate) · q(i) over their items and nothing (Ie et al. 2019, equation 12).

    Args:
        problem: of n rows.
        slates: (n, k) items, integers.

    Returns:
        (n,) the values.
    """
    q, weights, q_nothing, weight_nothing = _checked(problem)
    check_shapes(slates=(slates, "n k"), q_nothing=(q_nothing, "n"))
    shown = weights.gather(1, slates)
    total = (shown * q.gather(1, slates)).sum(dim=1) + weight_nothing * q_nothing
    return total / (shown.sum(dim=1) + weight_nothing)


@torch.no_grad()
def decomposed_target(r_t: Tensor, discount_t: Tensor, problem: ChoiceProblem, slates_t: Tensor) -> Tensor:
    """Target of the value of the chosen item: r_t + discount_t · value of the next slate.

    The decomposed temporal-difference update of Ie et al. 2019: with the best slate it is Q-learning, with the slate
    that was shown next SARSA.

    Args:
        r_t: (n,) rewards.
        discount_t: (n,) discount factor in [0, 1]; 0 where the episode terminated, not where it was truncated.
        problem: in the next states, of the target network; where discount_t is 0, the allowed items need not suffice.
        slates_t: (n, k) next slates, integers.

    Returns:
        (n,) the targets; no gradient flows into them.
    """
    check_shapes(r_t=(r_t, "n"), discount_t=(discount_t, "n"), slates_t=(slates_t, "n k"))
    return r_t + torch.where(discount_t > 0, discount_t * slate_values(problem, slates_t), 0.0)


def top_k_slates(problem: ChoiceProblem, k: int) -> Tensor:
    """The k items of the highest weight · value: fast, but not always best (Ie et al. 2019, section 5.2).

    Args:
        problem: of n rows.
        k: items in a slate, in 1..items.

    Returns:
        (n, k) slates, the highest first.
    """
    return (problem.weights * problem.q).topk(k, dim=1).indices


def greedy_slates(problem: ChoiceProblem, k: int) -> Tensor:
    """Slates built item by item, each time by the one that raises the value most (Ie et al. 2019, section 5.2).

    Args:
        problem: of n rows.
        k: items in a slate, in 1..items.

    Returns:
        (n, k) slates, in the order in which items were added.
    """
    q, weights, q_nothing, weight_nothing = _checked(problem)
    total, mass = (weight_nothing * q_nothing).unsqueeze(1), weight_nothing.unsqueeze(1)
    left, slates = q, []
    for _ in range(k):
        values = (total + weights * left) / (mass + weights)
        added = values.argmax(dim=1, keepdim=True)
        slates.append(added)
        total = total + (weights * q).gather(1, added)
        mass = mass + weights.gather(1, added)
        left = left.scatter(1, added, -torch.inf)
    return torch.cat(slates, dim=1)


def optimal_slates(problem: ChoiceProblem, k: int) -> Tensor:
    """The slates of k items of the highest value, exactly.

    The linear program of Ie et al. 2019, section 5.1, solved as the fractional program that it comes from (Dinkelbach,
    On Nonlinear Fractional Programming, 1967): given a level λ, the k items of the highest weight · (value − λ) form
    the slate; its value is the next λ; once it no longer rises, the slate is optimal.

    Args:
        problem: of n rows.
        k: items in a slate, in 1..items.

    Returns:
        (n, k) slates, the highest weight · (value − value of the slate) first.
    """
    _checked(problem)
    slates = slates_above(near_best(problem, k), problem, k)
    value = slate_values(problem, slates)
    rows = torch.arange(len(value), device=value.device)  # whose values still rise: few after some rounds
    for _ in range(_ROUNDS):
        rising = problem.take(rows)
        better = slates_above(value[rows], rising, k)
        risen = slate_values(rising, better)
        # A level that was rounded up may be above all values, and what is best there may be far from good.
        kept = risen >= value[rows] - ROUNDING * value[rows].abs()
        slates[rows[kept]] = better[kept]
        rises = risen > value[rows]
        rows = rows[rises]
        if not len(rows):
            break
        value[rows] = risen[rises]
    return slates


SlateOptimizer = Callable[[ChoiceProblem, int], Tensor]

SLATE_OPTIMIZERS: dict[str, SlateOptimizer] = {
    "top-k": top_k_slates,
    "greedy": greedy_slates,
    "optimal": optimal_slates,
}
"""Functions of a problem and k that give slates, by name."""


def slates_above(level: Tensor, problem: ChoiceProblem, k: int) -> Tensor:
    """The k items of the highest weight · (value − level): (n,) levels to (n, k) slates."""
    return top_k_slates(problem._replace(q=problem.q - level.unsqueeze(1)), k)


def near_best(problem: ChoiceProblem, k: int) -> Tensor:
    """Values close to those of the best slates, which save rounds compared with starting at 0: (n,).

    They are the values of k copies of one item: finding the best item takes half the time of finding the best ten.
    """
    level = problem.q_nothing
    for _ in range(2):
        best = (problem.weights * (problem.q - level.unsqueeze(1))).argmax(dim=1, keepdim=True)
        level = slate_values(problem, best.expand(-1, k))
    return level


def _checked(problem: ChoiceProblem) -> ChoiceProblem:
    axes = {"q": "n items", "weights": "n items", "q_nothing": "n", "weight_nothing": "n"}
    check_shapes(**{name: (column, axes[name]) for name, column in problem._asdict().items()})
    return problem
