"""Recommenders as graphs: a context to the relevance of all items."""

from __future__ import annotations

from functools import singledispatch

import numpy as np
import torch
from torch import Tensor, nn

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.agents.ease import LIKED, EASEAgent
from pydeeprecsys.rl.agents.fold_in import FoldInAgent
from pydeeprecsys.rl.agents.item_knn import ItemKNNAgent
from pydeeprecsys.rl.agents.recommender import DECAY
from pydeeprecsys.rl.item_estimates import ItemEstimates
from pydeeprecsys.rl.neural_networks.base_scores import HistoryReader, Read, Scorer
from pydeeprecsys.rl.ops.histories import USER_DAMPING
from pydeeprecsys.serving.graphs.context import Consumed, Context
from pydeeprecsys.serving.graphs.histories import MemoriesGraph, PosteriorGraph


class _Variances(nn.Module):
    """(n, items) variances of expected ratings under covariances (n, d, d), see `predicted_variances`."""

    products: Tensor
    factors: Tensor
    triangle: Tensor

    def __init__(self, estimates: ItemEstimates) -> None:
        super().__init__()
        rows, columns = np.tril_indices(estimates.vectors.shape[1])
        self.register_buffer("products", torch.from_numpy(estimates.outer_products))
        self.register_buffer("factors", torch.from_numpy(np.where(rows == columns, 1.0, 2.0)))
        self.register_buffer("triangle", torch.from_numpy(rows * estimates.vectors.shape[1] + columns))

    def forward(self, covariances: Tensor) -> Tensor:
        lower = covariances.flatten(1)[:, self.triangle] * self.factors
        return (lower.float() @ self.products).clamp(min=0)


class FoldInRelevance(nn.Module):
    """Relevance of `FoldInAgent`."""

    columns: Tensor
    popularity: Tensor

    def __init__(self, agent: FoldInAgent) -> None:
        super().__init__()
        self.satiation = agent.satiation
        self.uncertainty = agent.uncertainty_early, agent.uncertainty_late
        self.posterior = PosteriorGraph(agent.estimates, agent.noise)
        self.memories = MemoriesGraph(agent.kinds, np.array([DECAY])) if agent.satiation else None
        self.variances = _Variances(agent.estimates) if any(self.uncertainty) else None
        self.register_buffer("columns", torch.from_numpy(agent.estimates.columns))
        self.register_buffer("popularity", torch.from_numpy(agent.popularity * agent.estimates.popularity).float())

    def forward(self, context: Context) -> Tensor:
        """(n, items) predicted ratings in stars, with what uncertainty and popularity add."""
        corrected = None
        if self.memories is not None:
            overlaps = self.satiation * self.memories.overlaps(context.consumed).float()
            corrected = context.consumed._replace(ratings=context.consumed.ratings + overlaps)
        means, covariances = self.posterior(context, corrected)
        scores = torch.cat([means, torch.ones_like(means[:, :1])], dim=1).float() @ self.columns + self.popularity
        if self.variances is not None:
            early = torch.pow(DECAY, context.steps.double())
            weights = early * self.uncertainty[0] + (1 - early) * self.uncertainty[1]
            scores = scores + weights.float()[:, None] * self.variances(covariances).sqrt()
        return scores


class _LinearScores(nn.Module):
    """Σ value · weights[item] over the items of each history, see `linear_scores`."""

    weights: Tensor

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.register_buffer("weights", weights)

    def forward(self, consumed: Consumed, values: Tensor) -> Tensor:
        """(n, q, items) from values (n, q, m), in double precision."""
        return values @ self.weights[consumed.rows].double()


