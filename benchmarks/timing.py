"""The one way in which things are timed here."""

from __future__ import annotations

import multiprocessing
import os
import re
import resource
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        repetitions: of every measurement.
        seconds: how long a rate is measured in each repetition.
        quick: a look rather than a measurement.
    """

    repetitions: int = 7
    seconds: float = 1.0
    quick: bool = False


@dataclass(frozen=True)
class Case:
    """Work whose rate is measured.

    Attributes:
        name: in the tables.
        work: does a small part of it, such as one session, and gives how many steps that was.
    """

    name: str
    work: Callable[[], int]


def rates(cases: Iterable[Case], effort: Effort) -> dict[str, list[float]]:
    """Measure steps per second, by the name of the case, one number a repetition."""
    return in_turn({case.name: partial(rate, case, effort.seconds) for case in cases}, effort.repetitions)


def in_turn(works: Mapping[str, Callable[[], T]], repetitions: int, warm_up: bool = True) -> dict[str, list[T]]:
    """Call each work once a repetition; what each gave, in order.

    They take turns, so that whatever else the machine does falls on all of them. With `warm_up` there is one more turn
    before the others, in which functions are compiled, and which does not count.
    """
    given: dict[str, list[T]] = {name: [] for name in works}
    for repetition in range(-warm_up, repetitions):
        for name, work in works.items():
            result = work()
            if repetition >= 0:
                given[name].append(result)
    return given


def rate(case: Case, seconds: float) -> float:
    """Measure steps per second, once."""
    steps = 0
    start = time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds or steps == 0:
        steps += case.work()
    return float(steps / elapsed)  # steps may be counted by numpy, whose numbers JSON does not take


def timed(function: Callable[..., T], *arguments: Any) -> tuple[float, T]:
    """Call a function; seconds, and what it gave."""
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def in_fresh_process(function: Callable[..., T], *arguments: Any, environment: Mapping[str, str] | None = None) -> T:
    """Call a function of a module in a Python of its own, with additions to its environment variables."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, initializer=_add_to_environment, initargs=(environment or {},)) as process:
        return process.submit(function, *arguments).result()


def _add_to_environment(environment: Mapping[str, str]) -> None:
    os.environ.update(environment)


def peak_megabytes() -> float:
    """The most memory that this process has held."""
    status = Path("/proc/self/status")
    if status.exists():
        # Here getrusage would also count what the parent held when it started this process.
        held = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        if held:
            return int(held[1]) * 1024 / 1e6
    kilobytes = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kilobytes / 1e6
