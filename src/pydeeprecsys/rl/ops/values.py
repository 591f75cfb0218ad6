"""Temporal-difference learning of action values: errors and losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from pydeeprecsys.rl.ops.masks import masked
from pydeeprecsys.rl.ops.shapes import check_shapes

Loss = Literal["huber", "squared"]


def squared_losses(errors: Tensor) -> Tensor:
    """Half the squared errors, of any shape; the mean of the targets minimises the expected loss."""
    return 0.5 * errors.square()


def huber_losses(errors: Tensor) -> Tensor:
    """Half the squared errors, of any shape, up to 1; beyond it a line of slope 1.

    Huber, Robust Estimation of a Location Parameter, 1964; its gradient is that of the clipped TD errors of Mnih et al.
    (2015). The minimiser of the expected loss lies between the median and the mean of the targets: values are biased
    where targets are skewed and spread over more than 1.
    """
    return torch.nn.functional.huber_loss(errors, torch.zeros_like(errors), reduction="none")


LOSSES: dict[str, Callable[[Tensor], Tensor]] = {"huber": huber_losses, "squared": squared_losses}
"""Losses of temporal-difference errors, by the name of a `Loss`."""

TDLosses = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""`td_losses` or `categorical_td_losses`: of q_tm1, r_t, discount_t and q_t the errors and the losses."""


def greedy_actions(q_t: Tensor, action_masks: ArrayLike | None) -> Tensor:
    """The allowed actions of the highest values.

    Args:
        q_t: (n, actions) action values, or numbers that rank the actions as these do.
        action_masks: (n, actions) allowed actions; None for all.

    Returns:
        (n,) actions.
    """
    return masked(q_t, action_masks).argmax(dim=1)


def td_losses(
    q_tm1: Tensor, r_t: Tensor, discount_t: Tensor, q_t: Tensor, *, loss: Loss = "huber"
) -> tuple[Tensor, Tensor]:
    """Temporal-difference errors r_t + discount_t · q_t − q_tm1, and their losses.

    With q_t the target network's value of its own greedy action this is Q-learning (Mnih et al., Human-Level Control
    Through Deep Reinforcement Learning, 2015), of the online network's greedy action double Q-learning (van Hasselt,
    Guez & Silver, Deep Reinforcement Learning with Double Q-learning, 2016).

    Args:
        q_tm1: (n,) values of the actions taken.
        r_t: (n,) rewards.
        discount_t: (n,) discount factor in [0, 1]; 0 where the episode terminated, not where it was truncated.
        q_t: (n,) values of the next actions; no gradient flows into them.
        loss: of the errors, "huber" or "squared".

    Returns:
        (n,) the errors, (n,) the losses.

    Raises:
        ValueError: the shapes do not fit.
    """
    check_shapes(q_tm1=(q_tm1, "n"), r_t=(r_t, "n"), discount_t=(discount_t, "n"), q_t=(q_t, "n"))
    errors = (r_t + discount_t * q_t).detach() - q_tm1
    return errors, LOSSES[loss](errors)


def weighted_mean(losses: Tensor, weights: Tensor) -> Tensor:
    """Mean of weight · loss, the loss of a batch of prioritized replay.

    The divisor is the number of rows, not the sum of the weights: weights shrink the steps of transitions that are
    drawn too often (Schaul et al., Prioritized Experience Replay, 2016, section 3.4).

    Args:
        losses: (n,) one per row.
        weights: (n,) importance weights; no gradient flows into them.

    Returns:
        () the mean.

    Raises:
        ValueError: the shapes differ.
    """
    check_shapes(losses=(losses, "n"), weights=(weights, "n"))
    return (losses * weights.detach()).mean()
