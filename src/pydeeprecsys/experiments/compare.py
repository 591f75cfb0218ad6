"""A comparison: agents trained on one task from several seeds, evaluated on the same episodes, and put side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from pydeeprecsys.arguments import Count, checked
from pydeeprecsys.errors import BusyError, DivergenceError, InputError
from pydeeprecsys.evaluation.fronts import front_table
from pydeeprecsys.evaluation.plots import fronts, learning_curves
from pydeeprecsys.evaluation.standings import ORACLE, RANDOM
from pydeeprecsys.experiments.captions import figure_title
from pydeeprecsys.experiments.config import RunConfig, Settings
from pydeeprecsys.experiments.longer import check_longer
from pydeeprecsys.experiments.provenance import provenance
from pydeeprecsys.experiments.registry import agent_class
from pydeeprecsys.experiments.run import check, run, why_failed
from pydeeprecsys.experiments.run_folder import RunFolder
from pydeeprecsys.experiments.summary import Failures, relevance_metrics, summarize, summarize_sweep, sweep_points
from pydeeprecsys.experiments.sweep import Sweep
from pydeeprecsys.experiments.workers import Report, open_workers
from pydeeprecsys.rl.callback import Callback
from pydeeprecsys.rl.manager import Episode

OnEpisode = Callable[[str, int, int, Episode], None]


@checked
@dataclass(frozen=True, kw_only=True)
class Comparison(Settings):
    """Configuration of a comparison of agents.

    Attributes:
        agents: Names of the agents, see `RunConfig`.
        episodes: Training episodes per agent and seed.
        seeds: Number of training runs per agent, with the seeds 0, 1, ...
        hyperparameters: Hyperparameters of the agents, by agent.
        sweep: A numeric option at several values, for the front of rating against harm: NAME=FROM:TO:STEP, both ends
            included, or NAME=VALUE,VALUE,... NAME is an option of the environment, or AGENT.OPTION: then only this
            agent is trained at each value.

    Raises:
        InputError: A setting is out of range, an agent is unknown or repeated, or one has hyperparameters that is not
            compared; or the sweep cannot be, or nothing is known of the harm it would be drawn against.
    """

    kind: ClassVar[str] = "compare"

    agents: Sequence[str]
    episodes: Count = 300
    seeds: Count = 5
    hyperparameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sweep: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for agent in (*self.agents, *self.hyperparameters):
            agent_class(agent)
        if not self.agents or len(set(self.agents)) < len(self.agents):
            raise InputError("name the agents to compare, each once")
        if unused := sorted(self.hyperparameters.keys() - set(self.all_agents)):
            raise InputError(f"{unused[0]} has hyperparameters and is not compared; add it to the agents")
        if self.swept is not None:
            self._check_sweep(self.swept)
        self.runs()  # which checks their settings

    def _check_sweep(self, swept: Sweep) -> None:
        world, target = self.task.world, swept.target
        if world is None:
            raise InputError(f"{self.task.env} shows no items with violence, so there is no front to draw; no sweep")
        if not world.violence_measured.any():
            raise InputError(f"the violence of the items of {world.name} is not known, so there is no front to draw")
        if swept.agent is not None and swept.agent not in self.all_agents:
            raise InputError(f"{target} is swept, and {swept.agent} is not compared; add it to the agents")
        set_ = self.task.env_options if swept.agent is None else self.hyperparameters.get(swept.agent, {})
        if swept.option in set_:
            raise InputError(f"{target} is swept, and set to {set_[swept.option]}; leave one of both out")

    @property
    def all_agents(self) -> list[str]:
        """The agents, and those that others are measured by, random, and for simulated users the oracle."""
        return list(dict.fromkeys((*self.agents, RANDOM, *([ORACLE] if self.task.has_users else []))))

    @cached_property
    def swept(self) -> Sweep | None:
        """The option of the sweep and its values; None without a sweep."""
        return None if self.sweep is None else Sweep.read(self.sweep, self.task.env)

    @property
    def names(self) -> list[str]:
        """The agents; in a sweep, those at each value, see `Sweep.names`."""
        return self.all_agents if self.swept is None else list(self.swept.names(self.all_agents))

    def runs(self) -> dict[tuple[str, int], RunConfig]:
        """The runs by name and seed; agents that nobody asked for, and the oracle, are only evaluated."""
        return {(name, seed): self.run(name, seed) for seed in range(self.seeds) for name in self.names}

    def run(self, name: str, seed: int) -> RunConfig:
        """The run of an agent, or of an agent at a value of the sweep, from a seed."""
        agent, swept = name, dict[str, Any]()
        if self.swept is not None:
            agent, value = self.swept.names(self.all_agents)[name]
            swept = self.swept.settings(agent, value)
        untrained = agent not in self.agents or agent == ORACLE
        task = replace(self.task, env_options={**self.task.env_options, **swept.get("env_options", {})})
        return RunConfig(
            **self.shared() | {"task": task} | ({"evaluate_every": None} if untrained else {}),
            agent=agent,
            seed=seed,
            episodes=0 if untrained else self.episodes,
            hyperparameters={**self.hyperparameters.get(agent, {}), **swept.get("hyperparameters", {})},
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

    Finished runs in the folder are kept, and interrupted ones continued, to the same numbers; agents, seeds and values
    of the sweep may be added, and episodes: runs are then trained for longer. In a sweep, agents are called by the
    names of `Sweep.names`.

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
        The summary, see `summarize`, or in a sweep `summarize_sweep`.

    Raises:
        InputError: an option that cannot be, or the folder holds runs of other settings, or another process is using
            it, or it is to be overwritten and holds anything that is not of a run.
        DivergenceError: every run failed.
        concurrent.futures.process.BrokenProcessPool: one of several processes was killed; results so far are kept.
    """
    folder, sweep = RunFolder(out), comparison.swept
    for name in comparison.names:
        check(comparison.run(name, 0))
    heard: set[tuple[str, int]] = set()

    def report(agent: str, seed: int, number: int, episode: Episode) -> None:
        heard.add((agent, seed))
        stop_if_asked()
        on_episode(agent, seed, number, episode)

    trainings = list(comparison.runs())
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
                _write(done, failures, folder, sweep)
                if (agent, seed) not in heard:  # of a process of its own, or done before
                    for number, rewards in enumerate(done[-1].series("timestep_rewards")):
                        report(agent, seed, number, Episode(rewards, {}))
        finally:
            if done:
                summary = _summarize(done, failures, folder, sweep)
        if done:
            _draw(done, folder, sweep)
    if not done:
        raise DivergenceError(next(iter(failures.values())))
    return summary


