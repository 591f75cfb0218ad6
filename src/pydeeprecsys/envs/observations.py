"""Observations of a simulated user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numba import njit

from pydeeprecsys.arrays import Flags, Floats, Ints, Singles
from pydeeprecsys.errors import InputError
from pydeeprecsys.history import DEMOGRAPHICS, HistoryLayout
from pydeeprecsys.scale import MAX_RATING
from pydeeprecsys.simulation.movielens.dynamics import SatiatingTaste
from pydeeprecsys.simulation.movielens.simulator import Simulator
from pydeeprecsys.simulation.movielens.state import State

UNKNOWN = 0.5
"""An unknown demographic, or an unknown violence of an item: indistinguishable from a true 0.5."""


class Observation(Protocol):
    """An observation: numbers in [0, 1], except for `ShownItems`."""

    @property
    def size(self) -> int:
        """Number of entries."""

    @property
    def rating_index(self) -> int | None:
        """Index of the last rating / 5; None if the observation holds none."""

    def __call__(self, state: State) -> Singles:
        """(n, size) observations of n sessions."""


@dataclass(frozen=True)
class ChosenItems:
    """4 demographics, and c + 2 numbers of the item chosen from each of the last slates, latest first.

    These are its c category flags, its rating / 5 and its violence: zeros where nothing was chosen, and before the
    first slate. Unknown demographics and violence are 0.5.

    Attributes:
        simulator: of the sessions observed; the number of slates is its `history_length`.
    """

    simulator: Simulator

    @property
    def size(self) -> int:
        """4 and c + 2 per slate."""
        return DEMOGRAPHICS + (len(self.simulator.world.categories) + 2) * self.simulator.history_length

    @property
    def rating_index(self) -> int:
        """After the demographics and the category flags of the last item."""
        return DEMOGRAPHICS + len(self.simulator.world.categories)

    def __call__(self, state: State) -> Singles:
        """(n, size) observations of n sessions."""
        world = self.simulator.world
        facts = (world.demographics, world.genres, world.violence)
        observations: Singles = _encode(state.users, state.recent_items, state.recent_ratings, facts)
        return observations


@dataclass(frozen=True)
class ShownItems:
    """What a recommender knows: 4 demographics, and of the last slates the items, the choice and the ratings.

    Unknown demographics are 0.5. The ratings of items that were shown and not consumed are not known.

    Attributes:
        simulator: of the sessions observed; the number of slates is its `slates_held`, at least 1.
    """

    simulator: Simulator
    rating_index: ClassVar[None] = None

    @property
    def layout(self) -> HistoryLayout:
        """Which number is what."""
        assert self.simulator.history_layout is not None
        return self.simulator.history_layout

    @property
    def size(self) -> int:
        """4 and k + r + 1 per slate."""
        return self.layout.size

    def __call__(self, state: State) -> Singles:
        """(n, size) observations of n sessions."""
        observations: Singles = _with_demographics(state.users, state.shown, self.simulator.world.demographics)
        return observations


@dataclass(frozen=True)
class Affinities:
    """The hidden state, for upper bounds: 4 demographics, the c affinities now, and c satiations.

    No recommender can observe it. Unknown demographics are 0.5. Affinities are mapped from [-bound, bound], satiations
    from [0, their least upper bound].

    Attributes:
        simulator: of the sessions observed, with a `SatiatingTaste` for dynamics.

    Raises:
        InputError: other dynamics, whose affinities have no bounds.
    """

    simulator: Simulator
    rating_index: ClassVar[None] = None

    def __post_init__(self) -> None:
        if not isinstance(self.simulator.dynamics, SatiatingTaste):
            raise InputError(
                "the observation 'affinity' needs bounded affinities: give dynamics=SatiatingTaste(), and no delta"
            )

    @property
    def size(self) -> int:
        """4 and 2 c."""
        return DEMOGRAPHICS + 2 * len(self.simulator.world.categories)

    def __call__(self, state: State) -> Singles:
        """(n, size) observations of n sessions."""
        taste, world = self.simulator.dynamics, self.simulator.world
        assert isinstance(taste, SatiatingTaste)
        affinities = (world.affinities(state.vectors) + taste.bound) / (2 * taste.bound)
        most = taste.most_satiation(self.simulator.consumed_per_step)
        satiations = state.satiations / most if most > 0 else state.satiations
        demographics = np.nan_to_num(world.demographics[state.users], nan=UNKNOWN)
        seen = np.column_stack([demographics, affinities, satiations])
        return seen.clip(0.0, 1.0).astype(np.float32)  # a sum of shares may round beyond


@dataclass(frozen=True)
class WithTime:
    """An observation with the elapsed time appended: slates shown so far, as a share of the most in a session.

    Attributes:
        observation: the numbers before it.
        session_steps: the most slates in a session, at least 1.
    """

    observation: Observation
    session_steps: int

    @property
    def size(self) -> int:
        """One more than the other observation."""
        return self.observation.size + 1

    @property
    def rating_index(self) -> int | None:
        """That of the other observation."""
        return self.observation.rating_index

    def __call__(self, state: State) -> Singles:
        """(n, size) observations of n sessions."""
        time = (state.steps / self.session_steps).astype(np.float32)
        return np.column_stack([self.observation(state), time])


OBSERVATIONS: dict[str, Callable[[Simulator], Observation]] = {
    "last": ChosenItems,
    "founding": ChosenItems,
    "history": ChosenItems,
    "items": ShownItems,
    "affinity": Affinities,
}
"""By the names of the option; "founding" is the old name of "last"."""


@njit(cache=True)
def _encode(users: Ints, items: Ints, ratings: Floats, facts: tuple[Singles, Flags, Singles]) -> Singles:
    demographics, genres, violence = facts
    (n, length), n_genres = items.shape, genres.shape[1]
    observations = np.zeros((n, DEMOGRAPHICS + (n_genres + 2) * length), dtype=np.float32)
    for i in range(n):
        for d in range(DEMOGRAPHICS):
            observations[i, d] = _known(demographics[users[i], d])
        for t in range(length):
            item = items[i, t]
            if item >= 0:
                first = DEMOGRAPHICS + (n_genres + 2) * t
                for g in range(n_genres):
                    observations[i, first + g] = genres[item, g]
                observations[i, first + n_genres] = ratings[i, t] / MAX_RATING
                observations[i, first + n_genres + 1] = _known(violence[item])
    return observations


@njit(cache=True)
def _with_demographics(users: Ints, shown: Singles, demographics: Singles) -> Singles:
    n, width = shown.shape
    observations = np.empty((n, DEMOGRAPHICS + width), dtype=np.float32)
    for i in range(n):
        for d in range(DEMOGRAPHICS):
            observations[i, d] = _known(demographics[users[i], d])
        for j in range(width):  # numpy's concatenation takes several times as long
            observations[i, DEMOGRAPHICS + j] = shown[i, j]
    return observations


@njit(cache=True)
def _known(number: float) -> float:
    return UNKNOWN if np.isnan(number) else number
