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


def slate_log_probabilities(logits: Tensor, slates: Tensor) -> Tensor:
    """Logarithms of the probabilities that slates are drawn as `sample_top_k` draws them, in this order.

    Item by item without replacement, each in proportion to the probabilities of what is left (Plackett, The Analysis of
    Permutations, 1975).

    Args:
        logits: (rows, actions) unnormalised logarithms of the probabilities; minus infinity where not allowed.
        slates: (rows, k) different actions that are allowed, in the order they were drawn, integers.

    Returns:
        (rows,) the logarithms; of k = 1, of the softmax.
    """
    taken = logits.gather(1, slates)
    if slates.shape[1] == 1:
        return taken.squeeze(1) - logits.logsumexp(dim=1)
    if slates.shape[1] == logits.shape[1]:
        left = taken.flip(1)
    else:
        # Where nothing else is allowed the rest would be minus infinity, whose gradients are NaN.
        others = logits.scatter(1, slates, -torch.inf).clamp(min=torch.finfo(logits.dtype).min / 2)
        left = torch.cat([others.logsumexp(dim=1, keepdim=True), taken.flip(1)], dim=1)
    # What is left before the last item was drawn, before the one before it, and so on, each from the one after.
    totals = torch.logcumsumexp(left, dim=1)[:, -slates.shape[1] :]
    return (taken - totals.flip(1)).sum(dim=1)


def clipped_surrogate_losses(
    log_probability: Tensor, log_probability_before: Tensor, advantage_t: Tensor, clip_range: float
) -> Tensor:
    """PPO: minus the lesser of ratio · advantage and that with the ratio cut to 1 ± clip_range.

    Schulman et al., Proximal Policy Optimization Algorithms, 2017, equation 7.

    Args:
        log_probability: (rows,) of the actions taken, under the policy that learns.
        log_probability_before: (rows,) under the policy that took them; no gradient flows into it.
        advantage_t: (rows,) no gradient flows into it.
        clip_range: above 0.

    Returns:
        (rows,) the losses.
    """
    advantage = advantage_t.detach()
    ratio = torch.exp(log_probability - log_probability_before.detach())
    return -torch.minimum(ratio * advantage, ratio.clamp(1 - clip_range, 1 + clip_range) * advantage)


def with_logarithms(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities and their logarithms, 0 instead of minus infinity: (rows, actions) logits to two such tables."""
    log_probabilities = torch.log_softmax(logits, dim=-1)
    # 0 · log 0 is 0 in an entropy, and NaN in floating point.
    return log_probabilities.exp(), log_probabilities.masked_fill(log_probabilities.isneginf(), 0.0)


def entropies(logits: Tensor) -> Tensor:
    """Entropies of the policies, in nats: (rows, actions) logits, minus infinity where not allowed, to (rows,)."""
    probabilities, log_probabilities = with_logarithms(logits)
    return -(probabilities * log_probabilities).sum(dim=-1)


def leave_one_out_baseline(
    g_t: NDArray[np.float64], step_t: NDArray[np.int64], alone: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean return of the other episodes at the same time step.

    The return of the episode itself depends on its action: a mean that holds it takes away part of the policy gradient,
    and all of it where no other episode is left (Kool, van Hoof & Welling, Buy 4 REINFORCE Samples, Get a Baseline for
    Free!, 2019).

    Args:
        g_t: (rows,) returns.
        step_t: (rows,) time steps, counted from 0 in each episode.
        alone: (time steps,) the baseline where only one episode is that long; it must not depend on that episode.

    Returns:
        (rows,) the baseline of each row.
    """
    others = np.bincount(step_t, weights=g_t)[step_t] - g_t
    n_others = np.bincount(step_t)[step_t] - 1
    return np.divide(others, n_others, out=alone[step_t], where=n_others > 0)


def standardize(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values minus their mean, divided by their standard deviation: (rows,) to (rows,).

    Zeros where nothing but rounding is left to divide by.
    """
    centered = values - values.mean()
    deviation = centered.std()
    if deviation <= 1e-12 * np.abs(values).max():
        return np.zeros_like(centered)
    standardized: NDArray[np.float64] = centered / deviation
    return standardized


def center_by_other_episodes(values: NDArray[np.float64], episode: NDArray[np.int64]) -> NDArray[np.float64]:
    """Values minus the mean value of all other episodes, which does not depend on the actions of the own one.

    Args:
        values: (rows,) advantages.
        episode: (rows,) number of the episode of each, from 0.

    Returns:
        (rows,) the centered values; of a single episode the values as they are.
    """
    others = values.sum() - np.bincount(episode, weights=values)[episode]
    n_others = len(values) - np.bincount(episode)[episode]
    baseline: NDArray[np.float64] = np.divide(others, n_others, out=np.zeros_like(values), where=n_others > 0)
    return values - baseline


def rescale(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values divided by their root mean square, which keeps their signs: (rows,) to (rows,); zeros stay zeros."""
    scale = np.sqrt(np.mean(values**2))
    return values / scale if scale > 0 else values