def _check_longer(folder: RunFolder, comparison: Comparison) -> None:
    if (before := folder.config["episodes"]) > comparison.episodes:
        raise InputError(f"{folder.path} holds trainings of {before} episodes; give as many, or more")
    swept = folder.config["sweep"] and Sweep.parse(folder.config["sweep"])
    if (swept and swept.target) != (comparison.swept and comparison.swept.target):
        raise InputError(f"{folder.path} is of another sweep: {folder.config['sweep']}; give another folder")
    for place, config in comparison.runs().items():
        if (run := folder.run(*place)).config:
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
    config = comparison.run(*training)
    return (config.episodes or 0) * agent_class(config.agent).training_cost


def _write(runs: Sequence[RunFolder], failures: Failures, folder: RunFolder, sweep: Sweep | None) -> None:
    value = {} if sweep is None else {"value": sweep.value(runs[-1].config)}
    frame = runs[-1].statistics.to_frame().assign(seed=runs[-1].seed, **value)
    folder.add_metrics(frame, first=len(runs) == 1)
    if sweep is None:  # otherwise at the end: it takes a while for many values
        folder.write_summary(summarize(runs, failures))
    if len(relevance := relevance_metrics(runs, sweep)):
        folder.write_relevance(relevance)


def _summarize(runs: Sequence[RunFolder], failures: Failures, folder: RunFolder, sweep: Sweep | None) -> pd.DataFrame:
    summary = summarize(runs, failures) if sweep is None else summarize_sweep(sweep, runs, failures)
    folder.write_summary(summary)
    if sweep is not None:
        folder.write_front(front_table(sweep_points(sweep, runs)))
    return summary


def _draw(runs: Sequence[RunFolder], folder: RunFolder, sweep: Sweep | None) -> None:
    if sweep is not None:
        title = figure_title([each.agent for each in runs], folder.config, [each.seed for each in runs])
        title += f"; {sweep.target} from {min(sweep.values):g} to {max(sweep.values):g}"
        folder.save_front(partial(fronts, front_table(sweep_points(sweep, runs)), title))
        return
    curves = pd.concat([each.statistics.to_frame().query("metric == 'moving_rewards'") for each in runs])
    oracle = [each.result["mean_return"] for each in runs if each.agent == ORACLE]
    reference = (ORACLE, float(np.median(oracle))) if oracle else None
    if len(curves):
        agents = [*curves["model"].unique(), *([ORACLE] if oracle else [])]
        title = figure_title(agents, folder.config, [each.seed for each in runs])
        folder.save_curves(partial(learning_curves, curves, reference, title))
