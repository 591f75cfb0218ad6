"""The mathematics of learning the distribution of returns: probabilities of fixed atoms."""

from __future__ import annotations

import torch
from torch import Tensor

from pydeeprecsys.rl.ops.shapes import check_shapes


def expected_values(logits: Tensor, support: Tensor) -> Tensor:
    """Expected returns of distributions over atoms.

    Args:
        logits: (n, actions, atoms) unnormalised logarithms of the probabilities of the atoms.
        support: (atoms,) the returns that the atoms stand for.

    Returns:
        (n, actions) the expected returns.

    Raises:
        ValueError: where the shapes do not fit.
    """
    check_shapes(logits=(logits, "n actions atoms"), support=(support, "atoms"))
    return torch.softmax(logits, dim=-1) @ support


def categorical_projection(target_support: Tensor, probabilities: Tensor, support: Tensor) -> Tensor:
    """Move probabilities from atoms anywhere to the atoms of the support.

    Each atom gives its probability to its two neighbours in the support, to each the more the nearer it is; one beyond
    the ends gives it to the end (Bellemare, Dabney & Munos, A Distributional Perspective on Reinforcement Learning,
    2017, equation 7). The whole probability stays, and so does the mean unless an atom lies beyond the ends.

    Args:
        target_support: (n, target atoms) where the probabilities are, finite.
        probabilities: (n, target atoms) in [0, 1], of sum 1.
        support: (atoms,) ascending, equally spaced, at least two.

    Returns:
        (n, atoms) the probabilities of the support's atoms.

    Raises:
        ValueError: where the shapes do not fit or the support has fewer than two atoms.
    """
    check_shapes(
        target_support=(target_support, "n target_atoms"),
        probabilities=(probabilities, "n target_atoms"),
        support=(support, "atoms"),
    )
    if len(support) < 2:
        raise ValueError(f"the support must have at least two atoms, it has {len(support)}")
    positions = (target_support - support[0]) * ((len(support) - 1) / (support[-1] - support[0]))
    positions = positions.clamp(0, len(support) - 1)
    atoms = torch.arange(len(support), dtype=support.dtype, device=support.device)
    # Scattering to two neighbours takes less memory, but on CUDA adds in an order that changes from run to run.
    shares = (1 - (positions.unsqueeze(1) - atoms.unsqueeze(1)).abs()).clamp_min(0)
    return (shares @ probabilities.unsqueeze(2)).squeeze(2)


@torch.no_grad()
def categorical_double_q_target(
    r_t: Tensor, discount_t: Tensor, q_t_selector: Tensor, logits_t: Tensor, support: Tensor
) -> Tensor:
    """Distribution of r_t + discount_t · Z_t(argmax_a q_t_selector(a)), on the atoms of the support.

    The double Q-learning target of Hessel et al., Rainbow, 2018, section "The Integrated Agent".

    Args:
        r_t: (n,) rewards.
        discount_t: (n,) discount factor in [0, 1]; 0 where the episode terminated, not where it was truncated.
        q_t_selector: (n, actions) values that select the action: the online network's; minus infinity for actions that
            are not allowed, never for all of a row.
        logits_t: (n, actions, atoms) unnormalised logarithms of the distributions that judge it: the target network's.
        support: (atoms,) ascending, equally spaced, at least two.

    Returns:
        (n, atoms) the probabilities; no gradient flows into them.

    Raises:
        ValueError: where the shapes do not fit or the support has fewer than two atoms.
    """
    check_shapes(
        r_t=(r_t, "n"),
        discount_t=(discount_t, "n"),
        q_t_selector=(q_t_selector, "n actions"),
        logits_t=(logits_t, "n actions atoms"),
        support=(support, "atoms"),
    )
    chosen = torch.take_along_dim(logits_t, q_t_selector.argmax(dim=1)[:, None, None], dim=1).squeeze(1)
    target_support = r_t.unsqueeze(1) + discount_t.unsqueeze(1) * support
    return categorical_projection(target_support, torch.softmax(chosen, dim=-1), support)


def categorical_losses(logits_tm1: Tensor, a_tm1: Tensor, target_t: Tensor) -> Tensor:
    """Kullback-Leibler divergence of the target distribution from that of the action taken.

    It is the loss and the priority of Hessel et al. (Rainbow, 2018, section "The Integrated Agent"), 0 where the
    prediction is perfect. The cross-entropy of Bellemare, Dabney & Munos (2017, algorithm 1) has the same gradient, but
    exceeds it by the entropy of the target.

    Args:
        logits_tm1: (n, actions, atoms) unnormalised logarithms of the distributions where the action was taken.
        a_tm1: (n,) the actions taken, int64 in 0..actions-1.
        target_t: (n, atoms) the probabilities it should have given; no gradient flows into them.

    Returns:
        (n,) the losses.

    Raises:
        ValueError: where the shapes do not fit.
    """
    check_shapes(logits_tm1=(logits_tm1, "n actions atoms"), a_tm1=(a_tm1, "n"), target_t=(target_t, "n atoms"))
    taken = torch.take_along_dim(logits_tm1, a_tm1[:, None, None], dim=1).squeeze(1)
    target = target_t.detach()
    return torch.nn.functional.kl_div(torch.log_softmax(taken, dim=-1), target, reduction="none").sum(dim=-1)


def categorical_double_q_losses(
    logits_tm1: Tensor,
    a_tm1: Tensor,
    r_t: Tensor,
    discount_t: Tensor,
    q_t_selector: Tensor,
    logits_t: Tensor,
    support: Tensor,
) -> Tensor:
    """`categorical_losses` against `categorical_double_q_target`: (n,) the losses.

    Arguments, shapes, errors and papers are those of `categorical_double_q_target` and `categorical_losses`.
    """
    return categorical_losses(
        logits_tm1, a_tm1, categorical_double_q_target(r_t, discount_t, q_t_selector, logits_t, support)
    )
