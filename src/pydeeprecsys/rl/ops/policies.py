"""Stochastic policies over discrete actions: sampling, log-probabilities, losses, baselines and advantages."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pydeeprecsys.arrays import Floats, Ints


def sample_top_k(logits: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """Sample k actions without replacement, each in proportion to the probabilities of those that are left.

    The k largest of the logits plus independent Gumbel noise are such a sample, in its order (Kool, van Hoof & Welling,
    Stochastic Beams and Where to Find Them, 2019, section 2.3). A single action is sampled by inverting the cumulative
    distribution, with one random number instead of one per action: a fifth of the time with 3883 actions.

    Args:
        logits: (n, actions) unnormalised log-probabilities; minus infinity for actions that are not allowed, at least k
            per row being allowed.
        k: actions per row, in 1..actions.
        generator: of the random numbers, on the device of the logits.

    Returns:
        (n, k) the actions, in the order in which they were drawn.
    """
    shape = (len(logits), 1) if k == 1 else logits.shape
    uniform = torch.rand(shape, generator=generator, dtype=logits.dtype, device=logits.device)
    if k == 1:
        cumulative = torch.softmax(logits, dim=-1).cumsum(dim=-1)
        # The factor keeps the product below the total in floating point too: forbidden actions may lie beyond it.
        drawn = torch.searchsorted(cumulative, uniform.mul_(cumulative[:, -1:] * (1 - 2**-23)), right=True)
        # Only logits that are NaN lead past the last action; the loss will reveal them.
        return drawn.clamp_(max=logits.shape[-1] - 1)
    # The generator gives values in [0, 1); 0 would become noise of minus infinity, which forbids the action.
    negative_gumbel = uniform.clamp_(min=2**-25).log_().neg_().log_()
    return top_k(logits - negative_gumbel, k)


def top_k(logits: Tensor, k: int) -> Tensor:
    """The k most probable actions, the most probable first: (n, actions) to (n, k)."""
    # For k = 1, argmax takes half the time.
    return logits.argmax(dim=-1, keepdim=True) if k == 1 else logits.topk(k, dim=-1).indices


def truncated_importance_weights(
    log_probability: Tensor, log_probability_before: Tensor, largest: float = 1.0
) -> Tensor:
    """Weights min(largest, π / μ) of actions that were drawn from an earlier policy μ.

    Each step has its own weight, as in the policy gradients of Espeholt et al., IMPALA: Scalable Distributed Deep-RL
    with Importance Weighted Actor-Learner Architectures, 2018, section 4.2, and of Degris, White & Sutton, Off-Policy
    Actor-Critic, 2012. Without truncation the expected gradient in a state is that of actions drawn from π; the states
    and the later returns remain those of μ. Correcting these too would take the product of the ratios of all steps of
    an episode, whose variance grows exponentially with their number. Truncation bounds the variance: actions that have
    become more probable count as often as they were drawn.

    Args:
        log_probability: (rows,) of the actions, under the policy π that learns; no gradient flows into it.
        log_probability_before: (rows,) under the policy μ that drew them; NaN where that is π itself.
        largest: bound of the weights, above 0.

    Returns:
        (rows,) the weights, in [0, largest]; 1 where μ is π.
    """
    ratios = torch.exp(log_probability.detach() - log_probability_before)
    # A computed ratio would differ from 1 in its last bits.
    return torch.where(log_probability_before.isnan(), 1.0, ratios.clamp(max=largest))


def policy_gradient_losses(
    logits_t: Tensor, a_t: Tensor, advantage_t: Tensor, log_probability_before: Tensor
) -> Tensor:
    """REINFORCE with a baseline: minus importance weight · advantage · log-probability of the action taken.

    The gradient of the sum over an episode is an unbiased estimate of minus the gradient of the expected return, for
    any baseline that does not depend on the actions (Williams, Simple Statistical Gradient-Following Algorithms for
    Connectionist Reinforcement Learning, 1992). Steps of an earlier policy get `truncated_importance_weights`.

    Args:
        logits_t: (rows, actions) unnormalised log-probabilities.
        a_t: (rows,) the actions taken, integers.
        advantage_t: (rows,) return minus baseline; no gradient flows into it.
        log_probability_before: (rows,) of the action under the policy that took it; NaN where that is the present one.

    Returns:
        (rows,) the losses.
    """
    minus_log_probability = torch.nn.functional.cross_entropy(logits_t, a_t, reduction="none")
    weights = truncated_importance_weights(-minus_log_probability, log_probability_before)
    return minus_log_probability * (weights * advantage_t.detach())


def slate_log_probabilities(logits: Tensor, slates: Tensor) -> Tensor:
    """Log-probabilities of slates under the Plackett-Luce model, by which `sample_top_k` draws them.

    Items are drawn without replacement, each in proportion to the probabilities of those that are left (Plackett, The
    Analysis of Permutations, 1975).

    Args:
        logits: (rows, actions) unnormalised log-probabilities; minus infinity for actions that are not allowed.
        slates: (rows, k) different allowed actions in the order they were drawn, integers.

    Returns:
        (rows,) the log-probabilities; for k = 1 the log-softmax.
    """
    taken = logits.gather(1, slates)
    if slates.shape[1] == 1:
        return taken.squeeze(1) - logits.logsumexp(dim=1)
    if slates.shape[1] == logits.shape[1]:
        left = taken.flip(1)
    else:
        # Where nothing else is allowed, the rest would be minus infinity, whose gradient is NaN.
        others = logits.scatter(1, slates, -torch.inf).clamp(min=torch.finfo(logits.dtype).min / 2)
        left = torch.cat([others.logsumexp(dim=1, keepdim=True), taken.flip(1)], dim=1)
    # The mass left before each item was drawn, from the last item to the first.
    totals = torch.logcumsumexp(left, dim=1)[:, -slates.shape[1] :]
    return (taken - totals.flip(1)).sum(dim=1)


def clipped_surrogate_losses(
    log_probability: Tensor, log_probability_before: Tensor, advantage_t: Tensor, clip_range: float
) -> Tensor:
    """PPO's clipped surrogate: minus the lesser of ratio · advantage and clipped ratio · advantage.

    Schulman et al., Proximal Policy Optimization Algorithms, 2017, equation 7.

    Args:
        log_probability: (rows,) of the actions taken, under the policy that learns.
        log_probability_before: (rows,) under the policy that took them; no gradient flows into it.
        advantage_t: (rows,) advantages; no gradient flows into them.
        clip_range: the ratio is clipped to [1 − clip_range, 1 + clip_range]; above 0.

    Returns:
        (rows,) the losses.
    """
    advantage = advantage_t.detach()
    ratio = torch.exp(log_probability - log_probability_before.detach())
    return -torch.minimum(ratio * advantage, ratio.clamp(1 - clip_range, 1 + clip_range) * advantage)


def with_logarithms(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities, and log-probabilities with 0 for minus infinity: (rows, actions) logits to two such arrays."""
    log_probabilities = torch.log_softmax(logits, dim=-1)
    # 0 · log 0 is 0 in an entropy, and NaN in floating point.
    return log_probabilities.exp(), log_probabilities.masked_fill(log_probabilities.isneginf(), 0.0)


