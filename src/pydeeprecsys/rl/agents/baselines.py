"""Baselines without learning: policies that a learned one should beat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from pydeeprecsys.arguments import Count, Finite, Natural, NonNegative, UnitInterval, checked
from pydeeprecsys.arrays import Array, Flags, Floats, Ints
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl import arguments as arg
from pydeeprecsys.rl.agents.agent import ReinforcementLearning, State
from pydeeprecsys.rl.ops.masks import check_slate_size
from pydeeprecsys.rl.ops.variety import varied_order
from pydeeprecsys.rl.search_space import Between, SearchSpace
from pydeeprecsys.scale import MAX_RATING


class FixedOrder(ReinforcementLearning):
    """Non-personalized ranking: recommends the first allowed items of one order to every user.

    Args:
        order: (items,) all items, best first.
    """

    def __init__(self, order: ArrayLike) -> None:
        self.order = np.asarray(order, dtype=np.int64)
        self.n_actions = len(self.order)

    def choose(self, states: Array, k: int, explore: bool, action_masks: Flags | None) -> Ints:
        """The first k allowed items for each state: (n, k)."""
        if action_masks is None:
            return np.tile(self.order[:k], (len(states), 1))
        return _first_allowed(np.tile(self.order, (len(states), 1)), k, action_masks)

    def score(self, states: Array, masks: Flags | None) -> Array:
        """Minus the rank of each item in the order, from 0: (n, items)."""
        return _minus_ranks(self.order, len(states))


class PopularAgent(FixedOrder):
    """Popularity baseline: recommends the most frequently rated items to every user.

    Args:
        rating_counts: (items,) number of ratings of each item.
    """

    def __init__(self, rating_counts: ArrayLike) -> None:
        super().__init__(_best_first(rating_counts))


class BestRatedAgent(FixedOrder):
    """Recommends the items with the highest mean rating to every user.

    Args:
        mean_ratings: (items,) mean rating of each item.
    """

    def __init__(self, mean_ratings: ArrayLike) -> None:
        super().__init__(_best_first(mean_ratings))


class BestConstantAgent(FixedOrder):
    """Recommends the items with the highest reward in simulation to every user; a reference, not deployable.

    If single items may be repeated, it shows the item with the highest return. Otherwise items are ranked by their mean
    reward as the first item of a session, and a varied list may be better.

    Args:
        simulated_order: (items,) all items, highest simulated reward first.
    """

    def __init__(self, simulated_order: ArrayLike) -> None:
        super().__init__(simulated_order)


class Walk(ReinforcementLearning):
    """Walks through a list of items in each session; keeps a position for each environment.

    `begin_episodes` resets the position. Without it, as with the one-state methods, each call continues from the last
    one; a batch of a different size starts at the front.
    """

    order: Ints  # (items,) the list

    def __init__(self) -> None:
        self._positions = np.zeros(
            0, dtype=np.int64
        )  # (n,) of the first item of the last slate; -1 before the first slate

    def begin_episodes(self, rows: Flags) -> None:
        """Reset the position of the environments, (n,), in which an episode begins."""
        self._positions = np.where(rows, -1, self._stand(len(rows)))

    def score(self, states: Array, masks: Flags | None) -> Array:
        """Minus the rank of each item in the list at the start of a session, from 0: (n, items)."""
        return _minus_ranks(self.order, len(states))

    def _stand(self, n: int) -> Ints:
        """(n,) the positions."""
        return self._positions if len(self._positions) == n else np.full(n, -1)

    def state_dict(self) -> State:
        """The position of each environment in the list."""
        return {"positions": self._positions.copy()}

    def load_state_dict(self, state: State) -> None:
        """Continue from where `state_dict` was taken."""
        self._positions = np.asarray(state["positions"])


@checked
class VariedAgent(Walk):
    """Walks through one list of well-rated items of varied genres, the same for every user.

    The list is `rl.ops.variety.varied_order`. If consumed items are masked, it shows the first items that are allowed;
    without masks each slate continues in the list, and after the last item comes the first.

    Args:
        mean_ratings: (items,) mean rating of each item.
        genres: (items, genres) flags; all False if the genres of an item are unknown.
        weight: Penalty for repeating the genres of the item before, in stars.
        decay: Factor of the penalty per further item.

    Raises:
        InputError: An argument is out of range.
    """

    parameter_space: ClassVar[Mapping[str, Between]] = {"weight": Between(0.0, 3.0), "decay": Between(0.5, 1.0)}
    search_space: ClassVar[SearchSpace] = parameter_space

    def __init__(
        self, mean_ratings: ArrayLike, genres: ArrayLike, weight: NonNegative = 0.6, decay: UnitInterval = 0.9
    ) -> None:
        super().__init__()
        self._mean_ratings, self._genres = mean_ratings, genres
        self.weight, self.decay = weight, decay
        self.order = varied_order(mean_ratings, genres, weight, decay)
        self.n_actions = len(self.order)

    def with_parameters(self, parameters: Floats) -> Self:
        """The walk through the list of another weight and decay, given as (2,) positions between their bounds."""
        other = super().with_parameters(parameters)
        other.order = varied_order(self._mean_ratings, self._genres, other.weight, other.decay)
        return other

    def choose(self, states: Array, k: int, explore: bool, action_masks: Flags | None) -> Ints:
        """The next k items of the list, or the first k allowed ones if there are masks, for each state: (n, k)."""
        if action_masks is not None:
            return _first_allowed(np.tile(self.order, (len(states), 1)), k, action_masks)
        before = self._stand(len(states))
        self._positions = np.where(before < 0, 0, before + k) % len(self.order)
        slates: Ints = self.order[(self._positions[:, None] + np.arange(k)) % len(self.order)]
        return slates


@checked
class WinStayAgent(Walk):
    """Win-stay, lose-shift: repeats a slate that the user likes, otherwise shows the next of the best-rated items.

    Each session starts with the best-rated items. The slate shifts as a whole if the chosen item was rated below the
    threshold, or if none was chosen; after the last candidate comes the first. The rating is read from the observation.

    Args:
        mean_ratings: (items,) mean rating of each item.
        candidates: Number of best-rated items to try; not less than the slate size.
        threshold: Lowest rating at which it stays, in stars of 5.
        rating_index: Index of the last rating / 5 in the observation; not read if there is a history.

    Raises:
        InputError: An argument is out of range, or neither rating_index nor history is given.
    """

    def __init__(
        self,
        mean_ratings: ArrayLike,
        candidates: Count = 20,
        threshold: Finite = 4.3,
        rating_index: Natural | None = 23,
        *,
        history: arg.History = None,
    ) -> None:
        super().__init__()
        if rating_index is None and history is None:
            raise InputError("the last rating is read from the observation; give rating_index or history")
        self.order = _best_first(mean_ratings)
        self.candidates, self.others = self.order[:candidates], self.order[candidates:]
        self.n_actions = len(self.order)
        self.threshold = threshold
        self.rating_index, self.history = rating_index, history

    def choose(self, states: Array, k: int, explore: bool, action_masks: Flags | None) -> Ints:
        """Stay or shift, depending on the rating in each state: (n, k).

        Candidates that are not allowed are skipped; the best-rated of the other items follow the last candidate.

        Raises:
            InputError: There are fewer than k candidates, or fewer than k allowed items.
        """
        check_slate_size(k, len(self.candidates))
        before = self._stand(len(states))
        # Observations are float32: compare in float32, so that a rating equal to the threshold counts as a win.
        if self.history is None:
            lost = states[:, self.rating_index] < np.float32(self.threshold / MAX_RATING)
        else:
            lost = self.history.read(states).last_ratings < np.float32(self.threshold)
        self._positions = np.where(before < 0, 0, np.where(lost, before + k, before))
        if action_masks is None:
            shown = (self._positions[:, None] + np.arange(k)) % len(self.candidates)
            slates: Ints = self.candidates[shown]
            return slates
        shown = (self._positions[:, None] + np.arange(len(self.candidates))) % len(self.candidates)
        others = np.tile(self.others, (len(states), 1))
        return _first_allowed(np.concatenate([self.candidates[shown], others], axis=1), k, action_masks)


def _best_first(scores: ArrayLike) -> Ints:
    """(items,) scores to (items,) items, highest score first; ties in the order of the catalogue."""
    order: Ints = np.argsort(-np.asarray(scores), kind="stable")
    return order


def _minus_ranks(order: Ints, n: int) -> Array:
    """(items,) best first to (n, items) minus the rank of each, from 0."""
    return np.tile(-np.argsort(order).astype(np.float64), (n, 1))


def _first_allowed(ranking: Ints, k: int, action_masks: Flags) -> Ints:
    """The first k allowed items of each ranking: (n, items), (n, items) to (n, k)."""
    forbidden = ~np.take_along_axis(action_masks, ranking, axis=1)
    return np.take_along_axis(ranking, np.argsort(forbidden, axis=1, kind="stable")[:, :k], axis=1)
