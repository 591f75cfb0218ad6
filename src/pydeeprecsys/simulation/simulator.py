"""A batch of simulated users: slates in, ratings and moved affinities out."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError
from pydeeprecsys.simulation.choice import Choice, choose, uniform_choice
from pydeeprecsys.simulation.dynamics import Dynamics, GenreReinforcement
from pydeeprecsys.simulation.rewards import EnjoymentAndCalm, Reward
from pydeeprecsys.simulation.state import Response, State
from pydeeprecsys.simulation.streams import CHOICE_LANE, USER_LANE, uniforms

MIN_RATING, MAX_RATING = 1.0, 5.0

Pool = Literal["all", "train", "evaluation", "test"]
_POOL_SHARES = {"train": (0.0, 0.7), "evaluation": (0.7, 0.85), "test": (0.85, 1.0)}


def user_pool(n_users: int, pool: Pool, seed: int = 0) -> NDArray[np.int64]:
    """Rows of the users in a pool: all of them, or one part of a 70/15/15 split into train, evaluation and test.

    Args:
        n_users: how many users there are.
        pool: which part.
        seed: of the split; parts of the same seed never overlap and together are all users.

    Raises:
        InputError: there is no such pool, or nobody is in it.
    """
    if pool == "all":
        return np.arange(n_users)
    if pool not in _POOL_SHARES:
        raise InputError(f"there is no user pool {pool!r}; the pools are all, {', '.join(_POOL_SHARES)}")
    low, high = (round(share * n_users) for share in _POOL_SHARES[pool])
    if low == high:
        raise InputError(f"with {n_users} users nobody is left for the pool {pool!r}; use the pool 'all'")
    return np.sort(np.random.default_rng(seed).permutation(n_users)[low:high])


@dataclass(frozen=True)
class Simulator:
    """The rules of the simulated world; what changes is in a `State`.

    Attributes:
        world: the users and the items.
        slate_size: items shown at a time, 1..items.
        session_length: ratings after which a session is over; its last slate is shown whole.
        pool: (users in the pool,) rows of the users whom sessions draw from; None for all.
        choice: which item of the slate is the chosen one.
        dynamics: how the slate moves the user's affinities.
        reward: what the slate is worth.

    Raises:
        InputError: a slate size or a session length that cannot be.
    """

    world: World
    slate_size: int = 1
    session_length: int = 50
    pool: NDArray[np.int64] | None = None
    choice: Choice = uniform_choice
    dynamics: Dynamics = field(default_factory=GenreReinforcement)
    reward: Reward = field(default_factory=EnjoymentAndCalm)

    def __post_init__(self) -> None:
        if not 1 <= self.slate_size <= self.world.n_items:
            raise InputError(
                f"slate_size is {self.slate_size}; {self.world.name} has {self.world.n_items} items: "
                f"give a number from 1 to {self.world.n_items}"
            )
        if self.session_length < 1:
            raise InputError(f"session_length is {self.session_length}; give at least 1")

    @cached_property
    def users(self) -> NDArray[np.int64]:
        """(users in the pool,) whom sessions draw from."""
        return np.arange(self.world.n_users) if self.pool is None else self.pool

    @property
    def session_steps(self) -> int:
        """Slates in a session."""
        return -(-self.session_length // self.slate_size)

    def reset(self, seeds: ArrayLike) -> State:
        """Begin the first session of each random stream: (n,) seeds in 0..2**64 - 1."""
        streams = np.asarray(seeds, dtype=np.uint64)
        return self._begin(streams, np.zeros(len(streams), dtype=np.int64))

    def next_sessions(self, state: State, over: NDArray[np.bool_]) -> State:
        """Begin the next session of the streams where `over` (n,) is set; the others go on as they are."""
        fresh = self._begin(state.seeds, state.episodes + 1)
        return fresh if over.all() else fresh.where(over, state)

    def _begin(self, seeds: NDArray[np.uint64], episodes: NDArray[np.int64]) -> State:
        n = len(seeds)
        steps = np.zeros(n, dtype=np.int64)
        users = self.users[(uniforms(seeds, episodes, steps, USER_LANE) * len(self.users)).astype(np.int64)]
        return State(
            seeds, episodes, steps, users, self.world.user_vectors[users], np.full(n, -1, dtype=np.int64), np.zeros(n)
        )

    def step(self, state: State, slates: NDArray[np.int64]) -> tuple[State, Response]:
        """Show each user a slate.

        All items of a slate are rated before any affinity moves, so their order only matters to the dynamics.

        Args:
            state: n sessions.
            slates: (n, k) items in 0..items-1, which the caller has checked; an item may stand twice.

        Returns:
            The sessions after it, and what the users answered.
        """
        ratings, violence = _rate(state.vectors, self.world.item_vectors, self.world.violence, slates)
        if self.slate_size == 1:
            chosen = np.zeros(len(slates), dtype=np.int64)
            # Copies: the response and the slates are in the caller's hands, the state is not.
            last_items, last_ratings = slates[:, 0].copy(), ratings[:, 0].copy()
        else:
            numbers = uniforms(state.seeds, state.episodes, state.steps, CHOICE_LANE)
            chosen = choose(self.choice(ratings), numbers)
            rows = np.arange(len(slates))
            last_items, last_ratings = slates[rows, chosen], ratings[rows, chosen]
        steps = state.steps + 1
        after = State(
            state.seeds,
            state.episodes,
            steps,
            state.users,
            self.dynamics(state.vectors, slates, ratings, self.world.genres),
            last_items,
            last_ratings,
        )
        rewards = self.reward(ratings, violence)
        return after, Response(ratings, violence, chosen, rewards, steps >= self.session_steps)

    def scores(self, state: State) -> NDArray[np.float64]:
        """(n, items) the true scores of all items: the rating before it is clipped to [1, 5]."""
        scores: NDArray[np.float64] = state.vectors @ self.world.item_vectors.T
        return scores


@njit(cache=True)
def _rate(
    vectors: NDArray[np.float64],
    item_vectors: NDArray[np.float64],
    violence: NDArray[np.float32],
    slates: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n, k) ratings and violence of the items shown; compiled, for numpy would first copy a vector for every item."""
    n, k = slates.shape
    ratings, shown_violence = np.empty((n, k)), np.empty((n, k))
    for i in range(n):
        for j in range(k):
            item = slates[i, j]
            score = 0.0
            for c in range(vectors.shape[1]):
                score += vectors[i, c] * item_vectors[item, c]
            ratings[i, j] = min(max(score, MIN_RATING), MAX_RATING)
            shown_violence[i, j] = violence[item]
    return ratings, shown_violence
