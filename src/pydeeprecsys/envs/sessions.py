"""What all simulated users have in common behind Gymnasium's vector interface: sessions that begin, go on, and end."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numba import njit
from numpy.typing import ArrayLike, NDArray


class SessionState(Protocol):
    """n sessions: a `NamedTuple` of arrays (n, ...)."""

    def _asdict(self) -> dict[str, Any]: ...


class SessionResponse(Protocol):
    """What n users answer to a slate."""

    @property
    def rewards(self) -> NDArray[np.float64]:
        """(n,) what the slates are worth."""
        ...

    @property
    def terminated(self) -> NDArray[np.bool_]:
        """(n,) the session is over."""
        ...


State = TypeVar("State", bound=SessionState)
Response = TypeVar("Response", bound=SessionResponse)
Answered = TypeVar("Answered", bound=SessionResponse, covariant=True)


class Rules(Protocol[State, Answered]):
    """The rules of a simulated world."""

    def reset(self, seeds: ArrayLike) -> State:
        """Begin the first session of each random stream: (n,) seeds in 0..2**64 - 1."""
        ...

    def next_sessions(self, state: State, over: NDArray[np.bool_]) -> State:
        """Begin the next session of the streams where `over` (n,) is set; the others go on as they are."""
        ...

    def step(self, state: State, slates: NDArray[np.int64]) -> tuple[State, Answered]:
        """Show each user a slate (n, k)."""
        ...


class SessionVector(VectorEnv[NDArray[np.float32], NDArray[np.int64], NDArray[Any]], Generic[State, Response]):
    """n simulated users, whatever the rules they live by.

    Args:
        rules: the simulated world.
        state_type: the state of its sessions.
        num_envs: how many users at once.
        n_items: what actions count: items 0..n_items-1.
        slate_size: items shown at a time. Actions are (n,) items for 1, (n, slate_size) for more.
        single_observation_space: of one user.
        seed: of the random streams when `reset` is given none; user i has the stream seed + i.
        autoreset_mode: what follows the end of a session, as Gymnasium defines it: NEXT_STEP (its default), SAME_STEP,
            or DISABLED (`reset` with `options={"reset_mask": ...}` begins the next).

    Raises:
        ValueError: an action that is out of range.
    """

    def __init__(
        self,
        rules: Rules[State, Response],
        state_type: type[State],
        num_envs: int,
        n_items: int,
        slate_size: int,
        single_observation_space: Box,
        seed: int | None,
        autoreset_mode: AutoresetMode | str,
    ) -> None:
        self.num_envs, self.n_items, self.slate_size = num_envs, n_items, slate_size
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {"autoreset_mode": self.autoreset_mode, "render_modes": []}
        self.single_observation_space = single_observation_space
        self.single_action_space = Discrete(n_items) if slate_size == 1 else MultiDiscrete([n_items] * slate_size)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._rules, self._state_type = rules, state_type
        self._seed = seed
        self._all = np.ones(num_envs, dtype=np.bool_)
        self._all.setflags(write=False)  # handed out as a mask
        self._over = np.zeros(num_envs, dtype=np.bool_)
        self.state: State | None = None

    @abstractmethod
    def observe(self) -> NDArray[np.float32]:
        """(n, ...) what is seen of every user now."""

    @abstractmethod
    def measures(self, response: Response) -> dict[str, NDArray[Any]]:
        """What `info` tells of a step, each (n,) or (n, k)."""

    def beginnings(self) -> dict[str, NDArray[Any]]:
        """What `info` tells of sessions that have just begun, each (n,)."""
        return {}

    def standing(self) -> dict[str, NDArray[Any]]:
        """What `info` tells at every reset and step, each (n, ...)."""
        return {}

    def truncated(self, response: Response) -> NDArray[np.bool_]:
        """(n,) the session is cut off, though its user would go on."""
        return np.zeros(self.num_envs, dtype=np.bool_)

    def renewed(self, shown: State, over: NDArray[np.bool_]) -> State:
        """The state with the next sessions where `over` (n,) is set, of one that a step has made and nobody holds."""
        return self._rules.next_sessions(shown, over)

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
            self.state = self._rules.reset(self._streams(self._seed if seed is None else seed))
        else:
            self.state = self._rules.next_sessions(self.state, mask)
        self._over = self._over & ~mask
        return self.observe(), self._told(self.beginnings(), mask) | self._standing(mask)

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
        if not np.count_nonzero(over):  # a quarter of the time of any()
            observations, response = self.advance(slates)
            rewards, terminated, truncated = response.rewards, response.terminated, self.truncated(response)
            infos = self._told(self.measures(response), self._all)
        elif self.autoreset_mode == AutoresetMode.NEXT_STEP:
            # Where a session ended a step ago, the next one begins in place of a step: nothing is shown, no reward.
            # A session follows from its stream and its number, which showing a slate does not change.
            after, response = self._rules.step(self._begun(), slates)
            self.state = self.renewed(after, over)
            observations = self.observe()
            shown = ~over
            rewards = np.where(shown, response.rewards, 0.0)
            terminated, truncated = response.terminated & shown, self.truncated(response) & shown
            infos = self._told(self.measures(response), shown) | self._told(self.beginnings(), over)
        else:
            raise ResetNeeded("a session is over: begin the next by reset(options={'reset_mask': terminated})")
        self._over = ended = terminated | truncated
        if self.autoreset_mode == AutoresetMode.SAME_STEP and np.count_nonzero(ended):
            final = {
                "final_obs": observations,
                "_final_obs": ended,
                "final_info": self._told(self.measures(response), ended) | self._standing(ended),
                "_final_info": ended,
            }
            observations, fresh_infos = self.reset(options={"reset_mask": ended})
            infos = self._told(self.measures(response), ~ended) | fresh_infos | final
        return observations, rewards, terminated, truncated, infos | self._standing(self._all)

    def advance(self, slates: NDArray[np.int64]) -> tuple[NDArray[np.float32], Response]:
        """Show every user a checked slate, whatever the reset mode: (n, ...) observations, and what was answered."""
        self.state, response = self._rules.step(self._begun(), slates)
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
        misfit: int = _first_misfit(slates, self.n_items)
        if misfit >= 0:
            row, position = divmod(misfit, self.slate_size)
            raise ValueError(
                f"item {slates[row, position]} at position {position} of user {row} is out of range; "
                f"items are 0 to {self.n_items - 1}"
            )
        return slates

    def _begun(self) -> State:
        if self.state is None:
            raise ResetNeeded("call reset before step")
        return self.state

    def _told(self, infos: dict[str, NDArray[Any]], shown: NDArray[np.bool_]) -> dict[str, Any]:
        """What is told, with Gymnasium's masks of whom it is told of: zeros for the others."""
        if shown is not self._all:
            (hidden,) = (~shown).nonzero()
            infos = {name: array.copy() for name, array in infos.items()}
            for array in infos.values():
                array[hidden] = 0
        return infos | {f"_{name}": shown for name in infos}

    def _standing(self, rows: NDArray[np.bool_]) -> dict[str, Any]:
        infos = self.standing()
        return infos | {f"_{name}": rows for name in infos}

    def state_dict(self) -> dict[str, Any]:
        """All that the sessions' future depends on, besides the constructor's arguments."""
        return {"over": self._over.copy()} | {name: array.copy() for name, array in self._begun()._asdict().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken."""
        self._over = np.array(state["over"])
        self.state = self._state_type(**{name: np.array(array) for name, array in state.items() if name != "over"})


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
