"""The program: what its errors look like, and its exit codes."""

from __future__ import annotations

import errno
import io
import os
import sys
import warnings
from collections.abc import Callable, Sequence

import click

from pydeeprecsys.cli.commands import cli
from pydeeprecsys.errors import InputError
from pydeeprecsys.extras import naming_extras

INTERRUPTED = 130
"""Exit code after Ctrl-C, as of a shell."""

_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; errors of the user are one line, with exit code 2."""
    sys.path.append(os.getcwd())  # for environments and agents of the user
    os.environ["MPLBACKEND"] = "agg"  # one that a notebook hands down may not be installed here, or want a window
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # files and pipes of Windows have no Greek letters
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
        with naming_extras():
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
        if error.filename is None and error.errno not in _OF_THE_DISK:
            raise
        where = f" at {error.filename}" if error.filename else ""
        return _fail(f"{error.strerror}{where}; what was there before is untouched")
    except (KeyboardInterrupt, click.Abort):
        click.echo("stopped", err=True)
        return INTERRUPTED


def _fail(message: str) -> int:
    click.echo("error: " + " ".join(message.split()), err=True)
    return 2
