"""User dynamics: how consumption changes a user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Protocol, runtime_checkable

import numpy as np
from numba import njit

from pydeeprecsys.arguments import NonNegative, Positive, Range, UnitInterval, checked
from pydeeprecsys.arrays import Flags, Floats, Ints
from pydeeprecsys.data.world import World
from pydeeprecsys.simulation.movielens.state import State

# Far above what 50 ratings can reach, (1 + 99) ** 50 = 1e100 times an affinity, and far below where products overflow.
_BOUND = 1e150

Delta = Annotated[float, Range(-1, 99, open_low=True)]

Rates = tuple[float, float, float, float, float]
"""Growth, bound, recovery, persistence and threshold of a `SatiatingTaste`, for compiled code."""


@runtime_checkable
class Dynamics(Protocol):
    """A user dynamic without memory: user vectors before a slate to user vectors after it."""

    def __call__(self, vectors: Floats, slates: Ints, ratings: Floats, genres: Flags) -> Floats:
        """Map (n, d) vectors, (n, k) items, their (n, k) ratings and (items, c) category flags to (n, d) vectors.

        The affinities are the last c entries of a vector.
        """


@runtime_checkable
class Taste(Protocol):
    """A user dynamic with memory: of the users' own vectors, and of satiation."""

    def begin(self, world: World, users: Ints) -> tuple[Floats, Floats]:
        """(n, d) vectors and (n, c or 0) satiations at the start of a session of these users (n,)."""

    def effective_vectors(self, state: State) -> Floats:
        """(n, d) the vectors by which items are rated now."""

    def move(self, state: State, items: Ints, ratings: Floats, world: World) -> tuple[Floats, Floats]:
        """Vectors and satiations after (n, m) items, -1 for none, were consumed and given the (n, m) ratings."""


@dataclass(frozen=True)
class Memoryless:
    """A `Dynamics` as a `Taste`.

    Attributes:
        dynamics: moves the vectors of the users who consumed something; the other vectors stay the same.
    """

    dynamics: Dynamics

    def begin(self, world: World, users: Ints) -> tuple[Floats, Floats]:
        """The users' own vectors (n, d), and no satiations (n, 0)."""
        return world.user_vectors.take(users, axis=0), np.zeros((len(users), 0))

    def effective_vectors(self, state: State) -> Floats:
        """(n, d) the vectors as they are."""
        return state.vectors

    def move(self, state: State, items: Ints, ratings: Floats, world: World) -> tuple[Floats, Floats]:
        """The vectors that the dynamic returns, and no satiations."""
        if not _any_below_0(items):
            return self.dynamics(state.vectors, items, ratings, world.genres), state.satiations
        nothing = items[:, 0] < 0
        moved = self.dynamics(state.vectors, np.maximum(items, 0), ratings, world.genres)
        return np.where(nothing[:, None], state.vectors, moved), state.satiations


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

    def __call__(self, vectors: Floats, slates: Ints, ratings: Floats, genres: Flags) -> Floats:
        """Map (n, d) vectors, (n, k) items, their (n, k) ratings and (items, c) category flags to (n, d) vectors."""
        return _reinforce(vectors, slates, ratings, genres, delta=self.delta, threshold=self.threshold)


@njit(cache=True)
def _reinforce(vectors: Floats, slates: Ints, ratings: Floats, genres: Flags, delta: float, threshold: float) -> Floats:
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

    def begin(self, world: World, users: Ints) -> tuple[Floats, Floats]:
        """The users' own vectors (n, d), affinities clipped to the bound, and satiations (n, c) of 0."""
        vectors = world.user_vectors.take(users, axis=0)
        affinities = world.affinities(vectors)
        affinities.clip(-self.bound, self.bound, out=affinities)
        return vectors, np.zeros((len(users), len(world.categories)))

    def effective_vectors(self, state: State) -> Floats:
        """(n, d) the vectors, satiation subtracted from the affinities."""
        effective: Floats = _less_satiation(state.vectors, state.satiations, self.penalty)
        return effective

    def move(self, state: State, items: Ints, ratings: Floats, world: World) -> tuple[Floats, Floats]:
        """(n, d) vectors and (n, c) satiations after (n, m) items, -1 for none, and their (n, m) ratings."""
        rates = (self.growth, self.bound, self.recovery, self.persistence, self.threshold)
        users, own, genres = state.users, world.user_vectors, world.genres
        moved: tuple[Floats, Floats] = _satiate(
            state.vectors, state.satiations, items, ratings, users=users, own=own, genres=genres, rates=rates
        )
        return moved

    def most_satiation(self, exposures: int) -> float:
        """Upper bound on the satiation with a category, given at most `exposures` exposures to it per step."""
        return exposures * self.persistence / (1 - self.persistence)


@njit(cache=True)
def _any_below_0(items: Ints) -> bool:
    below = False
    for i in range(items.shape[0]):
        below |= items[i, 0] < 0
    return below


@njit(cache=True)
def _less_satiation(vectors: Floats, satiations: Floats, penalty: float) -> Floats:
    effective = vectors.copy()
    first = vectors.shape[1] - satiations.shape[1]
    for i in range(satiations.shape[0]):
        for g in range(satiations.shape[1]):
            effective[i, first + g] -= penalty * satiations[i, g]
    return effective


@njit(cache=True)
def _satiate(
    vectors: Floats, sated: Floats, items: Ints, ratings: Floats, users: Ints, own: Floats, genres: Flags, rates: Rates
) -> tuple[Floats, Floats]:
    growth, bound, recovery, persistence, threshold = rates
    moved, sated = vectors.copy(), sated.copy()
    n_genres = genres.shape[1]
    first = vectors.shape[1] - n_genres
    for i in range(items.shape[0]):
        for g in range(n_genres):
            target = min(max(own[users[i], first + g], -bound), bound)
            moved[i, first + g] += recovery * (target - moved[i, first + g])
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
