"""The mathematics of stochastic policies over discrete actions: drawing from them, and improving them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def sample_top_k(logits: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """Draw k different actions one after the other, each in proportion to the probabilities of those that are left.

    The k largest of the logits plus independent Gumbel noise are such a draw, in its order (Kool, van Hoof & Welling,
    Stochastic Beams and Where to Find Them, 2019, section 2.3). A single action is drawn by inverting the cumulative
    distribution, which takes one random number instead of one an action: a fifth of the time with 3883 actions.

    Args:
        logits: (n, actions) unnormalised logarithms of the probabilities; minus infinity for actions that are not
            allowed, for at most all but k of a row.
        k: how many actions to draw for each row, in 1..actions.
        generator: where the randomness comes from; on the device of the logits.

    Returns:
        (n, k) the actions, in the order in which they were drawn.
    """
    shape = (len(logits), 1) if k == 1 else logits.shape
    uniform = torch.rand(shape, generator=generator, dtype=logits.dtype, device=logits.device)
    if k == 1:
        cumulative = torch.softmax(logits, dim=-1).cumsum(dim=-1)
        # The factor keeps the product below the total in floating point, too: beyond it may lie forbidden actions.
        drawn = torch.searchsorted(cumulative, uniform.mul_(cumulative[:, -1:] * (1 - 2**-23)), right=True)
        # Only logits that are NaN lead past the last action; the loss will tell of them.
        return drawn.clamp_(max=logits.shape[-1] - 1)
    # The generator gives values in [0, 1): 0 would become noise of minus infinity, as good as forbidden.
    negative_gumbel = uniform.clamp_(min=2**-25).log_().neg_().log_()
    return top_k(logits - negative_gumbel, k)


def top_k(logits: Tensor, k: int) -> Tensor:
    """The k most probable actions, the most probable first: (n, actions) to (n, k)."""
    # Of one, argmax takes half the time.
    return logits.argmax(dim=-1, keepdim=True) if k == 1 else logits.topk(k, dim=-1).indices


def policy_gradient_losses(logits_t: Tensor, a_t: Tensor, advantage_t: Tensor) -> Tensor:
    """REINFORCE with a baseline: minus the advantage times the log-probability of the action that was taken.

    The gradient of the sum over an episode is an unbiased estimate of minus the gradient of the expected return,
    whatever baseline that does not depend on the actions was subtracted (Williams, Simple Statistical
    Gradient-Following Algorithms for Connectionist Reinforcement Learning, 1992).

    Args:
        logits_t: (rows, actions) unnormalised logarithms of the probabilities.
        a_t: (rows,) the actions taken, integers.
        advantage_t: (rows,) return minus baseline; no gradient flows into it.

    Returns:
        (rows,) the losses.
    """
    return torch.nn.functional.cross_entropy(logits_t, a_t, reduction="none") * advantage_t.detach()


def with_logarithms(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities and their logarithms, 0 instead of minus infinity: (rows, actions) logits to two such tables."""
    log_probabilities = torch.log_softmax(logits, dim=-1)
    # 0 · log 0 is 0 in an entropy, and NaN in floating point.
    return log_probabilities.exp(), log_probabilities.masked_fill(log_probabilities.isneginf(), 0.0)


def entropies(logits: Tensor) -> Tensor:
    """Entropies of the policies, in nats: (rows, actions) logits, minus infinity where not allowed, to (rows,)."""
    probabilities, log_probabilities = with_logarithms(logits)
    return -(probabilities * log_probabilities).sum(dim=-1)


def time_step_baseline(g_t: NDArray[np.float64], step_t: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean return over the episodes at the same time step.

    Returns-to-go shrink along a session. Against one mean for all steps, early actions would look good for being early
    and late ones bad for being late, whatever they were.

    Args:
        g_t: (rows,) returns.
        step_t: (rows,) how many steps of its episode came before.

    Returns:
        (rows,) the baseline of each row.
    """
    totals = np.bincount(step_t, weights=g_t)
    return np.divide(totals[step_t], np.bincount(step_t)[step_t], dtype=np.float64)


def standardize(values: NDArray[np.float64], baseline: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Values minus their baseline, divided by the standard deviation of what is left.

    Args:
        values: (rows,) any finite numbers.
        baseline: (rows,) what to subtract; the mean of the values when not given.

    Returns:
        (rows,) the standardised values; zeros where nothing but rounding is left to divide by.
    """
    centered = values - (values.mean() if baseline is None else baseline)
    deviation = centered.std()
    if deviation <= 1e-12 * np.abs(values).max():
        return np.zeros_like(centered)
    standardized: NDArray[np.float64] = centered / deviation
    return standardized
