"""What options of an agent are looked for, and how."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.registry import agent_class, agent_option, agent_options, learners
from pydeeprecsys.experiments.run import RunConfig
from pydeeprecsys.experiments.run_folder import RUNS
from pydeeprecsys.rl.search_space import SearchSpace
from pydeeprecsys.simulation.simulator import Pool

# Trainings are of other seeds than those of `train` and `compare`, which judge what is found.
_FIRST_SEED = 10_000


@dataclass(frozen=True)
class Tuning:
    """What is looked for, and how.

    Attributes:
        world: the users and items.
        agent: its name, see `registry.AGENTS`; its class says where to look, in `search_space`.
        trials: how many options are tried; the first are the agent's defaults.
        episodes: training episodes of each.
        seeds: trainings of each, from as many seeds.
        seed: of the search, 0 or more.
        slate_size: items shown at a time.
        n_envs: users at once.
        evaluation_episodes: sessions in which each trained agent is judged.
        world_options: of the simulated world, see `WorldOptions`; its `version`, 0 or 1, is among them.
        options: of the agent, which are not looked for but stay like this.
        dataset: what `open_world` finds the world by; None where that is not known.
        checkpoint_every: seconds between two checkpoints of a training.
        train_pool: the pool of users that agents are trained on, see `RunConfig`.
        evaluation_pool: the pool of users that options are chosen on: not those that results are told of.

    Raises:
        InputError: an unknown agent or option, an agent with nothing to look for, numbers too small, or world options
            that hold a pool.
    """

    world: World
    agent: str
    trials: int = 30
    episodes: int = 300
    seeds: int = 2
    seed: int = 0
    slate_size: int = 1
    n_envs: int = 1
    evaluation_episodes: int = 500
    world_options: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    dataset: str | None = None
    checkpoint_every: float = 60.0
    train_pool: Pool = "train"
    evaluation_pool: Pool = "evaluation"

    def __post_init__(self) -> None:
        for option in self.options:
            agent_option(self.agent, option)
        if not self.space:
            raise InputError(f"the agent {self.agent!r} has no options to look for; {', '.join(learners())} have")
        for name in ("trials", "episodes", "seeds", "n_envs", "evaluation_episodes"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; give at least 1")
        if self.seed < 0:
            raise InputError(f"seed is {self.seed}; give 0 or more")
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
        return cls(world, **{name: config[name] for name in cls.__dataclass_fields__ if name != "world"})
