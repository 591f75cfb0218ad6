"""Headings of reports, titles of figures and notes: what was compared, on which data, from which seeds."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def data_name(dataset: str) -> str:
    """The name of a data set; of a path to ratings, that of the file, without its options."""
    return Path(re.sub(r"\?\w+=.*", "", dataset)).name or dataset


def task_name(env: str, dataset: str | None, slate_size: int | None) -> str:
    """The data, the environment and the slates; without the latter if they are of several sizes."""
    slates = {None: [], 1: ["one item at a time"]}.get(slate_size, [f"slates of {slate_size}"])
    return env if dataset is None else ", ".join([data_name(dataset), env, *slates])


def the_slate_size(config: Mapping[str, Any]) -> int | None:
    """The size of the slates of a run or a comparison; None if it is swept."""
    is_swept = (config.get("sweep") or "").replace("-", "_").startswith("slate_size")
    return None if is_swept else config["env_options"].get("slate_size", 1)


def in_words(numbers: Iterable[int]) -> str:
    """Numbers, such as seeds, in words: "3", "0 and 1", "0 to 4", "0, 2 and 5"."""
    *others, last = sorted(set(numbers))
    if len(others) > 1 and last - others[0] == len(others):
        return f"{others[0]} to {last}"
    return f"{', '.join(map(str, others))} and {last}" if others else str(last)


def figure_title(agents: Iterable[str], config: Mapping[str, Any], seeds: Iterable[int]) -> str:
    """The title of a figure of agents: their names if they are few, the data and environment, and the seeds.

    Args:
        agents: their names.
        config: the configuration of their run or comparison.
        seeds: of the runs.
    """
    names, numbers = list(dict.fromkeys(agents)), set(seeds)
    first = ", ".join(names) if len(names) < 7 else f"{len(names)} agents"
    task = task_name(config["env"], config["dataset"], the_slate_size(config))
    lines = (first, f"{task}; seed{'s' * (len(numbers) > 1)} {in_words(numbers)}")
    return "\n".join(textwrap.fill(line, 90) for line in lines)


def joint_note(notes: Mapping[int, str]) -> str:
    """The note on an agent, from the notes on its runs by their seeds; empty if there are none."""
    noted = {seed: note for seed, note in notes.items() if note}
    if not noted:
        return ""
    first, *others = noted
    likewise = f"; likewise seed {', '.join(map(str, others))}" if others else ""
    return f"{noted[first]} (seed {first}{likewise})"
