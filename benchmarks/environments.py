"""Steps per second through Gymnasium's interface, resets included, beside public simulators of recommendation.

A step of 64 users at once counts as 64 steps.
"""

from __future__ import annotations

import itertools
from typing import Any

import gymnasium as gym
import numpy as np
import sardine  # noqa: F401 - registers the peer's environments

import pydeeprecsys  # noqa: F401 - registers ours
from benchmarks.report import Bar, Results, Row
from benchmarks.timing import Case, Effort, rates

OURS, FAITHFUL = "MovieLensFairness-v0", "MovieLensFairness-v1"
MODE = "vector_entry_point"
STEPS = "steps/s"

# Their task of one item, and their task of slates, with users who grow bored, by our slate size.
_PEERS = {1: "sardine/SingleItem-BoredInf-v0", 10: "sardine/SlateTopK-Bored-v0"}
_BARS = {(1, 1): 20_000, (1, 10): 8_000, (4096, 1): 2_000_000, (4096, 10): 300_000}
_DRAWN = 500  # actions drawn before the clock starts


def measure(effort: Effort) -> list[Results]:
    """One table a slate size."""
    return [_of_slate_size(slate_size, effort) for slate_size in _PEERS]


def _of_slate_size(slate_size: int, effort: Effort) -> Results:
    peer = _PEERS[slate_size]
    options: dict[str, Any] = {"slate_size": slate_size}
    reference = "sardine-rec, 1 user"
    cases = [
        one_user(reference, gym.make(peer)),
        one_user("ours, 1 user", gym.make(OURS, **options)),
        many_users("sardine-rec, 64 users (sync)", gym.make_vec(peer, 64, "sync")),
        many_users("ours, 64 users (sync)", gym.make_vec(OURS, 64, "sync", **options)),
        many_users("ours, 64 users", gym.make_vec(OURS, 64, MODE, **options)),
        many_users("ours v1, 64 users", gym.make_vec(FAITHFUL, 64, MODE, **options)),
        many_users("ours, 4,096 users", gym.make_vec(OURS, 4096, MODE, **options)),
        many_users("ours v1, 4,096 users", gym.make_vec(FAITHFUL, 4096, MODE, **options)),
    ]
    measured = rates(cases, effort)
    bars = {
        f"ours, {n:,} user{'s' if n > 1 else ''}": Bar(least=bar) for (n, k), bar in _BARS.items() if k == slate_size
    }
    rows = [Row(name, STEPS, values, bars.get(name)) for name, values in measured.items()]
    return Results(f"Simulated users, slates of {slate_size}", rows, reference)


def one_user(name: str, env: gym.Env[Any, Any]) -> Case:
    """Sessions of one user after another, of random actions."""
    actions = _cycled(env)
    env.reset(seed=0)

    def session() -> int:
        env.reset()
        steps, over = 0, False
        while not over:
            _, _, terminated, truncated, _ = env.step(next(actions))
            steps, over = steps + 1, terminated or truncated
        return steps

    return Case(name, session)


def many_users(name: str, envs: gym.vector.VectorEnv[Any, Any, Any]) -> Case:
    """Sessions of many users at once, of random actions, until that of the first user is over."""
    actions = _cycled(envs)
    envs.reset(seed=0)

    def session() -> int:
        # By Gymnasium's default the step after the last one begins the next session, and shows nothing.
        steps, over = 0, np.zeros(envs.num_envs, dtype=np.bool_)
        while not over[0]:
            steps += envs.num_envs - np.count_nonzero(over)
            _, _, terminated, truncated, _ = envs.step(next(actions))
            over = terminated | truncated
        steps += envs.num_envs - np.count_nonzero(over)
        envs.step(next(actions))
        return steps

    return Case(name, session)


def _cycled(env: Any) -> itertools.cycle[Any]:
    env.action_space.seed(0)
    return itertools.cycle([env.action_space.sample() for _ in range(_DRAWN)])
