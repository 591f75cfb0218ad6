"""Train agents on simulated users, judge them on fresh ones, and put them side by side."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from pydeeprecsys.arguments import Count, NonNegative, checked
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import DivergenceError, InputError
from pydeeprecsys.evaluation.plots import learning_curves, save_figure
from pydeeprecsys.evaluation.standings import ORACLE, RANDOM, run_measures, standings
from pydeeprecsys.experiments.record import record_of
from pydeeprecsys.experiments.registry import agent_class
from pydeeprecsys.experiments.run import Run, RunConfig, carry_out, check, joint_note
from pydeeprecsys.experiments.run_folder import RUNS, claimed, keep_config
from pydeeprecsys.experiments.workers import open_workers
from pydeeprecsys.files import whole_file
from pydeeprecsys.rl.manager import Episode
from pydeeprecsys.simulation.movielens.simulator import Pool

OnEpisode = Callable[[str, int, int, Episode], None]

# About how long 5,000 sessions take that agents learn in; those not named take a second or less.
_SECONDS = {"sac": 40_000, "slate-q": 3000, "rainbow": 900, "dqn": 800, "ppo": 250, "linucb": 200, "thompson": 200}
_SECONDS |= {"actor-critic": 150, "reinforce": 150}


@dataclass(frozen=True)
class Failure:
    """A run that met numbers that are no longer finite.

    Attributes:
        agent: its name.
        seed: of the run.
        message: one line that says when.
    """

    agent: str
    seed: int
    message: str


@checked
@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Configuration of a comparison of agents.

    Attributes:
        world: Users and items.
        agents: Names of the agents, see `registry.AGENTS`.
        episodes: Training episodes per agent and seed.
        seeds: Number of training runs per agent, with the seeds 0, 1, ...
        slate_size: Items per slate.
        n_envs: Parallel environments, with one user each.
        evaluation_episodes: Evaluation episodes per trained agent, with the same users for all agents.
        world_options: Options of the simulated world: `WorldOptions` without `pool`, and `version`, 0 or 1.
        agent_options: Hyperparameters of the agents, by agent.
        dataset: Name or path for `open_world`; None if it is not known.
        checkpoint_every: Seconds between checkpoints of a run.
        train_pool: Pool of users for training, see `RunConfig`.
        evaluation_pool: Pool of users for evaluation.

    Raises:
        InputError: An argument is out of range, an agent is unknown or repeated, or the world options hold a pool.
    """

    world: World
    agents: Sequence[str]
    episodes: Count = 300
    seeds: Count = 3
    slate_size: Count = 1
    n_envs: Count = 1
    evaluation_episodes: Count = 500
    world_options: Mapping[str, Any] = field(default_factory=dict)
    agent_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    dataset: str | None = None
    checkpoint_every: NonNegative = 60.0
    train_pool: Pool = "train"
    evaluation_pool: Pool = "test"

    def __post_init__(self) -> None:
        for agent in (*self.agents, *self.agent_options):
            agent_class(agent)
        if not self.agents or len(set(self.agents)) < len(self.agents):
            raise InputError("name the agents to compare, each once")
        self.runs()  # which checks their settings

    def runs(self) -> list[RunConfig]:
        """Every agent from every seed; random and oracle among them, not trained where nobody asked for them."""
        return [
            RunConfig(
                agent=agent,
                seed=seed,
                dataset=self.dataset,
                episodes=self.episodes if agent in self.agents and agent != ORACLE else 0,
                n_envs=self.n_envs,
                slate_size=self.slate_size,
                evaluation_episodes=self.evaluation_episodes,
                world_options=self.world_options,
                options=self.agent_options.get(agent, {}),
                checkpoint_every=self.checkpoint_every,
                train_pool=self.train_pool,
                evaluation_pool=self.evaluation_pool,
            )
            for seed in range(self.seeds)
            for agent in dict.fromkeys((*self.agents, RANDOM, ORACLE))
        ]

    def as_json(self) -> dict[str, Any]:
        """Everything but the world, as JSON has it."""
        told = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "world"}
        as_json: dict[str, Any] = json.loads(json.dumps(told | {"kind": "compare"}, default=repr))
        return as_json

    @classmethod
    def from_json(cls, config: Mapping[str, Any], world: World) -> Self:
        """What `as_json` told."""
        return cls(world=world, **{name: config[name] for name in cls.__dataclass_fields__ if name != "world"})


