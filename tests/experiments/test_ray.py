"""A cluster of several nodes, all on this machine."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contracts import tasks
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.compare import Comparison, compare
from pydeeprecsys.experiments.task import Task
from pydeeprecsys.experiments.tune import tune
from pydeeprecsys.experiments.tuning import Tuning
from pydeeprecsys.experiments.workers import open_workers

pytestmark = [pytest.mark.ray, pytest.mark.xdist_group("ray")]
SHARED = np.random.default_rng(0).random((50, 50))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head that carries out nothing, and two machines of one task each."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # so that machines know the tests' tasks
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        try:
            for _ in range(2):
                cluster.add_node(num_cpus=1, include_dashboard=False)
            yield cluster
        finally:
            cluster.shutdown()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that tasks may write into."""
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


def test_ray_gives_the_same_results_in_the_same_order(cluster: Any, folder: Path) -> None:
    with open_workers(SHARED, folder) as here:
        alone = list(here.results(tasks.product, [3, 1, 2]))
    with open_workers(SHARED, folder, ray_address=cluster.address) as workers:
        together = list(workers.results(tasks.product, [3, 1, 2], cost=float))
        with pytest.raises(InputError, match=r"^soup cannot be$"):
            list(workers.results(tasks.refuse, ["soup"]))
        assert list(workers.results(tasks.killed_once, [folder / "calls"])) == [2]
        assert list(workers.results(tasks.busy_at_first, [folder / "busy"])) == [3]
    assert [result[:2] for result in together] == [result[:2] for result in alone]


def test_a_folder_that_machines_do_not_share_is_refused(cluster: Any, tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"does not see .*; give an --out on a disk that all machines share"),
        open_workers(None, tmp_path, ray_address=cluster.address) as workers,
    ):
        list(workers.results(tasks.sleep, [0.0]))


def test_who_stops_waits_for_nothing(cluster: Any, folder: Path) -> None:
    def stop() -> None:
        if (folder / "a").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), open_workers(None, folder, ray_address=cluster.address) as workers:
        list(workers.results(tasks.count_to, [(folder / "a", 1000)], stop_if_asked=stop))
    time.sleep(2)
    size = (folder / "a").stat().st_size
    time.sleep(1)
    assert (folder / "a").stat().st_size == size


def test_a_search_is_the_same(cluster: Any, world: World, tmp_path: Path) -> None:
    tuning = Tuning(task=Task(world=world), agent="reinforce", trials=2, episodes=4, seeds=1, evaluation_episodes=10)
    assert tune(tuning, tmp_path / "ray", ray_address=cluster.address) == tune(tuning, tmp_path / "here")


def test_a_comparison_is_the_same_though_a_machine_was_lost(cluster: Any, world: World, tmp_path: Path) -> None:
    options = {"hidden_layers": [16], "buffer_burn_in": 100}
    comparison = Comparison(
        task=Task(world=world),
        agents=["dqn"],
        episodes=80,
        seeds=2,
        evaluation_episodes=20,
        hyperparameters={"dqn": options},
        checkpoint_every=0.0,
    )
    compare(comparison, tmp_path / "here")
    checkpoints = [tmp_path / f"ray/runs/dqn-{seed}/checkpoint.safetensors" for seed in (0, 1)]

    def switch_off() -> None:
        while not all(path.exists() for path in checkpoints):
            time.sleep(0.05)
        # Each of the machines is at one of the two long trainings.
        cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)

    loss = threading.Thread(target=switch_off, daemon=True)
    loss.start()
    compare(comparison, tmp_path / "ray", ray_address=cluster.address)
    assert not loss.is_alive()
    here, there = ((tmp_path / name / "all_metrics.csv").read_bytes() for name in ("here", "ray"))
    assert here == there
    logs = [(path.parent / "log.txt").read_text() for path in checkpoints]
    assert sum("resumed after" in log for log in logs) == 1
