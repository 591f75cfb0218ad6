"""Many simulated users at once, behind Gymnasium's vector interface. The environment of one user is a batch of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numba import njit
from numpy.typing import ArrayLike, NDArray

from pydeeprecsys.envs.options import WorldOptions, make_simulator
from pydeeprecsys.simulation.simulator import MAX_RATING
from pydeeprecsys.simulation.state import Response, State

OBSERVATION_SIZE = 25
"""4 demographics, 19 genres of the item chosen last, its rating / 5, its violence: all in [0, 1]."""


class MovieLensFairnessVector(VectorEnv[NDArray[np.float32], NDArray[np.int64], NDArray[Any]]):
    """n simulated users who rate what they are shown, and change by it.

    Args:
        num_envs: how many users at once.
        slate_size: items shown at a time. Actions are (n,) items for 1, (n, slate_size) for more.
        seed: of the random streams when `reset` is given none; user i has the stream seed + i.
        autoreset_mode: what follows the end of a session, as Gymnasium defines it: NEXT_STEP (its default), SAME_STEP,
            or DISABLED (`reset` with `options={"reset_mask": ...}` begins the next).
        **options: the simulated world, see `WorldOptions`.

    Each `info` has, besides Gymnasium's masks, for each user the `ratings` (n, k) of the slate, its mean `violence`,
    its `dcg` and `ndcg`, for k > 1 the position of the chosen item as `chosen_action`; after a reset, the row of the
    `user` in the world.

    Raises:
        InputError: an option that cannot be.
        ValueError: an action that is out of range.
    """

    def __init__(
        self,
        num_envs: int = 1,
        slate_size: int = 1,
        seed: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        **options: Unpack[WorldOptions],
    ) -> None:
        self.num_envs = num_envs
        self.simulator = make_simulator(slate_size, **options)
        self.slate_size = slate_size
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {"autoreset_mode": self.autoreset_mode, "render_modes": []}
        items = self.simulator.world.n_items
        self.single_observation_space = Box(0.0, 1.0, (OBSERVATION_SIZE,), np.float32)
        self.single_action_space = Discrete(items) if slate_size == 1 else MultiDiscrete([items] * slate_size)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._seed = seed
        self._discounts = 1 / np.log2(np.arange(slate_size) + 2)
        self._ideal_dcg = MAX_RATING * self._discounts.sum()
        self._all = np.ones(num_envs, dtype=np.bool_)
        self._all.setflags(write=False)  # handed out as a mask
        self._over = np.zeros(num_envs, dtype=np.bool_)
        self.state: State | None = None

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin a session for every user, or for those in `options["reset_mask"]` (n,).

        Args:
            seed: begins the random streams anew: user i gets seed + i, or its own of n. Without one, streams go on.
            options: may hold `reset_mask`.
        """
        mask = self._all if options is None else options.get("reset_mask", self._all)
        if self.state is None or seed is not None:
            if not mask.all():
                raise ValueError(
                    "a reset of some users only, by reset_mask, needs a first reset of all and takes no seed"
                )
            self.state = self.simulator.reset(self._streams(self._seed if seed is None else seed))
        else:
            self.state = self.simulator.next_sessions(self.state, mask)
        self._over = self._over & ~mask
        return self.observe(), self._reset_infos(mask)

    def _streams(self, seed: int | Sequence[int | None] | None) -> NDArray[np.uint64]:
        if seed is None:
            return _drawn_seeds(self.num_envs)
        seeds = [seed + i for i in range(self.num_envs)] if isinstance(seed, int | np.integer) else list(seed)
        if len(seeds) != self.num_envs:
            raise ValueError(f"{len(seeds)} seeds for {self.num_envs} users; give one for each, or a single number")
        for s in seeds:
            if s is not None and not 0 <= s < 2**64:
                raise ValueError(f"the seed {s} is out of range; seeds are 0 to 2**64 - 1")
        drawn = _drawn_seeds(self.num_envs)
        return np.array([drawn[i] if s is None else s for i, s in enumerate(seeds)], dtype=np.uint64)

    def step(
        self, actions: ArrayLike
    ) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Show every user a slate: (n,) items for slate size 1, else (n, k); a slate may hold an item twice."""
        over, slates = self._over, self.slates(actions)
        if not over.any():
            observations, response = self.advance(slates)
            rewards, terminated, infos = response.rewards, response.terminated, self._infos(response, self._all)
        elif self.autoreset_mode == AutoresetMode.NEXT_STEP:
            # Where a session ended a step ago, the next one begins in place of a step: nothing is shown, no reward.
            fresh = self.simulator.next_sessions(self._begun(), over)
            _, response = self.advance(slates)
            self.state = fresh.where(over, self._begun())
            observations = self.observe()
            rewards, terminated = np.where(over, 0.0, response.rewards), response.terminated & ~over
            infos = self._infos(response, ~over) | self._reset_infos(over)
        else:
            raise ResetNeeded("a session is over: begin the next by reset(options={'reset_mask': terminated})")
        self._over = terminated.copy()
        if self.autoreset_mode == AutoresetMode.SAME_STEP and terminated.any():
            final = {
                "final_obs": observations,
                "_final_obs": terminated,
                "final_info": self._infos(response, terminated),
                "_final_info": terminated,
            }
            observations, fresh_infos = self.reset(options={"reset_mask": terminated})
            infos = self._infos(response, ~terminated) | fresh_infos | final
        return observations, rewards, terminated, np.zeros(self.num_envs, dtype=np.bool_), infos

    def advance(self, slates: NDArray[np.int64]) -> tuple[NDArray[np.float32], Response]:
        """Show every user a checked slate, whatever the reset mode: (n, 25) observations, and what was answered."""
        self.state, response = self.simulator.step(self._begun(), slates)
        return self.observe(), response

    def slates(self, actions: ArrayLike) -> NDArray[np.int64]:
        """Check actions of shape (n,) or (n, k) and give them as (n, k) slates.

        Raises:
            ValueError: they have another shape, are not whole numbers, or name an item that does not exist.
        """
        given = slates = np.asarray(actions)
        if slates.dtype.kind not in "iu":
            raise ValueError(f"actions are whole numbers of items; got {slates.dtype}")
        if slates.ndim == 1 and self.slate_size == 1:
            slates = slates[:, None]
        if slates.shape != (self.num_envs, self.slate_size):
            raise ValueError(
                f"actions have shape {given.shape}; {self.num_envs} users and slates of {self.slate_size} "
                f"need {(self.num_envs, self.slate_size)}"
            )
        slates = slates.astype(np.int64, copy=False)
        misfit: int = _first_misfit(slates, self.simulator.world.n_items)
        if misfit >= 0:
            row, position = divmod(misfit, self.slate_size)
            raise ValueError(
                f"item {slates[row, position]} at position {position} of user {row} is out of range; "
                f"items are 0 to {self.simulator.world.n_items - 1}"
            )
        return slates

    def observe(self) -> NDArray[np.float32]:
        """(n, 25) what is seen of every user now."""
        state, world = self._begun(), self.simulator.world
        observations: NDArray[np.float32] = _encode(
            state.users, state.last_items, state.last_ratings, world.demographics, world.genres, world.violence
        )
        return observations

    def judge(self, response: Response) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Mean violence, DCG and NDCG of the slates, each (n,).

        DCG is the sum of rating / log2(position + 2), positions from 0; NDCG divides it by that of a slate of fives.
        """
        violence, dcg = _judge(response.ratings, response.violence, self._discounts)
        return violence, dcg, dcg / self._ideal_dcg

    def _begun(self) -> State:
        if self.state is None:
            raise ResetNeeded("call reset before step")
        return self.state

    def _reset_infos(self, mask: NDArray[np.bool_]) -> dict[str, Any]:
        return {"user": np.where(mask, self._begun().users, 0), "_user": mask}

    def _infos(self, response: Response, shown: NDArray[np.bool_]) -> dict[str, Any]:
        violence, dcg, ndcg = self.judge(response)
        infos: dict[str, NDArray[Any]] = {"ratings": response.ratings, "violence": violence, "dcg": dcg, "ndcg": ndcg}
        if self.slate_size > 1:
            infos["chosen_action"] = response.chosen
        if shown is not self._all and not shown.all():
            infos = {name: np.where(shown if a.ndim == 1 else shown[:, None], a, 0) for name, a in infos.items()}
        return infos | {f"_{name}": shown for name in infos}

    def state_dict(self) -> dict[str, Any]:
        """All that the sessions' future depends on, besides the constructor's arguments."""
        return {"over": self._over.copy()} | {name: array.copy() for name, array in self._begun()._asdict().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken."""
        self._over = np.array(state["over"])
        self.state = State(*(np.array(state[name]) for name in State._fields))


def _drawn_seeds(n: int) -> NDArray[np.uint64]:
    return np.random.SeedSequence().generate_state(n, np.uint64).astype(np.uint64)


@njit(cache=True)
def _first_misfit(slates: NDArray[np.int64], n_items: int) -> int:
    for i in range(slates.shape[0]):
        for j in range(slates.shape[1]):
            if not 0 <= slates[i, j] < n_items:
                misfit: int = i * slates.shape[1] + j
                return misfit
    return -1


@njit(cache=True)
def _encode(
    users: NDArray[np.int64],
    last_items: NDArray[np.int64],
    last_ratings: NDArray[np.float64],
    demographics: NDArray[np.float32],
    genres: NDArray[np.bool_],
    violence: NDArray[np.float32],
) -> NDArray[np.float32]:
    observations = np.zeros((len(users), OBSERVATION_SIZE), dtype=np.float32)
    for i in range(len(users)):
        observations[i, :4] = demographics[users[i]]
        item = last_items[i]
        if item >= 0:
            observations[i, 4:23] = genres[item]
            observations[i, 23] = last_ratings[i] / MAX_RATING
            observations[i, 24] = violence[item]
    return observations


@njit(cache=True)
def _judge(
    ratings: NDArray[np.float64], violence: NDArray[np.float64], discounts: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean violence and DCG (n,) of each slate; compiled, for sums by BLAS depend on how many users there are."""
    n, k = ratings.shape
    means, dcg = np.empty(n), np.empty(n)
    for i in range(n):
        total, gain = 0.0, 0.0
        for j in range(k):
            total += violence[i, j]
            gain += ratings[i, j] * discounts[j]
        means[i], dcg[i] = total / k, gain
    return means, dcg
