"""What a report says: runs put together by agent and world, with the statistics and curves of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from pydeeprecsys.evaluation.intervals import median_interval
from pydeeprecsys.evaluation.scores import normalized_scores, performance_profile, profile_band
from pydeeprecsys.evaluation.standings import ORACLE, RANDOM, YARDSTICKS, standings
from pydeeprecsys.experiments.report.folders import RunFolder, Source
from pydeeprecsys.experiments.report.settings import differences, flat

_POINTS = 120  # on a curve: more are not seen
_MEANS = ("violence", "unmeasured", "coverage", "gini", "session_length")


@dataclass(frozen=True)
class Entry:
    """An agent with its options: its runs, a seed each.

    Attributes:
        label: its name; where that is not enough to tell it from others, with what sets it apart.
        runs: of different seeds, all that have begun.
    """

    label: str
    runs: Sequence[RunFolder]

    @property
    def agent(self) -> str:
        """The name of the agent."""
        return self.runs[0].agent

    @property
    def is_yardstick(self) -> bool:
        """Whether it is a policy that does not learn, the oracle among them."""
        return self.agent in (*YARDSTICKS, ORACLE)

    @property
    def judged(self) -> list[RunFolder]:
        """The runs that are done."""
        return [run for run in self.runs if run.measures is not None]

    def measured(self, name: str) -> list[float]:
        """A measure of each judged run."""
        return [run.measures[name] for run in self.runs if run.measures is not None]

    def curve(self) -> dict[str, list[float]] | None:
        """Learning curve: median over seeds with its interval, at some episodes; None without training.

        At each episode of those seeds that have come so far; `range` is that of all their returns.
        """
        longest = max((int(run.episodes[-1]) for run in self.runs if len(run.episodes)), default=None)
        if longest is None:
            return None
        shown = np.unique(np.linspace(0, longest, _POINTS).astype(int))
        points: dict[str, list[float]] = {"x": [], "y": [], "low": [], "high": []}
        all_returns: list[float] = []
        by_episode = [dict(zip(run.episodes.tolist(), run.returns.tolist(), strict=True)) for run in self.runs]
        for episode in shown.tolist():
            there = [returns[episode] for returns in by_episode if episode in returns]
            if there:
                all_returns += there
                heights = (float(np.median(there)), *median_interval(there).tolist())
                for name, value in zip(points, (episode + 1, *heights), strict=True):
                    points[name].append(value)
        return points | {"range": [min(all_returns), max(all_returns)]}


@dataclass(frozen=True)
class WorldResults:
    """What agents reached in one world.

    Attributes:
        settings: of the world, flat; entries of the same world are comparable.
        entries: the agents.
    """

    settings: Mapping[str, str]
    entries: Sequence[Entry]

    def _label(self, agent: str) -> str:
        """The label of the entry of that agent, or the agent's own name."""
        return next((entry.label for entry in self.entries if entry.agent == agent and entry.judged), agent)

    @cached_property
    def table(self) -> pd.DataFrame:
        """See `standings`; with the means over seeds of what `_MEANS` names."""
        judged = [entry for entry in self.entries if entry.judged]
        returns = {
            entry.label: {run.seed: run.measures["return"] for run in entry.runs if run.measures} for entry in judged
        }
        yardsticks = [entry.label for entry in judged if entry.agent in YARDSTICKS]
        table = standings(returns, self._label(RANDOM), self._label(ORACLE), yardsticks)
        for name in _MEANS:
            means = {entry.label: float(np.mean(entry.measured(name))) for entry in judged}
            table[name] = table["agent"].map(means)
        return table

    @cached_property
    def scale(self) -> tuple[float, float] | None:
        """What random and oracle reach; None where scores cannot be normalized between them."""
        reached = dict(zip(self.table["agent"], self.table["median"], strict=True))
        low, high = (reached.get(self._label(agent), float("nan")) for agent in (RANDOM, ORACLE))
        return (low, high) if high > low else None

    def profiles(self) -> list[dict[str, Any]]:
        """Each judged entry's performance profile, of normalized scores where there is a scale.

        A stair: at each score that a run reached, the share of runs above it; and before the first, all.
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


def results(sources: Sequence[Source]) -> list[WorldResults]:
    """Put the runs of all folders together: those in the same world, and of these those of the same agent.

    A run that is there twice, from the same seed with the same settings, counts once.
    """
    worlds: dict[tuple[tuple[str, str], ...], dict[tuple[tuple[str, str], ...], list[RunFolder]]] = {}
    for run in (run for source in sources for run in source.runs):
        entries = worlds.setdefault(tuple(sorted(_world_settings(run).items())), {})
        runs = entries.setdefault(tuple(sorted(_settings(run).items())), [])
        if run.seed not in {other.seed for other in runs}:
            runs.append(run)
    return [
        WorldResults(dict(world), list(_labelled(list(entries.values()), sources))) for world, entries in worlds.items()
    ]


def _world_settings(run: RunFolder) -> dict[str, str]:
    names = ("dataset", "slate_size", "world_options", "evaluation_pool")
    world = {name: run.config[name] for name in names if name in run.config}
    return flat(world | {"dataset_checksum": run.config.get("record", {}).get("dataset_checksum")})


def _settings(run: RunFolder) -> dict[str, str]:
    apart = {"kind", "seed", "record", "threads", "checkpoint_every"}
    if run.agent in (*YARDSTICKS, ORACLE):  # however long they were watched
        apart |= {"episodes", "n_envs"}
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
            label = f"{agent}, {', '.join(apart) if len(apart) < 3 else sources[runs[0].source].path.name}"
        while label in taken:
            label += "'"
        taken.add(label)
        yield Entry(label, sorted(runs, key=lambda run: run.seed))
