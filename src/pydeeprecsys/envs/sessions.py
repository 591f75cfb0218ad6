"""Sessions of many simulated users behind Gymnasium's vector interface."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numba import njit
from numpy.typing import ArrayLike

from pydeeprecsys.arrays import Array, Flags, Floats, Ints, Seeds, Singles
from pydeeprecsys.errors import InputError, did_you_mean

Info = dict[str, Any]
Arrays = dict[str, Array]
StreamSeeds = int | Sequence[int | None] | None


def check_names(options: Info, known: Sequence[str]) -> None:
    """Raise an InputError unless `reset` knows the names of all options."""
    if unknown := [name for name in options if name not in known]:
        raise InputError(f"reset takes no option {unknown[0]!r}; {did_you_mean(unknown[0], known)}")


class SessionState(Protocol):
    """n sessions: a `NamedTuple` of arrays (n, ...)."""

    def _asdict(self) -> Info: ...


class SessionResponse(Protocol):
    """Responses of n users to a slate each."""

    @property
    def rewards(self) -> Floats:
        """(n,) rewards of the slates."""

    @property
    def terminated(self) -> Flags:
        """(n,) the session is over."""

    @property
    def truncated(self) -> Flags:
        """(n,) the session is cut off, though the user would have stayed."""


State = TypeVar("State", bound=SessionState)
Response = TypeVar("Response", bound=SessionResponse)
Answered = TypeVar("Answered", bound=SessionResponse, covariant=True)


class Rules(Protocol[State, Answered]):
    """The rules of a simulated world."""

    @property
    def slate_size(self) -> int:
        """Items shown at a time."""

    def reset(self, seeds: ArrayLike) -> State:
        """Begin the first session of each random stream: (n,) seeds in 0..2**64 - 1."""

    def next_sessions(self, state: State, over: Flags) -> State:
        """Begin the next session of the streams where `over` (n,) is set; the others continue unchanged."""

    def step(self, state: State, slates: Ints) -> tuple[State, Answered]:
        """Show each user a slate (n, k)."""


class SessionVector(VectorEnv[Singles, Ints, Array], Generic[State, Response]):
    """n simulated users, under any rules.

    Args:
        rules: of the simulated world.
        n_items: number of items, which actions are: 0..n_items-1; (n,) for slates of one, else (n, slate_size).
        single_observation_space: of one user.
        num_envs: number of users.
        seed: of the random streams where `reset` is given none; user i has the stream seed + i.
        autoreset_mode: what follows the end of a session, as Gymnasium defines it: NEXT_STEP (its default), SAME_STEP,
            or DISABLED (`reset` with `options={"reset_mask": ...}` begins the next).

    Raises:
        ValueError: an action out of range.
    """

    reset_options: ClassVar[Sequence[str]] = ("reset_mask",)
    """The options of `reset`."""

    def __init__(
        self,
        rules: Rules[State, Response],
        n_items: int,
        single_observation_space: Box,
        num_envs: int,
        *,
        seed: int | None,
        autoreset_mode: AutoresetMode | str,
    ) -> None:
        self.num_envs, self.n_items, self.slate_size = num_envs, n_items, rules.slate_size
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {"autoreset_mode": self.autoreset_mode, "render_modes": []}
        self.single_observation_space = single_observation_space
        k = self.slate_size
        self.single_action_space = Discrete(n_items) if k == 1 else MultiDiscrete([n_items] * k)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._rules, self._seed = rules, seed
        self._all = np.ones(num_envs, dtype=np.bool_)
        self._all.setflags(write=False)  # handed out as a mask
        self._over = np.zeros(num_envs, dtype=np.bool_)
        self.state: State | None = None

    @abstractmethod
    def observe(self) -> Singles:
        """(n, ...) observations of every user now."""

    @abstractmethod
    def step_info(self, response: Response) -> Arrays:
        """Infos of a step, each (n,) or (n, k)."""

    def reset_info(self) -> Arrays:
        """Infos of sessions that have just begun, each (n,)."""
        return {}

    def mask_info(self) -> Arrays:
        """Infos of every reset and step, each (n, ...)."""
        return {}

    def begun(self, state: State, mask: Flags, options: Info) -> State:
        """The state with the sessions in `mask` (n,), which have just begun, as the options of `reset` want them."""
        return state

    def autoreset(self, state: State, over: Flags) -> State:
        """The state with the next sessions where `over` (n,) is set; nobody else holds the given state."""
        return self._rules.next_sessions(state, over)

    def reset(self, *, seed: StreamSeeds = None, options: Info | None = None) -> tuple[Singles, Info]:
        """Begin a session for every user, or for those in `options["reset_mask"]` (n,).

        Args:
            seed: of new random streams: user i gets seed + i, or its own of n. Without one, the streams continue.
            options: may hold `reset_mask`, and what else the environment lists in `reset_options`.

        Raises:
            InputError: an option that there is not.
        """
        options = options or {}
        check_names(options, self.reset_options)
        mask = options.get("reset_mask", self._all)
        if self.state is None or seed is not None:
            if not mask.all():
                raise ValueError("a reset of some users, by reset_mask, needs a first reset of all and takes no seed")
            state = self._rules.reset(self._streams(self._seed if seed is None else seed))
        else:
            state = self._rules.next_sessions(self.state, mask)
        self.state = self.begun(state, mask, options)
        self._over = self._over & ~mask
        return self.observe(), self._masked(self.reset_info(), mask) | self._masks(mask)

    def _streams(self, seed: StreamSeeds) -> Seeds:
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

    def step(self, actions: ArrayLike) -> tuple[Singles, Floats, Flags, Flags, Info]:
        """Show every user a slate: (n,) items for slates of one, else (n, k); an item may be repeated."""
        over, slates = self._over, self.slates(actions)
        if not np.count_nonzero(over):  # a quarter of the time of any()
            observations, response = self.advance(slates)
            rewards, terminated, truncated = response.rewards, response.terminated, response.truncated
            infos = self._masked(self.step_info(response), self._all)
        elif self.autoreset_mode == AutoresetMode.NEXT_STEP:
            # Where a session ended a step ago, the next one begins in place of a step: nothing is shown, no reward.
            # It depends on its stream and number alone, so the slate that these users were shown does not matter.
            after, response = self._rules.step(self._begun(), slates)
            self.state = self.autoreset(after, over)
            observations = self.observe()
            shown = ~over
            rewards = np.where(shown, response.rewards, 0.0)
            terminated, truncated = response.terminated & shown, response.truncated & shown
            infos = self._masked(self.step_info(response), shown) | self._masked(self.reset_info(), over)
        else:
            raise ResetNeeded("a session is over: begin the next by reset(options={'reset_mask': terminated})")
        self._over = ended = terminated | truncated
        if self.autoreset_mode == AutoresetMode.SAME_STEP and np.count_nonzero(ended):
            final = {
                "final_obs": observations,
                "_final_obs": ended,
                "final_info": self._masked(self.step_info(response), ended) | self._masks(ended),
                "_final_info": ended,
            }
            observations, fresh_infos = self.reset(options={"reset_mask": ended})
            infos = self._masked(self.step_info(response), ~ended) | fresh_infos | final
        infos.update(self._masks(self._all))
        return observations, rewards, terminated, truncated, infos

    def advance(self, slates: Ints) -> tuple[Singles, Response]:
        """Show every user a checked slate, whatever the reset mode: (n, ...) observations, and the responses."""
        self.state, response = self._rules.step(self._begun(), slates)
        return self.observe(), response

    def slates(self, actions: ArrayLike) -> Ints:
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

    def _masked(self, infos: Arrays, rows: Flags) -> Info:
        """Infos of some rows, zero in the others, with Gymnasium's masks of these rows."""
        if rows is not self._all:
            (hidden,) = (~rows).nonzero()
            infos = {name: array.copy() for name, array in infos.items()}
            for array in infos.values():
                array[hidden] = 0
        return infos | {f"_{name}": rows for name in infos}

    def _masks(self, rows: Flags) -> Info:
        infos = self.mask_info()
        return infos | {f"_{name}": rows for name in infos}

    def state_dict(self) -> Info:
        """Everything that the future of the sessions depends on, except for the constructor's arguments."""
        return {"over": self._over.copy()} | {name: array.copy() for name, array in self._begun()._asdict().items()}

    def load_state_dict(self, state: Info) -> None:
        """Continue from a `state_dict`."""
        kind = type(self._rules.reset([]))
        self._over = np.array(state["over"])
        self.state = kind(**{name: np.array(array) for name, array in state.items() if name != "over"})


def _drawn_seeds(n: int) -> Seeds:
    return np.random.SeedSequence().generate_state(n, np.uint64).astype(np.uint64)


@njit(cache=True)
def _first_misfit(slates: Ints, n_items: int) -> int:
    for i in range(slates.shape[0]):
        for j in range(slates.shape[1]):
            if not 0 <= slates[i, j] < n_items:
                misfit: int = i * slates.shape[1] + j
                return misfit
    return -1
