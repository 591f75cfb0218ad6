"""How what a user is shown changes the user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pydeeprecsys.data.dataset import GENRES
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError
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


@dataclass(frozen=True)
class GenreReinforcement:
    """Liking an item moves the user's affinities for its genres.

    Item by item in the order of the slate: where the rating is at least `threshold`, the affinities for the item's
    genres are multiplied by 1 + delta, within a bound that keeps sessions of any length finite and that 50 ratings
    never reach.

    Attributes:
        delta: above 0 is addiction, below 0 boredom; in (-1, 99].
        threshold: the lowest rating that moves anything, in stars.

    Raises:
        InputError: delta is outside (-1, 99], or the threshold is not a number.
    """

    delta: float = 1.0
    threshold: float = 3.0

    def __post_init__(self) -> None:
        if not -1 < self.delta <= 99:
            raise InputError(f"delta is {self.delta}; give a number above -1 (boredom) and up to 99 (addiction)")
        if np.isnan(self.threshold):
            raise InputError("the threshold is not a number; give a rating in stars, such as 3.0")

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


@dataclass(frozen=True)
class SatiatingTaste:
    """Two time scales: liking a genre draws a user to it for long, having had it makes tired of it for a while.

    Each step, first every affinity goes back by a share of its way to the user's own one, a ← a + recovery · (own - a).
    Then each consumed item that was rated `threshold` or more draws the affinities for its genres nearer to the bound,
    a ← a + growth · (bound - a). All are means of numbers in [-bound, bound], so they stay in there; a user's own
    affinity beyond it counts as the bound.

    Satiation is that of Leqi, Kilinc-Karzan, Lipton & Montgomery, Rebounding Bandits for Modeling Satiation Effects,
    2021, with genres as arms: s ← persistence · (s + exposure), liked or not, and an affinity counts penalty · s less
    as long as it lasts. The exposure to a genre is 1 / sqrt(number of the item's genres), for each consumed item that
    has it: that is what the genre weighs in the item's rating, too.

    Attributes:
        growth: share of the way to the bound, in [0, 1]; 0 for no addiction.
        bound: of affinities, in stars, above 0.
        recovery: share of the way back, in [0, 1]; 0 where what is learned to like is never forgotten.
        persistence: what is left of satiation a step later, in [0, 1).
        penalty: stars that an exposure of 1 costs, 0 or more; 0 for no satiation.
        threshold: the lowest rating that is liking, in stars.

    Raises:
        InputError: for numbers out of their range.
    """

    growth: float = 0.05
    bound: float = 2.0
    recovery: float = 0.03
    persistence: float = 0.9
    penalty: float = 0.6
    threshold: float = 3.0

    def __post_init__(self) -> None:
        for name in ("growth", "recovery"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is {getattr(self, name)}; give a number from 0 to 1")
        if not 0 < self.bound < np.inf:
            raise InputError(f"bound is {self.bound}; give a finite number of stars above 0")
        if not 0 <= self.persistence < 1:
            raise InputError(f"persistence is {self.persistence}; give a number from 0 to below 1: satiation must fade")
        if not 0 <= self.penalty < np.inf:
            raise InputError(f"penalty is {self.penalty}; give a finite number of stars, 0 or more")
        if np.isnan(self.threshold):
            raise InputError("the threshold is not a number; give a rating in stars, such as 3.0")

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
