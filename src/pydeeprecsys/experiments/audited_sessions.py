"""The sessions of an audit: the same users and random streams for every policy, in large batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv, VectorWrapper

from pydeeprecsys.arrays import Array, Floats, Ints
from pydeeprecsys.data.world import World
from pydeeprecsys.envs.single import simulated_users
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.config import RunConfig
from pydeeprecsys.experiments.run import policy_in
from pydeeprecsys.metrics.attention import awrf, expected_exposure
from pydeeprecsys.metrics.drift import concentration, cosine_distance, distance, share_shifts
from pydeeprecsys.metrics.exposure import exposures, popularity
from pydeeprecsys.metrics.relevance import discounts
from pydeeprecsys.rl.agents.agent import ReinforcementLearning
from pydeeprecsys.rl.rollout import EpisodeLoop, Step
from pydeeprecsys.simulation.movielens.simulator import Pool

_SEED = 2_000_000_011  # far from those of training and of evaluations
_BATCH = 8_000_000  # sessions of a batch times items: what a policy scores at once

SHOWN = ("rating", "violence", "unmeasured", "popularity", "awrf")
"""Figures of each slate."""
TASTE = ("distance", "drift", "concentration")
"""Figures of the user's affinities after each step."""


def planned_users(pool: Ints, sessions: int) -> Ints:
    """(sessions,) the user of each session, out of a pool (users,).

    Every user has the same number of sessions, and as many users as are left over, drawn at random, one more: with
    fewer sessions than users, those of a simple random sample.

    Raises:
        InputError: fewer than one session.
    """
    if sessions < 1:
        raise InputError(f"an audit needs at least one session, not {sessions}")
    each, left = divmod(sessions, len(pool))
    drawn = np.random.default_rng(_SEED).choice(pool, left, replace=False)
    return np.concatenate([np.repeat(pool, each), np.sort(drawn)])


@dataclass(frozen=True)
class AuditedSessions:
    """What a policy did in the sessions of an audit.

    Attributes:
        steps: by name, (steps, sessions) figures of each step; NaN where unknown, and after the session. These are the
            `reward`; of the slate its mean `rating`, `violence`, share whose violence is `unmeasured`, `popularity` as
            the share of all users who rated an item, and `awrf` of its categories; and of the affinities after it the
            Euclidean `distance` and the `drift`, which is the cosine distance, from those before the session, and the
            `concentration`.
        lengths: (sessions,) steps of each.
        concentration_before: (sessions,) of the affinities before the session.
        disparity: (sessions,) expected-exposure disparity of the slates of the session.
        shifts: (sessions, c) change of each category's share of the affinities over the session.
        shown: (k, items) how often each item was shown at each position of the slate.
    """

    steps: Mapping[str, Floats]
    lengths: Ints
    concentration_before: Floats
    disparity: Floats
    shifts: Floats
    shown: Ints


