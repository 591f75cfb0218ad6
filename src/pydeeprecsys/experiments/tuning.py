"""What options of an agent are looked for, and how."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pydeeprecsys.arguments import Count, NonNegative, Seed, checked
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.registry import agent_class, agent_option, agent_options, learners
from pydeeprecsys.experiments.run import RunConfig
from pydeeprecsys.experiments.run_folder import RUNS
from pydeeprecsys.rl.search_space import SearchSpace
from pydeeprecsys.simulation.movielens.simulator import Pool

# Trainings are of other seeds than those of `train` and `compare`, which judge what is found.
_FIRST_SEED = 10_000


@checked
@dataclass(frozen=True, kw_only=True)
class Tuning:
    """Configuration of a hyperparameter search.

    Attributes:
        world: Users and items.
        agent: Name of the agent, see `registry.AGENTS`; its class declares the `search_space`.
        trials: Number of trials; the first has the agent's defaults.
        episodes: Training episodes per run.
        seeds: Number of training runs per trial, with different seeds.
        seed: Seed of the search.
        slate_size: Items per slate.
        n_envs: Parallel environments, with one user each.
        evaluation_episodes: Evaluation episodes per trained agent.
        world_options: Options of the simulated world: `WorldOptions` without `pool`, and `version`, 0 or 1.
        options: Hyperparameters that are fixed, and not searched.
        dataset: Name or path for `open_world`; None if it is not known.
        checkpoint_every: Seconds between checkpoints of a run.
        train_pool: Pool of users for training, see `RunConfig`.
        evaluation_pool: Pool of users for choosing hyperparameters; not the one that results are reported for.

    Raises:
        InputError: An argument is out of range, the agent or a hyperparameter is unknown, there is nothing to search,
            or the world options hold a pool.
    """

    world: World
    agent: str
    trials: Count = 30
    episodes: Count = 300
    seeds: Count = 2
    seed: Seed = 0
    slate_size: Count = 1
    n_envs: Count = 1
    evaluation_episodes: Count = 500
    world_options: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    dataset: str | None = None
    checkpoint_every: NonNegative = 60.0
    train_pool: Pool = "train"
    evaluation_pool: Pool = "evaluation"

    def __post_init__(self) -> None:
        for option in self.options:
            agent_option(self.agent, option)
        if not self.space:
            raise InputError(f"the agent {self.agent!r} has no options to look for; {', '.join(learners())} have")
        self.run(0, {})  # which checks its settings

    @property
    def space(self) -> SearchSpace:
        """Where to look."""
        whole = agent_class(self.agent).search_space
        return {name: domain for name, domain in whole.items() if name not in self.options}

    @property
    def defaults(self) -> dict[str, Any]:
        """What the options are that are looked for, when nothing is given."""
        return {option.name: option.default for option in agent_options(self.agent) if option.name in self.space}

    @property
    def checks(self) -> list[int]:
        """After how many episodes a training is stopped where it falls behind: not in the first third."""
        return list(range(math.ceil(self.episodes / 3), self.episodes, max(1, self.episodes // 10)))

    def run(self, index: int, options: Mapping[str, Any]) -> RunConfig:
        """One of the trainings of a trial."""
        return RunConfig(
            agent=self.agent,
            seed=_FIRST_SEED * (1 + self.seed) + index,
            dataset=self.dataset,
            episodes=self.episodes,
            n_envs=self.n_envs,
            slate_size=self.slate_size,
            evaluation_episodes=self.evaluation_episodes,
            world_options=self.world_options,
            options={**self.options, **options},
            checkpoint_every=self.checkpoint_every,
            train_pool=self.train_pool,
            evaluation_pool=self.evaluation_pool,
        )

    def folder(self, out: Path, trial: int, index: int) -> Path:
        """Of one of the trainings of a trial."""
        return out / RUNS / f"{trial:03d}-{self.run(index, {}).seed}"

    def as_json(self) -> dict[str, Any]:
        """Everything but the world, as JSON has it."""
        told = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "world"}
        as_json: dict[str, Any] = json.loads(json.dumps(told | {"kind": "tune"}, default=repr))
        return as_json

    @classmethod
    def from_json(cls, config: Mapping[str, Any], world: World) -> Self:
        """What `as_json` told."""
        return cls(world=world, **{name: config[name] for name in cls.__dataclass_fields__ if name != "world"})
