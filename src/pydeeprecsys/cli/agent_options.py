"""The options of agents on the command line."""

from __future__ import annotations

import json
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import click

from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.registry import Option, agent_option


class _Numbers(click.ParamType[list[int]]):
    """Whole numbers, such as 128,128."""

    name = "n,n,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        """Turn text into numbers."""
        if not isinstance(value, str):
            return list(value)
        try:
            return [int(number) for number in value.strip("[]").split(",")]
        except ValueError:
            self.fail(f"{value!r} is not whole numbers separated by commas, such as 128,128", param, ctx)


def click_type(option: Option) -> click.ParamType[Any]:
    """How an agent's option is read from text."""
    kind = option.annotation
    if get_origin(kind) in (Union, types.UnionType):
        kind = next(argument for argument in get_args(kind) if argument is not types.NoneType)
    if get_origin(kind) is Literal:
        return click.Choice(get_args(kind))
    return _Numbers() if get_origin(kind) is list else click.types.convert_type(kind)


def read_options(path: Path) -> tuple[str, dict[str, Any]]:
    """An agent's name and some of its options, from a file such as `pydeeprecsys tune` writes.

    Raises:
        InputError: it is not such a file, or of an agent or an option that there is not.
    """
    try:
        config = json.loads(path.read_text())
        agent, options = config["agent"], dict(config["options"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} holds no options of an agent; give the best.json of 'pydeeprecsys tune'") from error
    for name in options:
        agent_option(agent, name)
    return agent, options
