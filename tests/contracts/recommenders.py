"""Histories for the contract suite of agents, whose observations are a few numbers."""

import numpy as np

from contracts.agents import N_ACTIONS, STATE_SIZE
from pydeeprecsys.arrays import Array
from pydeeprecsys.history import History, HistoryLayout


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
