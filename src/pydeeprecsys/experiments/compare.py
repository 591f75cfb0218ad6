"""Train agents on simulated users, judge them on fresh ones, and put them side by side."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import stats

from pydeeprecsys.data.world import World
from pydeeprecsys.errors import DivergenceError, InputError
from pydeeprecsys.evaluation.plots import learning_curves, save_figure
from pydeeprecsys.experiments.registry import agent_class, make_agent
from pydeeprecsys.files import whole_file
from pydeeprecsys.rl.learning_statistics import LearningStatistics
from pydeeprecsys.rl.manager import Episode, MovieLensFairnessManager
from pydeeprecsys.simulation.ranking import coverage, exposures, gini

ORACLE = "oracle"
# Far from the training seeds 0, 1, 2, ...: equal seeds would be the same users in the same order.
_EVALUATION_SEED = 1_000_000_007
_EVALUATION_ENVS = 100

OnEpisode = Callable[[str, int, int, Episode], None]


@dataclass(frozen=True)
class Comparison:
    """What is compared, and how.

    Attributes:
        world: the users and items.
        agents: names of agents, see `registry.AGENTS`.
        episodes: training episodes for each agent and seed.
        seeds: trainings of each agent; they have the seeds 0, 1, ...
        slate_size: items shown at a time.
        n_envs: users at once.
        evaluation_episodes: sessions in which each trained agent is judged, with the same users for all agents.
        world_options: of the simulated world, see `WorldOptions`; its `version`, 0 or 1, is among them.
        agent_options: of the agents, by name.

    Raises:
        InputError: an unknown or repeated agent, or numbers below 1.
    """

    world: World
    agents: Sequence[str]
    episodes: int = 300
    seeds: int = 3
    slate_size: int = 1
    n_envs: int = 1
    evaluation_episodes: int = 500
    world_options: Mapping[str, Any] = field(default_factory=dict)
    agent_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for agent in (*self.agents, *self.agent_options):
            agent_class(agent)
        if not self.agents or len(set(self.agents)) < len(self.agents):
            raise InputError("name the agents to compare, each once")
        for name in ("episodes", "seeds", "n_envs", "evaluation_episodes"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; give at least 1")

    @property
    def env_name(self) -> str:
        """The environment that is compared in."""
        return f"MovieLensFairness-v{self.world_options.get('version', 0)}"

    def manager(self, seed: int, n_envs: int) -> MovieLensFairnessManager:
        """Simulated users as this comparison wants them, from the random streams seed, seed + 1, ..."""
        return MovieLensFairnessManager(seed, self.slate_size, n_envs, dataset=self.world, **self.world_options)


@dataclass
class Run:
    """One agent from one seed: how it learned, and how it was judged once it had."""

    agent: str
    seed: int
    statistics: LearningStatistics
    seconds: float = 0.0  # of training
    evaluation: list[Episode] = field(default_factory=list)
    exposure: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, dtype=np.int64))  # (items,) in evaluation
    relevance: dict[str, list[float]] = field(default_factory=lambda: {"dcg": [], "ndcg": []})  # of each training step
    written: bool = False

    @property
    def steps_per_second(self) -> float:
        """Environment steps in training, by the clock; NaN without training."""
        lengths = self.statistics.get_metrics("timestep_rewards")
        return float("nan") if lengths is None else sum(map(len, lengths)) / self.seconds


def compare(
    comparison: Comparison,
    out: Path,
    on_episode: OnEpisode = lambda agent, seed, number, episode: None,
    jobs: int = 1,
    stop_if_asked: Callable[[], None] = lambda: None,
) -> pd.DataFrame:
    """Train and judge every agent from every seed, keeping the files in `out` up to date with what is done.

    The oracle is judged along, for the others are measured by what it reaches.

    Args:
        comparison: what is compared, and how.
        out: folder of `all_metrics.csv`, `summary.csv`, `learning_curves.png` and `learning_curves.pdf`; for slates
            also of `relevance_metrics.csv`, DCG and NDCG of every step in training, and of their description,
            `relevance_metrics_describe.csv`.
        on_episode: called after each training episode with agent, seed, number of the episode, and the episode; with
            several jobs, after the whole run, and then with its rewards only.
        jobs: processes side by side, of as many threads of torch each as this one has; the numbers are the same.
        stop_if_asked: called often; it may raise KeyboardInterrupt, and what was done is then kept.

    Returns:
        The summary, see `summarize`.

    Raises:
        DivergenceError: an agent met numbers that are no longer finite; what was done is kept.
        BrokenProcessPool: a process of several was killed; what was done is kept.
    """
    planned = [
        Run(agent, seed, LearningStatistics(agent, comparison.env_name))
        for seed in range(comparison.seeds)
        for agent in dict.fromkeys((*comparison.agents, ORACLE))
    ]

    def tell(agent: str, seed: int, number: int, episode: Episode) -> None:
        stop_if_asked()
        on_episode(agent, seed, number, episode)

    runs: list[Run] = []
    try:
        if jobs == 1:
            for run in planned:
                runs.append(run)
                _train_and_judge(comparison, run, tell)
                _write(runs, out)
        else:
            for run in _side_by_side(comparison, planned, jobs, stop_if_asked):
                runs.append(run)
                _write(runs, out)
                episodes = run.statistics.get_metrics("timestep_rewards")
                for number, rewards in enumerate([] if episodes is None else episodes.tolist()):
                    tell(run.agent, run.seed, number, Episode(rewards, {}))
    except (KeyboardInterrupt, DivergenceError, BrokenProcessPool):
        if runs:
            _write(runs, out)
            _draw(runs, out)
        raise
    _draw(runs, out)
    return summarize(runs)


def _side_by_side(
    comparison: Comparison, planned: Sequence[Run], jobs: int, stop_if_asked: Callable[[], None]
) -> Iterator[Run]:
    """Train and judge in processes of their own, and give the runs in the order in which they were planned."""
    with ProcessPoolExecutor(jobs, get_context("spawn"), _begin_process, (torch.get_num_threads(),)) as pool:
        try:
            for future in [pool.submit(_judged, comparison, run) for run in planned]:
                while not wait([future], timeout=0.2).done:
                    stop_if_asked()
                yield future.result()
        except BaseException:
            # Whoever stops does not want to wait for what runs, nor for what has not begun.
            pool.shutdown(wait=False, cancel_futures=True)
            for process in active_children():
                process.terminate()
            raise


def _begin_process(threads: int) -> None:
    # Ctrl-C reaches all processes of a terminal; the first of them decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)


def _judged(comparison: Comparison, run: Run) -> Run:
    _train_and_judge(comparison, run, lambda agent, seed, number, episode: None)
    return run


def _train_and_judge(comparison: Comparison, run: Run, on_episode: OnEpisode) -> None:
    # Environment i of a seed has the stream seed + i: streams of different seeds must not meet.
    manager = comparison.manager(run.seed * comparison.n_envs, comparison.n_envs)
    judge = comparison.manager(_EVALUATION_SEED + run.seed * _EVALUATION_ENVS, _EVALUATION_ENVS)
    options = comparison.agent_options.get(run.agent, {})
    agent = make_agent(run.agent, manager, run.seed, statistics=run.statistics, **options)
    if run.agent in comparison.agents:

        def on_step(timestep: int, actions: Any, rewards: Any, states: Any, infos: dict[str, Any]) -> None:
            for name, values in run.relevance.items():
                values.extend(infos[name].tolist())

        start = time.perf_counter()
        manager.train(
            agent,
            run.statistics,
            comparison.episodes,
            should_print=False,
            on_episode=lambda number, episode: on_episode(run.agent, run.seed, number, episode),
            on_step=on_step if comparison.slate_size > 1 else None,
        )
        run.seconds = time.perf_counter() - start
    if run.agent == ORACLE:  # it reads the users' minds, so it has to know whose
        agent = make_agent(run.agent, judge, run.seed, **options)
    run.exposure = np.zeros(comparison.world.n_items, dtype=np.int64)

    def on_judged_step(timestep: int, actions: Any, rewards: Any, states: Any, infos: dict[str, Any]) -> None:
        run.exposure += exposures(actions.reshape(len(actions), -1), comparison.world.n_items)

    judge.execute_episodes(
        agent,
        comparison.evaluation_episodes,
        on_episode=lambda number, episode: run.evaluation.append(episode),
        on_step=on_judged_step,
    )


def summarize(runs: Sequence[Run]) -> pd.DataFrame:
    """Summarise what agents reached.

    Args:
        runs: of any agents and seeds; those not judged yet are left out.

    Returns:
        One row an agent, best first: `mean_return` of the evaluation sessions, `low` and `high` ends of its 95 %
        interval over seeds (Student's t; NaN for a single seed), `share_of_oracle`, `training_return` (mean of the last
        100 training episodes), `violence` shown in evaluation, slates in a session there (`session_length`), share of
        the items shown there at all (`coverage`) and how unequally (`gini`, see `simulation.ranking`),
        `steps_per_second` in training, `seeds`.
    """
    rows = []
    for agent in dict.fromkeys(run.agent for run in runs):
        judged = [run for run in runs if run.agent == agent and run.evaluation]
        if not judged:
            continue
        returns = np.array([np.mean([sum(episode.rewards) for episode in run.evaluation]) for run in judged])
        moving = [run.statistics.moving_rewards for run in judged]
        margin = float("nan")
        if len(returns) > 1:
            margin = float(stats.t.ppf(0.975, len(returns) - 1) * stats.sem(returns))
        rows.append(
            {
                "agent": agent,
                "mean_return": returns.mean(),
                "low": returns.mean() - margin,
                "high": returns.mean() + margin,
                "training_return": np.mean([float("nan") if m is None else m.iloc[-1] for m in moving]),
                "violence": np.mean([[episode.measures["violence"] for episode in run.evaluation] for run in judged]),
                "session_length": np.mean([[len(episode.rewards) for episode in run.evaluation] for run in judged]),
                "coverage": np.mean([coverage(run.exposure) for run in judged]),
                "gini": np.mean([gini(run.exposure) for run in judged]),
                "steps_per_second": np.median([run.steps_per_second for run in judged]),
                "seeds": len(judged),
            }
        )
    columns = ["agent", "mean_return", "low", "high", "training_return", "violence", "session_length"]
    columns += ["coverage", "gini", "steps_per_second", "seeds"]
    summary = pd.DataFrame(rows, columns=columns).sort_values("mean_return", ascending=False, ignore_index=True)
    oracle = summary.loc[summary["agent"] == ORACLE, "mean_return"]
    summary.insert(4, "share_of_oracle", summary["mean_return"] / (oracle.iloc[0] if len(oracle) else float("nan")))
    return summary


def _write(runs: Sequence[Run], out: Path) -> None:
    fresh = [run for run in runs if not run.written]
    path = out / "all_metrics.csv"
    with whole_file(path) as temporary:
        if len(fresh) < len(runs):
            shutil.copyfile(path, temporary)  # cheaper than to write all numbers out again
        for run in fresh:
            header = run is runs[0]
            run.statistics.to_frame().assign(seed=run.seed).to_csv(temporary, mode="a", header=header, index=False)
    for run in fresh:
        run.written = True
    with whole_file(out / "summary.csv") as temporary:
        summarize(runs).to_csv(temporary, index=False)
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
    oracle = [episode.output.reward_sum for run in runs if run.agent == ORACLE for episode in run.evaluation]
    if len(curves):
        figure = learning_curves(curves, (ORACLE, float(np.mean(oracle))) if oracle else None)
        save_figure(figure, out / "learning_curves")
