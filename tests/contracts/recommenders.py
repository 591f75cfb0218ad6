"""Histories for the contract suite of agents, whose observations are a few numbers; and ratings to fit to."""

import numpy as np

from contracts.agents import N_ACTIONS, STATE_SIZE
from pydeeprecsys.arrays import Array
from pydeeprecsys.history import History, HistoryLayout
from pydeeprecsys.rl.ratings import Ratings


class DrawnHistories(HistoryLayout):
    """Reads `STATE_SIZE` numbers in [0, 1] as that many slates of one item, some of them refused."""

    def read(self, observations: Array) -> History:
        """The item and its rating follow from the number."""
        assert observations.shape[1] == STATE_SIZE
        tenths = np.floor(observations * 100) % 10
        stars = np.where(tenths < 5, 1 + tenths, 0)
        row = np.stack([1 + np.floor(observations * (N_ACTIONS - 0.01)), stars, stars > 0], axis=2)
        return super().read(np.column_stack([np.full((len(row), 4), 0.5), row.reshape(len(row), -1)]))


DRAWN = DrawnHistories(n_items=N_ACTIONS, slate_size=1, n_rated=1, length=STATE_SIZE)


def drawn_ratings(n_items: int = N_ACTIONS) -> Ratings:
    """Most of the ratings of 60 users, who like either the items 0 to 3 or the others."""
    rng = np.random.default_rng(0)
    first = rng.random((60, 1)) < 0.5
    stars = np.where(first == (np.arange(n_items) < 4), 4.0, 2.0) + rng.integers(0, 2, (60, n_items))
    users, items = np.nonzero(rng.random((60, n_items)) < 0.8)
    means = np.array([stars[users[items == item], item].mean() for item in range(n_items)])
    rated = stars[users, items].astype(np.float32)
    return Ratings(users.astype(np.int32), items.astype(np.int32), stars=rated, mean_ratings=means)