def entropies(logits: Tensor) -> Tensor:
    """Entropies in nats: (rows, actions) logits, minus infinity for actions that are not allowed, to (rows,)."""
    probabilities, log_probabilities = with_logarithms(logits)
    return -(probabilities * log_probabilities).sum(dim=-1)


def leave_one_out_baseline(g_t: Floats, step_t: Ints, alone: Floats) -> Floats:
    """Mean return of the other episodes at the same time step.

    The episode's own return is left out, for it depends on the action: a mean over all episodes would cancel part of
    the policy gradient, and all of it where only one episode is left (Kool, van Hoof & Welling, Buy 4 REINFORCE
    Samples, Get a Baseline for Free!, 2019).

    Args:
        g_t: (rows,) returns.
        step_t: (rows,) time steps, counted from 0 in each episode.
        alone: (time steps,) baseline where only one episode is that long; it must not depend on that episode.

    Returns:
        (rows,) the baselines.
    """
    others = np.bincount(step_t, weights=g_t)[step_t] - g_t
    n_others = np.bincount(step_t)[step_t] - 1
    return np.divide(others, n_others, out=alone[step_t], where=n_others > 0)


def standardize(values: Floats) -> Floats:
    """Values minus their mean, divided by their standard deviation: (rows,) to (rows,); zeros if they do not vary."""
    centered = values - values.mean()
    deviation = centered.std()
    if deviation <= 1e-12 * np.abs(values).max():
        return np.zeros_like(centered)
    standardized: Floats = centered / deviation
    return standardized


def center_by_other_episodes(values: Floats, episode: Ints) -> Floats:
    """Values minus the mean over all other episodes, which does not depend on the actions of the own episode.

    Args:
        values: (rows,) advantages.
        episode: (rows,) number of each row's episode, from 0.

    Returns:
        (rows,) the centered values; the values unchanged if there is a single episode.
    """
    others = values.sum() - np.bincount(episode, weights=values)[episode]
    n_others = len(values) - np.bincount(episode)[episode]
    baseline: Floats = np.divide(others, n_others, out=np.zeros_like(values), where=n_others > 0)
    return values - baseline


def rescale(values: Floats) -> Floats:
    """Values divided by their root mean square, which keeps their signs: (rows,) to (rows,)."""
    scale = np.sqrt(np.mean(values**2))
    return values / scale if scale > 0 else values
