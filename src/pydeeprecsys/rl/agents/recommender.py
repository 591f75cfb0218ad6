"""Recommenders: agents that score items from the history alone, and vary what they show."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike

from pydeeprecsys.arguments import NonNegative
from pydeeprecsys.arrays import Array, Flags, Floats, Ints, Singles
from pydeeprecsys.errors import InputError
from pydeeprecsys.history import History, HistoryLayout
from pydeeprecsys.rl.agents.agent import ReinforcementLearning
from pydeeprecsys.rl.ops.variety import Penalty, kinds_of, less_overlap, memories, varied_slates
from pydeeprecsys.rl.search_space import Between

Layout = Annotated[HistoryLayout, "Layout of the observation 'items'."]
Categories = Annotated[ArrayLike, "(items, categories) flags; all False if the categories of an item are unknown."]
Diversify = Annotated[NonNegative, "Penalty for overlap with the categories just consumed, in stars; 0 for none."]

DIVERSIFY = Between(0.0, 3.0)
"""Search domain of `diversify`."""

DECAY = 0.9
"""Decay of the memory of categories per item, see `rl.ops.variety`."""


class Recommender(ReinforcementLearning):
    """Scores items from demographics and history; a subclass implements `relevance`.

    A slate is filled greedily by relevance minus `diversify` times the overlap with the memory of categories, see
    `rl.ops.variety`. The memory is of the consumed items of the history, whatever was shown beside them, and continues
    inside the slate, so that a slate is varied in itself. It is a pure function of the observation: nothing is learned
    from rewards.

    Args:
        history: Layout of the observation "items".
        categories: (items, c) flags; all False if the categories of an item are unknown.
        diversify: Penalty for overlap with the categories just consumed, in stars; 0 for none.

    Raises:
        InputError: The items of history and categories are not the same number.
    """

    def __init__(self, history: Layout, categories: Categories, diversify: Diversify = 0.0) -> None:
        self.kinds = kinds_of(categories)
        if len(self.kinds.of) != history.n_items:
            raise InputError(f"categories are of {len(self.kinds.of)} items, the history of {history.n_items}")
        self.layout, self.diversify, self.n_actions = history, diversify, history.n_items

    @property
    def penalty(self) -> Penalty:
        """Weights and decays of the overlaps with the categories just consumed."""
        return Penalty(np.array([float(self.diversify)]), np.array([DECAY]))

    def relevance(self, history: History) -> Floats | Singles:
        """(n, items) predicted rating of each item, in stars."""
        raise NotImplementedError

    def score(self, states: Array, masks: Flags | None) -> Floats | Singles:
        """(n, items) relevance minus the penalty for overlap with the categories just consumed, in stars."""
        history, penalty = self.layout.read(states), self.penalty
        scores = self.relevance(history)
        if penalty.weights.any():
            remembered = memories(history.in_order[0], self.kinds, penalty.decays)
            scores = less_overlap(scores, remembered, kinds=self.kinds, weights=penalty.weights)
        return scores

    def choose(self, states: Array, k: int, explore: bool, action_masks: Flags | None) -> Ints:
        """Fill slates greedily: (n, size) states to (n, k)."""
        history, penalty = self.layout.read(states), self.penalty
        relevance = self.relevance(history)
        slates: Ints = varied_slates(
            relevance if action_masks is None else np.where(action_masks, relevance, -np.inf),
            memories(history.in_order[0], self.kinds, penalty.decays),
            kinds=self.kinds,
            penalty=penalty,
            k=k,
        )
        return slates
