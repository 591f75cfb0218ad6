"""Headings of reports and titles of figures: what was compared, on which data, from which seeds."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def data_name(dataset: str) -> str:
    """The name of a data set; of a path to ratings, that of the file, without its options."""
    return Path(re.sub(r"\?\w+=.*", "", dataset)).name or dataset


def task_name(env: str, dataset: str | None, slate_size: int) -> str:
    """The data, the environment and the slates."""
    if dataset is None:
        return env
    return f"{data_name(dataset)}, {env}, {'one item at a time' if slate_size == 1 else f'slates of {slate_size}'}"


def seeds_text(seeds: Iterable[int]) -> str:
    """Seeds in words: "seed 3", "seeds 0 and 1", "seeds 0 to 4", "seeds 0, 2 and 5"."""
    numbers = sorted(set(seeds))
    if len(numbers) == 1:
        return f"seed {numbers[0]}"
    if len(numbers) > 2 and numbers[-1] - numbers[0] == len(numbers) - 1:
        return f"seeds {numbers[0]} to {numbers[-1]}"
    return f"seeds {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


def figure_title(agents: Iterable[str], config: Mapping[str, Any], seeds: Iterable[int]) -> str:
    """The title of a figure of agents: their names if they are few, the data and environment, and the seeds.

    Args:
        agents: their names.
        config: the configuration of their run or comparison.
        seeds: of the runs.
    """
    names = list(dict.fromkeys(agents))
    task = task_name(config["env"], config["dataset"], config["env_options"].get("slate_size", 1))
    first = ", ".join(names) if len(names) < 7 else f"{len(names)} agents"
    return f"{textwrap.fill(first, 90)}\n{textwrap.fill(f'{task}; {seeds_text(seeds)}', 90)}"
