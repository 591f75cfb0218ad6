"""Parts of several commands: folders for results, and progress on screen."""

from __future__ import annotations

import itertools
import signal
from _thread import interrupt_main
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Timer, get_ident
from types import FrameType
from typing import TYPE_CHECKING

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from pydeeprecsys.cli.program import INTERRUPTED
from pydeeprecsys.errors import DivergenceError, InputError
from pydeeprecsys.experiments.claimed_folder import ClaimedFolder
from pydeeprecsys.progress import watched

if TYPE_CHECKING:
    from pydeeprecsys.experiments.config import Settings

screen = Console(highlight=False, markup=False)
if screen.width < 20:  # no terminal's, but an inherited COLUMNS; with 0 nothing would be printed
    screen.width = 80

_PATIENCE = 1.0  # seconds, from Ctrl-C to the next place where it is best to stop


def print_warnings(settings: Settings) -> None:
    """Print a line if agents may have met the users of the evaluation in training."""
    pools = (settings.train_pool, settings.evaluation_pool)
    if settings.task.has_users and (pools[0] == pools[1] or "all" in pools):
        screen.print(
            f"agents are evaluated on users that they may have met in training: the pools are {pools[0]!r} and "
            f"{pools[1]!r}",
            soft_wrap=True,
        )


def choose_out(out: Path | None, overwrite: bool, label: str) -> Path:
    """The folder for results: the one asked for, or a new one of `runs/<label>-1`, `-2`, ...

    A new one is made at once, so that commands started together have one each, and removed if it is empty in the end.

    Raises:
        InputError: the folder holds something and is not to be overwritten.
    """
    if out is None:
        runs, label = Path("runs"), label.replace(":", ".")
        made = [runs] * (not runs.exists())
        made = [next(new for n in itertools.count(1) if _is_new(new := runs / f"{label}-{n}")), *made]
        click.get_current_context().call_on_close(partial(_remove_if_empty, made))
        return made[0]
    if not overwrite and out.exists() and any(out.iterdir()):
        advice = f"continue its run with 'pydeeprecsys resume {out}', or " if ClaimedFolder(out).config else ""
        raise InputError(f"{out} exists; {advice}give another --out")
    return out


def _is_new(folder: Path) -> bool:
    """Make a folder, if there is none."""
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        return False
    return True


def _remove_if_empty(folders: Sequence[Path]) -> None:
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()


def print_files(out: Path) -> None:
    """Print the names of the files in a folder of results."""
    screen.print(f"files in {out}: {', '.join(ClaimedFolder(out).files)}", soft_wrap=True)


@contextmanager
def at_work(out: Path) -> Iterator[tuple[Progress, Callable[[], None]]]:
    """Give progress bars, and a function that raises KeyboardInterrupt once Ctrl-C was pressed.

    After an interrupt a line says how to continue, and the command exits with code 130.
    """
    try:
        with stop_between_episodes() as stop_if_asked, progress_bars() as progress:
            yield progress, stop_if_asked
    except KeyboardInterrupt as error:
        screen.print(f"stopped; results so far are in {out}; continue with: pydeeprecsys resume {out}", soft_wrap=True)
        raise click.exceptions.Exit(INTERRUPTED) from error
    except DivergenceError as error:
        raise DivergenceError(f"{error}; results so far are in {out}") from error
    except BrokenProcessPool as error:
        raise click.ClickException(
            f"a process was killed, perhaps for lack of memory; results so far are in {out}; "
            f"continue with fewer processes: pydeeprecsys resume {out} --jobs 1"
        ) from error


def progress_bars() -> AbstractContextManager[Progress]:
    """Progress bars with time spent and time left; lines now and then where no terminal is."""
    description = TextColumn("{task.description}", markup=False)
    return watched(
        screen, description, *(BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    )


@contextmanager
def stop_between_episodes() -> Iterator[Callable[[], None]]:
    """Give a function that raises KeyboardInterrupt once Ctrl-C was pressed, and hold the interrupt back until then.

    Raised anywhere, it could come out of compiled code as another error, or leave an episode that a checkpoint lacks.
    So it is raised anywhere only if the function is not called within a second, or Ctrl-C is pressed again.
    """
    asked: list[Timer] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        # A signal, where there are any, for it also ends a call of the operating system that waits.
        again = partial(signal.pthread_kill, get_ident()) if hasattr(signal, "pthread_kill") else interrupt_main
        asked.append(Timer(_PATIENCE, again, (signal.SIGINT,)))
        asked[0].daemon = True
        asked[0].start()

    def stop_if_asked() -> None:
        if asked:
            asked[0].cancel()
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield stop_if_asked
    except Exception as error:
        if asked:
            raise KeyboardInterrupt from error
        raise
    finally:
        for timer in asked:
            timer.cancel()
        signal.signal(signal.SIGINT, before)


@contextmanager
def building_bar(dataset: str) -> Iterator[Callable[[int, int], None]]:
    """Give a function that shows how far the building of a new world has come."""
    with progress_bars() as progress:
        bars: list[TaskID] = []

        def show(done: int, total: int) -> None:
            if not bars:
                bars.append(progress.add_task(f"building the world of {dataset}"))
            progress.update(bars[0], completed=done, total=total)

        yield show


def results_table(title: str, caption: str) -> Table:
    """An empty table of results, with an explanation below it."""
    return Table(
        box=SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        padding=0,
        title=title,
        caption=caption,
        caption_justify="left",
    )
