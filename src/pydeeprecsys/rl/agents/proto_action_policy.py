"""A policy over many items that acts by points in their feature space."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from pydeeprecsys.arrays import Array, Ints, Singles
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.agents.soft_policies import GaussianPolicy, Masks, Options
from pydeeprecsys.rl.ops.masks import masked
from pydeeprecsys.rl.ops.policies import top_k


class ProtoActionPolicy(GaussianPolicy):
    """Many items with features: the actor samples a point in feature space, the critics choose among its neighbours.

    Dulac-Arnold et al., Deep Reinforcement Learning in Large Discrete Action Spaces, 2015. The critics learn the values
    of the items shown, and the actor climbs the critics' values of its point. Features are scaled to [−1, 1], the range
    of the points.

    Args:
        item_features: (items, features) finite numbers; features that are the same for all items are left out.
        n_candidates: neighbours that the critics evaluate, at least 1; at least k for a slate of k.
        options: of the policy.

    Raises:
        InputError: the features are not a table of finite numbers, or are the same for all items.
    """

    def __init__(self, item_features: ArrayLike, n_candidates: int, options: Options) -> None:
        table = np.asarray(item_features, dtype=np.float64)
        if table.ndim != 2 or not np.isfinite(table).all():
            raise InputError(f"item_features must be finite numbers of shape (items, features), it is {table.shape}")
        low, high = table.min(axis=0), table.max(axis=0)
        differs = high > low
        if not differs.any():
            raise InputError("item_features are the same for all items; give features that tell them apart")
        vectors = 2 * ((table - low) / np.where(differs, high - low, 1.0))[:, differs] - 1
        super().__init__(vectors.shape[1], options)
        self.n_candidates = n_candidates
        self.vectors = self.actor.as_tensor(vectors)
        self.minus_squares = -self.vectors.square().sum(dim=1)

    def act(self, states: Array, k: int, explore: bool, masks: Masks) -> Ints:
        """Sample a point per state, or take the squashed mean, and choose k items near it: (n, k)."""
        with torch.inference_mode():
            items = self._choose(self.actor.as_tensor(states), self.actor.predict(states, explore), k, masks)
            chosen: Ints = items.cpu().numpy()
        return chosen

    def scores(self, states: Array, masks: Masks) -> Singles:
        """Values of the candidates near the squashed mean; below these, by nearness, all other items: (n, items)."""
        c = min(self.n_candidates, len(self.vectors))
        with torch.inference_mode():
            inputs, points = self.actor.as_tensor(states), self.actor.predict(states, explore=False)
            nearness, order = self._nearest(points, len(self.vectors), masks)
            q = self._values(inputs, order[:, :c])
            others = q.amin(dim=1, keepdim=True) + nearness[:, c:] - nearness[:, c - 1 : c]
            by_nearness = torch.cat([q, others], dim=1)
            scores: Singles = torch.empty_like(by_nearness).scatter_(1, order, by_nearness).cpu().numpy()
        return scores

    def _choose(self, states: Tensor, points: Tensor, k: int, masks: Masks) -> Tensor:
        """The k of the highest values among the allowed items nearest to the points, best first: (n, k)."""
        n_candidates = min(max(self.n_candidates, k), len(self.vectors))
        nearness, candidates = self._nearest(points, n_candidates, masks)
        if n_candidates == 1:
            return candidates
        q = self._values(states, candidates)
        # Candidates that are not allowed fill up the rows where fewer are.
        return candidates.gather(1, top_k(q.masked_fill(nearness.isneginf(), -torch.inf), k))

    def _values(self, states: Tensor, candidates: Tensor) -> Tensor:
        """The critics' values of candidates (n, c) in states (n, state_size): (n, c)."""
        return self.critic.predict(states, self.vectors[candidates].flatten(0, 1)).view_as(candidates)

    def _nearest(self, points: Tensor, n: int, masks: Masks) -> tuple[Tensor, Tensor]:
        """Minus the distances of the n nearest items of each point, the nearest first, and the items: (rows, n) each.

        Distances are squared, without the square of the point, which is the same for all items.
        """
        nearness = torch.addmm(self.minus_squares, points, self.vectors.T, alpha=2)
        nearest = masked(nearness, masks).topk(n, dim=1)
        return nearest.values, nearest.indices

    def _points(self, actions: Tensor) -> Tensor:
        return self.vectors[actions]

    def _followed(self, states: Tensor, points: Tensor, masks: Masks) -> Tensor:
        return self._points(self._choose(states, points, 1, masks).squeeze(1))