class _Centred(nn.Module):
    """Ratings centred by item and user, see `rl.ops.histories.centred`."""

    mean_ratings: Tensor

    def __init__(self, mean_ratings: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean_ratings", mean_ratings)

    def forward(self, consumed: Consumed) -> tuple[Tensor, Tensor, Tensor]:
        """(n, m) whether a rating is the item's latest, (n, m) their centred ratings, (n, 1) the user's offset."""
        same = consumed.items[:, :, None] == consumed.items[:, None]
        later = torch.ones_like(same).triu(1)
        latest = ((consumed.items >= 0) & ~(same & later).any(dim=2)).double()
        deviations = latest * (consumed.ratings.double() - self.mean_ratings[consumed.rows])
        offsets = deviations.sum(dim=1, keepdim=True) / (latest.sum(dim=1, keepdim=True) + USER_DAMPING)
        return latest, latest * (deviations - offsets), offsets


class ItemKNNRelevance(nn.Module):
    """Relevance of `ItemKNNAgent`."""

    def __init__(self, agent: ItemKNNAgent) -> None:
        super().__init__()
        self.damping = agent.damping
        self.centred = _Centred(torch.from_numpy(agent.mean_ratings))
        self.linear = _LinearScores(torch.from_numpy(agent.similarities))

    def forward(self, context: Context) -> Tensor:
        """(n, items) predicted ratings in stars."""
        consumed = context.consumed
        latest, deviations, offsets = self.centred(consumed)
        scores = self.linear(consumed, torch.stack([deviations, latest], dim=1))
        predicted: Tensor = self.centred.mean_ratings + offsets + scores[:, 0] / (scores[:, 1] + self.damping)
        return predicted


class EASERelevance(nn.Module):
    """Relevance of `EASEAgent`."""

    def __init__(self, agent: EASEAgent) -> None:
        super().__init__()
        self.feedback, self.scale = agent.feedback, agent.scale
        self.centred = _Centred(torch.from_numpy(agent.mean_ratings))
        self.linear = _LinearScores(torch.from_numpy(agent.weights))

    def forward(self, context: Context) -> Tensor:
        """(n, items) mean ratings, raised or lowered by the score, in stars."""
        consumed = context.consumed
        latest, values, offsets = self.centred(consumed)
        if self.feedback == "likes":
            values, offsets = latest * (consumed.ratings >= LIKED), 0.0
        scores = self.linear(consumed, values[:, None])[:, 0]
        relevance: Tensor = self.centred.mean_ratings + offsets + self.scale * scores
        return relevance


@singledispatch
def relevance_graph(recommender: Scorer) -> nn.Module:
    """The graph of a recommender's relevance, a `Context` to (n, items); register those of your own.

    Raises:
        InputError: there is none for such a recommender.
    """
    raise InputError(
        f"there is no graph of the recommender {type(recommender).__name__}; register one by relevance_graph"
    )


relevance_graph.register(FoldInAgent, FoldInRelevance)
relevance_graph.register(ItemKNNAgent, ItemKNNRelevance)
relevance_graph.register(EASEAgent, EASERelevance)


class ReaderGraph(nn.Module):
    """`HistoryReader`: what a base and its features read of the histories."""

    expected: Tensor

    def __init__(self, reader: HistoryReader) -> None:
        super().__init__()
        estimates = reader.estimates
        self.mean_deviation = reader.mean_deviation
        self.relevance, self.posterior = relevance_graph(reader.recommender), PosteriorGraph(estimates)
        self.variances = _Variances(estimates)
        self.memories = MemoriesGraph(reader.recommender.kinds, reader.decays)
        self.register_buffer("expected", torch.from_numpy(estimates.expected_ratings))

    def forward(self, context: Context) -> Read:
        """Read n contexts."""
        consumed = context.consumed
        means, covariances = self.posterior(context)
        deviations = self.variances(covariances).sqrt() / self.mean_deviation
        rank = consumed.flags.cumsum(1)
        is_last = (consumed.items >= 0) & (rank == rank[:, -1:])
        last = torch.where(is_last, consumed.items + 1, 0).sum(dim=1) - 1
        rating = torch.where(is_last, consumed.ratings, 0.0).sum(dim=1)
        there = last >= 0
        return Read(
            items=torch.stack([self.relevance(context).float(), deviations], dim=1),
            users=torch.cat([means, torch.ones_like(means[:, :1])], dim=1).float(),
            memories=self.memories(consumed).float(),
            last=torch.where(there, last, len(self.expected)),
            surprise=torch.where(there, rating - self.expected[last.clamp(min=0)], 0.0).float(),
        )
