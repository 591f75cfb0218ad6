"""Files: written whole or not at all, and read with their checksums."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile, ZipFile
from zlib import error as ZlibError

import numpy as np

from pydeeprecsys.arrays import Array
from pydeeprecsys.errors import InputError

_DAMAGED = (BadZipFile, EOFError, KeyError, OSError, RuntimeError, TypeError, ValueError, ZlibError)

_T = TypeVar("_T")

UNFINISHED = ".unfinished-"
"""How the names of temporary files begin."""


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path in the same folder, which takes the place of `path` when the block ends without an error.

    Until then, and after an error, whatever was at `path` stays. The temporary file keeps the suffix, since writers
    choose formats by it. Folders on the way are made.

    Raises:
        InputError: there is a folder at `path`.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the path of a file")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{UNFINISHED}{path.stem}-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files that only their owner may read; results are as readable as any other file.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def saved_arrays(path: str | os.PathLike[str], content: str) -> Iterator[Mapping[str, Array]]:
    """Give the arrays that `numpy.savez` wrote to a file.

    Raises:
        InputError: there is no such file; or it is damaged, or the block finds that it holds something else than the
            content, such as "world", by any error that reading may raise.
    """
    try:
        # Checksums first: arrays are read only as far as their headers say, and these may be damaged.
        with ZipFile(path) as archive:
            if (damaged := archive.testzip()) is not None:
                raise BadZipFile(damaged)
        # No pickle: reading arrays never runs code.
        with np.load(path, allow_pickle=False) as arrays:
            yield arrays
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"there is no {content} at {path}") from error
    except _DAMAGED as error:
        raise InputError(f"{path} is not a saved {content} or it is damaged; build it anew") from error


def kept(path: Path, *, load: Callable[[Path], _T], build: Callable[[], _T], save: Callable[[_T, Path], None]) -> _T:
    """What a file holds; what is not there yet is built and saved, by one process while others wait.

    A damaged file is replaced, with a warning. Where nothing can be saved, what was built is returned all the same,
    also with a warning.

    Args:
        path: of the file.
        load: reads it, or raises an InputError if it is damaged.
        build: makes what it is to hold.
        save: writes that, or raises an OSError.
    """
    import filelock

    damaged = False
    if path.exists():
        try:
            return load(path)
        except InputError:
            warnings.warn(f"{path} is damaged or of an older format: it is replaced", stacklevel=3)
            damaged = True
    lock = filelock.FileLock(path.with_name(f".{path.name}.building"))
    new = [folder for folder in (path.parent, path.parent.parent) if not folder.exists()]
    with suppress(OSError):  # where no lock can be written, nothing can be saved either
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        if path.exists() and not damaged:
            return load(path)
        built = build()
        try:
            save(built, path)
        except OSError as error:
            warnings.warn(f"{path} cannot be written ({error}): it is not kept", stacklevel=3)
            return built
        return load(path)
    finally:
        # A process that waits gets the lock all the same; one that comes now makes a new one, and finds what was saved.
        with suppress(OSError):
            Path(lock.lock_file).unlink()
        lock.release()
        with suppress(OSError):  # they are not empty
            for folder in new:
                folder.rmdir()


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object; empty if there is none."""
    try:
        written = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return written if isinstance(written, dict) else {}


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that processes left in a folder when they were killed."""
    for path in folder.glob(f"{UNFINISHED}*"):
        path.unlink(missing_ok=True)
