import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from hypothesis import settings

from pydeeprecsys.data.dataset import Dataset
from pydeeprecsys.data.movielens import read_movielens
from pydeeprecsys.data.synthetic import synthetic_dataset
from pydeeprecsys.data.world import World

# The first example may wait for numba to compile; the same examples each time, so that a run can be repeated.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Networks as small as those of the tests only wait for a second thread."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A temporary folder of this test run, one for all of its pytest-xdist workers."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session", autouse=True)
def home(run_folder: Path) -> Iterator[Path]:
    """Nothing is read from or written to the user's own data folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYDEEPRECSYS_HOME", str(run_folder / "home"))
        yield run_folder / "home"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real MovieLens archives; a test that asks for it is skipped where there is none."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.exists():
        pytest.skip("the MovieLens archives are not here")
    return folder


@pytest.fixture(scope="session")
def world() -> World:
    """60 users and 80 items, factorized from 1,500 ratings."""
    return World.from_dataset(synthetic_dataset(n_users=60, n_items=80, n_ratings=1500, seed=0))


@pytest.fixture(scope="session")
def ml_1m(shared_data: Path) -> Dataset:
    return read_movielens(shared_data / "ml-1m.zip", tag_genome=shared_data / "tag-genome.zip")


@pytest.fixture(scope="session")
def ml_1m_world(run_folder: Path, request: pytest.FixtureRequest) -> World:
    """MovieLens 1M, factorized once a run: workers that come later wait for the first, and load what it saved."""
    path = run_folder / "ml-1m.world"
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            World.from_dataset(request.getfixturevalue("ml_1m")).save(path)
    return World.load(path)
