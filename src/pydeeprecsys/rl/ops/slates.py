"""The mathematics of slates under a conditional choice model: what they are worth, and the best of them.

Of a slate the user chooses item i with probability weight_i / (weight of nothing + Σ weights of the slate): a
multinomial logit, weights being exponentials of scores, or any other model in proportion to weights. Choosing nothing
has a value of its own. Values of minus infinity are for items that are not allowed.

Ie et al., SlateQ: A Tractable Decomposition for Reinforcement Learning with Recommendation Sets, 2019. All functions
raise ValueError where the shapes do not fit.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pydeeprecsys.rl.ops.shapes import check_shapes

# Dinkelbach's method converges faster than linearly; a handful of rounds reaches single precision.
_ROUNDS = 20


def slate_values(q: Tensor, weights: Tensor, q_nothing: Tensor, weight_nothing: Tensor, slates: Tensor) -> Tensor:
    """The value of slates: the mean of the values of their items and of nothing, as likely as each is chosen.

    Ie et al. 2019, equation 12.

    Args:
        q: (n, items) value of each item when it is chosen.
        weights: (n, items) positive choice weights.
        q_nothing: (n,) value of choosing nothing.
        weight_nothing: (n,) its choice weight, 0 or more.
        slates: (n, k) items, integers.

    Returns:
        (n,) the values.
    """
    _check(q, weights, q_nothing, weight_nothing)
    check_shapes(slates=(slates, "n k"), q_nothing=(q_nothing, "n"))
    shown = weights.gather(1, slates)
    total = (shown * q.gather(1, slates)).sum(dim=1) + weight_nothing * q_nothing
    return total / (shown.sum(dim=1) + weight_nothing)


def top_k_slates(q: Tensor, weights: Tensor, k: int) -> Tensor:
    """The k items of the highest weight · value: the fastest, and not always the best (Ie et al. 2019, section 5.2).

    Args:
        q: (n, items) values.
        weights: (n, items) positive choice weights.
        k: how many, in 1..items.

    Returns:
        (n, k) slates, the highest first.
    """
    return (weights * q).topk(k, dim=1).indices


def greedy_slates(q: Tensor, weights: Tensor, q_nothing: Tensor, weight_nothing: Tensor, k: int) -> Tensor:
    """Slates to which always the item is added that makes the whole worth most (Ie et al. 2019, section 5.2).

    Args:
        q: (n, items) values.
        weights: (n, items) positive choice weights.
        q_nothing: (n,) value of choosing nothing.
        weight_nothing: (n,) its choice weight, 0 or more.
        k: how many items, in 1..items.

    Returns:
        (n, k) slates, in the order in which items were added.
    """
    _check(q, weights, q_nothing, weight_nothing)
    total, mass = (weight_nothing * q_nothing).unsqueeze(1), weight_nothing.unsqueeze(1)
    left, slates = q, []
    for _ in range(k):
        worth = (total + weights * left) / (mass + weights)
        added = worth.argmax(dim=1, keepdim=True)
        slates.append(added)
        total = total + (weights * q).gather(1, added)
        mass = mass + weights.gather(1, added)
        left = left.scatter(1, added, -torch.inf)
    return torch.cat(slates, dim=1)


def optimal_slates(q: Tensor, weights: Tensor, q_nothing: Tensor, weight_nothing: Tensor, k: int) -> Tensor:
    """The slates of k items of the highest value, exactly.

    The linear program of Ie et al. 2019, section 5.1, solved as the fractional program that it comes from (Dinkelbach,
    On Nonlinear Fractional Programming, 1967): for a value λ, the k items of the highest weight · (value − λ) are the
    best numerator against λ; their slate's value is the next λ, and when it rises no more, no slate is worth more.

    Args:
        q: (n, items) values.
        weights: (n, items) positive choice weights.
        q_nothing: (n,) value of choosing nothing.
        weight_nothing: (n,) its choice weight, 0 or more.
        k: how many items, in 1..items.

    Returns:
        (n, k) slates, the highest weight · (value − value of the slate) first.
    """
    _check(q, weights, q_nothing, weight_nothing)
    level = _near_best(q, weights, q_nothing, weight_nothing, k)
    slates = top_k_slates(q - level.unsqueeze(1), weights, k)
    value = slate_values(q, weights, q_nothing, weight_nothing, slates)
    rows = torch.arange(len(q), device=q.device)  # whose values still rise: after some rounds, few
    for _ in range(_ROUNDS):
        values, shares = q.index_select(0, rows), weights.index_select(0, rows)
        slates[rows] = better = top_k_slates(values - value[rows].unsqueeze(1), shares, k)
        risen = slate_values(values, shares, q_nothing[rows], weight_nothing[rows], better)
        rises = risen > value[rows]
        rows = rows[rises]
        if not len(rows):
            break
        value[rows] = risen[rises]
    return slates


def _near_best(q: Tensor, weights: Tensor, q_nothing: Tensor, weight_nothing: Tensor, k: int) -> Tensor:
    """(n,) about what the best slates are worth: from there fewer rounds lead to the best than from 0.

    It is the value of k copies of the best item, or nearly, for finding one item takes half the time of finding ten.
    """
    level = q_nothing
    for _ in range(2):
        best = (weights * (q - level.unsqueeze(1))).argmax(dim=1, keepdim=True)
        level = slate_values(q, weights, q_nothing, weight_nothing, best.expand(-1, k))
    return level


def _check(q: Tensor, weights: Tensor, q_nothing: Tensor, weight_nothing: Tensor) -> None:
    axes = "n items"
    check_shapes(q=(q, axes), weights=(weights, axes), q_nothing=(q_nothing, "n"), weight_nothing=(weight_nothing, "n"))
