"""Progress of long work: a bar in a terminal or a notebook; elsewhere, as in a log, a line now and then."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from html import escape
from threading import Event, Thread

from rich.console import Console
from rich.progress import Progress, ProgressColumn

from pydeeprecsys import notebook

LINE_EVERY = 30.0
"""Seconds between the lines."""
_RENEWED_EVERY = 0.5  # seconds, of a bar in a notebook


@contextmanager
def watched(console: Console, *columns: str | ProgressColumn) -> Iterator[Progress]:
    """Give progress bars with these columns, which vanish when all is done.

    Where the console is no terminal, lines report the task that was added last: what, how far, in the task's field
    `unit`, and the time since it was added.
    """
    # Rich takes a file for a terminal if FORCE_COLOR is set, and draws nothing on one that cannot move its cursor.
    is_drawn = console.file.isatty() and console.is_terminal and not console.is_dumb_terminal
    with Progress(*columns, console=console, transient=True, disable=not is_drawn) as progress:
        if is_drawn:
            yield progress
            return
        done = Event()
        thread = Thread(target=_report, args=(progress, done, notebook.new_place()), daemon=True)
        thread.start()
        try:
            yield progress
        finally:
            done.set()
            thread.join()


def _report(progress: Progress, done: Event, show: Callable[[str], None] | None) -> None:
    while not done.wait(LINE_EVERY if show is None else _RENEWED_EVERY):
        for task in progress.tasks[-1:]:
            unit = f" {task.fields['unit']}" if "unit" in task.fields else ""
            how_far = "" if task.total is None else f": {task.completed:,.0f} of {task.total:,.0f}{unit}"
            text = f"{task.description}{how_far}, {timedelta(seconds=int(task.elapsed or 0))}"
            if show is None:
                progress.console.print(text, soft_wrap=True, markup=False, highlight=False)
            else:
                show(notebook.bar(text, task.completed, task.total))
    if show is not None:
        show("")


def notebook_bar(text: str) -> Callable[[float, float], None]:
    """A function that shows in a notebook how many of how many steps are done; it does nothing elsewhere."""
    places: list[Callable[[str], None] | None] = []

    def show(done: float, total: float) -> None:
        if not places:
            places.append(notebook.new_place())
        if places[0] is not None:
            places[0](notebook.bar(text, done, total))

    return show


class Line:
    """One line on standard output: renewed in place in a terminal, beside a bar in a notebook, else now and then.

    Args:
        total: Number of steps; infinite if it is not known.
        is_shown: Whether there is a line at all.
    """

    def __init__(self, total: float = math.inf, *, is_shown: bool = True) -> None:
        self._total, self._is_shown = total if math.isfinite(total) else None, is_shown
        self._place = notebook.new_place() if is_shown else None
        self._is_renewed = sys.stdout.isatty()
        self._text, self._last = "", time.monotonic()

    def update(self, text: str, done: float = 0) -> None:
        """Show a text, after a number of steps."""
        self._text = text
        if self._place is None and self._is_renewed:
            self._write(f"\r{text}\t\t")
        elif time.monotonic() - self._last >= (LINE_EVERY if self._place is None else _RENEWED_EVERY):
            self._last = time.monotonic()
            if self._place is not None:
                self._place(notebook.bar(text, done, self._total))
            else:
                self._write(f"{text}\n")
                self._text = ""

    def end(self, text: str = "") -> None:
        """Show what was not shown yet, and a last text."""
        if self._place is not None:
            self._place("<br>".join(map(escape, filter(None, [self._text, text]))))
        elif self._is_renewed:
            self._write(f"{text}\n")
        elif self._text or text:
            self._write(" ".join(filter(None, [self._text, text])) + "\n")

    def _write(self, text: str) -> None:
        if self._is_shown:
            sys.stdout.write(text)
            sys.stdout.flush()
