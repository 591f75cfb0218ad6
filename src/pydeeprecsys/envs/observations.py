"""What is seen of a simulated user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pydeeprecsys.data.dataset import GENRES
from pydeeprecsys.errors import InputError
from pydeeprecsys.simulation.dynamics import SatiatingTaste
from pydeeprecsys.simulation.kernels import MAX_RATING
from pydeeprecsys.simulation.simulator import Simulator
from pydeeprecsys.simulation.state import State

DEMOGRAPHICS = 4
"""Sex, age, occupation and zip code, with which every observation begins."""
OF_AN_ITEM = len(GENRES) + 2
"""An item's genre flags, its rating / 5, its violence."""


UNKNOWN = 0.5
"""What stands for a demographic, or for an item's violence, that is not known: indistinguishable from a true 0.5."""


class Observation(Protocol):
    """An observation: numbers in [0, 1]."""

    @property
    def size(self) -> int:
        """How many numbers."""
        ...

    def __call__(self, state: State) -> NDArray[np.float32]:
        """(n, size) what is seen of n sessions."""
        ...


@dataclass(frozen=True)
class ChosenItems:
    """4 demographics, and for each of the last slates, the latest first, 21 numbers of the item chosen of it.

    These are its 19 genre flags, its rating / 5 and its violence: zeros where nothing was chosen, and before the first
    slate. Demographics and violence are 0.5 where they are not known. With one slate it is the founding observation of
    25 numbers.

    Attributes:
        simulator: whose sessions are seen; how many slates is what it remembers.
    """

    simulator: Simulator

    @property
    def size(self) -> int:
        """4 and 21 for each slate."""
        return DEMOGRAPHICS + OF_AN_ITEM * self.simulator.remembered

    def __call__(self, state: State) -> NDArray[np.float32]:
        """(n, size) what is seen of n sessions."""
        world = self.simulator.world
        observations: NDArray[np.float32] = _encode(
            state.users,
            state.last_items,
            state.last_ratings,
            state.earlier_items,
            state.earlier_ratings,
            world.demographics,
            world.genres,
            world.violence,
        )
        return observations


@dataclass(frozen=True)
class Affinities:
    """What no recommender can see: 4 demographics, the 19 affinities now, the satiation with each of the 19 genres.

    Demographics are 0.5 where they are not known. Affinities are mapped from [-bound, bound], satiations from 0 to the
    most that they can become. For upper bounds on what can be learned.

    Attributes:
        simulator: whose sessions are seen, its dynamics a `SatiatingTaste`.

    Raises:
        InputError: under its dynamics, affinities have no bounds.
    """

    simulator: Simulator

    def __post_init__(self) -> None:
        if not isinstance(self.simulator.dynamics, SatiatingTaste):
            raise InputError(
                "the observation 'affinity' needs bounded affinities: give dynamics=SatiatingTaste(), and no delta"
            )

    @property
    def size(self) -> int:
        """4 and twice 19."""
        return DEMOGRAPHICS + 2 * len(GENRES)

    def __call__(self, state: State) -> NDArray[np.float32]:
        """(n, size) what is seen of n sessions."""
        taste = self.simulator.dynamics
        assert isinstance(taste, SatiatingTaste)
        affinities = (state.vectors[:, -len(GENRES) :] + taste.bound) / (2 * taste.bound)
        most = taste.most_satiation(self.simulator.consumed_per_step)
        satiations = state.satiations / most if most > 0 else state.satiations
        demographics = np.nan_to_num(self.simulator.world.demographics[state.users], nan=UNKNOWN)
        seen = np.column_stack([demographics, affinities, satiations])
        return seen.clip(0.0, 1.0).astype(np.float32)  # a sum of shares may round beyond


@dataclass(frozen=True)
class WithTime:
    """An observation with the elapsed time appended: slates shown so far over the most that a session can have.

    Attributes:
        observation: the numbers before it.
        session_steps: the most slates of a session, at least 1.
    """

    observation: Observation
    session_steps: int

    @property
    def size(self) -> int:
        """One more than the other observation."""
        return self.observation.size + 1

    def __call__(self, state: State) -> NDArray[np.float32]:
        """(n, size) what is seen of n sessions."""
        time = (state.steps / self.session_steps).astype(np.float32)
        return np.column_stack([self.observation(state), time])


OBSERVATIONS: dict[str, Callable[[Simulator], Observation]] = {
    "founding": ChosenItems,
    "history": ChosenItems,
    "affinity": Affinities,
}
"""By the names of the option."""


@njit(cache=True)
def _encode(
    users: NDArray[np.int64],
    last_items: NDArray[np.int64],
    last_ratings: NDArray[np.float64],
    earlier_items: NDArray[np.int64],
    earlier_ratings: NDArray[np.float64],
    demographics: NDArray[np.float32],
    genres: NDArray[np.bool_],
    violence: NDArray[np.float32],
) -> NDArray[np.float32]:
    length = 1 + earlier_items.shape[1]
    observations = np.zeros((len(users), DEMOGRAPHICS + OF_AN_ITEM * length), dtype=np.float32)
    for i in range(len(users)):
        for d in range(DEMOGRAPHICS):
            observations[i, d] = _known(demographics[users[i], d])
        for t in range(length):
            item, rating = last_items[i], last_ratings[i]
            if t > 0:
                item, rating = earlier_items[i, t - 1], earlier_ratings[i, t - 1]
            if item >= 0:
                first = DEMOGRAPHICS + OF_AN_ITEM * t
                for g in range(genres.shape[1]):
                    observations[i, first + g] = genres[item, g]
                observations[i, first + OF_AN_ITEM - 2] = rating / MAX_RATING
                observations[i, first + OF_AN_ITEM - 1] = _known(violence[item])
    return observations


@njit(cache=True)
def _known(number: float) -> float:
    return UNKNOWN if np.isnan(number) else number
