"""One run: an agent trained from one seed and judged, in a folder from which it goes on wherever it was stopped."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pydeeprecsys.arguments import Count, Natural, NonNegative, Seed, checked
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import DivergenceError, InputError
from pydeeprecsys.evaluation.oracle import OracleAgent
from pydeeprecsys.experiments.judge import judge
from pydeeprecsys.experiments.metrics_file import MetricsFile, read_metrics
from pydeeprecsys.experiments.record import record_of
from pydeeprecsys.experiments.registry import agent_options, make_agent
from pydeeprecsys.experiments.run_folder import CHECKPOINT, RESULT, claimed, keep_config
from pydeeprecsys.files import whole_file
from pydeeprecsys.rl.agents.agent import ReinforcementLearning
from pydeeprecsys.rl.checkpoint import load_checkpoint, save_checkpoint
from pydeeprecsys.rl.learning_statistics import LearningStatistics
from pydeeprecsys.rl.manager import Episode, MovieLensFairnessManager
from pydeeprecsys.rl.rollout import Step
from pydeeprecsys.simulation.movielens.simulator import Pool

# Far from the training seeds 0, 1, 2, ...: equal seeds would be the same users in the same order.
_EVALUATION_SEED = 1_000_000_007
_EVALUATION_ENVS = 100

_METRICS_EVERY = 2.0  # seconds


@checked
@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Configuration of one run.

    Attributes:
        agent: Name of the agent, see `registry.AGENTS`.
        seed: Seed of the users and of the agent.
        dataset: Name or path for `open_world`; None if it is not known.
        episodes: Training episodes; 0 for an agent that is only evaluated.
        n_envs: Parallel environments, with one user each.
        slate_size: Items per slate.
        evaluation_episodes: Evaluation episodes of the trained agent.
        world_options: Options of the simulated world: `WorldOptions` without `pool`, and `version`, 0 or 1.
        options: Hyperparameters of the agent.
        checkpoint_every: Seconds between checkpoints; not part of the run's identity.
        train_pool: Pool of users for training. Facts of items, such as mean ratings, come from these users only.
        evaluation_pool: Pool of users for evaluation.

    Raises:
        InputError: An argument is out of range, or the world options hold a pool.
    """

    agent: str
    seed: Seed
    dataset: str | None = None
    episodes: Natural = 300
    n_envs: Count = 1
    slate_size: Count = 1
    evaluation_episodes: Count = 500
    world_options: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    checkpoint_every: NonNegative = 60.0
    train_pool: Pool = "train"
    evaluation_pool: Pool = "test"

    def __post_init__(self) -> None:
        if "pool" in self.world_options:
            raise InputError("world_options hold a pool; give train_pool and evaluation_pool in its place")

    @property
    def env_name(self) -> str:
        """The environment."""
        return f"MovieLensFairness-v{self.world_options.get('version', 0)}"

    def manager(self, world: World, seed: int, n_envs: int, pool: Pool) -> MovieLensFairnessManager:
        """Simulated users of a pool as this run wants them, from the random streams seed, seed + 1, ..."""
        return MovieLensFairnessManager(seed, self.slate_size, n_envs, dataset=world, pool=pool, **self.world_options)

    def as_json(self) -> dict[str, Any]:
        """Everything, the agent's defaults included, as JSON has it."""
        defaults = {option.name: option.default for option in agent_options(self.agent)}
        everything = asdict(self) | {"kind": "run", "options": defaults | dict(self.options)}
        # What is injected as an object stands there as its text: enough to see that another was.
        as_json: dict[str, Any] = json.loads(json.dumps(everything, default=repr))
        return as_json

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> Self:
        """What `as_json` told."""
        return cls(**{name: config[name] for name in cls.__dataclass_fields__})


@dataclass
class Run:
    """One agent from one seed: how it learned, and how it was judged once it had."""

    agent: str
    seed: int
    statistics: LearningStatistics
    seconds: float = 0.0  # of training
    evaluation: pd.DataFrame = field(default_factory=pd.DataFrame)  # a row a session: return, steps, violence, ...
    exposure: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, dtype=np.int64))  # (items,) in evaluation
    relevance: dict[str, list[float]] = field(default_factory=lambda: {"dcg": [], "ndcg": []})  # of each training step
    updates: int | None = None  # of the agent's parameters; None where they are not counted
    note: str = ""  # why it never updated, and what to change

    @property
    def steps_per_second(self) -> float:
        """Environment steps in training, by the clock; NaN without training."""
        lengths = self.statistics.get_metrics("timestep_rewards")
        return float("nan") if lengths is None else sum(map(len, lengths)) / self.seconds


