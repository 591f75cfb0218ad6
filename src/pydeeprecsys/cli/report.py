"""`pydeeprecsys report`."""

from __future__ import annotations

from pathlib import Path

import click

from pydeeprecsys.cli.common import screen
from pydeeprecsys.experiments.report import write_report
from pydeeprecsys.experiments.run_folder import RunFolder


@click.command("report")
@click.argument("folders", nargs=-1, required=True, metavar="DIR...", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The page to write; by default report.html in the first DIR.",
)
def command(folders: tuple[Path, ...], out: Path | None) -> None:
    """Write one HTML page from the results of train, compare or tune in each DIR, done or not.

    For runs and comparisons it has a table of the agents' returns with intervals, learning curves, performance
    profiles, reward against violence, and recorded sessions step by step; for a search its trials, with their
    hyperparameters and returns; for all the settings, those that differ first. It needs no network.
    """
    out = out or RunFolder(folders[0]).report_file
    write_report(folders, out)
    screen.print(f"report in {out}, {out.stat().st_size / 1e6:.1f} MB; open it in a browser", soft_wrap=True)
