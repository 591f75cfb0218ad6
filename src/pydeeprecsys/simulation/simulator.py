"""A batch of simulated users: slates in, ratings and moved affinities out."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pydeeprecsys.arguments import Count, NonNegative, Range, checked
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError
from pydeeprecsys.simulation.choice import Choice, uniform_choice
from pydeeprecsys.simulation.dynamics import Dynamics, GenreReinforcement, Taste, Unsated
from pydeeprecsys.simulation.kernels import MAX_RATING, MIN_RATING, ended, pushed, rate, restart, strike, take
from pydeeprecsys.simulation.patience import Patience
from pydeeprecsys.simulation.rewards import EnjoymentAndCalm, Reward
from pydeeprecsys.simulation.state import Response, State

Pool = Literal["all", "train", "evaluation", "test"]
Consumption = Literal["slate", "chosen"]
Repeats = Literal["allow", "bore", "refuse"]
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
        raise InputError(
            f"with {n_users} users nobody is left for the pool {pool!r}; use the pool 'all', in the command "
            "line by --train-pool all and --evaluation-pool all: users of evaluation are then met in training"
        )
    return np.sort(np.random.default_rng(seed).permutation(n_users)[low:high])


@checked
@dataclass(frozen=True)
class Simulator:
    """The rules of the simulated world; what changes is in a `State`.

    Attributes:
        world: Users and items.
        slate_size: Items per slate, from 1 to the number of items.
        session_length: Consumed items per session, counting one per slate if one item is chosen; the last slate is
            shown whole. Ignored if `patience` is given.
        pool: (users in the pool,) rows of the users that sessions draw from; all if None.
        choice: Choice model: which item of a slate is chosen.
        dynamics: Dynamics of the user's affinities, and of satiation.
        reward: Reward function of what is consumed.
        consumption: Consumption of the whole "slate", or of the "chosen" item only, with reward 0 if none is chosen.
        choice_scale: Factor from ratings in stars to the scores of the choice model.
        repeats: Repeats of items consumed in the session: "allow" them, rate them one star ("bore"), or "refuse" them,
            which is up to the caller. Unless allowed, the session ends when fewer items than a slate takes are left.
        patience: Patience, which ends sessions in place of their length.
        remembered: Number of slates whose chosen item the state holds.

    Raises:
        InputError: An argument is out of range, or the reward depends on violence and the world has no measurement.
    """

    world: World
    slate_size: int = 1
    session_length: Count = 50
    pool: NDArray[np.int64] | None = None
    choice: Choice = uniform_choice
    dynamics: Dynamics | Taste = field(default_factory=GenreReinforcement)
    reward: Reward = field(default_factory=EnjoymentAndCalm)
    consumption: Consumption = "slate"
    choice_scale: NonNegative = 1.0
    repeats: Repeats = "allow"
    patience: Patience | None = None
    remembered: Count = 1

    def __post_init__(self) -> None:
        if self.slate_size not in (sizes := Range(1, self.world.n_items)):
            raise InputError(
                f"slate_size must be {sizes}, it is {self.slate_size}: {self.world.name} has {self.world.n_items} items"
            )
        if (
            not self.world.violence_measured.any()
            and np.isnan(self.reward(np.ones((1, 1)), np.full((1, 1), np.nan))).any()
        ):
            raise InputError(
                f"the violence of the items of {self.world.name}, which the reward depends on, is not known "
                f"({self.world.record.get('violence', {}).get('source', 'nobody measured it')}): give "
                "--lambda-non-violent 0, or a table of items with the column violence"
            )

    @cached_property
    def users(self) -> NDArray[np.int64]:
        """(users in the pool,) whom sessions draw from."""
        return np.arange(self.world.n_users) if self.pool is None else self.pool

    @cached_property
    def taste(self) -> Taste:
        """The dynamics, as one that may have a memory."""
        return self.dynamics if isinstance(self.dynamics, Taste) else Unsated(self.dynamics)

    @property
    def consumed_per_step(self) -> int:
        """Items that are consumed of a slate, at most."""
        return self.slate_size if self.consumption == "slate" else 1

    @cached_property
    def session_steps(self) -> int:
        """Slates in a session, at most."""
        if self.patience is not None:
            return self.patience.max_steps
        return -(-self.session_length // self.consumed_per_step)

    def reset(self, seeds: ArrayLike) -> State:
        """Begin the first session of each random stream: (n,) seeds in 0..2**64 - 1."""
        streams = np.asarray(seeds, dtype=np.uint64)
        return self._begin(streams, np.zeros(len(streams), dtype=np.int64))

    def next_sessions(self, state: State, over: NDArray[np.bool_], *, given_up: bool = False) -> State:
        """Begin the next session of the streams where `over` (n,) is set; the others go on as they are.

        It depends on the streams and the numbers of their sessions alone, which showing a slate does not change.
        A state that nobody will look at again may be `given_up`, which saves time: see `State.copied`.
        """
        if np.count_nonzero(over) == len(over):  # a quarter of the time of all()
            return self._begin(state.seeds, state.episodes + 1)
        after = state.copied(given_up=given_up)
        np.add(after.episodes, over, out=after.episodes)
        (rows,) = over.nonzero()
        self._restart(after, rows)
        after.vectors[rows], after.satiations[rows] = self._tastes(after.users.take(rows))
        return after

    def _begin(self, seeds: NDArray[np.uint64], episodes: NDArray[np.int64]) -> State:
        n = len(seeds)
        history = (n, self.remembered - 1)
        state = State(
            seeds,
            episodes,
            steps=np.empty(n, dtype=np.int64),
            users=np.empty(n, dtype=np.int64),
            vectors=np.empty((n, 0)),
            last_items=np.empty(n, dtype=np.int64),
            last_ratings=np.empty(n),
            earlier_items=np.empty(history, dtype=np.int64),
            earlier_ratings=np.empty(history),
            satiations=np.empty((n, 0)),
            budgets=np.empty(n),
            allowed=np.empty((n, 0 if self.repeats == "allow" else self.world.n_items), dtype=np.bool_),
        )
        self._restart(state, np.arange(n))
        vectors, satiations = self._tastes(state.users)
        return state._replace(vectors=vectors, satiations=satiations)

    def _restart(self, state: State, rows: NDArray[np.int64]) -> None:
        """Begin, in place, the sessions of `rows` (m,), whose numbers are set already, but for the users' tastes."""
        restart(
            rows,
            state.seeds,
            state.episodes,
            self.users,
            0.0 if self.patience is None else self.patience.budget,
            state.steps,
            state.users,
            state.last_items,
            state.last_ratings,
            state.earlier_items,
            state.earlier_ratings,
            state.budgets,
            state.allowed,
        )

    def _tastes(self, users: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(m, d) vectors and (m, 19 or 0) satiations with which sessions of these users begin."""
        return self.taste.begin(self.world.user_vectors.take(users, axis=0))

    def step(self, state: State, slates: NDArray[np.int64]) -> tuple[State, Response]:
        """Show each user a slate.

        All items of a slate are rated before any affinity moves, so their order only matters to the dynamics and to
        choice models that go by positions.

        Args:
            state: n sessions.
            slates: (n, k) items in 0..items-1, which the caller has checked; an item may stand twice.

        Returns:
            The sessions after it, and what the users answered.
        """
        world = self.world
        ratings, violence = rate(self.taste.felt(state), world.item_vectors, world.violence, slates, state.allowed)
        chosen, last_items, last_ratings, last_violence = take(
            slates, ratings, violence, self._choices(ratings), state.seeds, state.episodes, state.steps
        )
        if self.consumption == "slate":
            items, item_ratings = slates, ratings
            rewards = self.reward(ratings, violence)
        else:
            items, item_ratings = last_items[:, None], last_ratings[:, None]
            rewards = np.where(chosen >= 0, self.reward(item_ratings, last_violence[:, None]), 0.0)
        vectors, satiations = self.taste.move(state, items, item_ratings, world)
        steps, budgets, allowed = state.steps + 1, state.budgets, state.allowed
        if self.patience is None:
            terminated, truncated = steps >= self.session_steps, np.zeros(len(steps), dtype=np.bool_)
        else:
            budgets = self.patience.spend(budgets, last_ratings)
            terminated, truncated = ended(budgets, steps, self.patience.max_steps)
        if self.repeats != "allow":
            allowed = allowed.copy()
            strike(allowed, terminated, truncated, items, steps, self.slate_size)
        earlier_items, earlier_ratings = state.earlier_items, state.earlier_ratings
        if self.remembered > 1:
            earlier_items, earlier_ratings = pushed(
                state.last_items, state.last_ratings, earlier_items, earlier_ratings
            )
        after = State(
            state.seeds,
            state.episodes,
            steps,
            state.users,
            vectors,
            last_items,
            last_ratings,
            earlier_items,
            earlier_ratings,
            satiations,
            budgets,
            allowed,
        )
        return after, Response(slates, ratings, violence, chosen, rewards, terminated, truncated)

    def _choices(self, ratings: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, k + 1) the probabilities of the choice; (n, 0) where a single item is consumed, whatever is chosen."""
        if self.slate_size == 1 and self.consumption == "slate":
            return np.empty((len(ratings), 0))
        return self.choice(self.choice_scale * ratings)

    def scores(self, state: State) -> NDArray[np.float64]:
        """(n, items) the true scores of all items: the rating before it is clipped to [1, 5].

        Satiation is taken off; an item that would bore, as it was consumed already, scores 1.
        """
        scores: NDArray[np.float64] = self.taste.felt(state) @ self.world.item_vectors.T
        return scores if self.repeats == "allow" else np.where(state.allowed, scores, MIN_RATING)

    def expected_rewards(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, items) scores to the reward that is expected of each item if it is shown alone."""
        ratings = scores.clip(MIN_RATING, MAX_RATING).reshape(-1, 1)
        violence = np.tile(self.world.violence.astype(np.float64), len(scores)).reshape(-1, 1)
        rewards = self.reward(ratings, violence)
        if self.consumption == "chosen":
            rewards = rewards * self.choice(self.choice_scale * ratings)[:, 0]
        return rewards.reshape(scores.shape)
