"""The settings of a search for good hyperparameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydeeprecsys.arguments import Count, Seed, checked
from pydeeprecsys.experiments.catalogue import agent_option, not_tuned
from pydeeprecsys.experiments.config import RunConfig, Settings
from pydeeprecsys.experiments.registry import agent_class, agent_options
from pydeeprecsys.rl.search_space import SearchSpace
from pydeeprecsys.simulation.movielens.simulator import Pool

# Far from the seeds of `train` and `compare`, which evaluate the hyperparameters found.
_FIRST_SEED = 10_000


@checked
@dataclass(frozen=True, kw_only=True)
class Tuning(Settings):
    """Configuration of a hyperparameter search.

    Attributes:
        evaluation_pool: Pool of users for choosing hyperparameters, "evaluation" by default: not "test", which results
            are reported for.
        agent: Name of the agent, see `RunConfig`; its class declares the `search_space`.
        trials: Number of trials; the first has the agent's defaults.
        episodes: Training episodes per run.
        seeds: Number of training runs per trial, with different seeds.
        seed: Seed of the search.
        hyperparameters: Hyperparameters that are fixed, and not searched.

    Raises:
        InputError: A setting is out of range, the agent or a hyperparameter is unknown, or there is nothing to search.
    """

    kind: ClassVar[str] = "tune"
    default_pool: ClassVar[Pool] = "evaluation"

    agent: str
    trials: Count = 30
    episodes: Count = 300
    seeds: Count = 2
    seed: Seed = 0
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        for option in self.hyperparameters:
            agent_option(self.agent, option)
        if not self.space:
            raise not_tuned(self.agent)
        self.run(0, {})  # which checks its settings

    @property
    def space(self) -> SearchSpace:
        """The hyperparameters that are searched for, and where."""
        whole = agent_class(self.agent).search_space
        return {name: domain for name, domain in whole.items() if name not in self.hyperparameters}

    @property
    def defaults(self) -> dict[str, Any]:
        """The agent's defaults of the hyperparameters that are searched for."""
        return {option.name: option.default for option in agent_options(self.agent) if option.name in self.space}

    @property
    def checks(self) -> list[int]:
        """Numbers of episodes after which a training may be pruned, none in its first third."""
        return list(range(math.ceil(self.episodes / 3), self.episodes, max(1, self.episodes // 10)))

    def run(self, index: int, hyperparameters: Mapping[str, Any]) -> RunConfig:
        """The training of a trial with this index, from 0."""
        return RunConfig(
            **self.shared(),
            agent=self.agent,
            seed=_FIRST_SEED * (1 + self.seed) + index,
            episodes=self.episodes,
            hyperparameters={**self.hyperparameters, **hyperparameters},
        )
