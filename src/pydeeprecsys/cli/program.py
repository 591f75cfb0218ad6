"""The program: its commands by name, and its exit codes."""

from __future__ import annotations

import errno
import importlib
import os
import sys
import warnings
from collections.abc import Callable, Sequence

import click

from pydeeprecsys.errors import InputError, did_you_mean

_VERBS = {
    "data": "See, fetch and describe data sets of ratings.",
    "train": "Train one agent, by default on simulated users.",
    "compare": "Train several agents and put them side by side.",
    "tune": "Search for good hyperparameters of an agent.",
    "evaluate": "Evaluate the policy of a run again.",
    "resume": "Continue stopped or killed runs.",
    "report": "Write one HTML page from the results of runs, comparisons and searches.",
}


class SuggestingGroup(click.Group):
    """A group of commands that names the nearest when there is none of the name given."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or fail with a hint."""
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            known = did_you_mean(args[0], self.list_commands(ctx))
            raise click.UsageError(f"{ctx.command_path}: there is no {args[0]!r}; {known}")
        return super().resolve_command(ctx, args)


class _Verbs(SuggestingGroup):
    """The commands, each imported only when it runs: `--help` need not wait for torch."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands."""
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in _VERBS:
            return None
        command: click.Command = importlib.import_module(f"pydeeprecsys.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_VERBS.items()))


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pydeeprecsys")
def cli() -> None:
    """Recommender systems that learn by reinforcement, compared on simulated users built from real ratings.

    Start with:  pydeeprecsys compare
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; errors of the user are one line, with exit code 2."""
    sys.path.append(os.getcwd())  # for environments and agents of the user
    with warnings.catch_warnings():
        warnings.showwarning = _show_once()
        sys.exit(_run(lambda: cli.main(args=arguments, prog_name="pydeeprecsys", standalone_mode=False)))


def _show_once() -> Callable[..., None]:
    """Show warnings in one line, each text once."""
    shown: set[str] = set()

    def show(message: Warning | str, *_: object, **__: object) -> None:
        if (text := " ".join(str(message).split())) not in shown:
            shown.add(text)
            click.echo(f"warning: {text}", err=True)

    return show


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
