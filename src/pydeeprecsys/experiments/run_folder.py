"""The folder of a run: whose it is, and what it was begun with."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import filelock

from pydeeprecsys.errors import BusyError, InputError
from pydeeprecsys.files import remove_leftovers, whole_file

CONFIG, RUNS = "config.json", "runs"
CHECKPOINT = "checkpoint.safetensors"
RESULT = "result.json"
"""It comes last: a run that has one is done."""

_FILES = [CONFIG, RESULT, CHECKPOINT, "agent.safetensors", "log.txt", "events.out.tfevents.*"]
_FILES += ["metrics.csv", "relevance.csv", "evaluation.csv", "exposure.csv", "sessions.json"]


@contextmanager
def claimed(folder: Path) -> Iterator[Callable[[str], None]]:
    """Hold a folder for one run alone, and give what writes a line to its log.

    Raises:
        BusyError: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # The operating system lets go of the lock when a process ends, however it ends.
    lock = filelock.FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise BusyError(f"another process is at work in {folder}; wait for it, or give another folder") from error

    def log(line: str) -> None:
        with (folder / "log.txt").open("a") as file:
            file.write(f"{datetime.now().astimezone().isoformat(timespec='seconds')} {line}\n")

    try:
        remove_leftovers(folder)
        yield log
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
        before = json.loads(path.read_text())
        for name in config.keys() - {"checkpoint_every", "record", *may_change}:
            if before.get(name) != config[name]:
                raise InputError(
                    f"{folder} holds another run: its {name} is {before.get(name)}, not {config[name]}; "
                    "give another folder, or --overwrite"
                )
        checksums = [told["record"]["dataset_checksum"] for told in (before, config)]
        if checksums[0] != checksums[1]:
            raise InputError(f"the ratings are not those that {folder} was begun with; give another folder")
        if not may_change:
            return
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(config, indent=2))


def forget(folder: Path) -> None:
    """Remove what runs have left in a folder, and nothing else."""
    for pattern in _FILES:
        for path in folder.glob(pattern):
            path.unlink()
    if (folder / RUNS).is_dir():
        shutil.rmtree(folder / RUNS)