def compare(
    comparison: Comparison,
    out: Path,
    on_episode: OnEpisode = lambda agent, seed, number, episode: None,
    jobs: int = 1,
    stop_if_asked: Callable[[], None] = lambda: None,
    ray_address: str | None = None,
    overwrite: bool = False,
    on_failure: Callable[[Failure], None] = lambda failure: None,
) -> pd.DataFrame:
    """Train and judge every agent from every seed, keeping the files in `out` up to date with what is done.

    Random and oracle are judged along, for the others are measured by what these reach. What was done already in the
    same folder is kept, and what was begun goes on from its last checkpoint, to the same numbers.

    Args:
        comparison: what is compared, and how.
        out: folder of `config.json`, `all_metrics.csv`, `summary.csv`, `learning_curves.png` and
            `learning_curves.pdf`, and of a folder for each run, `runs/<agent>-<seed>`, see `carry_out`; for slates also
            of `relevance_metrics.csv`, DCG and NDCG of every step in training, and of their description,
            `relevance_metrics_describe.csv`.
        on_episode: called after each training episode with agent, seed, number of the episode, and the episode; with
            several processes, after the whole run, and then with its rewards only.
        jobs: processes side by side, of as many threads of torch each as this one has; the numbers are the same.
        stop_if_asked: called often; it may raise KeyboardInterrupt, and what was done is then kept.
        ray_address: of a Ray cluster that does the runs, see `open_workers`.
        overwrite: remove the comparison that the folder holds, and begin anew.
        on_failure: called after each run that diverged; the other runs go on.

    Returns:
        The summary, see `summarize`.

    Raises:
        InputError: an option that cannot be, or the folder holds runs of other settings, or another process is at work
            in it, or it is to be overwritten and holds anything that is not of a run.
        DivergenceError: every run diverged.
        BrokenProcessPool: a process of several was killed; what was done is kept.
    """
    world, configs = comparison.world, comparison.runs()
    for config in configs[: len(configs) // comparison.seeds]:
        check(config, world)
    told: set[tuple[str, int]] = set()

    def tell(agent: str, seed: int, number: int, episode: Episode) -> None:
        told.add((agent, seed))
        stop_if_asked()
        on_episode(agent, seed, number, episode)

    runs: list[Run] = []
    failures: list[Failure] = []
    # Workers first: what the folder holds is not removed for an address that was mistyped.
    with (
        open_workers((world, out.resolve()), out, jobs, ray_address) as workers,
        claimed(out, overwrite=overwrite) as log,
    ):
        keep_config(out, comparison.as_json() | {"record": record_of(world)}, may_change={"agents", "seeds"})
        try:
            for run in workers.results(_carry_out, configs, stop_if_asked=stop_if_asked, tell=tell, cost=_cost):
                if isinstance(run, Failure):
                    failures.append(run)
                    log(f"{run.agent}, seed {run.seed}: {run.message}")
                    on_failure(run)
                    continue
                runs.append(run)
                _write(runs, failures, out)
                if (run.agent, run.seed) not in told:  # by a process of its own, or before
                    episodes = run.statistics.get_metrics("timestep_rewards")
                    for number, rewards in enumerate([] if episodes is None else episodes.tolist()):
                        tell(run.agent, run.seed, number, Episode(rewards, {}))
        finally:
            if runs:
                _write_summary(runs, failures, out)
                _draw(runs, out)
    if not runs:
        raise DivergenceError(failures[0].message)
    return summarize(runs, failures)


def _cost(config: RunConfig) -> float:
    """How long a run may take beside others: with the longest first, no process is left alone with one at the end."""
    return config.episodes * _SECONDS.get(config.agent, 1)


def _carry_out(shared: tuple[World, Path], config: RunConfig, tell: Callable[..., None]) -> Run | Failure:
    world, out = shared
    folder = out / RUNS / f"{config.agent}-{config.seed}"
    on_episode = partial(tell, config.agent, config.seed)
    try:
        return carry_out(config, world, folder, on_episode=on_episode)
    except DivergenceError as error:
        return Failure(config.agent, config.seed, str(error))


def summarize(runs: Sequence[Run], failures: Sequence[Failure] = ()) -> pd.DataFrame:
    """Summarise what agents reached.

    Args:
        runs: of any agents and seeds.
        failures: of the same comparison.

    Returns:
        One row an agent, best first: what `standings` tells of the mean returns in evaluation; `training_return` (of
        the last 100 training episodes); of what was shown in evaluation the `violence` and the share whose violence was
        not measured (`unmeasured`), slates in a session there (`session_length`), share of the items shown there at all
        (`coverage`) and how unequally (`gini`, see `metrics.exposure`), and parameter `updates` (NaN where they are
        not counted), each the mean over seeds; `steps_per_second` in training, the median; `note`, which seeds never
        updated, why, and what to change; `failed`, how many seeds diverged, of which nothing is known. An agent that
        failed from every seed comes last, with NaN.
    """
    own: dict[str, list[Run]] = {}
    for run in runs:
        own.setdefault(run.agent, []).append(run)
    measured = {agent: pd.DataFrame([run_measures(r.evaluation, r.exposure) for r in own[agent]]) for agent in own}
    rows = []
    for agent in own:
        moving = [run.statistics.moving_rewards for run in own[agent]]
        rows.append(
            {
                "agent": agent,
                "training_return": np.mean([float("nan") if m is None else m.iloc[-1] for m in moving]),
                **measured[agent].drop(columns="return").mean(),
                "updates": np.mean([float("nan") if run.updates is None else run.updates for run in own[agent]]),
                "steps_per_second": np.median([run.steps_per_second for run in own[agent]]),
                "note": joint_note({run.seed: run.note for run in own[agent]}) or float("nan"),
            }
        )
    returns = {
        agent: dict(zip([run.seed for run in own[agent]], measured[agent]["return"], strict=True)) for agent in own
    }
    summary = standings(returns).merge(pd.DataFrame(rows), on="agent")
    failed = Counter(failure.agent for failure in failures)
    lost = pd.DataFrame({"agent": [agent for agent in failed if agent not in own], "seeds": 0})
    summary = pd.concat([summary, lost], ignore_index=True) if len(lost) else summary
    return summary.assign(failed=[failed[agent] for agent in summary["agent"]])


def _write_summary(runs: Sequence[Run], failures: Sequence[Failure], out: Path) -> None:
    with whole_file(out / "summary.csv") as temporary:
        summarize(runs, failures).to_csv(temporary, index=False)


def _write(runs: Sequence[Run], failures: Sequence[Failure], out: Path) -> None:
    run, path = runs[-1], out / "all_metrics.csv"
    with whole_file(path) as temporary:
        if len(runs) > 1:
            shutil.copyfile(path, temporary)  # cheaper than to write all numbers out again
        frame = run.statistics.to_frame().assign(seed=run.seed)
        frame.to_csv(temporary, mode="a", header=len(runs) == 1, index=False)
    _write_summary(runs, failures, out)
    relevance = relevance_metrics(runs)
    if len(relevance):
        for name, table in (("relevance_metrics", relevance), ("relevance_metrics_describe", relevance.describe())):
            with whole_file(out / f"{name}.csv") as temporary:
                table.to_csv(temporary)


def relevance_metrics(runs: Sequence[Run]) -> pd.DataFrame:
    """DCG and NDCG of every training step with slates: columns dcg_<agent>, ndcg_<agent>; seed below seed.

    Without steps there are no rows; agents whose sessions were shorter have less, and NaN below.
    """
    columns: dict[str, list[float]] = {}
    for run in runs:
        for name, values in run.relevance.items():
            if values:
                columns.setdefault(f"{name}_{run.agent}", []).extend(values)
    return pd.DataFrame({name: pd.Series(values) for name, values in columns.items()})


def _draw(runs: Sequence[Run], out: Path) -> None:
    curves = pd.concat([run.statistics.to_frame().query("metric == 'moving_rewards'") for run in runs])
    oracle = [run.evaluation["return"].mean() for run in runs if run.agent == ORACLE]
    if len(curves):
        figure = learning_curves(curves, (ORACLE, float(np.median(oracle))) if oracle else None)
        save_figure(figure, out / "learning_curves")
