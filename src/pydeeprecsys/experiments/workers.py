"""Who carries out tasks: this process, processes side by side, or the machines of a Ray cluster.

A task is one call of a function, `function(shared, task, tell)`. All three give the same results, to the bit, and in
the order of the tasks. For processes and Ray, the function is one of a module, and what it takes and gives can be
pickled.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch

from pydeeprecsys.errors import BusyError, InputError

Shared = TypeVar("Shared")
Task = TypeVar("Task")
Result = TypeVar("Result")
Tell = Callable[..., None]
Function = Callable[[Any, Task, Tell], Result]

LOCAL = "local"
_RETRIES = 3  # of a task whose Ray worker or machine was lost
_PATIENCE = 60.0  # seconds, until what a lost machine held is free


def _nobody(*news: object) -> None:
    pass


class Workers(Protocol):
    """Carries out tasks."""

    def results(
        self,
        function: Function[Task, Result],
        tasks: Sequence[Task],
        *,
        stop_if_asked: Callable[[], None] = _nobody,
        tell: Tell = _nobody,
        cost: Callable[[Task], float] | None = None,
    ) -> Iterator[Result]:
        """Carry out tasks and give their results in the order of the tasks.

        Args:
            function: called with what is shared, a task, and a function that it may tell news to.
            tasks: what to carry out.
            stop_if_asked: called often; when it raises, or whoever takes the results leaves, what runs is ended.
            tell: hears the news of tasks that this process carries out; what others carry out is not heard of.
            cost: how long a task may take, in any unit; where several are carried out at once, the longest begin first.

        Raises:
            BrokenProcessPool: a process was killed; on Ray, more than 3 times.
        """
        ...


@contextmanager
def open_workers(shared: object, folder: Path, jobs: int = 1, ray_address: str | None = None) -> Iterator[Workers]:
    """Give workers, which end with the block.

    Args:
        shared: what all tasks need, such as the world; it is sent to each worker once, and not to be changed.
        folder: what tasks write into. On Ray all machines must see it, and its config.json, under the same path.
        jobs: processes; 1 for this one. Each has as many threads of torch as this one.
        ray_address: of a Ray cluster's head, or "local" for one that begins and ends with the block.

    Raises:
        InputError: jobs below 1, or several besides Ray; Ray is not installed, or there is no cluster at the address.
    """
    if jobs < 1:
        raise InputError(f"jobs is {jobs}; give at least 1")
    if ray_address is not None:
        if jobs > 1:
            raise InputError("Ray decides by itself how many tasks run at once; leave jobs out")
        with _ray(ray_address) as ray:
            yield _OnRay(ray, shared, folder.resolve())
    elif jobs == 1:
        yield _Here(shared)
    else:
        arguments = (shared, torch.get_num_threads())
        with ProcessPoolExecutor(jobs, get_context("spawn"), _begin_process, arguments) as pool:
            yield _SideBySide(pool)


class _Here:
    """This process, one task after the other."""

    def __init__(self, shared: object) -> None:
        self._shared = shared

    def results(
        self,
        function: Function[Task, Result],
        tasks: Sequence[Task],
        *,
        stop_if_asked: Callable[[], None] = _nobody,
        tell: Tell = _nobody,
        cost: Callable[[Task], float] | None = None,
    ) -> Iterator[Result]:
        for task in tasks:
            stop_if_asked()
            yield function(self._shared, task, tell)


class _SideBySide:
    """Processes of this machine."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool
        self._not_ours = set(active_children())

    def results(
        self,
        function: Function[Task, Result],
        tasks: Sequence[Task],
        *,
        stop_if_asked: Callable[[], None] = _nobody,
        tell: Tell = _nobody,
        cost: Callable[[Task], float] | None = None,
    ) -> Iterator[Result]:
        try:
            futures = {i: self._pool.submit(_in_process, function, tasks[i]) for i in _longest_first(tasks, cost)}
            for i in range(len(tasks)):
                while not wait([futures[i]], timeout=0.2).done:
                    stop_if_asked()
                yield futures[i].result()
        except BaseException:
            # Whoever stops does not want to wait for what runs, nor for what has not begun.
            self._pool.shutdown(wait=False, cancel_futures=True)
            for process in set(active_children()) - self._not_ours:
                process.terminate()
            raise


class _OnRay:
    """The machines of a Ray cluster; what a lost one was at is done again by another."""

    def __init__(self, ray: Any, shared: object, folder: Path) -> None:
        self._ray, self._folder = ray, folder
        self._shared = ray.put(shared)
        self._threads = torch.get_num_threads()
        self._call = ray.remote(num_cpus=1, max_retries=_RETRIES)(_on_machine)

    def results(
        self,
        function: Function[Task, Result],
        tasks: Sequence[Task],
        *,
        stop_if_asked: Callable[[], None] = _nobody,
        tell: Tell = _nobody,
        cost: Callable[[Task], float] | None = None,
    ) -> Iterator[Result]:
        ray, errors = self._ray, self._ray.exceptions
        futures: dict[int, Any] = {}
        try:
            for i in _longest_first(tasks, cost):
                futures[i] = self._call.remote(self._shared, function, tasks[i], self._folder, self._threads)
            for i in range(len(tasks)):
                while not ray.wait([futures[i]], timeout=0.2)[0]:
                    stop_if_asked()
                yield ray.get(futures.pop(i))
        except errors.RayTaskError as error:
            raise error.cause from None  # as if it had happened here
        except (errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError) as error:
            raise BrokenProcessPool("a Ray worker was lost again and again") from error
        finally:
            for future in futures.values():
                ray.cancel(future, force=True)


def _longest_first(tasks: Sequence[Task], cost: Callable[[Task], float] | None) -> list[int]:
    return sorted(range(len(tasks)), key=lambda i: 0.0 if cost is None else -cost(tasks[i]))


_shared_with_process: object = None


def _begin_process(shared: object, threads: int) -> None:
    # Ctrl-C reaches all processes of a terminal; the first of them decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    global _shared_with_process
    _shared_with_process = shared


def _end_with_parent() -> None:
    # The first process may be killed: whoever then goes on in its folders must be the only one to write there.
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _in_process(function: Function[Task, Result], task: Task) -> Result:
    return function(_shared_with_process, task, _nobody)


def _on_machine(shared: object, function: Function[Task, Result], task: Task, folder: Path, threads: int) -> Result:
    if not (folder / "config.json").is_file():
        raise InputError(
            f"the machine {socket.gethostname()} does not see {folder}; give an --out on a disk that all machines share"
        )
    torch.set_num_threads(threads)
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return function(shared, task, _nobody)
        except BusyError:  # Ray may know of a loss before the lost process has ended
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


@contextmanager
def _ray(address: str) -> Iterator[Any]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would tell its makers of every cluster begun
    try:
        import ray
    except ImportError as error:
        raise InputError("Ray is not installed: pip install 'pydeeprecsys[ray]'") from error
    options: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    if address == LOCAL:
        options["include_dashboard"] = False
    else:
        _check_listens(address)
    ray.init(address, **options)
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_listens(address: str) -> None:
    # Ray itself would try for ten minutes.
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, ValueError) as error:
        raise InputError(
            f"no Ray cluster answers at {address!r}; give 'local', or HOST:PORT of one begun with 'ray start --head'"
        ) from error
