"""The report of runs, comparisons and searches: one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.report.content import DAMAGE, read_source
from pydeeprecsys.experiments.report.page import render
from pydeeprecsys.files import whole_file


def write_report(folders: Sequence[Path], out: Path) -> None:
    """Write the report of some folders, each of a run, a comparison or a search, done or not.

    Args:
        folders: at least one.
        out: the HTML file; it appears whole or not at all.

    Raises:
        InputError: no folders; or a folder is of none of these, or nothing is done in it yet, or its files are damaged.
    """
    if not folders:
        raise InputError("there is nothing to report; name folders that train, compare or tune wrote")
    sources = [read_source(folder) for folder in folders]
    try:
        page = render(sources)
    except DAMAGE as error:
        if isinstance(error, InputError):
            raise
        named = ", ".join(map(str, folders))
        raise InputError(
            f"a file in {named} does not hold what was written ({error!r}); remove it, or run it again"
        ) from error
    with whole_file(out) as temporary:
        temporary.write_text(page, encoding="utf-8")
