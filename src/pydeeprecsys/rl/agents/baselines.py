"""Simple policies without learning: what a learned policy has to beat."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.agents.agent import ReinforcementLearning, State, check_slate_size
from pydeeprecsys.rl.ops.variety import varied_order
from pydeeprecsys.rl.search_space import Between, SearchSpace


class FixedOrder(ReinforcementLearning):
    """Recommends the first items of one order that are allowed, to everybody, always.

    Args:
        order: (items,) all items, the best first.
    """

    def __init__(self, order: ArrayLike) -> None:
        self.order = np.asarray(order, dtype=np.int64)

    def top_k_actions_for_states(
        self,
        states: NDArray[Any],
        k: int = 1,
        *,
        explore: bool = True,
        action_masks: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.int64]:
        """The first k items that are allowed, for each state: (n, k)."""
        check_slate_size(k, len(self.order), action_masks)
        if action_masks is None:
            return np.tile(self.order[:k], (len(states), 1))
        return _first_allowed(np.tile(self.order, (len(states), 1)), k, action_masks)


class PopularAgent(FixedOrder):
    """Recommends the items that are rated most often, to everybody, always.

    Args:
        rating_counts: (items,) how often each item was rated.
    """

    def __init__(self, rating_counts: ArrayLike) -> None:
        super().__init__(_best_first(rating_counts))


class BestRatedAgent(FixedOrder):
    """Recommends the items that are rated best on average, to everybody, always.

    Args:
        mean_ratings: (items,) the mean rating of each item.
    """

    def __init__(self, mean_ratings: ArrayLike) -> None:
        super().__init__(_best_first(mean_ratings))


class BestConstantAgent(FixedOrder):
    """Recommends the items that simulated users reward best, to everybody, always: reads the simulator, not the user.

    A yardstick, not deployable. Where single items may be shown again and again, it shows the one with the highest
    return; else items come by their mean reward as the first of a session, and a varied list may well be better.

    Args:
        simulated_order: (items,) all items, those first that simulated users reward most.
    """

    def __init__(self, simulated_order: ArrayLike) -> None:
        super().__init__(simulated_order)


class Walk(ReinforcementLearning):
    """Walks along a list of items in each session, and remembers where it stands in each environment.

    `begin_episodes` resets the position. Without it, as with the one-state methods, each call continues from the last
    one; a batch of another size starts at the front.
    """

    def __init__(self) -> None:
        self._positions = np.zeros(0, dtype=np.int64)  # (n,) of the first item shown last; -1 before the first slate

    def begin_episodes(self, rows: NDArray[np.bool_]) -> None:
        """Go back to the front of the list where an episode begins: (n,)."""
        self._positions = np.where(rows, -1, self._stand(len(rows)))

    def _stand(self, n: int) -> NDArray[np.int64]:
        """(n,) where it stands."""
        return self._positions if len(self._positions) == n else np.full(n, -1)

    def state_dict(self) -> State:
        """Where each environment stands in the list."""
        return {"positions": self._positions.copy()}

    def load_state_dict(self, state: State) -> None:
        """Go on from where `state_dict` was taken."""
        self._positions = np.asarray(state["positions"])


class VariedAgent(Walk):
    """Walks along one list of well-rated items whose genres vary, the same for everybody.

    The list is that of `rl.ops.variety.varied_order`. Where consumed items are masked it shows the first items that
    are left; without masks each slate follows the last one in the list, and after the end comes the front again.

    Args:
        mean_ratings: (items,) the mean rating of each item.
        genres: (items, genres) flags; none where an item's genres are unknown.
        weight: stars taken off for an item of the same genres as the one before it, 0 or more.
        decay: factor of this penalty per further item, in [0, 1].

    Raises:
        InputError: a number out of its range.
    """

    search_space: ClassVar[SearchSpace] = {"weight": Between(0.0, 3.0), "decay": Between(0.5, 1.0)}

    def __init__(self, mean_ratings: ArrayLike, genres: ArrayLike, weight: float = 0.6, decay: float = 0.9) -> None:
        super().__init__()
        if not 0 <= weight < np.inf:
            raise InputError(f"weight must be a finite number, 0 or more, it is {weight:g}")
        if not 0 <= decay <= 1:
            raise InputError(f"decay must be in [0, 1], it is {decay:g}")
        self.order = varied_order(mean_ratings, genres, weight, decay)

    def top_k_actions_for_states(
        self,
        states: NDArray[Any],
        k: int = 1,
        *,
        explore: bool = True,
        action_masks: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.int64]:
        """The next k items of the list, or the first k that masks leave, for each state: (n, k)."""
        check_slate_size(k, len(self.order), action_masks)
        if action_masks is not None:
            return _first_allowed(np.tile(self.order, (len(states), 1)), k, action_masks)
        before = self._stand(len(states))
        self._positions = np.where(before < 0, 0, before + k) % len(self.order)
        slates: NDArray[np.int64] = self.order[(self._positions[:, None] + np.arange(k)) % len(self.order)]
        return slates


class WinStayAgent(Walk):
    """Win-stay, lose-shift: keeps showing what the user likes, and else tries the next of the best-rated items.

    Each session starts at the best-rated items. Slates shift as a whole, by the rating of the item the user chose, or
    where none was chosen; after the last candidate comes the first again. The rating is read off the observation.

    Args:
        mean_ratings: (items,) the mean rating of each item.
        candidates: how many of the best-rated items it tries, at least the slate size.
        threshold: it stays when the last rating is at least this many of 5 stars.
        rating_index: where the observation holds the last rating / 5.
    """

    def __init__(
        self, mean_ratings: ArrayLike, candidates: int = 20, threshold: float = 4.3, rating_index: int = 23
    ) -> None:
        super().__init__()
        best_first = _best_first(mean_ratings)
        self.candidates, self.others = best_first[:candidates], best_first[candidates:]
        self.threshold = threshold
        self.rating_index = rating_index

    def top_k_actions_for_states(
        self,
        states: NDArray[Any],
        k: int = 1,
        *,
        explore: bool = True,
        action_masks: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.int64]:
        """Stay or shift by the rating in each state: (n, k).

        Candidates that are not allowed are passed over; the best-rated of the other items follow after the last.

        Raises:
            InputError: there are fewer than k candidates, or fewer items allowed.
        """
        check_slate_size(k, len(self.candidates))
        before = self._stand(len(states))
        # Observations hold ratings in single precision: compare there, or a rating of exactly the threshold is lost.
        lost = states[:, self.rating_index] < np.float32(self.threshold / 5)
        self._positions = np.where(before < 0, 0, np.where(lost, before + k, before))
        if action_masks is None:
            shown = (self._positions[:, None] + np.arange(k)) % len(self.candidates)
            slates: NDArray[np.int64] = self.candidates[shown]
            return slates
        check_slate_size(k, len(self.candidates) + len(self.others), action_masks)
        shown = (self._positions[:, None] + np.arange(len(self.candidates))) % len(self.candidates)
        others = np.tile(self.others, (len(states), 1))
        return _first_allowed(np.concatenate([self.candidates[shown], others], axis=1), k, action_masks)


def _best_first(scores: ArrayLike) -> NDArray[np.int64]:
    """(items,) scores to (items,) items, the highest first; equal ones in the order of the catalogue."""
    order: NDArray[np.int64] = np.argsort(-np.asarray(scores), kind="stable")
    return order


def _first_allowed(ranking: NDArray[np.int64], k: int, action_masks: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The first k of each ranking that are allowed: (n, items), (n, items) to (n, k)."""
    forbidden = ~np.take_along_axis(action_masks, ranking, axis=1)
    return np.take_along_axis(ranking, np.argsort(forbidden, axis=1, kind="stable")[:, :k], axis=1)
