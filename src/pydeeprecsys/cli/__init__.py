"""The command line: one file per command, loaded when it is called."""

from pydeeprecsys.cli.program import SuggestingGroup, cli, main

__all__ = ["SuggestingGroup", "cli", "main"]
