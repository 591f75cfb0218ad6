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


SHARED = Path(__file__).parents[2] / "shared"
# What tests need and the repository must not hold, by the fixture that gives it; they are marked `data`.
_OUTSIDE = {"shared_data": SHARED / "data", "founding_documents": SHARED / "founding"}
_REAL_WORLD = ("ml_1m", "ml_1m_world")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need data from outside of the repository, and skip them where it is missing."""
    for item in items:
        names = set(getattr(item, "fixturenames", ()))
        needed = [folder for fixture, folder in _OUTSIDE.items() if fixture in names]
        if names & set(_REAL_WORLD):
            needed.append(_OUTSIDE["shared_data"])
        if needed:
            item.add_marker("data")
        if missing := [folder for folder in needed if not folder.exists()]:
            item.add_marker(pytest.mark.skip(reason=f"no data: {missing[0]} is missing"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly how many tests of real data did not run."""
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if "no data: " in str(report.longrepr)]
    if skipped:
        folders = ", ".join(str(folder) for folder in _OUTSIDE.values() if not folder.exists())
        terminalreporter.write_sep("!", f"{len(skipped)} tests of real data did NOT run", red=True, bold=True)
        terminalreporter.write_line(f"missing: {folders}; the tests of generated releases cover the same code")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real MovieLens archives."""
    return _OUTSIDE["shared_data"]


@pytest.fixture(scope="session")
def founding_documents() -> Path:
    """The folder of the notebook that this package keeps the names of."""
    return _OUTSIDE["founding_documents"]


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
