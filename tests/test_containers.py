"""A read-only installation, and a home folder that cannot be written or is missing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import pydeeprecsys
from pydeeprecsys.data.download import data_home

TRAIN = "-m pydeeprecsys.cli train random --episodes 3 --evaluation-episodes 3 --out result"


@pytest.mark.slow
def test_it_runs_where_neither_the_package_nor_the_home_can_be_written(tmp_path: Path) -> None:
    package = Path(pydeeprecsys.__file__).parent
    (tmp_path / "read-only").mkdir()
    (tmp_path / "work").mkdir()
    script = (
        f"mount --bind {package} {package} && mount -o remount,ro,bind {package} && "
        f"mount -t tmpfs -o ro none {tmp_path / 'read-only'} && cd {tmp_path / 'work'} && exec {sys.executable} {TRAIN}"
    )
    unset = {"XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "PYDEEPRECSYS_HOME", "MPLCONFIGDIR"}
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {"HOME": str(tmp_path / "read-only/none"), "TMPDIR": str(tmp_path)}
    # A mount namespace of its own: what is mounted there is seen by no other process.
    command = ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "--mount", "sh", "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "cannot be written" in done.stderr  # of the world that is not kept
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["result"]
    assert not list(tmp_path.glob("pydeeprecsys-numba-*"))


def test_a_user_without_a_home_folder_has_no_folder_called_tilde(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYDEEPRECSYS_HOME", raising=False)
    monkeypatch.setattr("pydeeprecsys.data.download.platformdirs.user_cache_dir", lambda name: f"~nobody-here/{name}")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert data_home() == tmp_path / "pydeeprecsys"
    monkeypatch.setenv("PYDEEPRECSYS_HOME", "~/data")
    assert data_home() == Path.home() / "data"
