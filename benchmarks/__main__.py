"""`python -m benchmarks`: measure, print, and keep as JSON and in the README."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from benchmarks.report import RESULTS, Results, machine, show, update_readme, write
from benchmarks.timing import Effort
from pydeeprecsys.errors import MissingExtraError
from pydeeprecsys.extras import naming_extras

TOPICS = ("environments", "data", "replay", "recommenders", "serving", "training")
QUICK = Effort(repetitions=2, seconds=0.2, quick=True)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", type=click.Choice(TOPICS), multiple=True, help="Measure this topic alone; may be repeated.")
@click.option("--quick", is_flag=True, help="A first look in a few minutes; written to output/, not to the results.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder with ml-100k.zip and ml-1m.zip, besides what 'pydeeprecsys data fetch' got.",
)
@click.option(
    "--tianshou-python",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    envvar="TIANSHOU_PYTHON",
    help="A Python that has tianshou, for the topic replay; also read from TIANSHOU_PYTHON.",
)
def main(only: tuple[str, ...], quick: bool, data: Path | None, tianshou_python: Path | None) -> None:
    """Measure PyDeepRecSys beside public peers, in one run."""
    # Files and pipes have no width of their own, and rich would take 80.
    console = Console(width=None if sys.stdout.isatty() else 120)
    folder = Path("output/benchmarks") if quick else RESULTS
    for topic in only or TOPICS:
        before = os.getloadavg()[0]
        with console.status(f"measuring {topic}"):
            tables = _measure(topic, data, tianshou_python)(QUICK if quick else Effort())
        show(tables, console)
        write(topic, machine() | {"quick": quick, "load": [before, os.getloadavg()[0]]}, tables, folder)
    if not quick:
        update_readme()
    console.print(f"every repetition is in {folder}")


def _measure(topic: str, data: Path | None, tianshou_python: Path | None) -> Callable[[Effort], list[Results]]:
    # Imported when needed, for one topic needs no peer of another.
    try:
        with naming_extras():
            measure: Any = import_module(f"benchmarks.{topic}").measure
    except MissingExtraError as error:
        raise click.ClickException(str(error)) from error
    own: dict[str, dict[str, Any]] = {"data": {"folder": data}, "replay": {"tianshou_python": tianshou_python}}
    return partial(measure, **own.get(topic, {}))


if __name__ == "__main__":
    main()
