"""Workers that call a function for many cases: this process, several processes, or the machines of a Ray cluster.

A call is `function(shared, case, report)`. All three give the same results, to the bit, in the order of the cases. For
processes and Ray, the function is one of a module, and its arguments and results can be pickled.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process, resource_tracker
from pathlib import Path
from typing import Any, TypeVar

import torch

from pydeeprecsys.errors import BusyError, InputError
from pydeeprecsys.experiments.run_folder import RunFolder
from pydeeprecsys.extras import naming_extras

Case = TypeVar("Case")
Result = TypeVar("Result")
Report = Callable[..., None]
Function = Callable[[Any, Case, Report], Result]

LOCAL = "local"
_RETRIES = 3  # of a call whose Ray worker or machine was lost
_PATIENCE = 60.0  # seconds, until what a lost machine held is free


def _ignore(*news: object) -> None:
    pass


class Workers(ABC):
    """Calls a function for many cases."""

    def results(
        self,
        function: Function[Case, Result],
        cases: Sequence[Case],
        *,
        stop_if_asked: Callable[[], None] = _ignore,
        report: Report = _ignore,
        cost: Callable[[Case], float] | None = None,
    ) -> Iterator[Result]:
        """Call a function for each case, and give the results in the order of the cases.

        Args:
            function: called with what is shared, a case, and a function that it may report to.
            cases: one for each call.
            stop_if_asked: called often; if it raises, or the iterator is closed, running calls are ended.
            report: receives the reports of calls in this process; those of other processes are dropped.
            cost: how long a call may take, in any unit; where several run at once, the longest begin first.

        Raises:
            BrokenProcessPool: a process was killed; on Ray, more than 3 times.
        """
        order = sorted(range(len(cases)), key=lambda i: 0.0 if cost is None else -cost(cases[i]))
        yield from self._results(function, cases, order=order, stop_if_asked=stop_if_asked, report=report)

    @abstractmethod
    def _results(
        self, function: Any, cases: Sequence[Any], order: list[int], stop_if_asked: Callable[[], None], report: Report
    ) -> Iterator[Any]: ...


@contextmanager
def open_workers(shared: object, folder: Path, jobs: int = 1, ray_address: str | None = None) -> Iterator[Workers]:
    """Give workers, which end with the block.

    Args:
        shared: what all calls need, such as the world; it is sent to each worker once, and not to be changed.
        folder: where calls write. On Ray all machines must see it, and its configuration, under the same path.
        jobs: processes; 1 for this one. Each has as many threads of torch as this one.
        ray_address: of a Ray cluster's head, or "local" for one that begins and ends with the block.

    Raises:
        InputError: jobs below 1, or several besides Ray; Ray is not installed, or there is no cluster at the address.
    """
    if jobs < 1:
        raise InputError(f"jobs is {jobs}; give at least 1")
    if ray_address is not None:
        if jobs > 1:
            raise InputError("Ray decides by itself how many run at once; leave jobs out")
        with _ray(ray_address) as ray:
            yield _OnRay(ray, shared, folder.resolve())
    elif jobs == 1:
        yield _Here(shared)
    else:
        arguments = (shared, torch.get_num_threads())
        with ProcessPoolExecutor(jobs, get_context("spawn"), _begin_process, arguments) as pool:
            yield _SideBySide(pool)


class _Here(Workers):
    """This process, one call after the other."""

    def __init__(self, shared: object) -> None:
        self._shared = shared

    def _results(
        self, function: Any, cases: Sequence[Any], order: list[int], stop_if_asked: Callable[[], None], report: Report
    ) -> Iterator[Any]:
        for case in cases:
            stop_if_asked()
            yield function(self._shared, case, report)


class _SideBySide(Workers):
    """Processes of this machine."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool
        self._not_ours = set(active_children())

    def _results(
        self, function: Any, cases: Sequence[Any], order: list[int], stop_if_asked: Callable[[], None], report: Report
    ) -> Iterator[Any]:
        try:
            with _deaf_children():
                futures = {i: self._pool.submit(_in_process, function, cases[i]) for i in order}
            for i in range(len(cases)):
                while not wait([futures[i]], timeout=0.2).done:
                    stop_if_asked()
                yield futures[i].result()
        except BaseException:
            # A stop waits neither for running calls nor for those that have not begun. A pool without its processes is
            # broken, and its end waits only for them.
            for process in set(active_children()) - self._not_ours:
                process.terminate()
            raise


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Let processes that begin in the block not hear Ctrl-C, which reaches all of a terminal; this one hears it after.

    One that ended while it begins would leave this process waiting for it.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # which would undo the mask
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _OnRay(Workers):
    """The machines of a Ray cluster; the calls of a lost machine are made again by another."""

    def __init__(self, ray: Any, shared: object, folder: Path) -> None:
        self._ray, self._folder = ray, folder
        self._shared = ray.put(shared)
        self._threads = torch.get_num_threads()
        self._call = ray.remote(num_cpus=1, max_retries=_RETRIES)(_on_machine)

    def _results(
        self, function: Any, cases: Sequence[Any], order: list[int], stop_if_asked: Callable[[], None], report: Report
    ) -> Iterator[Any]:
        ray, errors = self._ray, self._ray.exceptions
        futures: dict[int, Any] = {}
        try:
            for i in order:
                futures[i] = self._call.remote(
                    self._shared, function, cases[i], folder=self._folder, threads=self._threads
                )
            for i in range(len(cases)):
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


_shared_with_process: object = None


def _begin_process(shared: object, threads: int) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    global _shared_with_process
    _shared_with_process = shared


def _end_with_parent() -> None:
    # If the first process is killed, a process that continues in its folders must be the only one to write there.
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _in_process(function: Function[Case, Result], case: Case) -> Result:
    return function(_shared_with_process, case, _ignore)


def _on_machine(shared: object, function: Function[Case, Result], case: Case, folder: Path, threads: int) -> Result:
    if not RunFolder(folder).is_begun:
        raise InputError(
            f"the machine {socket.gethostname()} does not see {folder}; give an --out on a disk that all machines share"
        )
    torch.set_num_threads(threads)
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return function(shared, case, _ignore)
        except BusyError:  # Ray may know of a loss before the lost process has ended
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


@contextmanager
def _ray(address: str) -> Iterator[Any]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would report every cluster to its makers
    with naming_extras():
        import ray
    options: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    if address == LOCAL:
        ray.init(LOCAL, include_dashboard=False, **options)
    else:
        try:
            _check_listens(address)
            ray.init(address, **options)
        except (OSError, ValueError) as error:
            raise InputError(
                f"no Ray cluster answers at {address!r}; "
                "give 'local', or HOST:PORT of one begun with 'ray start --head'"
            ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_listens(address: str) -> None:
    # Ray itself would try for ten minutes.
    host, _, port = address.rpartition(":")
    socket.create_connection((host, int(port)), timeout=5).close()
