"""A comparison: agents trained on one task from several seeds, evaluated on the same episodes, and put side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from pydeeprecsys.arguments import Count, checked
from pydeeprecsys.errors import BusyError, DivergenceError, InputError
from pydeeprecsys.evaluation.plots import learning_curves
from pydeeprecsys.evaluation.standings import ORACLE, RANDOM, standings
from pydeeprecsys.experiments.captions import figure_title
from pydeeprecsys.experiments.config import RunConfig, Settings
from pydeeprecsys.experiments.longer import check_longer
from pydeeprecsys.experiments.provenance import provenance
from pydeeprecsys.experiments.registry import agent_class
from pydeeprecsys.experiments.run import check, run, why_failed
from pydeeprecsys.experiments.run_folder import RunFolder, joint_note
from pydeeprecsys.experiments.workers import Report, open_workers
from pydeeprecsys.rl.callback import Callback
from pydeeprecsys.rl.manager import Episode

OnEpisode = Callable[[str, int, int, Episode], None]
Failures = dict[tuple[str, int], str]
"""Of runs that failed, by agent and seed: in one line why, such as when a loss was no longer finite."""


@checked
@dataclass(frozen=True, kw_only=True)
class Comparison(Settings):
    """Configuration of a comparison of agents.

    Attributes:
        agents: Names of the agents, see `RunConfig`.
        episodes: Training episodes per agent and seed.
        seeds: Number of training runs per agent, with the seeds 0, 1, ...
        hyperparameters: Hyperparameters of the agents, by agent.

    Raises:
        InputError: A setting is out of range, an agent is unknown or repeated, or one has hyperparameters that is not
            compared.
    """

    kind: ClassVar[str] = "compare"

    agents: Sequence[str]
    episodes: Count = 300
    seeds: Count = 5
    hyperparameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        for agent in (*self.agents, *self.hyperparameters):
            agent_class(agent)
        if not self.agents or len(set(self.agents)) < len(self.agents):
            raise InputError("name the agents to compare, each once")
        if unused := sorted(self.hyperparameters.keys() - set(self.all_agents)):
            raise InputError(f"{unused[0]} has hyperparameters and is not compared; add it to the agents")
        self.runs()  # which checks their settings

    @property
    def all_agents(self) -> list[str]:
        """The agents, and those that others are measured by: random, and for simulated users the oracle."""
        return list(dict.fromkeys((*self.agents, RANDOM, *([ORACLE] if self.task.has_users else []))))

    def runs(self) -> list[RunConfig]:
        """Every agent from every seed; agents that nobody asked for, and the oracle, are only evaluated."""
        return [self.run(agent, seed) for seed in range(self.seeds) for agent in self.all_agents]

    def run(self, agent: str, seed: int) -> RunConfig:
        """The run of an agent from a seed."""
        untrained = agent not in self.agents or agent == ORACLE
        return RunConfig(
            **self.shared() | ({"evaluate_every": None} if untrained else {}),
            agent=agent,
            seed=seed,
            episodes=0 if untrained else self.episodes,
            hyperparameters=self.hyperparameters.get(agent, {}),
        )


def compare(
    comparison: Comparison,
    out: str | Path,
    on_episode: OnEpisode = lambda agent, seed, number, episode: None,
    jobs: int = 1,
    *,
    stop_if_asked: Callable[[], None] = lambda: None,
    ray_address: str | None = None,
    overwrite: bool = False,
    failures: Failures | None = None,
    callbacks: Sequence[Callback] = (),
) -> pd.DataFrame:
    """Train and evaluate all agents from all seeds, and keep the files in the folder up to date.

    Finished runs in the folder are kept, and interrupted ones continued, to the same numbers; agents and seeds may be
    added, and episodes: runs are then trained for longer.

    Args:
        comparison: the settings.
        out: folder of the comparison; of its runs there are folders in `runs/`.
        on_episode: called after each training episode with the agent, the seed, the number of the episode and the
            episode: at once for runs of this process, after the run for runs of others and those done before.
        jobs: processes side by side; the numbers are the same for any.
        stop_if_asked: called often; it may raise KeyboardInterrupt; results so far are kept.
        ray_address: of a Ray cluster for the runs, see `open_workers`.
        overwrite: remove the comparison that the folder holds, and begin anew.
        failures: receives the runs that failed; the other runs continue.
        callbacks: of every run, one after the other, see `run`; with several processes, copies of them in each.

    Returns:
        The summary, see `summarize`.

    Raises:
        InputError: an option that cannot be, or the folder holds runs of other settings, or another process is using
            it, or it is to be overwritten and holds anything that is not of a run.
        DivergenceError: every run failed.
        BrokenProcessPool: one of several processes was killed; results so far are kept.
    """
    folder = RunFolder(out)
    for agent in comparison.all_agents:
        check(comparison.run(agent, 0))
    heard: set[tuple[str, int]] = set()

    def report(agent: str, seed: int, number: int, episode: Episode) -> None:
        heard.add((agent, seed))
        stop_if_asked()
        on_episode(agent, seed, number, episode)

    trainings = [(config.agent, config.seed) for config in comparison.runs()]
    done: list[RunFolder] = []
    failures = {} if failures is None else failures
    # Workers first: what the folder holds is not removed for an address that was mistyped.
    with (
        open_workers((comparison, folder.path.resolve(), callbacks), folder.path, jobs, ray_address) as workers,
        folder.claimed(overwrite=overwrite) as log,
    ):
        made = {"provenance": provenance(comparison.task.world)}
        folder.begin(comparison.as_json() | made, on_change=partial(_check_longer, folder, comparison))
        results = partial(workers.results, _run, trainings, stop_if_asked=stop_if_asked, report=report)
        try:
            for (agent, seed), failure in zip(trainings, results(cost=partial(_cost, comparison)), strict=True):
                each = folder.run(agent, seed)
                if failure := failure or _unreadable(each):
                    failures[agent, seed] = failure
                    log(f"{agent}, seed {seed}: {failure}")
                    continue
                done.append(each)
                _write(done, failures, folder)
                if (agent, seed) not in heard:  # of a process of its own, or done before
                    for number, rewards in enumerate(done[-1].series("timestep_rewards")):
                        report(agent, seed, number, Episode(rewards, {}))
        finally:
            if done:
                folder.write_summary(summarize(done, failures))
        if done:
            _draw(done, folder)
    if not done:
        raise DivergenceError(next(iter(failures.values())))
    return summarize(done, failures)


def _check_longer(folder: RunFolder, comparison: Comparison) -> None:
    if (before := folder.config["episodes"]) > comparison.episodes:
        raise InputError(f"{folder.path} holds trainings of {before} episodes; give as many, or more")
    for config in comparison.runs():
        if (run := folder.run(config.agent, config.seed)).config:
            check_longer(run, config)


def _run(shared: tuple[Comparison, Path, Sequence[Callback]], training: tuple[str, int], report: Report) -> str | None:
    comparison, out, callbacks = shared
    folder = RunFolder(out).run(*training).path
    try:
        run(comparison.run(*training), folder, on_episode=partial(report, *training), callbacks=callbacks)
    except (BusyError, OSError):
        raise
    except Exception as error:
        return why_failed(error, folder)
    return None


def _unreadable(run: RunFolder) -> str:
    """Why the results of a run that is done cannot be read, in one line; empty if they can."""
    try:
        run.read()
    except InputError as error:
        return str(error)
    return ""


def _cost(comparison: Comparison, training: tuple[str, int]) -> float:
    # The longest first: so no process is left alone with a long one at the end.
    return (comparison.run(*training).episodes or 0) * agent_class(training[0]).training_cost


def summarize(runs: Sequence[RunFolder], failures: Failures | None = None) -> pd.DataFrame:
    """Summarise what agents reached.

    Args:
        runs: of any agents and seeds, all done.
        failures: runs that failed.

    Returns:
        One row per agent, best first: the columns of `standings`, from the mean returns in evaluation; then, each the
        mean over seeds, `training_return` (of the last 100 training episodes); of what was shown in evaluation the
        `violence`, the share whose violence was not measured (`unmeasured`), the steps of an episode
        (`session_length`), the share of the items that were shown at all (`coverage`) and how unequally (`gini`);
        `features`, the source of its item features; parameter `updates`; `steps_per_second` in training, the median;
        `note`, which seeds never updated, why, and what to change; `failed`, how many seeds failed, and `failure`, why.
        NaN for what is not known. An agent that failed from every seed comes last.
    """
    own: dict[str, list[RunFolder]] = {}
    for each in runs:
        own.setdefault(each.agent, []).append(each)
    measured = {agent: pd.DataFrame([each.measures for each in own[agent]]) for agent in own}
    nothing = float("nan")
    rows = [
        {
            "agent": agent,
            "training_return": np.mean([(each.series("moving_rewards") or [nothing])[-1] for each in own[agent]]),
            **measured[agent].drop(columns="return").mean(),
            "features": own[agent][0].features or nothing,
            "updates": np.mean([nothing if (n := each.result["updates"]) is None else n for each in own[agent]]),
            "steps_per_second": np.median([each.steps_per_second for each in own[agent]]),
            "note": joint_note({each.seed: each.note for each in own[agent]}) or nothing,
        }
        for agent in own
    ]
    returns = {
        agent: dict(zip([each.seed for each in own[agent]], measured[agent]["return"], strict=True)) for agent in own
    }
    summary = standings(returns).merge(pd.DataFrame(rows), on="agent")
    failed: dict[str, dict[int, str]] = {}
    for (agent, seed), why in (failures or {}).items():
        failed.setdefault(agent, {})[seed] = why
    lost = pd.DataFrame({"agent": [agent for agent in failed if agent not in own], "seeds": 0})
    summary = pd.concat([summary, lost], ignore_index=True) if len(lost) else summary
    whys = [failed.get(agent, {}) for agent in summary["agent"]]
    return summary.assign(failed=list(map(len, whys)), failure=[joint_note(why) or nothing for why in whys])


def _write(runs: Sequence[RunFolder], failures: Failures, folder: RunFolder) -> None:
    frame = runs[-1].statistics.to_frame().assign(seed=runs[-1].seed)
    folder.add_metrics(frame, first=len(runs) == 1)
    folder.write_summary(summarize(runs, failures))
    if len(relevance := relevance_metrics(runs)):
        folder.write_relevance(relevance)


def relevance_metrics(runs: Sequence[RunFolder]) -> pd.DataFrame:
    """DCG and NDCG of every step of the training episodes with slates: columns dcg_<agent>, ndcg_<agent>.

    The seeds of an agent stand below each other, and NaN below agents whose sessions were shorter. Without slates there
    are no rows.
    """
    columns: dict[str, list[float]] = {}
    for each in runs:
        for name in ("dcg", "ndcg"):
            if steps := [value for episode in each.series(f"timestep_{name}") for value in episode]:
                columns.setdefault(f"{name}_{each.agent}", []).extend(steps)
    return pd.DataFrame({name: pd.Series(values) for name, values in columns.items()})


def _draw(runs: Sequence[RunFolder], folder: RunFolder) -> None:
    curves = pd.concat([each.statistics.to_frame().query("metric == 'moving_rewards'") for each in runs])
    oracle = [each.result["mean_return"] for each in runs if each.agent == ORACLE]
    reference = (ORACLE, float(np.median(oracle))) if oracle else None
    if len(curves):
        agents = [*curves["model"].unique(), *([ORACLE] if oracle else [])]
        title = figure_title(agents, folder.config, [each.seed for each in runs])
        folder.save_curves(partial(learning_curves, curves, reference, title))
