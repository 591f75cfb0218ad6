"""What agents are trained and evaluated on: an environment, by the name that Gymnasium knows it by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from typing import Any

import gymnasium as gym

from pydeeprecsys.arguments import checked
from pydeeprecsys.data.library import Progress, absolute, open_world
from pydeeprecsys.data.releases import SYNTHETIC
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.environments import DEFAULT_ENV, env_option, has_users, spec
from pydeeprecsys.rl.manager import Manager
from pydeeprecsys.simulation.movielens.simulator import Pool

# What environments of others raise for an option that cannot be.
_OPTION_ERRORS = (AssertionError, ArithmeticError, LookupError, TypeError, ValueError)


@checked
@dataclass(frozen=True, kw_only=True)
class Task:
    """An environment and its options.

    Attributes:
        env: the environment's Gymnasium id, or module:ID if importing the module registers it.
        env_options: keyword arguments of the environment, `slate_size` among them.
        dataset: the users' data set: "synthetic", the default; another generated or fetched one by name (see
            'pydeeprecsys data list'); or a path to ratings: a MovieLens zip or folder, or a table of your own. What is
            not recognized of it follows, in quotes, as in 'ratings.csv?user_column=who&scale=1,10&items=movies.csv'
            (items beside the ratings); 'pydeeprecsys data describe --help' lists these options. Only for environments
            that simulate users of a data set.
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
        return str(spec(self.env).vector_entry_point).startswith("pydeeprecsys.")

    def manager(self, seed: int, n_envs: int = 1, pool: Pool | None = None) -> Manager:
        """Environments with the random streams seed, seed + 1, ..., whose users are of a pool, if they have users.

        The manager has no reward threshold.

        Raises:
            InputError: an option that cannot be, or the environment needs a package that is not installed.
        """
        users: dict[str, Any] = {"dataset": self.world, "pool": pool or "all"} if self.has_users else {}
        try:
            manager = Manager(self.env, seed, n_envs=n_envs, **users, **self.env_options)
        except InputError:
            raise
        except (ImportError, gym.error.Error, *_OPTION_ERRORS) as error:
            raise InputError(f"{self.env} cannot be made: {' '.join(str(error).split())}") from error
        manager.reward_threshold = float("inf")
        return manager

    def as_json(self) -> dict[str, Any]:
        """Everything but the world."""
        return {"env": self.env, "env_options": dict(self.env_options), "dataset": self.dataset}
