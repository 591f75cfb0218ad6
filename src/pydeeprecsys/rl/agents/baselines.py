"""Simple policies without learning: what a learned policy has to beat."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pydeeprecsys.rl.agents.agent import ReinforcementLearning, State, check_slate_size


class BestRatedAgent(ReinforcementLearning):
    """Recommends the items that are rated best on average, to everybody, always.

    Args:
        mean_ratings: (items,) the mean rating of each item.
    """

    def __init__(self, mean_ratings: ArrayLike) -> None:
        # Stable, so that items rated alike keep the order of the catalogue.
        self.best_first: NDArray[np.int64] = np.argsort(-np.asarray(mean_ratings), kind="stable")

    def top_k_actions_for_states(
        self,
        states: NDArray[Any],
        k: int = 1,
        *,
        explore: bool = True,
        action_masks: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.int64]:
        """The k best-rated items that are allowed, for each state: (n, k)."""
        check_slate_size(k, len(self.best_first), action_masks)
        if action_masks is None:
            return np.tile(self.best_first[:k], (len(states), 1))
        return _first_allowed(np.tile(self.best_first, (len(states), 1)), k, action_masks)


class WinStayAgent(ReinforcementLearning):
    """Win-stay, lose-shift: keeps showing what the user likes, and else tries the next of the best-rated items.

    Each session starts at the best-rated items. Slates shift as a whole, by the rating of the item the user chose;
    after the last candidate comes the first again. The rating is read off the observation: 0 means a new session.

    Args:
        mean_ratings: (items,) the mean rating of each item.
        candidates: how many of the best-rated items it tries, at least the slate size.
        threshold: it stays when the last rating is at least this many of 5 stars.
        rating_index: where the observation holds the last rating / 5.
    """

    def __init__(
        self, mean_ratings: ArrayLike, candidates: int = 20, threshold: float = 4.3, rating_index: int = 23
    ) -> None:
        best_first: NDArray[np.int64] = np.argsort(-np.asarray(mean_ratings), kind="stable")
        self.candidates, self.others = best_first[:candidates], best_first[candidates:]
        self.threshold = threshold
        self.rating_index = rating_index
        self._positions = np.zeros(0, dtype=np.int64)  # (n,) of the first item shown, among the candidates

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
        if len(self._positions) != len(states):
            self._positions = np.zeros(len(states), dtype=np.int64)
        rating = states[:, self.rating_index]
        # Observations hold ratings in single precision: compare there, or a rating of exactly the threshold is lost.
        lost = rating < np.float32(self.threshold / 5)
        self._positions = np.where(rating == 0, 0, np.where(lost, self._positions + k, self._positions))
        if action_masks is None:
            shown = (self._positions[:, None] + np.arange(k)) % len(self.candidates)
            slates: NDArray[np.int64] = self.candidates[shown]
            return slates
        check_slate_size(k, len(self.candidates) + len(self.others), action_masks)
        shown = (self._positions[:, None] + np.arange(len(self.candidates))) % len(self.candidates)
        others = np.tile(self.others, (len(states), 1))
        return _first_allowed(np.concatenate([self.candidates[shown], others], axis=1), k, action_masks)

    def state_dict(self) -> State:
        """Where each environment stands among the candidates."""
        return {"positions": self._positions.copy()}

    def load_state_dict(self, state: State) -> None:
        """Go on from where `state_dict` was taken."""
        self._positions = np.asarray(state["positions"])


def _first_allowed(ranking: NDArray[np.int64], k: int, action_masks: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The first k of each ranking that are allowed: (n, items), (n, items) to (n, k)."""
    forbidden = ~np.take_along_axis(action_masks, ranking, axis=1)
    return np.take_along_axis(ranking, np.argsort(forbidden, axis=1, kind="stable")[:, :k], axis=1)
