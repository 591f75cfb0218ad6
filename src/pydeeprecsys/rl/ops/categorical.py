"""Distributional reinforcement learning: probabilities of fixed atoms."""

from __future__ import annotations

import torch
from torch import Tensor

from pydeeprecsys.rl.ops.shapes import check_shapes


def expected_values(logits: Tensor, support: Tensor) -> Tensor:
    """Expected returns of distributions over atoms.

    Args:
        logits: (n, actions, atoms) unnormalised log-probabilities of the atoms.
        support: (atoms,) returns of the atoms.

    Returns:
        (n, actions) the expected returns.

    Raises:
        ValueError: the shapes do not fit.
    """
    check_shapes(logits=(logits, "n actions atoms"), support=(support, "atoms"))
    return torch.softmax(logits, dim=-1) @ support


def categorical_projection(target_support: Tensor, probabilities: Tensor, support: Tensor) -> Tensor:
    """Project distributions onto the atoms of the support.

    Each atom divides its probability between its two neighbours in the support, by distance; an atom beyond an end
    gives it to that end (Bellemare, Dabney & Munos, A Distributional Perspective on Reinforcement Learning, 2017,
    equation 7). The mean stays the same unless an atom lies beyond an end.

    Args:
        target_support: (n, target atoms) returns, finite.
        probabilities: (n, target atoms) in [0, 1], of sum 1.
        support: (atoms,) ascending, equally spaced, at least two.

    Returns:
        (n, atoms) the probabilities of the support's atoms.

    Raises:
        ValueError: the shapes do not fit, or the support has fewer than two atoms.
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
    # Scattering to two neighbours takes less memory, but on CUDA the order of its additions is not deterministic.
    shares = (1 - (positions.unsqueeze(1) - atoms.unsqueeze(1)).abs()).clamp_min(0)
    return (shares @ probabilities.unsqueeze(2)).squeeze(2)


def categorical_td_losses(
    logits_tm1: Tensor, r_t: Tensor, discount_t: Tensor, logits_t: Tensor, *, support: Tensor
) -> tuple[Tensor, Tensor]:
    """Kullback-Leibler divergences of the distribution of r_t + discount_t · Z_t from the predicted one.

    They are the loss and the priority of Hessel et al. (Rainbow, 2018, section "The Integrated Agent"), 0 for a perfect
    prediction. The cross-entropy of Bellemare, Dabney & Munos (2017, algorithm 1) has the same gradient, but exceeds
    them by the entropy of the target.

    Args:
        logits_tm1: (n, atoms) unnormalised log-probabilities of the returns of the actions taken.
        r_t: (n,) rewards.
        discount_t: (n,) discount factor in [0, 1]; 0 where the episode terminated, not where it was truncated.
        logits_t: (n, atoms) the same of the next actions; no gradient flows into them.
        support: (atoms,) returns of the atoms, ascending, equally spaced, at least two.

    Returns:
        (n,) the divergences twice, as the errors and as the losses.

    Raises:
        ValueError: the shapes do not fit, or the support has fewer than two atoms.
    """
    check_shapes(
        logits_tm1=(logits_tm1, "n atoms"),
        r_t=(r_t, "n"),
        discount_t=(discount_t, "n"),
        logits_t=(logits_t, "n atoms"),
        support=(support, "atoms"),
    )
    with torch.no_grad():
        target_support = r_t.unsqueeze(1) + discount_t.unsqueeze(1) * support
        target = categorical_projection(target_support, torch.softmax(logits_t, dim=-1), support)
    losses = torch.nn.functional.kl_div(torch.log_softmax(logits_tm1, dim=-1), target, reduction="none").sum(dim=-1)
    return losses, losses
