"""`pydeeprecsys report`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydeeprecsys.cli.common import screen
from pydeeprecsys.experiments.report import write_report
from pydeeprecsys.experiments.run_folder import RunFolder


def report(folders: Sequence[Path], out: Path | None) -> None:
    """Write the report on the results in some folders, by default in the first of them."""
    out = out or RunFolder(folders[0]).report_file
    write_report(folders, out)
    screen.print(f"report of {out.stat().st_size / 1e6:.1f} MB, to be opened in a browser: {out}", soft_wrap=True)
