"""The best fixed order of items by simulation: an upper bound for policies that ignore the user."""

from __future__ import annotations

from collections import deque
from dataclasses import fields
from typing import Any

import numpy as np

from pydeeprecsys.arrays import Floats, Ints
from pydeeprecsys.simulation.movielens.simulator import Simulator
from pydeeprecsys.simulation.movielens.state import State

_SESSIONS = 2**17  # simulated in each round of successive halving
_FEWEST = 16  # users of a round
_KEPT = 4  # halving rate: a quarter of the items is kept for the next round
_BLOCK = 2**14  # sessions at once
_AT_ONCE = 256  # users whose rewards of all items are computed at once

_known: deque[tuple[Simulator, Ints]] = deque(maxlen=8)


def simulated_order(simulator: Simulator) -> Ints:
    """All items in descending order of their reward from users of the simulator's pool.

    Where single items may be repeated, by the return of showing nothing else; otherwise by the mean reward of the item,
    shown alone, as the first of a session. Deterministic, and computed once per process and simulator.

    Returns:
        (items,) the order.
    """
    for known, order in _known:
        if _alike(known, simulator):
            return order
    if simulator.slate_size == 1 and simulator.repeats == "allow":
        order = _by_return(simulator)
    else:
        order = np.argsort(-_first_rewards(simulator), kind="stable")
    _known.append((simulator, order))
    return order


def _alike(one: Simulator, other: Simulator) -> bool:
    names = [field.name for field in fields(Simulator) if field.name not in ("world", "pool")]
    return (
        one.world is other.world
        and np.array_equal(one.users, other.users)
        and all(_same(getattr(one, name), getattr(other, name)) for name in names)
    )


def _same(part: Any, other: Any) -> bool:
    try:
        return part is other or bool(part == other)
    except ValueError:  # a part with arrays, whose equality is an array
        return False


def _by_return(simulator: Simulator) -> Ints:
    """Successive halving (Karnin, Koren and Somekh 2013): all items on few users, then fewer items on more users.

    All items of a round meet the same users with the same random streams.
    """
    users = np.random.default_rng(0).permutation(simulator.users)
    order = np.arange(simulator.world.n_items)
    n = len(order)
    while n:
        asked = users[: max(_SESSIONS // n, _FEWEST)]
        order[:n] = order[np.argsort(-constant_returns(simulator, order[:n], asked), kind="stable")]
        n //= _KEPT
    return order


def constant_returns(simulator: Simulator, items: Ints, users: Ints) -> Floats:
    """Mean return, over these users (m,), of a session that shows one item throughout: (n,) items to (n,)."""
    means = np.empty(len(items))
    at_once = max(1, _BLOCK // len(users))
    for start in range(0, len(items), at_once):
        shown = np.repeat(items[start : start + at_once], len(users))[:, None]
        state = _begun(simulator, np.tile(users, len(shown) // len(users)), len(users))
        returns, going = np.zeros(len(shown)), np.ones(len(shown), dtype=np.bool_)
        while going.any():
            state, response = simulator.step(state, shown)
            returns += np.where(going, response.rewards, 0.0)
            going &= ~(response.terminated | response.truncated)
        means[start : start + at_once] = returns.reshape(-1, len(users)).mean(axis=1)
    return means


def _first_rewards(simulator: Simulator) -> Floats:
    """(items,) expected reward of each item, shown alone as the first of a session; mean over the users."""
    total = np.zeros(simulator.world.n_items)
    for start in range(0, len(simulator.users), _AT_ONCE):
        users = simulator.users[start : start + _AT_ONCE]
        scores = simulator.scores(_begun(simulator, users, len(users)))
        total += simulator.expected_rewards(scores).sum(axis=0)
    return total / len(simulator.users)


def _begun(simulator: Simulator, users: Ints, n_streams: int) -> State:
    """A session of each of these users (m,), with the random streams 0 to n_streams - 1 in turn."""
    return simulator.with_users(simulator.reset(np.arange(len(users)) % n_streams), users)
