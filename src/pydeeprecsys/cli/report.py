"""`pydeeprecsys report`."""

from __future__ import annotations

from pathlib import Path

import click

from pydeeprecsys.cli.common import screen
from pydeeprecsys.experiments.report import write_report


@click.command("report")
@click.argument("folders", nargs=-1, required=True, metavar="DIR...", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The page to write; report.html in the first DIR when not given.",
)
def command(folders: tuple[Path, ...], out: Path | None) -> None:
    """Write one HTML page of what train or compare left in each DIR, done or not.

    It has the table of what every agent reached with intervals, learning curves, performance profiles, reward against
    violence, recorded sessions step by step, and the settings, what differs first. It needs no network.
    """
    out = out or folders[0] / "report.html"
    write_report(folders, out)
    screen.print(f"report in {out}, {out.stat().st_size / 1e6:.1f} MB; open it in a browser", soft_wrap=True)
