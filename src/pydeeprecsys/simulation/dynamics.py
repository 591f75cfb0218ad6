"""User dynamics: how consumption changes affinities and satiates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Protocol, runtime_checkable

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pydeeprecsys.arguments import NonNegative, Positive, Range, UnitInterval, checked
from pydeeprecsys.data.dataset import GENRES
from pydeeprecsys.data.world import World
from pydeeprecsys.simulation.state import State

# Far above what 50 ratings can reach, (1 + 99) ** 50 = 1e100 times an affinity, and far below where products overflow.
_BOUND = 1e150


class Dynamics(Protocol):
    """A user dynamic: vectors before to vectors after the items of a slate."""

    def __call__(
        self,
        vectors: NDArray[np.float64],
        slates: NDArray[np.int64],
        ratings: NDArray[np.float64],
        genres: NDArray[np.bool_],
    ) -> NDArray[np.float64]:
        """Map (n, d) vectors, (n, k) items shown, (n, k) their ratings and (items, 19) genres to new (n, d) vectors."""
        ...


@runtime_checkable
class Taste(Protocol):
    """A user dynamic that also knows where users came from, and what they had lately."""

    def begin(self, own: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Map (n, d) the users' own vectors to (n, d) vectors and (n, 19 or 0) satiations of a session's begin."""
        ...

    def felt(self, state: State) -> NDArray[np.float64]:
        """(n, d) the vectors by which items are rated now."""
        ...

    def move(
        self, state: State, items: NDArray[np.int64], ratings: NDArray[np.float64], world: World
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Vectors and satiations after (n, c) items were consumed, -1 for none, and given the (n, c) ratings."""
        ...


@dataclass(frozen=True)
class Unsated:
    """A dynamic without a memory, in the place of one that has one.

    Attributes:
        dynamics: moves the vectors of those who consumed something; the others stay as they are.
    """

    dynamics: Dynamics

    def begin(self, own: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The users' own vectors (n, d), and no satiations (n, 0)."""
        return own, np.zeros((len(own), 0))

    def felt(self, state: State) -> NDArray[np.float64]:
        """(n, d) the vectors as they are."""
        return state.vectors

    def move(
        self, state: State, items: NDArray[np.int64], ratings: NDArray[np.float64], world: World
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What the dynamic makes of the vectors, and no satiations."""
        if not _any_below_0(items):
            return self.dynamics(state.vectors, items, ratings, world.genres), state.satiations
        nothing = items[:, 0] < 0
        moved = self.dynamics(state.vectors, np.maximum(items, 0), ratings, world.genres)
        return np.where(nothing[:, None], state.vectors, moved), state.satiations


Delta = Annotated[float, Range(-1, 99, open_low=True)]


@checked
@dataclass(frozen=True)
class GenreReinforcement:
    """Liking an item changes the user's affinities for its genres.

    Item by item in the order of the slate: if the rating is at least `threshold`, the affinities for the item's genres
    are multiplied by 1 + delta, within a bound that keeps sessions of any length finite and that 50 ratings never
    reach.

    Attributes:
        delta: Relative change of the affinities: addiction above 0, boredom below 0.
        threshold: Lowest rating that changes affinities, in stars.

    Raises:
        InputError: An argument is out of range.
    """

    delta: Delta = 1.0
    threshold: float = 3.0

    def __call__(
        self,
        vectors: NDArray[np.float64],
        slates: NDArray[np.int64],
        ratings: NDArray[np.float64],
        genres: NDArray[np.bool_],
    ) -> NDArray[np.float64]:
        """Map (n, d) vectors, (n, k) items shown and their ratings, and (items, 19) genres to new (n, d) vectors."""
        moved: NDArray[np.float64] = _reinforce(vectors, slates, ratings, genres, self.delta, self.threshold)
        return moved


@njit(cache=True)
def _reinforce(
    vectors: NDArray[np.float64],
    slates: NDArray[np.int64],
    ratings: NDArray[np.float64],
    genres: NDArray[np.bool_],
    delta: float,
    threshold: float,
) -> NDArray[np.float64]:
    moved = vectors.copy()
    n_genres = genres.shape[1]
    first = vectors.shape[1] - n_genres
    for i in range(slates.shape[0]):
        for j in range(slates.shape[1]):
            if ratings[i, j] >= threshold:
                for g in range(n_genres):
                    if genres[slates[i, j], g]:
                        affinity = moved[i, first + g] * (1 + delta)
                        moved[i, first + g] = min(max(affinity, -_BOUND), _BOUND)
    return moved


@checked
@dataclass(frozen=True)
class SatiatingTaste:
    """Two time scales: liking a genre raises the affinity for long, consuming it satiates for a while.

    In each step, every affinity first reverts to the user's initial one, a ← a + recovery · (initial - a). Then each
    consumed item rated `threshold` or more raises the affinities for its genres, a ← a + growth · (bound - a). Both are
    means of numbers in [-bound, bound], so affinities stay in this interval; initial ones are clipped to it.

    Satiation is that of Leqi, Kilinc-Karzan, Lipton & Montgomery, Rebounding Bandits for Modeling Satiation Effects,
    2021, with genres as arms: s ← persistence · (s + exposure), liked or not, and the effective affinity is lower by
    penalty · s. Each consumed item of a genre exposes to it by 1 / sqrt(number of the item's genres), which is also the
    weight of the genre in the item's rating.

    Attributes:
        growth: Growth rate of affinities towards the bound; 0 for no addiction.
        bound: Bound of affinities, in stars.
        recovery: Rate of reversion to the initial affinities; 0 if a taste is never unlearned.
        persistence: Share of satiation that remains after a step.
        penalty: Cost of an exposure of 1, in stars; 0 for no satiation.
        threshold: Lowest rating that raises affinities, in stars.

    Raises:
        InputError: An argument is out of range.
    """

    growth: UnitInterval = 0.05
    bound: Positive = 2.0
    recovery: UnitInterval = 0.03
    persistence: Annotated[float, Range(0, 1, open_high=True)] = 0.9
    penalty: NonNegative = 0.6
    threshold: float = 3.0

    def begin(self, own: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The users' own vectors (n, d), their affinities within the bound, and satiations (n, 19) of 0."""
        vectors = own.copy()
        _bind(vectors, len(GENRES), self.bound)
        return vectors, np.zeros((len(own), len(GENRES)))

    def felt(self, state: State) -> NDArray[np.float64]:
        """(n, d) the vectors, the affinities less by what satiation takes."""
        felt: NDArray[np.float64] = _dulled(state.vectors, state.satiations, self.penalty)
        return felt

    def move(
        self, state: State, items: NDArray[np.int64], ratings: NDArray[np.float64], world: World
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(n, d) vectors and (n, 19) satiations after (n, c) items, -1 for none, and their (n, c) ratings."""
        moved: tuple[NDArray[np.float64], NDArray[np.float64]] = _satiate(
            world.user_vectors,
            state.users,
            state.vectors,
            state.satiations,
            items,
            ratings,
            world.genres,
            self.growth,
            self.bound,
            self.recovery,
            self.persistence,
            self.threshold,
        )
        return moved

    def most_satiation(self, exposures: int) -> float:
        """Where the satiation with a genre stays below, if it stands at most `exposures` times in each step."""
        return exposures * self.persistence / (1 - self.persistence)


@njit(cache=True)
def _any_below_0(items: NDArray[np.int64]) -> bool:
    below = False
    for i in range(items.shape[0]):
        below |= items[i, 0] < 0
    return below


@njit(cache=True)
def _bind(vectors: NDArray[np.float64], n_genres: int, bound: float) -> None:
    """Bring, in place, the last entries of each vector into the bound."""
    for i in range(vectors.shape[0]):
        for c in range(vectors.shape[1] - n_genres, vectors.shape[1]):
            vectors[i, c] = min(max(vectors[i, c], -bound), bound)


@njit(cache=True)
def _dulled(vectors: NDArray[np.float64], satiations: NDArray[np.float64], penalty: float) -> NDArray[np.float64]:
    felt = vectors.copy()
    first = vectors.shape[1] - satiations.shape[1]
    for i in range(satiations.shape[0]):
        for g in range(satiations.shape[1]):
            felt[i, first + g] -= penalty * satiations[i, g]
    return felt


@njit(cache=True)
def _satiate(
    user_vectors: NDArray[np.float64],
    users: NDArray[np.int64],
    vectors: NDArray[np.float64],
    satiations: NDArray[np.float64],
    items: NDArray[np.int64],
    ratings: NDArray[np.float64],
    genres: NDArray[np.bool_],
    growth: float,
    bound: float,
    recovery: float,
    persistence: float,
    threshold: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    moved, sated = vectors.copy(), satiations.copy()
    n_genres = genres.shape[1]
    first = vectors.shape[1] - n_genres
    for i in range(items.shape[0]):
        for g in range(n_genres):
            own = min(max(user_vectors[users[i], first + g], -bound), bound)
            moved[i, first + g] += recovery * (own - moved[i, first + g])
        for j in range(items.shape[1]):
            item = items[i, j]
            if item < 0:
                continue
            count = 0
            for g in range(n_genres):
                count += genres[item, g]
            for g in range(n_genres):
                if genres[item, g]:
                    sated[i, g] += 1 / np.sqrt(count)
                    if ratings[i, j] >= threshold:
                        moved[i, first + g] += growth * (bound - moved[i, first + g])
        for g in range(n_genres):
            sated[i, g] *= persistence
    return moved, sated
