"""Residual learning: a network's scores of items begin as those of a recommender."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from pydeeprecsys.arrays import Array, Floats, Singles
from pydeeprecsys.errors import InputError
from pydeeprecsys.history import History, HistoryLayout
from pydeeprecsys.rl.item_estimates import ItemEstimates
from pydeeprecsys.rl.neural_networks.base_network import sequential_architecture
from pydeeprecsys.rl.neural_networks.item_head import ItemHead
from pydeeprecsys.rl.ops.fold_in import fold_in, predicted_variances
from pydeeprecsys.rl.ops.varied_policies import Discount
from pydeeprecsys.rl.ops.variety import Kinds, Penalty, memories

LOGIT_SCALE, VALUE_SCALE = 8.0, 0.25
"""Default scales, in logits and in action values per star."""

DECAYS = np.array([0.6, 0.9, 0.97])

FEATURES = (
    "predicted rating",
    "uncertainty",
    "popularity",
    "similarity",
    "similarity · surprise",
    "repetition",
    "repetition · surprise",
    *(f"overlap, decay {decay:g}" for decay in DECAYS),
)
"""Interaction features of history and item, whose weights are learned."""


@runtime_checkable
class Scorer(Protocol):
    """A recommender, as `rl.agents.recommender` has it."""

    layout: HistoryLayout
    kinds: Kinds

    @property
    def penalty(self) -> Penalty:
        """Weights and decays of the overlaps with the categories just consumed."""

    def relevance(self, history: History) -> Floats | Singles:
        """(n, items) score of each item by itself."""


@dataclass(frozen=True, eq=False)
class Base:
    """Where the scores of a network begin.

    Attributes:
        recommender: whose scores they are.
        item_estimates: what ratings tell of the items.
        scale: initial factor of its scores, above 0; a power of two keeps their order to the bit.

    Raises:
        InputError: it is no recommender, or of other items than the estimates.
    """

    recommender: Scorer
    item_estimates: ItemEstimates
    scale: float

    def __post_init__(self) -> None:
        if not isinstance(self.recommender, Scorer):
            raise InputError(f"the base must score items from the history; {type(self.recommender).__name__} does not")
        n_items, n_estimates = self.recommender.layout.n_items, len(self.item_estimates.offsets)
        if n_items != n_estimates:
            raise InputError(f"estimates are of {n_estimates} items, the base of {n_items}")


def base_of(
    recommender: object, item_estimates: ItemEstimates | None, *, scale: float | None, default: float
) -> Base | None:
    """The base of an agent with these arguments; None if it has none.

    Raises:
        InputError: there is a scale without a base, or a base without item estimates, or it is no recommender.
    """
    if recommender is None:
        if scale is not None:
            raise InputError("base_scale is the factor of the base's scores, and there is no base; give one")
        return None
    if item_estimates is None:
        raise InputError("a base needs estimates of the items from ratings, and there are none")
    return Base(recommender, item_estimates, default if scale is None else scale)  # type: ignore[arg-type]


class Read(NamedTuple):
    """What n histories tell of the items; nothing of it is learned, so it is computed once."""

    items: Tensor  # (n, 2, items) relevance to the base; standard deviation of the rating over the mean prior one
    users: Tensor  # (n, d + 1) posterior mean of the user's vector, and 1
    memories: Tensor  # (n, s, c) of consumed categories
    last: Tensor  # (n,) item consumed last; the number of items if there is none
    surprise: Tensor  # (n,) its rating minus the expected one, in stars; 0 if there is none

    def take(self, rows: Tensor | slice) -> Read:
        """Some of the rows."""
        return Read(*(column[rows] for column in self))

    @classmethod
    def together(cls, parts: Sequence[Read]) -> Read:
        """All rows of several."""
        return cls(*(torch.cat(columns) for columns in zip(*parts, strict=True)))


class HistoryReader(nn.Module):
    """What a base and its features read of the histories in observations.

    Args:
        base: where the scores begin.
        decays: (s,) of the memories of consumed categories.
    """

    def __init__(self, base: Base, decays: Floats) -> None:
        super().__init__()
        self.recommender, self.estimates, self.decays = base.recommender, base.item_estimates, decays
        estimates = self.estimates
        variances = np.einsum("id,de,ie->i", estimates.vectors, estimates.prior_covariance, estimates.vectors)
        self.mean_deviation = float(np.sqrt(variances).mean()) or 1.0

    def forward(self, states: Tensor) -> Read:
        """Read (n, size) observations."""
        arrays = self._read(states.numpy(force=True))
        return Read(*(torch.from_numpy(array).to(states.device) for array in arrays))

    def _read(self, states: Array) -> list[Array]:
        history, estimates = self.recommender.layout.read(states), self.estimates
        items, ratings = history.in_order
        posterior = fold_in(estimates, items, ratings)
        deviations = np.sqrt(predicted_variances(estimates, posterior.covariances)) / np.float32(self.mean_deviation)
        rows, place = np.arange(len(items)), items.shape[1] - 1 - (items >= 0)[:, ::-1].argmax(axis=1)
        last = items[rows, place]
        surprise = np.where(last >= 0, ratings[rows, place] - estimates.expected_ratings[last], 0)
        return [
            np.stack([self.recommender.relevance(history), deviations], axis=1, dtype=np.float32, casting="same_kind"),
            np.column_stack([posterior.means, np.ones(len(items))]).astype(np.float32),
            memories(items, self.recommender.kinds, self.decays).astype(np.float32),
            np.where(last >= 0, last, len(estimates.offsets)),
            surprise.astype(np.float32),
        ]


class BaseScores(nn.Module):
    """Scores of a base plus weighted interaction features, times a learned factor, plus a residual.

    The weights, in stars, are a linear function of the network's last hidden layer, 0 at first. Weights of overlaps
    continue inside a slate, as those of the base do.

    Args:
        base: where the scores begin.
        n_inputs: outputs of the last hidden layer.
        with_value: add a state value, the same for all items, which is 0 at first.
    """

    keys: Tensor
    similar: Tensor
    popularity: Tensor
    units: Tensor
    kinds: Tensor
    decays: Tensor
    penalties: Tensor

    def __init__(self, base: Base, n_inputs: int, with_value: bool = False) -> None:
        super().__init__()
        self.scale = base.scale
        kinds, penalty, estimates = base.recommender.kinds, base.recommender.penalty, base.item_estimates
        n_latent = estimates.vectors.shape[1] - estimates.categories.shape[1] - 1
        latent = estimates.vectors[:, :n_latent] if n_latent > 0 else estimates.vectors
        lengths = np.linalg.norm(latent, axis=1, keepdims=True)
        # Arguments of the constructor, as sizes are, and therefore not saved.
        arrays = {
            "similar": np.vstack([latent / np.where(lengths > 0, lengths, 1), np.zeros(latent.shape[1])]),
            "units": kinds.units.T,
            "kinds": kinds.of,
            "decays": np.concatenate([DECAYS, penalty.decays]),
            "penalties": penalty.weights,
        }
        self.reader = HistoryReader(base, arrays["decays"])
        arrays["keys"] = np.vstack(
            [estimates.columns, estimates.popularity, arrays["similar"][:-1].T, kinds.units[:, kinds.of]]
        )
        for name, array in arrays.items():
            dtype = torch.int64 if name == "kinds" else torch.float32
            self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(array)).to(dtype), persistent=False)
        self.with_value = with_value
        self.log_factor = nn.Parameter(torch.zeros(()))
        self.weights = zeroed(sequential_architecture([n_inputs, len(FEATURES) + with_value])[0])

    @torch.no_grad()
    def read(self, states: Tensor) -> Read:
        """Read (n, size) observations."""
        read: Read = self.reader(states)
        return read

    def forward(self, read: Read, hidden: Tensor, residual: Tensor) -> tuple[Tensor, Discount]:
        """Scores of all items, and what lowers them inside a slate.

        Args:
            read: what `read` gave of the observations.
            hidden: (n, n_inputs) outputs of the last hidden layer.
            residual: (n, items) what is added.
        """
        outputs, factor = self.weights(hidden), self.scale * self.log_factor.exp()
        weights = factor * outputs[:, : len(FEATURES)]
        predicted, uncertainty, popularity, similar, surprising, repeated, repeated_surprising = weights[:, :7].T
        n, surprise = hidden.shape[0], read.surprise
        # Entries of a memory add up to decay / (1 - decay) at most.
        normalized = weights[:, 7:] * ((1 - self.decays[:3]) / self.decays[:3])
        overlap = torch.cat([-normalized, (factor * self.penalties).expand(n, -1)], dim=1)
        queries = [
            predicted[:, None] * read.users,
            popularity[:, None],
            (similar + surprising * surprise)[:, None] * self.similar[read.last],
            -torch.einsum("ns,nsc->nc", overlap, read.memories),
        ]
        if self.with_value:
            residual = residual + outputs[:, -1:]
        scores = torch.addmm(residual, torch.cat(queries, dim=1), self.keys)
        dense = torch.stack([factor.expand(n), uncertainty], dim=1).unsqueeze(1)
        scores = torch.baddbmm(scores.unsqueeze(1), dense, read.items).squeeze(1)
        repetition = (repeated + repeated_surprising * surprise) * (read.last < scores.shape[1])
        last = read.last.clamp(max=scores.shape[1] - 1)
        scores.scatter_add_(1, last[:, None], repetition[:, None])
        return scores, Discount(overlap, read.memories, self.decays, units=self.units, kinds=self.kinds)


def zeroed(layer: nn.Module) -> nn.Module:
    """The output layer, which gives 0 until it learns.

    Raises:
        TypeError: it is neither linear nor an `ItemHead`.
    """
    if isinstance(layer, ItemHead):
        layer.zero()
        return layer
    if not isinstance(layer, nn.Linear):
        raise TypeError(f"{type(layer).__name__} is no output layer")
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
