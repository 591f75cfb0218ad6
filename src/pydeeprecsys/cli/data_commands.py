"""The commands of `pydeeprecsys data`. What they run is imported when it runs."""

from __future__ import annotations

from pathlib import Path

import click

from pydeeprecsys.cli.groups import HomePath, SuggestingGroup, SummarizedCommand
from pydeeprecsys.cli.options import check_dataset, complete_datasets, complete_releases
from pydeeprecsys.data.releases import GENERATED, release_of
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments import catalogue


@click.group(cls=SuggestingGroup)
def data() -> None:
    """See, fetch and describe data sets of ratings."""


@data.command("list")
def list_releases() -> None:
    """List the data sets there are, and which are here."""
    from pydeeprecsys.cli.data import list_releases

    list_releases()


@data.command()
@click.argument("name", shell_complete=complete_releases)
@click.option(
    "--from",
    "source",
    type=HomePath(),
    metavar="FILE",
    help="Take this zip, downloaded by hand, instead of downloading; a tag-genome.zip beside it is taken too.",
)
def fetch(name: str, source: Path | None) -> None:
    """Get the data set NAME, verified; 'pydeeprecsys data list' shows the names.

    MovieLens data is for research; GroupLens' licence (in each README) does not allow to pass it on.
    """
    if name in GENERATED:
        raise InputError(f"{name!r} needs no fetching: it is generated when it is used; give it as --dataset")
    release_of(name)
    from pydeeprecsys.cli.data import fetch_release

    fetch_release(name, source)


class _WithTableOptions(SummarizedCommand):
    """A command whose help lists the options of tables."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the options."""
        options = catalogue.settings("tables").values()
        with formatter.section("Options of your own ratings, after their path, as in 'ratings.csv?scale=1,10'"):
            formatter.write_dl([(option.name, option.help) for option in options])


@data.command(cls=_WithTableOptions)
@click.argument("name", shell_complete=complete_datasets)
def describe(name: str) -> None:
    """Describe the data set NAME: a name from 'pydeeprecsys data list', or a path as for --dataset.

    Its world is built, and kept, to tell how well ratings that were held out are predicted.
    """
    check_dataset(name)
    from pydeeprecsys.cli.data import describe

    describe(name)
