"""The provenance of numbers: the software, the data and the machine that made them."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import pydeeprecsys
from pydeeprecsys.data.world import World

_PACKAGES = ("gymnasium", "numba", "numpy", "pandas", "torch")


def provenance(world: World | None) -> dict[str, Any]:
    """What made the numbers, besides the settings: versions, machine, the git revision and the data set if any."""
    versions = {"pydeeprecsys": pydeeprecsys.__version__, "python": platform.python_version()}
    return {
        "versions": versions | {package: version(package) for package in _PACKAGES},
        "threads": torch.get_num_threads(),
        "git": _revision(Path(pydeeprecsys.__file__).parent) or _revision(Path.cwd()),
        "machine": f"{platform.platform()}, {platform.machine()}, {os.cpu_count()} cores",
        **(world.record if world is not None else {}),
    }


def _revision(folder: Path) -> str | None:
    """The git revision of a folder, with "-dirty" if files differ from it; None without git."""
    try:
        command = ["git", "-C", str(folder), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):  # no git, or a file system that takes too long
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
