"""Soft actor-critic: targets and losses for continuous and for discrete actions.

The papers: Haarnoja et al., Soft Actor-Critic: Off-Policy Maximum Entropy Deep Reinforcement Learning with a Stochastic
Actor, 2018a; Haarnoja et al., Soft Actor-Critic Algorithms and Applications, 2018b; Christodoulou, Soft Actor-Critic
for Discrete Action Settings, 2019. The minimum over the critics counts (Fujimoto et al., Addressing Function
Approximation Error in Actor-Critic Methods, 2018). The temperature is the reward of one nat of entropy. All functions
raise ValueError where the shapes do not fit.
"""

from __future__ import annotations

from math import log, pi

import torch
from torch import Tensor
from torch.nn.functional import softplus

from pydeeprecsys.rl.ops.policies import entropies, with_logarithms
from pydeeprecsys.rl.ops.shapes import check_shapes


def tanh_gaussian(mean: Tensor, log_deviation: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Sample of a tanh-squashed Gaussian, and its log-density.

    Haarnoja et al. 2018a, appendix C. The log-slope of tanh, log(1 − tanh²u), is computed as
    2 · (log 2 − u − softplus(−2u)): the first form is minus infinity where tanh rounds to 1.

    Args:
        mean: (n, dimensions) of the Gaussian.
        log_deviation: (n, dimensions) logarithms of its standard deviations; the caller bounds them.
        noise: (n, dimensions) standard normal numbers; gradients flow to the mean and the deviation.

    Returns:
        (n, dimensions) actions in [−1, 1] (the ends by rounding only); (n,) their log-densities. For actions scaled to
        another range, subtract the logarithms of the scales.
    """
    axes = "n dimensions"
    check_shapes(mean=(mean, axes), log_deviation=(log_deviation, axes), noise=(noise, axes))
    draw = mean + log_deviation.exp() * noise
    log_gaussian = -0.5 * noise.square() - log_deviation - 0.5 * log(2 * pi)
    log_slope = 2 * (log(2) - draw - softplus(-2 * draw))
    return torch.tanh(draw), (log_gaussian - log_slope).sum(dim=1)


def soft_rewards(r_t: Tensor, entropy_t: Tensor, temperature: Tensor) -> Tensor:
    """Rewards over several steps, with the entropies of the steps in between: r_t + temperature · entropy_t.

    They make the targets of soft values multi-step: over three steps, r_0 + γ·(r_1 + α·H_1) + γ²·(r_2 + α·H_2), plus
    γ³ times the soft value of the state that follows (Haarnoja et al. 2018b, equation 3, applied three times).

    Args:
        r_t: (n,) discounted sums of the rewards.
        entropy_t: (n,) discounted sums of the policy's entropies in the states after the first, in nats.
        temperature: () 0 or more.

    Returns:
        (n,) the soft rewards, the `r_t` of the targets.
    """
    check_shapes(r_t=(r_t, "n"), entropy_t=(entropy_t, "n"), temperature=(temperature, ""))
    return r_t + temperature * entropy_t


@torch.no_grad()
def soft_q_target(
    r_t: Tensor, discount_t: Tensor, q_t: Tensor, log_probability_t: Tensor, temperature: Tensor
) -> Tensor:
    """Target of the critics: r_t + discount_t · (min over critics of q_t − temperature · log_probability_t).

    Haarnoja et al. 2018b, equations 3 and 5.

    Args:
        r_t: (n,) rewards.
        discount_t: (n,) discount factor in [0, 1]; 0 where the episode terminated, not where it was truncated.
        q_t: (n, critics) target critics' values of an action that the policy draws in the next state.
        log_probability_t: (n,) log-density of that action.
        temperature: () 0 or more.

    Returns:
        (n,) the targets; no gradient flows into them.
    """
    check_shapes(
        r_t=(r_t, "n"),
        discount_t=(discount_t, "n"),
        q_t=(q_t, "n critics"),
        log_probability_t=(log_probability_t, "n"),
        temperature=(temperature, ""),
    )
    return r_t + discount_t * (q_t.amin(dim=1) - temperature * log_probability_t)


def critic_losses(q_tm1: Tensor, target_t: Tensor) -> Tensor:
    """Half the squared errors, summed over the critics (Haarnoja et al. 2018b, equation 5).

    Args:
        q_tm1: (n, critics) critics' values of the action taken.
        target_t: (n,) their target; no gradient flows into it.

    Returns:
        (n,) the losses.
    """
    check_shapes(q_tm1=(q_tm1, "n critics"), target_t=(target_t, "n"))
    return 0.5 * (target_t.detach().unsqueeze(1) - q_tm1).square().sum(dim=1)


def actor_losses(log_probability: Tensor, q: Tensor, temperature: Tensor) -> Tensor:
    """Temperature · log-probability − min over critics of q, of an action drawn by the policy.

    Haarnoja et al. 2018b, equation 9. The gradient reaches the policy through the action, in both terms.

    Args:
        log_probability: (n,) log-density of the action.
        q: (n, critics) critics' values of it, through which the gradient flows.
        temperature: () 0 or more; no gradient flows into it.

    Returns:
        (n,) the losses.
    """
    check_shapes(log_probability=(log_probability, "n"), q=(q, "n critics"), temperature=(temperature, ""))
    return temperature.detach() * log_probability - q.amin(dim=1)


def temperature_losses(log_temperature: Tensor, log_probability: Tensor, target_entropy: float) -> Tensor:
    """Minus temperature · (log-probability + target entropy): the temperature rises where entropy is below its target.

    Haarnoja et al. 2018b, equation 18; learned on its logarithm, the temperature stays above 0.

    Args:
        log_temperature: () logarithm of the temperature; only it gets a gradient.
        log_probability: (n,) log-density of an action drawn by the policy.
        target_entropy: in nats; minus the number of dimensions of an action in the paper.

    Returns:
        (n,) the losses.
    """
    check_shapes(log_temperature=(log_temperature, ""), log_probability=(log_probability, "n"))
    return -log_temperature.exp() * (log_probability.detach() + target_entropy)


@torch.no_grad()
def discrete_soft_q_target(
    r_t: Tensor, discount_t: Tensor, q_t: Tensor, logits_t: Tensor, temperature: Tensor
) -> Tensor:
    """Target of the critics: r_t + discount_t · Σ_a π(a) · (min over critics of q_t(a) − temperature · log π(a)).

    Christodoulou 2019.

    Args:
        r_t: (n,) rewards.
        discount_t: (n,) discount factor in [0, 1]; 0 where the episode terminated, not where it was truncated.
        q_t: (n, critics, actions) target critics' values in the next state, finite.
        logits_t: (n, actions) unnormalised log-probabilities of the policy there; minus infinity for actions that are
            not allowed, never for all of a row.
        temperature: () 0 or more.

    Returns:
        (n,) the targets; no gradient flows into them.
    """
    check_shapes(
        r_t=(r_t, "n"),
        discount_t=(discount_t, "n"),
        q_t=(q_t, "n critics actions"),
        logits_t=(logits_t, "n actions"),
        temperature=(temperature, ""),
    )
    # The soft state value is minus the actor's loss.
    return r_t - discount_t * discrete_actor_losses(logits_t, q_t, temperature)


def discrete_actor_losses(logits: Tensor, q: Tensor, temperature: Tensor) -> Tensor:
    """Σ_a π(a) · (temperature · log π(a) − min over critics of q(a)) (Christodoulou 2019).

    Args:
        logits: (n, actions) unnormalised log-probabilities of the policy; minus infinity for actions that are not
            allowed, never for all of a row.
        q: (n, critics, actions) finite values; no gradient flows into them.
        temperature: () 0 or more; no gradient flows into it.

    Returns:
        (n,) the losses.
    """
    check_shapes(logits=(logits, "n actions"), q=(q, "n critics actions"), temperature=(temperature, ""))
    probabilities, log_probabilities = with_logarithms(logits)
    return (probabilities * (temperature.detach() * log_probabilities - q.detach().amin(dim=1))).sum(dim=1)


def discrete_temperature_losses(log_temperature: Tensor, logits: Tensor, target_entropy: float) -> Tensor:
    """Temperature · (entropy of the policy − target entropy): the temperature rises where entropy is below its target.

    Christodoulou 2019, the expectation of `temperature_losses` over all actions.

    Args:
        log_temperature: () logarithm of the temperature; only it gets a gradient.
        logits: (n, actions) unnormalised log-probabilities of the policy; minus infinity for actions that are not
            allowed, never for all of a row.
        target_entropy: in nats, below the logarithm of the number of allowed actions.

    Returns:
        (n,) the losses.
    """
    check_shapes(log_temperature=(log_temperature, ""), logits=(logits, "n actions"))
    return log_temperature.exp() * (entropies(logits.detach()) - target_entropy)
