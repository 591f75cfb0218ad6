"""The wheel and the source distribution, as strangers install them."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

import pydeeprecsys as pdr
from pydeeprecsys.data.world import World

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "pydeeprecsys"
SMALL = ("episodes=2", "evaluation_episodes=3", "seeds=1", "env_options.slate_size=2")
BUILD = "import sys; from setuptools import build_meta; build_meta.{}(sys.argv[1])"


def built(source: Path, kind: str, folder: Path) -> Path:
    """A distribution of a source tree."""
    folder.mkdir()
    command = [sys.executable, "-c", BUILD.format(f"build_{kind}"), folder]
    subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=120)
    (distribution,) = folder.iterdir()
    return distribution


def content(wheel: Path) -> dict[str, bytes]:
    with ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository without what is built or measured in it."""
    source = tmp_path_factory.mktemp("distribution") / "source"
    left_out = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "runs", "results")
    return Path(shutil.copytree(ROOT, source, ignore=left_out))


@pytest.fixture(scope="module")
def wheel(source: Path) -> Path:
    return built(source, "wheel", source.parent / "wheel")


@pytest.fixture(scope="module")
def sdist(source: Path) -> Path:
    return built(source, "sdist", source.parent / "sdist")


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    ours = {path.relative_to(PACKAGE.parent).as_posix() for path in PACKAGE.rglob("*") if path.is_file()}
    ours = {name for name in ours if "__pycache__" not in name}
    assert {Path(name).suffix for name in ours} >= {".py", ".pyi", ".typed", ".json", ".yaml", ".css", ".js", ".html"}
    names = content(wheel).keys()
    assert {name for name in names if not name.startswith(f"pydeeprecsys-{pdr.__version__}.dist-info/")} == ours
    assert f"pydeeprecsys-{pdr.__version__}.dist-info/licenses/LICENSE" in names


def test_the_metadata_says_what_an_index_shows(wheel: Path) -> None:
    metadata = content(wheel)[f"pydeeprecsys-{pdr.__version__}.dist-info/METADATA"].decode()
    fields, _, description = metadata.partition("\n\n")
    for line in ("Name: pydeeprecsys", f"Version: {pdr.__version__}", "License-Expression: MIT"):
        assert f"\n{line}\n" in fields
    assert "\nDescription-Content-Type: text/markdown\n" in fields
    assert description == (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_source_distribution_builds_the_same_wheel(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    assert {"CHANGELOG.md", "CITATION.cff", "LICENSE", "README.md", "constraints.txt", "pyproject.toml", "src"} <= {
        path.name for path in unpacked.iterdir()
    }
    again = content(built(unpacked, "wheel", tmp_path / "again"))
    assert again == content(wheel)


def run(command: list[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, without what this environment sets for Python."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, timeout=240, check=False, encoding="utf-8"
    )


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """An empty working directory beside an environment without packages."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def test_the_base_is_installed_in_an_empty_environment(wheel: Path, empty: Path) -> None:
    binaries = empty.parent / "venv" / "bin"
    arguments = ["install", "--quiet", "--constraint", ROOT / "constraints.txt", wheel]
    installed = run([binaries / "python", "-m", "pip", *arguments], empty)
    assert installed.returncode == 0, installed.stderr
    assert run([binaries / "pydeeprecsys", "--version"], empty).stdout == f"pydeeprecsys, version {pdr.__version__}\n"
    imported = run([binaries / "python", "-c", "import pydeeprecsys; print(pydeeprecsys.__file__)"], empty).stdout
    assert imported.startswith(str(empty.parent / "venv"))
    demo = run([binaries / "pydeeprecsys", "demo"], empty)
    assert (demo.returncode, demo.stdout) == (2, "")
    assert re.fullmatch(r"error: \w+ is not installed: pip install 'pydeeprecsys\[train\]'\n", demo.stderr)
    assert list(empty.iterdir()) == []


def test_the_demo_runs_from_an_empty_folder(wheel: Path, empty: Path, world: World) -> None:
    world.save(empty.parent / "small.world")
    binaries = empty.parent / "venv" / "bin"
    installed = run([binaries / "python", "-m", "pip", "install", "--quiet", "--no-deps", wheel], empty)
    assert installed.returncode == 0, installed.stderr
    # What the extra train brings, from this environment, in place of a download of some hundred megabytes.
    scheme = {"base": str(empty.parent / "venv"), "platbase": str(empty.parent / "venv")}
    packages = Path(sysconfig.get_path("purelib", vars=scheme))
    (packages / "train.pth").write_text(sysconfig.get_path("purelib"))
    sizes = [word for size in (*SMALL, f"dataset={empty.parent / 'small.world'}") for word in ("--set", size)]
    demo = run([binaries / "pydeeprecsys", "demo", *sizes], empty)
    assert demo.returncode == 0, demo.stderr
    assert demo.stdout.endswith(f": {Path('runs', 'demo-1', 'report.html')}\n")
    assert [path.name for path in empty.iterdir()] == ["runs"]
    page = (empty / "runs" / "demo-1" / "report.html").read_text(encoding="utf-8")
    assert "cma-es" in page
    assert str(ROOT) not in (empty / "runs" / "demo-1" / "config.json").read_text()
