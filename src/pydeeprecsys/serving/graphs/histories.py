"""What consumed items tell: memories of categories, and the posterior of the user's vector."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from pydeeprecsys.arrays import Floats
from pydeeprecsys.rl.item_estimates import ItemEstimates
from pydeeprecsys.rl.ops.variety import Kinds
from pydeeprecsys.serving.graphs.context import Consumed, Context


class MemoriesGraph(nn.Module):
    """`rl.ops.variety.memories` and `overlaps` in closed form: an item counts decay ** (items since), itself included.

    Args:
        kinds: categories of the items.
        decays: (s,) of the memories.
    """

    units: Tensor
    decays: Tensor

    def __init__(self, kinds: Kinds, decays: Floats) -> None:
        super().__init__()
        self.register_buffer("units", torch.from_numpy(kinds.units.T[kinds.of].copy()))
        self.register_buffer("decays", torch.from_numpy(np.array(decays, dtype=np.float64)))

    def forward(self, consumed: Consumed) -> Tensor:
        """(n, s, c) the memories after the consumed items."""
        flags = consumed.flags
        since = flags.flip(1).cumsum(1).flip(1)  # itself and those after it
        weights = torch.pow(self.decays[:, None], since[:, None]) * flags[:, None]
        return weights @ self.units[consumed.rows]

    def overlaps(self, consumed: Consumed) -> Tensor:
        """(n, m) overlap of each item with the memory of those before it, by the first decay; 0 where there is none."""
        flags = consumed.flags
        rank = flags.cumsum(1)
        units = self.units[consumed.rows] * flags[:, :, None]
        before = torch.ones_like(rank[:, :, None] * rank[:, None]).tril(-1)
        weights = torch.pow(self.decays[0], (rank[:, :, None] - rank[:, None]) * before) * before
        return (weights * (units @ units.transpose(1, 2))).sum(dim=2)


class PosteriorGraph(nn.Module):
    """`rl.ops.fold_in.fold_in`: the posterior of the user's vector, given ratings.

    The d x d precision is inverted by d sweeps (Goodnight, A Tutorial on the SWEEP Operator, 1979), each a rank-one
    update, however many ratings there are: ONNX has no operator for it.

    Args:
        estimates: of the items, with the prior.
        noise: factor of the estimated variance of the noise.
    """

    vectors: Tensor
    offsets: Tensor
    precision: Tensor
    pull: Tensor
    identity: Tensor

    def __init__(self, estimates: ItemEstimates, noise: float = 1.0) -> None:
        super().__init__()
        scale = (noise * estimates.noise) ** -0.5
        arrays = {
            "vectors": scale * estimates.vectors,
            "offsets": estimates.offsets,
            "precision": estimates.prior_precision,
            "pull": estimates.prior_precision @ estimates.prior_mean,
            "identity": np.eye(len(estimates.prior_mean)),
        }
        for name, array in arrays.items():
            self.register_buffer(name, torch.from_numpy(np.array(array, dtype=np.float64)))
        self.scale, self.key = scale, (id(estimates), noise)

    def forward(self, context: Context, consumed: Consumed | None = None) -> tuple[Tensor, Tensor]:
        """Means (n, d) and covariances (n, d, d), in double precision, given the consumed items, or others."""
        if consumed is not None:
            return self._posterior(consumed)
        if self.key not in context.posteriors:
            context.posteriors[self.key] = self._posterior(context.consumed)
        return context.posteriors[self.key]

    def _posterior(self, consumed: Consumed) -> tuple[Tensor, Tensor]:
        x = self.vectors[consumed.rows] * consumed.flags[:, :, None]
        residuals = self.scale * (consumed.ratings.double() - self.offsets[consumed.rows])
        covariances = self._inverse(self.precision + x.transpose(1, 2) @ x)
        moments = self.pull + (residuals[:, None] @ x).squeeze(1)
        return (covariances @ moments[:, :, None]).squeeze(2), covariances

    def _inverse(self, matrices: Tensor) -> Tensor:
        """Inverses of symmetric positive definite matrices (n, d, d)."""
        # With v = row k - e_k, the sweep of row and column k is A - v v' / A_kk - 2 e_k e_k'; the last term can wait.
        for unit, k in zip(self.identity, range(len(self.identity)), strict=True):
            row = matrices[:, k]
            v = row - unit
            matrices = matrices - (v / row[:, k : k + 1])[:, :, None] * v[:, None]
        return 2 * self.identity - matrices
