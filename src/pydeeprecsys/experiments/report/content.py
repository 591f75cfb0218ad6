"""The content of a report: runs grouped by task and agent, with the statistics and curves of each group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pydeeprecsys.errors import InputError
from pydeeprecsys.evaluation.intervals import median_interval
from pydeeprecsys.evaluation.plots import CURVE_POINTS
from pydeeprecsys.evaluation.scores import normalized_scores, performance_profile, profile_band
from pydeeprecsys.evaluation.standings import ORACLE, RANDOM, SIMPLE_POLICIES, standings
from pydeeprecsys.experiments.report.settings import differences, flat
from pydeeprecsys.experiments.run_folder import RunFolder

DAMAGE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What reading a file raises that does not hold what was written."""
_MEANS = ("violence", "unmeasured", "coverage", "gini", "session_length")


@dataclass(frozen=True)
class Source:
    """A folder that the report was asked for.

    Attributes:
        folder: of a run, a comparison or a search.
        runs: the run itself, or those of the comparison that have episodes or results; none of a search, whose trials
            have settings of their own.
    """

    folder: RunFolder
    runs: Sequence[RunFolder]

    @property
    def path(self) -> Path:
        """As it was given."""
        return self.folder.path


def read_source(path: Path) -> Source:
    """Read the folder of a run, a comparison or a search, done or not.

    Raises:
        InputError: it is no such folder, nothing has been done in it yet, or one of its files cannot be read.
    """
    if not path.is_dir():
        raise InputError(f"there is no folder {path}; name one that train, compare or tune wrote")
    folder = RunFolder(path)
    config = folder.config
    if config.get("kind") not in ("run", "compare", "tune"):
        raise InputError(
            f"{path} is no folder of a run, a comparison or a search; name one that train, compare or tune wrote"
        )
    if config["kind"] == "tune":
        if not len(folder.trials):
            raise InputError(f"no trial is done in {path} yet; there is something to report after the first")
        return Source(folder, [])
    runs = []
    for run in folder.runs:
        try:
            if len(run.curve[0]) or run.measures is not None:
                run.agent, run.seed, run.sessions["genres"]
                runs.append(run)
        except (*DAMAGE, OSError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{run.path} does not hold what a run writes ({error}); remove it, or run it again"
            ) from error
    if not runs:
        raise InputError(f"nothing is done in {path} yet; there is something to report after the first episodes")
    return Source(folder, runs)


@dataclass(frozen=True)
class Entry:
    """An agent with its hyperparameters: its runs, one per seed.

    Attributes:
        label: the agent's name, with what sets it apart from other entries of the same agent.
        runs: of different seeds, all that have begun.
    """

    label: str
    runs: Sequence[RunFolder]

    @property
    def agent(self) -> str:
        """The name of the agent."""
        return self.runs[0].agent

    @property
    def is_simple(self) -> bool:
        """Whether it is a policy that does not learn, or the oracle."""
        return self.agent in (*SIMPLE_POLICIES, ORACLE)

    @property
    def done(self) -> list[RunFolder]:
        """The runs that are done."""
        return [run for run in self.runs if run.measures is not None]

    def measured(self, name: str) -> list[float]:
        """A measure of each run that is done."""
        return [run.measures[name] for run in self.runs if run.measures is not None]

    def curve(self) -> dict[str, list[float]] | None:
        """Learning curve: median over seeds with its interval, at some episodes; None without training.

        An episode counts the seeds that have come so far; `range` is that of all their returns.
        """
        curves = [run.curve for run in self.runs]
        longest = max((int(episodes[-1]) for episodes, _ in curves if len(episodes)), default=None)
        if longest is None:
            return None
        shown = np.unique(np.linspace(0, longest, CURVE_POINTS).astype(int))
        points: dict[str, list[float]] = {"x": [], "y": [], "low": [], "high": []}
        all_returns: list[float] = []
        by_episode = [dict(zip(episodes.tolist(), returns.tolist(), strict=True)) for episodes, returns in curves]
        for episode in shown.tolist():
            there = [returns[episode] for returns in by_episode if episode in returns]
            if there:
                all_returns += there
                heights = (float(np.median(there)), *median_interval(there).tolist())
                for name, value in zip(points, (episode + 1, *heights), strict=True):
                    points[name].append(value)
        return points | {"range": [min(all_returns), max(all_returns)]}


