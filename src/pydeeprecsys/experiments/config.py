"""The settings of runs: what all kinds of experiments share, and those of a single run."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self

from pydeeprecsys.arguments import Count, Natural, NonNegative, Seed, checked
from pydeeprecsys.data.library import Progress
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.environments import DEFAULT_ENV, has_users
from pydeeprecsys.experiments.registry import agent_options
from pydeeprecsys.experiments.task import Task
from pydeeprecsys.rl.manager import Manager
from pydeeprecsys.simulation.movielens.simulator import Pool

# Far from the training seeds 0, 1, 2, ...: equal seeds would give the same users in the same order.
_EVALUATION_SEED = 1_000_000_007
_SELECTION_SEED = 1_500_000_001
_BATCHED_ENVS = 100


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings that runs, comparisons and searches have in common.

    Attributes:
        task: Environment and its options.
        n_envs: Parallel environments in training, with one user each.
        train_pool: Pool of users for training, "train" by default. Facts of items, such as mean ratings, come from
            these users only.
        evaluation_pool: Pool of users for evaluation, "test" by default.
        evaluation_episodes: Episodes per evaluation, without exploration.
        evaluation_envs: Parallel environments in evaluation; by default 100 of this package's own, otherwise `n_envs`.
        evaluate_every: Training episodes between evaluations on the pool "evaluation". The policy of the best of them
            is evaluated at the end, instead of the last policy.
        checkpoint_every: Seconds between checkpoints of a run; not part of its identity.

    Raises:
        InputError: A setting is out of range, or pools are set for an environment without users.
    """

    kind: ClassVar[str]
    default_pool: ClassVar[Pool] = "test"

    task: Task = field(default_factory=Task)
    n_envs: Count = 1
    train_pool: Pool | None = None
    evaluation_pool: Pool | None = None
    evaluation_episodes: Count = 500
    evaluation_envs: Count | None = None
    evaluate_every: Count | None = None
    checkpoint_every: NonNegative = 60.0

    def __post_init__(self) -> None:
        for name, pool in (("train_pool", "train"), ("evaluation_pool", self.default_pool)):
            if getattr(self, name) is None and self.task.has_users:
                object.__setattr__(self, name, pool)
            elif getattr(self, name) is not None and not self.task.has_users:
                raise InputError(f"{self.task.env} has no pools of users; leave {name} out")
        if self.evaluation_envs is None:
            object.__setattr__(self, "evaluation_envs", _BATCHED_ENVS if self.task.is_batched else self.n_envs)

    def shared(self) -> dict[str, Any]:
        """The settings that every kind of experiment has, by name."""
        return {each.name: getattr(self, each.name) for each in fields(Settings)}

    def as_json(self) -> dict[str, Any]:
        """Everything but the world, as JSON has it; objects are represented by their text."""
        own = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "task"}
        return _plain({"kind": self.kind, **self.task.as_json(), **own})

    @classmethod
    def from_json(cls, config: Mapping[str, Any], progress: Progress | None = None) -> Self:
        """The settings that `as_json` gave, or some of them; `progress` is called while a new world is built.

        Raises:
            InputError: the users and items were given as a world, which is not known any more.
        """
        given = {each.name: config[each.name] for each in fields(Task) if each.name in config}
        own = {each.name: config[each.name] for each in fields(cls) if each.name in config}
        if config.get("dataset", "") is None and has_users(config.get("env", DEFAULT_ENV)):
            raise InputError(
                "it names no dataset: it was started from Python, with a world of its own: continue with the same call"
            )
        return cls(task=Task(**given, progress=progress), **own)


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(settings, default=repr))
    return plain


@checked
@dataclass(frozen=True, kw_only=True)
class RunConfig(Settings):
    """Configuration of a run: one agent, trained from one seed.

    Attributes:
        agent: Name of the agent, see `registry.AGENTS`, or `package.module:Class` for an agent of your own.
        seed: Seed of environments and agent.
        episodes: Training episodes; 0 to evaluate only.
        steps: Training steps over all environments, instead of `episodes`, which is None then.
        stop_at: Mean return of the last 100 training episodes at which training stops early.
        hyperparameters: Hyperparameters of the agent: keyword arguments of its constructor.

    Raises:
        InputError: A setting is out of range, the budget is not either episodes or steps, or the episodes between
            evaluations are more than all training episodes.
    """

    kind: ClassVar[str] = "run"

    agent: str
    seed: Seed = 0
    episodes: Natural | None = 300
    steps: Count | None = None
    stop_at: float | None = None
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.episodes is None) == (self.steps is None):
            raise InputError("set the budget either as episodes or as steps, with episodes=None")
        if self.evaluate_every is not None and self.episodes is not None and self.evaluate_every > self.episodes:
            raise InputError(f"evaluate_every is {self.evaluate_every}, above the {self.episodes} training episodes")

    def as_json(self) -> dict[str, Any]:
        """Everything but the world, the agent's defaults included, as JSON has it."""
        defaults = {option.name: option.default for option in agent_options(self.agent)}
        return _plain(super().as_json() | {"hyperparameters": {**defaults, **self.hyperparameters}})

    def training_manager(self) -> Manager:
        """The environments of the training."""
        # Environment i of a seed has the stream seed + i: streams of different seeds must not meet.
        manager = self.task.manager(self.seed * self.n_envs, self.n_envs, self.train_pool)
        manager.reward_threshold = math.inf if self.stop_at is None else self.stop_at
        return manager

    def evaluation_manager(self, task: Task | None = None, pool: Pool | None = None) -> Manager:
        """The environments of the evaluation; of another task, or with the users of another pool, if given."""
        return self._evaluation(_EVALUATION_SEED, task or self.task, pool or self.evaluation_pool)

    def selection_manager(self) -> Manager:
        """The environments that the best policy of the training is chosen on: never those of the last evaluation."""
        return self._evaluation(_SELECTION_SEED, self.task, "evaluation" if self.task.has_users else None)

    def _evaluation(self, first_seed: int, task: Task, pool: Pool | None) -> Manager:
        assert self.evaluation_envs is not None
        return task.manager(first_seed + self.seed * self.evaluation_envs, self.evaluation_envs, pool)
