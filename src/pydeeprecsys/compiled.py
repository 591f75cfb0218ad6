"""Where Numba keeps compiled functions if neither the package nor the user's cache can be written."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

from pydeeprecsys.extras import is_installed

_VARIABLE = "NUMBA_CACHE_DIR"


def choose_numba_cache() -> None:
    """Let Numba keep compiled functions in a temporary folder of this process, if it could keep them nowhere else.

    Without a folder that can be written, importing them would fail. Other folders than a private one would be unsafe,
    because loading what Numba keeps may run code. Nothing is to be done where Numba is not installed.
    """
    if not is_installed("numba", "platformdirs"):
        return
    import platformdirs

    usual = (Path(__file__).parent, Path(platformdirs.user_cache_dir("numba", appauthor=False)))
    if _VARIABLE in os.environ or any(map(_can_be_written, usual)):
        return
    folder = tempfile.mkdtemp(prefix="pydeeprecsys-numba-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ[_VARIABLE] = folder  # of worker processes, too
    if "numba" in sys.modules:
        sys.modules["numba"].config.CACHE_DIR = folder


def _can_be_written(folder: Path) -> bool:
    """Whether a folder, or the nearest one above it that exists, can be written; not if there is no home folder."""
    if not folder.is_absolute():
        return False
    return os.access(next(path for path in (folder, *folder.parents) if path.exists()), os.W_OK)
