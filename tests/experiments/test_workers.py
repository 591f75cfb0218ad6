import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from contracts import tasks
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.workers import open_workers

SHARED = np.random.default_rng(0).random((50, 50))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that tasks may write into."""
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


@pytest.mark.slow
def test_processes_give_the_same_results_in_the_same_order(folder: Path) -> None:
    told: list[int] = []
    with open_workers(SHARED, folder) as here:
        alone = list(here.results(tasks.product, [3, 1, 2], report=told.append))
    assert told == [3, 1, 2]
    with open_workers(SHARED, folder, jobs=2) as processes:
        rounds = [list(processes.results(tasks.product, [3, 1, 2], cost=float)) for _ in range(2)]
    assert [result[:2] for result in rounds[0]] == [result[:2] for result in rounds[1]] == [r[:2] for r in alone]
    assert all(threads == torch.get_num_threads() for _, threads, _ in rounds[0])
    ids = {result[2] for results in rounds for result in results}
    assert os.getpid() not in ids
    assert len(ids) <= 2  # the second round is carried out by the processes of the first
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_the_longest_tasks_begin_first(folder: Path) -> None:
    with open_workers(None, folder, jobs=2) as workers:
        list(workers.results(tasks.sleep, [0.0, 0.0]))  # until both have begun
        begun = list(workers.results(tasks.sleep, [0.0, 0.3, 0.4, 0.5], cost=float))
    assert sorted(range(4), key=lambda i: begun[i])[-2:] == [1, 0]


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_task_s_error_is_the_caller_s(folder: Path, jobs: int) -> None:
    with pytest.raises(InputError, match=r"^soup cannot be$"), open_workers(None, folder, jobs) as workers:
        list(workers.results(tasks.refuse, ["soup"]))


def _stop_at(calls: int) -> Iterator[None]:
    for _ in range(calls):
        yield
    raise KeyboardInterrupt


@pytest.mark.slow
def test_who_stops_waits_for_nothing(folder: Path) -> None:
    asked = _stop_at(3)
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt), open_workers(None, folder, jobs=2) as workers:
        list(workers.results(tasks.sleep, [600.0, 600.0, 600.0], stop_if_asked=lambda: next(asked)))
    assert not multiprocessing.active_children()
    assert time.monotonic() < begun + 60


@pytest.mark.slow
def test_others_children_are_left_alone(folder: Path) -> None:
    other = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(600,))
    other.start()
    try:
        with pytest.raises(InputError), open_workers(None, folder, jobs=2) as workers:
            list(workers.results(tasks.refuse, ["soup"]))
        assert other.is_alive()
    finally:
        other.kill()
        other.join()


@pytest.mark.slow
def test_a_killed_process_is_told(folder: Path) -> None:
    with pytest.raises(BrokenProcessPool), open_workers(None, folder, jobs=2) as workers:
        list(workers.results(tasks.killed_once, [folder / "calls"]))


PARENT = """
from pathlib import Path
from contracts import tasks
from pydeeprecsys.experiments.workers import open_workers

if __name__ == "__main__":
    folder = Path({folder!r})
    with open_workers(None, folder, jobs=2) as workers:
        list(workers.results(tasks.count_to, [(folder / "a", 1000), (folder / "b", 1000)]))
"""


@pytest.mark.slow
def test_processes_end_with_the_first(folder: Path) -> None:
    """Killed and called again, a comparison is alone in its folders."""
    script = folder / "parent.py"
    script.write_text(PARENT.format(folder=str(folder)))
    parent = subprocess.Popen([sys.executable, script], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    deadline = time.monotonic() + 120
    while not ((folder / "a").exists() and (folder / "b").exists()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    time.sleep(1)
    sizes = [(folder / name).stat().st_size for name in "ab"]
    time.sleep(1)
    assert [(folder / name).stat().st_size for name in "ab"] == sizes


@pytest.mark.parametrize(
    ("jobs", "address", "match"),
    [
        (0, None, "jobs is 0"),
        (2, "local", "leave jobs out"),
        (1, "127.0.0.1:1", "no Ray cluster answers at '127.0.0.1:1'"),
        (1, "nowhere", "HOST:PORT"),
    ],
)
def test_workers_that_cannot_be(folder: Path, jobs: int, address: str | None, match: str) -> None:
    with pytest.raises(InputError, match=match), open_workers(None, folder, jobs, address):
        pass


def test_what_listens_but_is_no_cluster_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")

    def refuse(*arguments: object, **options: object) -> None:
        raise ConnectionError("Failed to connect to Ray cluster")  # Ray says so after half a minute

    monkeypatch.setattr(ray, "init", refuse)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with (
            pytest.raises(InputError, match=f"no Ray cluster answers at '{address}'"),
            open_workers(None, folder, ray_address=address),
        ):
            pass


@pytest.mark.slow
def test_processes_work_where_signals_cannot_be_blocked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pydeeprecsys.experiments.workers.signal", SimpleNamespace())  # as on Windows
    with open_workers(SHARED, folder, jobs=2) as processes:
        results = list(processes.results(tasks.product, [3, 1]))
    with open_workers(SHARED, folder) as here:
        assert [each[0] for each in results] == [each[0] for each in here.results(tasks.product, [3, 1])]