OnEpisode = Callable[[int, Episode], None]


def carry_out(
    config: RunConfig,
    world: World,
    folder: Path,
    *,
    on_episode: OnEpisode = lambda number, episode: None,
    overwrite: bool = False,
) -> Run:
    """Do what is not done yet of a run, and keep its folder up to date with it.

    A run that was stopped, or killed at any moment, goes on from its last checkpoint to the same numbers, bit for bit,
    as if it had not been; one that is done is read.

    Args:
        config: what the run is.
        world: its users and items.
        folder: of `config.json`, `metrics.csv`, TensorBoard events, `log.txt` and `checkpoint.safetensors`, which grow
            as it learns; then also `evaluation.csv`, a row a session, `exposure.csv`, how often each item was shown,
            `sessions.json`, some sessions step by step, `agent.safetensors` where the agent can be saved.
        on_episode: called after each training episode with its number and the episode; what it raises stops the run,
            after a checkpoint.
        overwrite: remove the run that the folder holds, and begin anew.

    Raises:
        InputError: the folder is another run's, or another process is at work in it, or its checkpoint is damaged; or
            it is to be overwritten and holds anything that is not of a run.
        DivergenceError: the agent met numbers that are no longer finite; the last checkpoint stays.
    """
    with claimed(folder, overwrite=overwrite) as log:
        keep_config(folder, config.as_json() | {"record": record_of(world)})
        if not (folder / RESULT).exists():
            _do(config, world, folder, on_episode, log)
        return read_run(config, folder)


def check(config: RunConfig, world: World) -> None:
    """Raise an InputError where the options of world or agent cannot be, before anything is written."""
    config.manager(world, 0, 1, config.evaluation_pool)
    make_agent(config.agent, config.manager(world, 0, config.n_envs, config.train_pool), config.seed, **config.options)


def joint_note(notes: Mapping[int, str]) -> str:
    """The note on an agent, by those on its runs, of which each has a seed; empty where there is none."""
    told = {seed: note for seed, note in notes.items() if note}
    if not told:
        return ""
    first, *others = told
    likewise = f"; likewise seed {', '.join(map(str, others))}" if others else ""
    return f"{told[first]} (seed {first}{likewise})"


def read_run(config: RunConfig, folder: Path) -> Run:
    """A run that is done, from its folder."""
    statistics = LearningStatistics(config.agent, config.env_name)
    statistics.collected_metrics = read_metrics(folder / "metrics.csv")
    result = json.loads((folder / RESULT).read_text())
    run = Run(config.agent, config.seed, statistics, result["seconds"])
    run.updates, run.note = result.get("updates"), result.get("note", "")
    run.evaluation = pd.read_csv(folder / "evaluation.csv", dtype={"user": str})
    run.exposure = pd.read_csv(folder / "exposure.csv")["shown"].to_numpy()
    if (folder / "relevance.csv").exists():
        relevance = pd.read_csv(folder / "relevance.csv")
        run.relevance = {name: relevance[name].tolist() for name in run.relevance}
    return run


