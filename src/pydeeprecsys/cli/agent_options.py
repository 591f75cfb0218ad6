"""The options of agents on the command line."""

from __future__ import annotations

import types
from typing import Any, Literal, Union, get_args, get_origin

import click

from pydeeprecsys.experiments.registry import Option


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
