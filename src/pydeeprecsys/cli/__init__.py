"""The command line: one file per command, loaded when it runs."""

from pydeeprecsys.cli.commands import cli
from pydeeprecsys.cli.program import main

__all__ = ["cli", "main"]