class _Training:
    """A training whose state is kept as it goes."""

    def __init__(self, config: RunConfig, world: World, folder: Path) -> None:
        # Environment i of a seed has the stream seed + i: streams of different seeds must not meet.
        self.manager = config.manager(world, config.seed * config.n_envs, config.n_envs, config.train_pool)
        self.statistics = LearningStatistics(config.agent, config.env_name)
        self.agent = make_agent(config.agent, self.manager, config.seed, statistics=self.statistics, **config.options)
        self.relevance: dict[str, list[float]] = {"dcg": [], "ndcg": []}
        self.seconds = 0.0
        self.trained = config.episodes == 0
        self.metrics = MetricsFile(folder / "metrics.csv", self.statistics)
        self.path = folder / CHECKPOINT
        if self.path.exists():
            self._go_on(load_checkpoint(self.path))

    def save(self) -> None:
        """Write a checkpoint; the metrics first, for it says how far they were."""
        size = self.metrics.append()
        state = {
            "metrics_size": size,
            "seconds": self.seconds,
            "trained": self.trained,
            "relevance": {name: np.array(values) for name, values in self.relevance.items()},
            "agent": self.agent.state_dict(),
            "manager": None if self.trained else self.manager.state_dict(),
        }
        save_checkpoint(self.path, state)

    def note(self) -> str:
        """Why an agent that learns never did, and what to change, in one line; empty for all others."""
        if self.agent.updates != 0:
            return ""
        episodes = self.statistics.get_metrics("timestep_rewards")
        lengths = [] if episodes is None else list(map(len, episodes))
        done = f"{self.statistics.model_name} never updated in {len(lengths)} episodes ({sum(lengths)} steps)"
        if not self.agent.first_update:
            return f"{done}; train for more episodes"
        return f"{done}: the first update waits for {self.agent.first_update}; train for more episodes or lower that"

    def _go_on(self, state: dict[str, Any]) -> None:
        self.metrics.read_back(state["metrics_size"])
        self.seconds, self.trained = state["seconds"], state["trained"]
        self.relevance = {name: values.tolist() for name, values in state["relevance"].items()}
        self.agent.load_state_dict(state["agent"])
        if not self.trained:
            self.manager.load_state_dict(state["manager"])


def _do(config: RunConfig, world: World, folder: Path, on_episode: OnEpisode, log: Callable[[str], None]) -> None:
    log(f"{config.agent}, seed {config.seed}: begins")
    training = _Training(config, world, folder)
    try:
        if not training.trained:
            _train(config, training, on_episode, log)
    finally:
        training.metrics.close()
        if hasattr(training.agent, "save"):
            training.agent.save(folder / "agent.safetensors")
    seed = _EVALUATION_SEED + config.seed * _EVALUATION_ENVS
    manager = config.manager(world, seed, _EVALUATION_ENVS, config.evaluation_pool)
    agent: ReinforcementLearning = training.agent
    if isinstance(agent, OracleAgent):  # it reads the users' minds, so it has to know whose
        agent = make_agent(config.agent, manager, config.seed, **config.options)
    judged = judge(agent, manager, world, config.evaluation_episodes)
    if training.relevance["dcg"]:
        with whole_file(folder / "relevance.csv") as path:
            pd.DataFrame(training.relevance).to_csv(path, index=False)
    judged.write(folder)
    mean_return, note = float(judged.evaluation["return"].mean()), training.note()
    result = {
        "seconds": training.seconds,
        "mean_return": mean_return,
        "updates": training.agent.updates,
        "note": note,
    }
    if note:
        log(note)
    with whole_file(folder / RESULT) as path:
        path.write_text(json.dumps(result))
    log(f"judged in {config.evaluation_episodes} sessions: mean return {mean_return:.3f}")


def _train(config: RunConfig, training: _Training, on_episode: OnEpisode, log: Callable[[str], None]) -> None:
    done = training.statistics.get_metrics("episode_rewards")
    if done is not None:
        log(f"goes on after {len(done)} episodes")
    begun = time.monotonic() - training.seconds
    kept = told = time.monotonic()

    def after_episode(number: int, episode: Episode) -> None:
        nonlocal kept, told
        now = time.monotonic()
        training.seconds = now - begun
        if now - kept >= config.checkpoint_every:
            training.save()
            kept = told = now
            log(f"checkpoint after {number + 1} episodes")
        elif now - told >= _METRICS_EVERY:
            training.metrics.append()
            told = now
        try:
            on_episode(number, episode)
        except BaseException:
            training.save()
            log(f"stopped after {number + 1} episodes")
            raise

    def on_step(step: Step) -> None:
        for name, values in training.relevance.items():
            values.extend(step.infos[name].tolist())

    try:
        training.manager.train(
            training.agent,
            training.statistics,
            config.episodes,
            should_print=False,
            on_episode=after_episode,
            on_step=on_step if config.slate_size > 1 else None,
        )
    except DivergenceError as error:
        log(str(error))
        raise
    training.trained = True
    training.seconds = time.monotonic() - begun
    training.save()
    log(f"trained for {training.seconds:.1f} s")
