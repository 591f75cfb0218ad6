"""What workers can be given to do."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pydeeprecsys.errors import BusyError, InputError


def product(shared: NDArray[np.float64], task: int, tell: Callable[..., None]) -> tuple[bytes, int, int]:
    """A product of float32 matrices, threads of torch, and whose process it was."""
    tell(task)
    matrix = torch.as_tensor(np.array(shared) + task, dtype=torch.float32)
    return (matrix @ matrix).numpy().tobytes(), torch.get_num_threads(), os.getpid()


def sleep(shared: object, task: float, tell: Callable[..., None]) -> float:
    """When it began to sleep for that long."""
    begun = time.time()
    time.sleep(task)
    return begun


def refuse(shared: object, task: str, tell: Callable[..., None]) -> None:
    """An error of the user's."""
    raise InputError(f"{task} cannot be")


def killed_once(shared: object, task: Path, tell: Callable[..., None]) -> int:
    """The process is killed the first time; gives how many times it was called."""
    with task.open("a") as file:
        file.write("called\n")
    if task.read_text() == "called\n":
        os.kill(os.getpid(), signal.SIGKILL)
    return task.read_text().count("called")


def count_to(shared: object, task: tuple[Path, int], tell: Callable[..., None]) -> list[Any]:
    """Count in a file, a fifth of a second each; goes on where the file ends. Gives it, and how often it went on."""
    path, end = task
    starts = path.with_suffix(".starts")
    with starts.open("a") as file:
        file.write("x")
    done = len(path.read_text()) if path.exists() else 0
    for _ in range(done, end):
        time.sleep(0.2)
        with path.open("a") as file:
            file.write(".")
    return [path.read_text(), len(starts.read_text())]


def busy_at_first(shared: object, task: Path, tell: Callable[..., None]) -> int:
    """Another process is at work the first two times; gives how many times it was called."""
    with task.open("a") as file:
        file.write("called\n")
    calls = task.read_text().count("called")
    if calls < 3:
        raise BusyError(f"another process is using {task}")
    return calls
