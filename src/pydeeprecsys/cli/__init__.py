"""The command line: one file per verb, loaded when it is called."""

from __future__ import annotations

import errno
import importlib
import sys
from collections.abc import Callable, Sequence

import click

from pydeeprecsys.errors import InputError, did_you_mean

_VERBS = {
    "data": "See, fetch and describe data sets of ratings.",
    "train": "Train one agent on simulated users.",
    "compare": "Train several agents and put them side by side.",
    "tune": "Look for good options of an agent.",
    "resume": "Go on with what was stopped or killed.",
    "report": "Write one HTML page of what runs and comparisons reached.",
}


class SuggestingGroup(click.Group):
    """A group of commands that names the nearest when there is none of the name given."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or fail with a hint."""
        names = self.list_commands(ctx)
        if args[0] not in names and not args[0].startswith("-"):
            raise click.UsageError(f"{ctx.command_path}: there is no {args[0]!r}; {did_you_mean(args[0], names)}")
        return super().resolve_command(ctx, args)


class _Verbs(SuggestingGroup):
    """The verbs, each imported only when it runs: `--help` need not wait for torch."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the verbs."""
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb."""
        if cmd_name not in _VERBS:
            return None
        command: click.Command = importlib.import_module(f"pydeeprecsys.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_VERBS.items()))


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pydeeprecsys")
def cli() -> None:
    """Recommender systems that learn by reinforcement, compared on simulated users built from real ratings.

    Start with:  pydeeprecsys compare
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; what the user can mend is said in one line, with exit code 2."""
    sys.exit(_run(lambda: cli.main(args=arguments, prog_name="pydeeprecsys", standalone_mode=False)))


def _run(command: Callable[[], object]) -> int:
    try:
        result = command()
        return result if isinstance(result, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "")
        return 2
    except click.ClickException as error:
        return _fail(error.format_message())
    except InputError as error:
        return _fail(str(error))
    except FloatingPointError as error:
        _fail(str(error))
        return 1
    except OSError as error:
        if error.filename is None and error.errno != errno.ENOSPC:
            raise
        where = f" at {error.filename}" if error.filename else ""
        return _fail(f"{error.strerror}{where}; what was there before is untouched")
    except (KeyboardInterrupt, click.Abort):
        return 130


def _fail(message: str) -> int:
    click.echo("error: " + " ".join(message.split()), err=True)
    return 2
