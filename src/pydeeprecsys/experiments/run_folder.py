"""The folder of a run or of several: who is at work in it, what it was begun with, and what of it may be removed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import filelock

from pydeeprecsys.errors import BusyError, InputError, shortened
from pydeeprecsys.files import UNFINISHED, remove_leftovers, whole_file

CONFIG, RUNS = "config.json", "runs"
CHECKPOINT = "checkpoint.safetensors"
RESULT = "result.json"
"""It comes last: a run that has one is done."""

KINDS = ("run", "compare", "tune")
"""What `config.json` may be of."""

_LOCK = ".lock"
_FILES = [CONFIG, RESULT, CHECKPOINT, "agent.safetensors", "log.txt", "events.out.tfevents.*", "learning.png"]
_FILES += ["metrics.csv", "relevance.csv", "evaluation.csv", "exposure.csv", "sessions.json", "report.html"]
_FILES += ["all_metrics.csv", "summary.csv", "learning_curves.png", "learning_curves.pdf"]
_FILES += ["relevance_metrics.csv", "relevance_metrics_describe.csv"]
_FILES += ["best.json", "trials.csv", "study.db", "study.db-journal", _LOCK, f"{UNFINISHED}*"]


@contextmanager
def claimed(folder: Path, *, overwrite: bool = False) -> Iterator[Callable[[str], None]]:
    """Lock a folder, and give a function that writes one line to its log.

    Args:
        folder: of a run, a comparison or a search; it is made where it does not exist.
        overwrite: remove, once it is locked, the run that it holds.

    Raises:
        BusyError: another process is at work in it.
        InputError: it is to be overwritten and holds anything that is not of a run; nothing was removed.
    """
    if overwrite:
        _check_ours(folder)  # a lock would be one more file among the user's own
    with _locked(folder):
        if overwrite:
            _forget(folder)
        remove_leftovers(folder)

        def log(line: str) -> None:
            with (folder / "log.txt").open("a") as file:
                file.write(f"{datetime.now().astimezone().isoformat(timespec='seconds')} {line}\n")

        yield log


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    # The operating system releases the lock when a process ends, however it ends.
    lock = filelock.FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise BusyError(f"another process is at work in {folder}; wait for it, or give another folder") from error
    try:
        yield
    finally:
        lock.release()


def keep_config(folder: Path, config: Mapping[str, Any], may_change: Collection[str] = ()) -> None:
    """Write what a folder is begun with; or, where that was done before, see that it is the same.

    Args:
        folder: of a run, or of what holds runs.
        config: everything, and the `record` of where it is made.
        may_change: names of settings that may be others than before.

    Raises:
        InputError: the folder was begun with other settings, or other ratings.
    """
    path = folder / CONFIG
    if path.exists():
        before = _config(folder)
        if not before:
            raise InputError(f"{path} is not that of a run; give another folder")
        for name in config.keys() - {"checkpoint_every", "record", *may_change}:
            if before.get(name) != config[name]:
                raise InputError(
                    f"{folder} holds another run: its {name} is {before.get(name)}, not {config[name]}; "
                    f"go on with that one by 'pydeeprecsys resume {folder}', or give another folder"
                )
        checksums = [told["record"]["dataset_checksum"] for told in (before, config)]
        if checksums[0] != checksums[1]:
            raise InputError(f"the ratings are not those that {folder} was begun with; give another folder")
        if not may_change:
            return
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(config, indent=2))


def holds_run(folder: Path) -> bool:
    """Whether a folder has the `config.json` of a run, a comparison or a search."""
    return bool(_config(folder))


def _config(folder: Path) -> dict[str, Any]:
    """The `config.json` of a run, a comparison or a search; empty where there is none."""
    try:
        config = json.loads((folder / CONFIG).read_text())
    except (OSError, ValueError):
        return {}
    ours = isinstance(config, dict) and str(config.get("kind")) in KINDS and isinstance(config.get("record"), dict)
    return config if ours else {}


def _check_ours(folder: Path) -> None:
    """Raise an InputError where a folder holds anything that is not of the run, comparison or search it is of."""
    if foreign := sorted(_foreign(folder)):
        raise InputError(
            f"{folder} holds what is not of a run: {shortened(foreign)}; nothing was removed; give another --out, or "
            "go on with a run by 'pydeeprecsys resume'"
        )


def _foreign(folder: Path) -> Iterator[str]:
    """What is in a folder and not of the run, comparison or search that its `config.json` tells."""
    config = _config(folder)
    for path in folder.iterdir() if folder.exists() else ():
        if path.name == RUNS and config.get("kind") in ("compare", "tune") and path.is_dir() and not path.is_symlink():
            yield from (f"{RUNS}/{run.name}" for run in path.iterdir() if not _is_run_of(config, run))
        elif path.name != _LOCK and (not config or path.is_dir() or not any(map(path.match, _FILES))):
            yield path.name


def _is_run_of(config: Mapping[str, Any], folder: Path) -> bool:
    """Whether a folder is of one of the runs of a comparison or a search, or of nothing yet."""
    if folder.is_symlink() or not folder.is_dir() or any(_foreign(folder)):
        return False
    own = _config(folder)
    shared = config.keys() & own.keys() - {"kind", "record", "agent", "seed", "episodes", "options", "checkpoint_every"}
    fits = own.get("kind", "run") == "run" and all(own[name] == config[name] for name in shared)
    if not own or config["kind"] == "tune":
        return fits
    return fits and folder.name == f"{own['agent']}-{own['seed']}"


def _forget(folder: Path) -> None:
    """Remove the run that a locked folder holds, where nothing else is in it and nobody is at work."""
    _check_ours(folder)
    with ExitStack() as stack:
        for run in sorted(folder.glob(f"{RUNS}/*")):
            stack.enter_context(_locked(run))
        if (folder / RUNS).exists():
            shutil.rmtree(folder / RUNS)
        # The config last: without it, what is left after a kill would be taken for the user's own.
        for path in sorted(folder.iterdir(), key=lambda path: path.name == CONFIG):
            if path.name != _LOCK:
                path.unlink()
