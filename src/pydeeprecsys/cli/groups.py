"""Groups of commands, how their commands are listed, and paths on the command line."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import click

from pydeeprecsys.errors import did_you_mean

_MAY_END_A_SENTENCE = re.compile(r"(\S+)[.!?](?=\s+[^a-z\d]|$)")
_ENDS_NONE = re.compile(r"\W*(al|approx|cf|e\.g|eq|etc|fig|i\.e|resp|sec|vs|([A-Z]\.)*[A-Z])", re.IGNORECASE)


def first_sentence(text: str) -> str:
    """The first sentence of a text, or its first paragraph; an abbreviation or an initial ends no sentence."""
    text = " ".join(text.strip().split("\n\n")[0].split())
    ends = (end.end() for end in _MAY_END_A_SENTENCE.finditer(text) if not _ENDS_NONE.fullmatch(end[1]))
    return text[: next(ends, None)]


def _summary(command: click.Command, limit: int = 45) -> str:
    return first_sentence(command.help or "")


class HomePath(click.Path):
    """A path, of which a leading ~ is the user's home."""

    def __init__(self, **options: Any) -> None:
        super().__init__(path_type=Path, **options)

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        """Expand and check the path."""
        return super().convert(os.path.expanduser(value), param, ctx)


class SummarizedCommand(click.Command):
    """A command that is listed with the first sentence of its help, however long."""

    get_short_help_str = _summary


class SuggestingGroup(click.Group):
    """A group of commands that names the nearest when there is none of the name given."""

    command_class = SummarizedCommand
    get_short_help_str = _summary

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands, in the order in which they are declared."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or fail with a hint."""
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            known = did_you_mean(args[0], self.list_commands(ctx))
            raise click.UsageError(f"{ctx.command_path}: there is no {args[0]!r}; {known}")
        return super().resolve_command(ctx, args)
