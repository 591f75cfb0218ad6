"""The mathematics of learning action values: targets, and the losses of missing them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from pydeeprecsys.rl.ops.shapes import check_shapes

Loss = Literal["huber", "squared"]


@torch.no_grad()
def q_learning_target(r_t: Tensor, discount_t: Tensor, q_t: Tensor) -> Tensor:
    """Q-learning's target: r_t + discount_t · max_a q_t(a).

    Watkins & Dayan, Q-Learning, 1992; with q_t of a target network, Mnih et al., Human-Level Control Through Deep
    Reinforcement Learning, 2015.

    Args:
        r_t: (n,) rewards.
        discount_t: (n,) discount factor in [0, 1]; 0 where the episode terminated, not where it was truncated.
        q_t: (n, actions) values in the state that the action led to; minus infinity for actions that are not allowed,
            never for all of a row.

    Returns:
        (n,) the targets; no gradient flows into them.

    Raises:
        ValueError: where the shapes do not fit.
    """
    check_shapes(r_t=(r_t, "n"), discount_t=(discount_t, "n"), q_t=(q_t, "n actions"))
    return r_t + discount_t * q_t.amax(dim=1)


@torch.no_grad()
def double_q_target(r_t: Tensor, discount_t: Tensor, q_t_selector: Tensor, q_t: Tensor) -> Tensor:
    """Double Q-learning's target: r_t + discount_t · q_t(argmax_a q_t_selector(a)).

    One estimate selects the action and another says what it is worth, so that an overestimate does not favour itself
    (van Hasselt, Guez & Silver, Deep Reinforcement Learning with Double Q-learning, 2016, equation 4).

    Args:
        r_t: (n,) rewards.
        discount_t: (n,) discount factor in [0, 1]; 0 where the episode terminated, not where it was truncated.
        q_t_selector: (n, actions) values that select the action: the online network's; minus infinity for actions that
            are not allowed, never for all of a row.
        q_t: (n, actions) values that judge it: the target network's; finite for the actions that are allowed.

    Returns:
        (n,) the targets; no gradient flows into them.

    Raises:
        ValueError: where the shapes do not fit.
    """
    check_shapes(
        r_t=(r_t, "n"), discount_t=(discount_t, "n"), q_t_selector=(q_t_selector, "n actions"), q_t=(q_t, "n actions")
    )
    return r_t + discount_t * q_t.gather(1, q_t_selector.argmax(dim=1, keepdim=True)).squeeze(1)


def td_errors(q_tm1: Tensor, a_tm1: Tensor, target_t: Tensor) -> Tensor:
    """Temporal-difference errors: target minus the value of the action that was taken.

    Args:
        q_tm1: (n, actions) values in the state where the action was taken.
        a_tm1: (n,) the actions taken, int64 in 0..actions-1.
        target_t: (n,) what the values should have been; no gradient flows into it.

    Returns:
        (n,) the errors.

    Raises:
        ValueError: where the shapes do not fit.
    """
    check_shapes(q_tm1=(q_tm1, "n actions"), a_tm1=(a_tm1, "n"), target_t=(target_t, "n"))
    return target_t.detach() - q_tm1.gather(1, a_tm1.unsqueeze(1)).squeeze(1)


def squared_losses(errors: Tensor) -> Tensor:
    """Half the squared errors, whose gradient is the error itself: any shape to the same.

    What minimises the expected loss is the mean of the targets.
    """
    return 0.5 * errors.square()


def huber_losses(errors: Tensor, delta: float = 1.0) -> Tensor:
    """Half the squared error up to delta, beyond it a line of slope delta.

    Huber, Robust Estimation of a Location Parameter, 1964. To clip TD errors, as Mnih et al. (2015) do, has the same
    gradient. What minimises the expected loss lies between the median and the mean of the targets: where these are
    skewed and spread over more than delta, values are biased.

    Args:
        errors: of any shape.
        delta: where the line begins, above 0.

    Returns:
        The losses, in the shape of the errors.

    Raises:
        ValueError: where delta is not above 0.
    """
    if not delta > 0:
        raise ValueError(f"delta must be above 0, it is {delta:g}")
    return torch.nn.functional.huber_loss(errors, torch.zeros_like(errors), reduction="none", delta=delta)


LOSSES: dict[str, Callable[[Tensor], Tensor]] = {"huber": huber_losses, "squared": squared_losses}
"""Losses of temporal-difference errors, by the name of a `Loss`."""


def weighted_mean(losses: Tensor, weights: Tensor) -> Tensor:
    """Mean over the rows of weight times loss, the loss of a batch drawn by priority.

    Its divisor is the number of rows and not the sum of the weights: weights are there to shrink the steps of what is
    drawn too often (Schaul et al., Prioritized Experience Replay, 2016, section 3.4).

    Args:
        losses: (n,) one a row.
        weights: (n,) importance weights; no gradient flows into them.

    Returns:
        () the mean.

    Raises:
        ValueError: where the shapes differ.
    """
    check_shapes(losses=(losses, "n"), weights=(weights, "n"))
    return (losses * weights.detach()).mean()
