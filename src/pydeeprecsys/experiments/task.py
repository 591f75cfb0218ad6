"""What agents are trained and evaluated on: an environment, by the name that Gymnasium knows it by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import InitVar, dataclass, field
from importlib import import_module
from inspect import signature
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec, load_env_creator

from pydeeprecsys.arguments import Argument, arguments_of, checked
from pydeeprecsys.data.library import SYNTHETIC, Progress, absolute, open_world
from pydeeprecsys.data.world import World
from pydeeprecsys.envs.single import MovieLensFairness
from pydeeprecsys.errors import InputError, did_you_mean
from pydeeprecsys.rl.manager import Manager
from pydeeprecsys.simulation.movielens.simulator import Pool

DEFAULT_ENV = "MovieLensFairness-v0"


@checked
@dataclass(frozen=True, kw_only=True)
class Task:
    """An environment and its options.

    Attributes:
        env: the environment's Gymnasium id, or module:ID if importing the module registers it.
        env_options: keyword arguments of the environment, `slate_size` among them.
        dataset: the users' data set: "synthetic", the default; the name of a fetched data set (see 'pydeeprecsys data
            list'); or a path to ratings: a MovieLens zip or folder, or a table of your own. What is not recognized of
            it follows, in quotes, as in 'ratings.csv?user_column=who&scale=1,10&items=movies.csv' (items beside the
            ratings); 'pydeeprecsys data describe --help' lists these options. Only for environments that simulate
            users of a data set.
        world: the users and items of the data set, if they are open already.
        progress: called while a new world is built, see `open_world`.

    Raises:
        InputError: an unknown environment or option, or a data set for an environment that takes none.
    """

    env: str = DEFAULT_ENV
    env_options: Mapping[str, Any] = field(default_factory=dict)
    dataset: str | None = None
    world: World | None = field(default=None, repr=False, compare=False)
    progress: InitVar[Progress | None] = None

    def __post_init__(self, progress: Progress | None) -> None:
        for name in self.env_options:
            env_option(self.env, name)
        if not self.has_users:
            if self.dataset is not None or self.world is not None:
                raise InputError(f"{self.env} takes no data set; leave it out")
            return
        if self.dataset is not None or self.world is None:
            # A run is resumed from any folder.
            object.__setattr__(self, "dataset", absolute(self.dataset or SYNTHETIC))
        if self.world is None:
            object.__setattr__(self, "world", open_world(self.dataset or SYNTHETIC, *filter(None, [progress])))

    @property
    def has_users(self) -> bool:
        """Whether the environment simulates users of a data set, who are split into pools."""
        return has_users(self.env)

    @property
    def is_batched(self) -> bool:
        """Whether many environments are stepped at the cost of few."""
        return str(_spec(self.env).vector_entry_point).startswith("pydeeprecsys.")

    def manager(self, seed: int, n_envs: int = 1, pool: Pool | None = None) -> Manager:
        """Environments with the random streams seed, seed + 1, ..., whose users are of a pool, if they have users.

        The manager has no reward threshold.

        Raises:
            InputError: an option that cannot be, or the environment needs a package that is not installed.
        """
        users: dict[str, Any] = {"dataset": self.world, "pool": pool or "all"} if self.has_users else {}
        try:
            manager = Manager(self.env, seed, n_envs=n_envs, **users, **self.env_options)
        except (ImportError, gym.error.Error) as error:
            raise InputError(f"{self.env} cannot be made: {error}") from error
        manager.reward_threshold = float("inf")
        return manager

    def as_json(self) -> dict[str, Any]:
        """Everything but the world."""
        return {"env": self.env, "env_options": dict(self.env_options), "dataset": self.dataset}


def has_users(env: str) -> bool:
    """Whether an environment simulates users of a data set: one of this package, or derived from it."""
    entry_point = _entry_point(env)
    return isinstance(entry_point, type) and issubclass(entry_point, MovieLensFairness)


def env_options(env: str) -> dict[str, Argument]:
    """The options of an environment by name: the arguments of its constructor.

    The seed, the data set and the pool of users are not among them, nor is the version, which belongs to the id.
    """
    entry_point = _entry_point(env)
    ours = has_users(env) or entry_point.__module__.startswith("pydeeprecsys.")
    by_the_run = {"render_mode", *(("seed", "dataset", "pool", "version") if ours else ())}
    return {name: argument for name, argument in arguments_of(entry_point).items() if name not in by_the_run}


def env_option(env: str, name: str) -> Argument:
    """One option of an environment.

    Raises:
        InputError: there is no such environment, or it has no such option; the message names the nearest.
    """
    if name == "pool" and has_users(env):
        raise InputError("the pool of users is no option of the environment; give train_pool and evaluation_pool")
    known = env_options(env)
    if name in known:
        return known[name]
    others = [each for each in signature(_entry_point(env)).parameters.values() if each.kind is each.VAR_KEYWORD]
    if not others or "Unpack" in str(others[0].annotation):
        raise InputError(f"{env} has no option {name!r}; {did_you_mean(name, known)}")
    return Argument(name, Any, optional=True, range=None, default=None, help="")


def read_env_option(env: str, text: str) -> tuple[str, Any]:
    """The name and the value of an option of an environment, from NAME=VALUE.

    Raises:
        InputError: it is not of this form, there is no such option, or the text is no value of its type.
    """
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise InputError(f"an option of the environment is NAME=VALUE, such as slate_size=3, not {text!r}")
    argument = env_option(env, name.replace("-", "_"))
    return argument.name, argument.read(value)


def _spec(env: str) -> EnvSpec:
    module, _, name = env.rpartition(":")
    try:
        if module:
            import_module(module)
        return gym.spec(name)
    except ImportError as error:
        raise InputError(f"the module of the environment {env!r} cannot be imported: {error}") from error
    except gym.error.Error as error:
        raise InputError(f"there is no environment {env!r}; {did_you_mean(name, gym.registry)}") from error


def _entry_point(env: str) -> Callable[..., Any]:
    entry_point: Any = _spec(env).entry_point
    try:
        return load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point
    except (ImportError, gym.error.Error) as error:
        raise InputError(f"{env} cannot be made: {error}") from error
