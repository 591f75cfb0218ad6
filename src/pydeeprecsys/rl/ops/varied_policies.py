"""Policies of varied slates: the logits of later items are lowered by their overlap with the items drawn before.

The memories of `rl.ops.variety` continue after each item of a slate. The logit of an item, at a place of the slate, is
that of the first place minus the increase of Σ weight · overlap since. Items of one kind have one overlap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from pydeeprecsys.rl.ops.policies import slate_log_probabilities


class Discount(NamedTuple):
    """What lowers the logits inside slates of n rows."""

    weights: Tensor  # (n, s) of the overlaps with memories of several decays, in units of the logits
    memories: Tensor  # (n, s, c) before the slate; these overlaps are in the logits already
    decays: Tensor  # (s,) in [0, 1]
    units: Tensor  # (kinds, c) unit vector of the categories of each kind
    kinds: Tensor  # (items,) kind of each item

    def after(self, memories: Tensor, items: Tensor) -> Tensor:
        """The memories (n, s, c) after one more item each, (n,)."""
        return self.decays[:, None] * (memories + self.units[self.kinds[items]].unsqueeze(1))

    def of(self, memories: Tensor) -> Tensor:
        """(n, kinds) what lowers the logits at memories (n, s, c)."""
        return torch.einsum("ns,nsc->nc", self.weights, memories - self.memories) @ self.units.T


def slates_of(logits: Tensor, k: int, discount: Discount | None, pick: Callable[[Tensor, int], Tensor]) -> Tensor:
    """Fill slates, item by item where there is a discount.

    Args:
        logits: (n, items) of the first item; minus infinity for items that are not allowed, at least k per row being
            allowed.
        k: items per slate.
        discount: of later items; None if there is none.
        pick: chooses k different items per row: (n, items) logits and k to (n, k).

    Returns:
        (n, k) different items, in the order in which they were picked.
    """
    if discount is None or k == 1:
        return pick(logits, k)
    logits, memories, picked = logits.double(), discount.memories, [pick(logits, 1)]
    while len(picked) < k:
        memories = discount.after(memories, picked[-1][:, 0])
        logits = logits.scatter(1, picked[-1], -torch.inf)
        picked.append(pick(logits - discount.of(memories).double()[:, discount.kinds], 1))
    return torch.cat(picked, dim=1)


def varied_log_probabilities(logits: Tensor, slates: Tensor, discount: Discount | None) -> Tensor:
    """Log-probabilities of slates sampled by `slates_of`, each item in proportion to exp(logit) of those left.

    Args:
        logits: (rows, items) of the first item; minus infinity for items that are not allowed.
        slates: (rows, k) different allowed items in the order they were drawn, integers.
        discount: of later items; None if there is none.

    Returns:
        (rows,) the log-probabilities.
    """
    if discount is None or slates.shape[1] == 1:
        return slate_log_probabilities(logits, slates)
    memories, less = discount.memories, []
    for place in range(slates.shape[1]):
        less.append(discount.of(memories))
        memories = discount.after(memories, slates[:, place])
    by_kind = torch.stack(less, dim=1)  # (rows, k, kinds)
    # Items outside the slate, kind by kind; those of the slate are left until they are drawn.
    others = logits.scatter(1, slates, -torch.inf).clamp(min=torch.finfo(logits.dtype).min / 2)
    highest = others.amax(dim=1, keepdim=True).detach()
    masses = others.new_zeros(len(others), len(discount.units))
    masses = masses.index_add(1, discount.kinds, (others - highest).exp())
    logarithms = masses.clamp(min=torch.finfo(logits.dtype).tiny).log() + highest
    rest = (logarithms.unsqueeze(1) - by_kind).logsumexp(dim=2, keepdim=True)
    theirs = discount.kinds[slates].unsqueeze(1).expand(-1, slates.shape[1], -1)
    own = logits.gather(1, slates).unsqueeze(1) - by_kind.gather(2, theirs)  # (rows, place, item of the slate)
    drawn = torch.ones(slates.shape[1], slates.shape[1], dtype=torch.bool, device=logits.device).tril(-1)
    totals = torch.cat([rest, own.masked_fill(drawn, -torch.inf)], dim=2).logsumexp(dim=2)
    return (own.diagonal(dim1=1, dim2=2) - totals).sum(dim=1)
