"""`pydeeprecsys env`."""

from __future__ import annotations

from inspect import Parameter
from typing import Any, Literal, get_args, get_origin

import click

from pydeeprecsys.arguments import Argument
from pydeeprecsys.experiments.environments import described

_WORDS = {int: "integer", float: "number", bool: "true|false", str: "text", list[int]: "n,n,...", Any: "value"}


def show_options(env: str) -> None:
    """Print the options of an environment: those of the command line, and those from Python."""
    known = [(_form(option), _text(option)) for option in described(env).arguments.values()]
    formatter = click.get_current_context().make_formatter()
    for heading, is_text in ((f"Options of {env}, each as --env-option NAME=VALUE", True), ("From Python", False)):
        if rows := [(form, text) for form, text in known if ("=" in form) == is_text]:
            with formatter.section(heading):
                formatter.write_dl(rows)
    click.echo(formatter.getvalue() or f"{env} has no options\n", nl=False)


def _form(option: Argument) -> str:
    if get_origin(option.type) is Literal:
        return f"{option.name}={'|'.join(map(str, get_args(option.type)))}"
    return f"{option.name}={_WORDS[option.type]}" if option.type in _WORDS else option.name


def _text(option: Argument) -> str:
    """What the option is, with its default."""
    default = option.default
    if default is Parameter.empty:
        return option.help
    return f"{option.help}  [default: {'none' if default is None else default}]"