@dataclass(frozen=True)
class TaskResults:
    """What agents reached in one task.

    Attributes:
        settings: of the task, flat; entries of the same task are comparable.
        entries: the agents.
    """

    settings: Mapping[str, str]
    entries: Sequence[Entry]

    def _label(self, agent: str) -> str:
        """The label of the entry of that agent, or the agent's own name."""
        return next((entry.label for entry in self.entries if entry.agent == agent and entry.done), agent)

    @cached_property
    def table(self) -> pd.DataFrame:
        """The columns of `standings`, and the means over seeds of other measures."""
        done = [entry for entry in self.entries if entry.done]
        returns = {
            entry.label: {run.seed: run.measures["return"] for run in entry.runs if run.measures} for entry in done
        }
        simple_policies = [entry.label for entry in done if entry.agent in SIMPLE_POLICIES]
        table = standings(returns, self._label(RANDOM), self._label(ORACLE), simple_policies)
        for name in _MEANS:
            means = {entry.label: float(np.mean(entry.measured(name))) for entry in done}
            table[name] = table["agent"].map(means)
        return table

    @cached_property
    def scale(self) -> tuple[float, float] | None:
        """What random and oracle reach; None where scores cannot be normalized between them."""
        reached = dict(zip(self.table["agent"], self.table["median"], strict=True))
        low, high = (reached.get(self._label(agent), float("nan")) for agent in (RANDOM, ORACLE))
        return (low, high) if high > low else None

    def profiles(self) -> list[dict[str, Any]]:
        """The performance profile of each entry with runs that are done, of normalized scores if there is a scale.

        A stair: at each score that a run reached, the share of runs above it; and before the first, all of them.
        """
        profiles = []
        for entry in self.entries:
            returns = np.array(entry.measured("return"))
            if not len(returns):
                continue
            scores = normalized_scores(returns, *self.scale) if self.scale else returns[:, None]
            steps = np.unique(scores)
            thresholds = [np.nextafter(steps[0], -np.inf), *steps]
            heights = (performance_profile(scores, thresholds), *profile_band(scores, thresholds))
            stair = {name: shares.tolist() for name, shares in zip(("y", "low", "high"), heights, strict=True)}
            profiles.append({"label": entry.label, "x": [float(steps[0]), *steps.tolist()], **stair})
        return profiles


def results(sources: Sequence[Source]) -> list[TaskResults]:
    """Group the runs of all folders by task, and those of a task by agent.

    A run that is there twice, from the same seed with the same settings, counts once.
    """
    tasks: dict[tuple[tuple[str, str], ...], dict[tuple[tuple[str, str], ...], list[RunFolder]]] = {}
    for run in (run for source in sources for run in source.runs):
        entries = tasks.setdefault(tuple(sorted(task_settings(run).items())), {})
        runs = entries.setdefault(tuple(sorted(_settings(run).items())), [])
        if run.seed not in {other.seed for other in runs}:
            runs.append(run)
    return [
        TaskResults(dict(task), list(_labelled(list(entries.values()), sources))) for task, entries in tasks.items()
    ]


def task_settings(folder: RunFolder) -> dict[str, str]:
    """The settings by which runs, comparisons and searches are of the same task, flat."""
    config = folder.config
    names = ("env", "env_options", "dataset", "evaluation_pool")
    task = {name: config[name] for name in names if name in config}
    return flat(task | {"dataset_checksum": config["provenance"].get("dataset_checksum")})


def _settings(run: RunFolder) -> dict[str, str]:
    apart = {"kind", "seed", "provenance", "checkpoint_every"}
    if run.agent in (*SIMPLE_POLICIES, ORACLE):  # nothing is learned in their episodes of training
        apart |= {"episodes", "steps", "n_envs", "evaluate_every"}
    return flat({name: value for name, value in run.config.items() if name not in apart})


def _labelled(entries: Sequence[Sequence[RunFolder]], sources: Sequence[Source]) -> Iterator[Entry]:
    taken: set[str] = set()
    for runs in entries:
        agent = runs[0].agent
        alike = [_settings(others[0]) for others in entries if others[0].agent == agent]
        label = agent
        if len(alike) > 1:
            differing, _ = differences(alike)
            own = _settings(runs[0])
            apart = [f"{name.rpartition('.')[2]} {own.get(name, 'not set')}" for name in differing]
            source = next(source.path.name for source in sources if runs[0] in source.runs)
            label = f"{agent}, {', '.join(apart) if len(apart) < 3 else source}"
        while label in taken:
            label += "'"
        taken.add(label)
        yield Entry(label, sorted(runs, key=lambda run: run.seed))
