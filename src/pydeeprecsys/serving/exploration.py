"""Exploration: slates drawn at random, with the propensities that evaluation from logs needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np

from pydeeprecsys.arguments import Range, UnitInterval, checked
from pydeeprecsys.arrays import Array, Floats, Ints
from pydeeprecsys.serving.slates import Blocks, Variety, fill


class Ranking(NamedTuple):
    """What slates of n users are drawn from."""

    scores: Array  # (n, items) minus infinity for items that are not allowed
    k: int
    greedy: Callable[[], Ints]  # (n, k) the slates without exploration
    blocks: Blocks
    variety: Variety


@checked
@dataclass(frozen=True)
class Softmax:
    """Draw slates in proportion to exp(score / temperature), item by item without replacement (Plackett-Luce).

    Scores of stochastic policies, such as PPO's, are logits: temperature 1 is the policy as it was trained. For others
    it is a Boltzmann distribution, whose temperature is in units of the scores; for SlateQ, over the values of items.

    Attributes:
        temperature: Divisor of the scores; small ones come close to the greedy slate.
    """

    temperature: Annotated[float, Range(1e-9)] = 1.0

    def draw(self, ranking: Ranking, random: np.random.Generator) -> tuple[Ints, Floats]:
        """(n, k) slates, and the probability of each item given those before it."""
        scores = ranking.scores.astype(np.float64)
        highest = scores.max(axis=1, keepdims=True)
        logits = (scores - np.where(np.isneginf(highest), 0.0, highest)) / self.temperature
        variety = ranking.variety._replace(weights=ranking.variety.weights / self.temperature)
        return fill(logits, ranking.k, ranking.blocks, variety=variety, random=random)


@checked
@dataclass(frozen=True)
class EpsilonGreedy:
    """Draw the whole slate uniformly at random with probability epsilon, and otherwise take the greedy one.

    Attributes:
        epsilon: Probability of a random slate.
    """

    epsilon: UnitInterval

    def draw(self, ranking: Ranking, random: np.random.Generator) -> tuple[Ints, Floats]:
        """(n, k) slates, and the probability of each item given those before it."""
        allowed = ~np.isneginf(ranking.scores)
        alike = np.where(allowed, 0.0, -np.inf)
        none = Variety(*(np.zeros_like(part) for part in ranking.variety))
        slates, uniform = fill(alike, ranking.k, ranking.blocks, variety=none, random=random)
        greedy, propensities = ranking.greedy(), np.empty(uniform.shape)
        slates = np.where((random.random(len(slates)) < self.epsilon)[:, None], slates, greedy)
        explored = np.full(len(slates), self.epsilon)  # probability of exploration, given the items so far
        for place in range(ranking.k):
            by_chance = explored * uniform[:, place]
            propensities[:, place] = by_chance + (1 - explored) * (slates[:, place] == greedy[:, place])
            explored = by_chance / propensities[:, place]
        return slates, propensities
