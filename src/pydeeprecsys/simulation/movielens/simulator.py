"""The rules of the MovieLens world: slates in, ratings and moved affinities out."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from pydeeprecsys.arguments import Count, Natural, NonNegative, Range, checked
from pydeeprecsys.arrays import Flags, Floats, Ints, Seeds
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError
from pydeeprecsys.history import HistoryLayout
from pydeeprecsys.scale import MAX_RATING, MIN_RATING
from pydeeprecsys.simulation.choice import Choice, uniform_choice
from pydeeprecsys.simulation.movielens.dynamics import Dynamics, GenreReinforcement, Memoryless, Taste
from pydeeprecsys.simulation.movielens.kernels import (
    mark_consumed,
    pick,
    rate,
    shift_history,
    show,
    start_sessions,
)
from pydeeprecsys.simulation.movielens.patience import Patience
from pydeeprecsys.simulation.movielens.rewards import EnjoymentAndCalm, Reward
from pydeeprecsys.simulation.movielens.state import Response, State

Pool = Literal["all", "train", "evaluation", "test"]
Consumption = Literal["slate", "chosen"]
Repeats = Literal["allow", "bore", "refuse"]
_POOL_SHARES = {"train": (0.0, 0.7), "evaluation": (0.7, 0.85), "test": (0.85, 1.0)}


def user_pool(n_users: int, pool: Pool, seed: int = 0) -> Ints:
    """Rows of the users in a pool: all of them, or one part of a 70/15/15 split into train, evaluation and test.

    Args:
        n_users: how many users there are.
        pool: which part.
        seed: of the split; the parts of one split never overlap, and together are all users.

    Raises:
        InputError: an unknown pool, or one that is empty.
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
        history_length: Number of slates whose chosen item the state holds.
        slates_held: Number of slates that the state holds with all their items, see `history_layout`.

    Raises:
        InputError: An argument is out of range, or the reward depends on violence and the world has no measurement.
    """

    world: World
    slate_size: int = 1
    session_length: Count = 50
    pool: Ints | None = None
    choice: Choice = uniform_choice
    dynamics: Dynamics | Taste = field(default_factory=GenreReinforcement)
    reward: Reward = field(default_factory=EnjoymentAndCalm)
    consumption: Consumption = "slate"
    choice_scale: NonNegative = 1.0
    repeats: Repeats = "allow"
    patience: Patience | None = None
    history_length: Count = 1
    slates_held: Natural = 0

    def __post_init__(self) -> None:
        if self.slate_size not in (sizes := Range(1, self.world.n_items)):
            raise InputError(
                f"slate_size must be {sizes}, it is {self.slate_size}: {self.world.name} has {self.world.n_items} items"
            )
        measured = self.world.violence_measured.any()
        if not measured and np.isnan(self.reward(np.ones((1, 1)), np.full((1, 1), np.nan))).any():
            raise InputError(
                f"the violence of the items of {self.world.name}, which the reward depends on, is not known "
                f"({self.world.record.get('violence', {}).get('source', 'nobody measured it')}): give "
                "--lambda-non-violent 0, or a table of items with the column violence"
            )

    @cached_property
    def users(self) -> Ints:
        """(users in the pool,) that sessions draw from."""
        return np.arange(self.world.n_users) if self.pool is None else self.pool

    @cached_property
    def taste(self) -> Taste:
        """The dynamics, with or without memory."""
        return self.dynamics if isinstance(self.dynamics, Taste) else Memoryless(self.dynamics)

    @property
    def consumed_per_step(self) -> int:
        """Items of a slate that are consumed at most."""
        return self.slate_size if self.consumption == "slate" else 1

    @cached_property
    def session_steps(self) -> int:
        """Slates in a session, at most."""
        if self.patience is not None:
            return self.patience.max_steps
        return -(-self.session_length // self.consumed_per_step)

    @cached_property
    def longest_session(self) -> int:
        """Most slates that a session can have: `session_steps`, or fewer if patience ends it before."""
        return self.session_steps if self.patience is None else self.patience.longest_session

    @cached_property
    def history_layout(self) -> HistoryLayout | None:
        """Layout of the slates that the state holds, with the demographics in front; None if it holds none."""
        if not self.slates_held:
            return None
        return HistoryLayout(
            self.world.n_items,
            self.slate_size,
            n_rated=self.consumed_per_step,
            length=self.slates_held,
            whole_session=self.slates_held >= self.longest_session,
        )

    def reset(self, seeds: ArrayLike) -> State:
        """Begin the first session of each random stream: (n,) seeds in 0..2**64 - 1."""
        streams = np.asarray(seeds, dtype=np.uint64)
        return self._begin(streams, np.zeros(len(streams), dtype=np.int64))

    def next_sessions(self, state: State, over: Flags, *, donated: bool = False) -> State:
        """Begin the next session of the streams where `over` (n,) is set; the others continue unchanged.

        A session depends on its stream and number alone, not on the slates shown before it. A state that is never used
        again may be `donated`: its largest arrays, `shown` and the mask, are then not copied.
        """
        if np.count_nonzero(over) == len(over):  # a quarter of the time of all()
            return self._begin(state.seeds, state.episodes + 1)
        large = state[-2:] if donated else [array.copy() for array in state[-2:]]
        after = State._make([state.seeds, state.episodes + over, *(array.copy() for array in state[2:-2]), *large])
        (rows,) = over.nonzero()
        self._start(after, rows)
        after.vectors[rows], after.satiations[rows] = self.taste.begin(self.world, after.users.take(rows))
        return after

    def _begin(self, seeds: Seeds, episodes: Ints) -> State:
        n, layout = len(seeds), self.history_layout
        state = State(
            seeds,
            episodes,
            steps=np.empty(n, dtype=np.int64),
            users=np.empty(n, dtype=np.int64),
            vectors=np.empty((n, 0)),
            recent_items=np.empty((n, self.history_length), dtype=np.int64),
            recent_ratings=np.empty((n, self.history_length)),
            satiations=np.empty((n, 0)),
            budgets=np.empty(n),
            shown=np.empty((n, 0 if layout is None else layout.length * layout.width), dtype=np.float32),
            allowed=np.empty((n, 0 if self.repeats == "allow" else self.world.n_items), dtype=np.bool_),
        )
        self._start(state, np.arange(n))
        return self.with_users(state, state.users)

    def _start(self, state: State, rows: Ints) -> None:
        """Start, in place, the sessions of `rows` (m,), without the users' tastes."""
        start_sessions(state, rows, self.users, 0.0 if self.patience is None else self.patience.budget)

    def with_users(self, state: State, users: Ints, rows: Ints | None = None) -> State:
        """The state with sessions of other users (m,), as they begin, in the given rows (m,), all if None."""
        vectors, satiations = self.taste.begin(self.world, users)
        if rows is None:
            return state._replace(users=users, vectors=vectors, satiations=satiations)
        names = ("users", "vectors", "satiations")
        after = state._replace(**{name: getattr(state, name).copy() for name in names})
        after.users[rows], after.vectors[rows], after.satiations[rows] = users, vectors, satiations
        return after

    def step(self, state: State, slates: Ints) -> tuple[State, Response]:
        """Show each user a slate.

        All items of a slate are rated before any affinity moves, so that their order matters only to the dynamics and
        to choice models with positions.

        Args:
            state: n sessions.
            slates: (n, k) items in 0..items-1, checked by the caller; an item may be repeated.

        Returns:
            The sessions after it, and the responses.
        """
        world, taste, n = self.world, self.taste, len(slates)
        vectors = taste.effective_vectors(state)
        ratings, violence = rate(vectors, world.item_vectors, world.violence, slates, allowed=state.allowed)
        if self.slate_size == 1 and self.consumption == "slate":  # there is nothing to choose
            chosen, items, item_ratings = np.zeros(n, dtype=np.int64), slates.copy(), ratings.copy()
        else:
            seeds, episodes, steps = state.seeds, state.episodes, state.steps
            probabilities = self.choice(self.choice_scale * ratings)
            chosen, items, item_ratings, item_violence = pick(
                probabilities, slates, ratings, violence, seeds=seeds, episodes=episodes, steps=steps
            )
        if self.consumption == "slate":
            consumed, consumed_ratings = slates, ratings
            rewards = self.reward(ratings, violence)
        else:
            consumed, consumed_ratings = items, item_ratings
            rewards = np.where(chosen >= 0, self.reward(item_ratings, item_violence), 0.0)
        vectors, satiations = taste.move(state, consumed, consumed_ratings, world)
        steps, budgets, allowed = state.steps + 1, state.budgets, state.allowed
        if self.patience is None:
            terminated, truncated = steps >= self.session_steps, np.zeros(n, dtype=np.bool_)
        else:
            budgets, terminated, truncated = self.patience.spend(budgets, item_ratings[:, 0], steps)
        if self.repeats != "allow":
            allowed = allowed.copy()
            mark_consumed(allowed, consumed, steps, self.slate_size, terminated=terminated, truncated=truncated)
        shown = state.shown
        if self.slates_held:
            shown = show(shown, slates, chosen, consumed_ratings, steps=state.steps)
        if self.history_length > 1:
            items, item_ratings = shift_history(items, item_ratings, state.recent_items, state.recent_ratings)
        after = State(  # in half the time of _replace
            state.seeds,
            state.episodes,
            steps,
            state.users,
            vectors=vectors,
            recent_items=items,
            recent_ratings=item_ratings,
            satiations=satiations,
            budgets=budgets,
            shown=shown,
            allowed=allowed,
        )
        response = Response(
            slates, ratings, violence, chosen, rewards=rewards, terminated=terminated, truncated=truncated
        )
        return after, response

    def item_rewards(self, response: Response) -> Floats:
        """(n, k) reward of each item shown: that of a slate of this item alone."""
        alone = self.reward(response.ratings.reshape(-1, 1), response.violence.reshape(-1, 1))
        return alone.reshape(response.ratings.shape)

    def scores(self, state: State) -> Floats:
        """(n, items) true scores of all items: the rating before it is clipped to [1, 5].

        Satiation is subtracted; an item that bores, having been consumed, scores 1.
        """
        scores: Floats = self.taste.effective_vectors(state) @ self.world.item_vectors.T
        return scores if self.repeats == "allow" else np.where(state.allowed, scores, MIN_RATING)

    def expected_rewards(self, scores: Floats) -> Floats:
        """(n, items) scores to the expected reward of each item if it is shown alone."""
        ratings = scores.clip(MIN_RATING, MAX_RATING).reshape(-1, 1)
        violence = np.tile(self.world.violence.astype(np.float64), len(scores)).reshape(-1, 1)
        rewards = self.reward(ratings, violence)
        if self.consumption == "chosen":
            rewards = rewards * self.choice(self.choice_scale * ratings)[:, 0]
        return rewards.reshape(scores.shape)
