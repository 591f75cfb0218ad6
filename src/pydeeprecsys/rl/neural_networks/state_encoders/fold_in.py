"""What the ratings of the session tell of the user, and what was just had."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pydeeprecsys.arrays import Array, Singles
from pydeeprecsys.errors import InputError
from pydeeprecsys.history import DEMOGRAPHICS
from pydeeprecsys.rl.neural_networks.state_encoders.state_encoder import Observed, StateEncoder
from pydeeprecsys.rl.ops.fold_in import fold_in
from pydeeprecsys.rl.ops.variety import kinds_of, memories
from pydeeprecsys.scale import MAX_RATING

DECAYS = np.array([0.6, 0.9, 0.97])


class FoldInEncoder(StateEncoder):
    """Posterior of the user's vector given the ratings of the session, and the categories just consumed. Not learned.

    An encoded state holds, of d-dimensional user vectors and c categories: the d posterior means, as deviations from
    the prior means in prior standard deviations; the d posterior standard deviations over those of the prior; 3 · c
    memories of consumed categories, with decays 0.6, 0.9 and 0.97, see `rl.ops.variety`; the mean rating of the last
    slate / 5, 0 if nothing of it was consumed; whether nothing was; the share of the history that is filled; and the 4
    demographics.

    Args:
        observed: layout of the observations, and item estimates.
        generator: not used.

    Raises:
        InputError: there are no item estimates.
    """

    def __init__(self, observed: Observed, generator: torch.Generator) -> None:
        super().__init__()
        self.layout, estimates = observed
        if estimates is None:
            raise InputError("state_encoder 'fold-in' needs estimates of the items from ratings, and there are none")
        self.estimates, self.kinds = estimates, kinds_of(estimates.categories)
        self._deviations = np.sqrt(np.diag(estimates.prior_covariance))
        self.out_size = 2 * len(estimates.prior_mean) + len(DECAYS) * len(self.kinds.units) + 3 + DEMOGRAPHICS

    @torch.no_grad()
    def encode(self, states: Tensor) -> Tensor:
        """Encode a batch of observations: (n, size) to (n, out_size)."""
        return torch.from_numpy(self._encoded(states.numpy(force=True))).to(states.device)

    def _encoded(self, states: Array) -> Singles:
        history = self.layout.read(states)
        items, ratings = history.in_order
        posterior = fold_in(self.estimates, items, ratings)
        variances = np.diagonal(posterior.covariances, axis1=1, axis2=2)
        last = history.ratings[:, : self.layout.n_rated]
        n_last = np.count_nonzero(last, axis=1)
        columns = [
            (posterior.means - self.estimates.prior_mean) / self._deviations,
            np.sqrt(variances) / self._deviations,
            memories(items, self.kinds, DECAYS).reshape(len(states), -1),
            last.sum(axis=1) / np.maximum(n_last, 1) / MAX_RATING,
            (history.steps > 0) & (n_last == 0),
            history.steps / self.layout.length,
            history.demographics,
        ]
        return np.column_stack(columns).astype(np.float32)