def roll_out(config: RunConfig, policy: ReinforcementLearning, users: Ints, pool: Pool) -> AuditedSessions:
    """Let a policy act without exploration in the sessions of users (sessions,), which are of a pool."""
    world = config.task.world
    assert world is not None
    batches = -(-len(users) * world.n_items // _BATCH)
    size = max(2, -(-len(users) // batches))  # a manager of one environment has no batch
    manager = config.task.manager(_SEED, size, pool)
    policy, slate_size = policy_in(config, policy, manager), manager.slate_size
    parts = []
    for first in range(0, len(users), size):
        theirs = users[first : first + size]
        batch = _SessionsOf(manager.batch, np.resize(theirs, size))
        recorder = _Recorder(batch, world)
        loop = EpisodeLoop(
            policy, batch, training=False, slate_size=slate_size, seed=_SEED + first, on_step=recorder.add
        )
        lengths = np.zeros(size, dtype=np.int64)
        while not lengths.all():
            episode = next(loop)
            if not lengths[episode.environment]:  # sessions that are over run on until the last one is
                lengths[episode.environment] = len(episode.rewards)
        parts.append(recorder.of(lengths[: len(theirs)]))
    longest = max(len(part.steps["reward"]) for part in parts)
    return AuditedSessions(
        {name: np.hstack([_padded(part.steps[name], longest) for part in parts]) for name in parts[0].steps},
        **{
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in ("lengths", "concentration_before", "disparity", "shifts")
        },
        shown=np.sum([part.shown for part in parts], axis=0),
    )


def _padded(steps: Floats, longest: int) -> Floats:
    return np.pad(steps, ((0, longest - len(steps)), (0, 0)), constant_values=np.nan)


class _SessionsOf(VectorWrapper):
    """Environments whose sessions are of given users (n,)."""

    def __init__(self, env: VectorEnv[Any, Any, Any], users: Ints) -> None:
        super().__init__(env)
        self.users = users

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Begin sessions of the users."""
        return self.env.reset(seed=seed, options={**(options or {}), "users": self.users})


class _Recorder:
    """Keeps the figures of each step, whether the session is the first of its row or a later one."""

    def __init__(self, batch: VectorEnv[Any, Any, Any], world: World) -> None:
        self.users, self.world = simulated_users(batch), world
        self._rows: list[dict[str, Floats]] = []
        self._slates: list[Ints] = []
        self._taste: list[Floats] = []
        self._attention = discounts(self.users.slate_size)
        self._has_categories = len(world.categories) > 1 and bool(world.genres_known.any())

    def add(self, step: Step) -> None:
        """Keep a step."""
        state, infos, world = self.users.state, step.infos, self.world
        assert state is not None
        slates = step.actions.reshape(len(step.actions), -1)
        if not self._taste:
            # Sessions depend on their streams alone: these are the affinities before the first step.
            self._taste.append(world.affinities(self.users.simulator.taste.begin(world, state.users)[0]))
        before, now = self._taste[0], world.affinities(state.vectors)
        self._taste.append(now)
        self._slates.append(slates)
        unknown = np.full(len(slates), np.nan)
        self._rows.append(
            {
                "reward": step.rewards,
                "rating": infos["ratings"].mean(axis=1),
                "violence": infos.get("violence", unknown),
                "unmeasured": infos["unmeasured"],
                "popularity": popularity(slates, world.rating_counts / world.n_users),
                "awrf": awrf(slates, world.known_genres, self._attention) if self._has_categories else unknown,
                "distance": distance(before, now),
                "drift": cosine_distance(before, now),
                "concentration": self._concentration(now),
            }
        )

    def _concentration(self, affinities: Floats) -> Floats:
        found: Floats = concentration(affinities) if self._has_categories else np.full(len(affinities), np.nan)
        return found

    def of(self, lengths: Ints) -> AuditedSessions:
        """The first sessions, given the lengths (m,) of those that count, which are in the first rows."""
        n, longest, n_items = len(lengths), int(lengths.max()), self.world.n_items
        running = np.arange(longest)[:, None] < lengths
        slates = np.stack(self._slates[:longest])[:, :n]
        numbers = {name: np.stack([row[name][:n] for row in self._rows[:longest]]) for name in self._rows[0]}
        before, after = self._taste[0][:n], np.stack(self._taste)[lengths, np.arange(n)]
        seen = np.zeros((n, n_items))
        for position, weight in enumerate(self._attention):
            np.add.at(seen, (running.nonzero()[1], slates[running][:, position]), weight)
        seen /= lengths[:, None]
        return AuditedSessions(
            {name: np.where(running, steps, np.nan) for name, steps in numbers.items()},
            lengths,
            self._concentration(before),
            disparity=expected_exposure(seen, np.zeros_like(seen)).disparity,
            shifts=share_shifts(before, after),
            shown=np.stack([exposures(shown[:, None], n_items) for shown in slates[running].T]),
        )
