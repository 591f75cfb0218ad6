"""Hyperparameters of agents on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click

from pydeeprecsys.arguments import Argument
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.claimed_folder import with_todays_values
from pydeeprecsys.experiments.registry import agent_option

_NAMES = {int: "integer", float: "float", list[int]: "n,n,..."}


class _InRange(click.ParamType[Any]):
    """Values of an argument's type, within its range."""

    def __init__(self, argument: Argument) -> None:
        self.argument, self.name = argument, _NAMES.get(argument.type, "text")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read and check the value."""
        try:
            if isinstance(value, str):
                return self.argument.read(value)
            self.argument.check(value)
        except InputError as error:
            self.fail(str(error), param, ctx)
        return value


def click_type(option: Argument) -> click.ParamType[Any]:
    """The type that reads a hyperparameter from text."""
    if get_origin(option.type) is Literal:
        return click.Choice(get_args(option.type))
    return click.BOOL if option.type is bool else _InRange(option)


def read_options(path: Path) -> tuple[str, dict[str, Any]]:
    """An agent's name and hyperparameters, from a file that `pydeeprecsys tune` wrote.

    Raises:
        InputError: It is not such a file, or it names an unknown agent or hyperparameter.
    """
    try:
        config = json.loads(path.read_text())
        agent, options = config["agent"], with_todays_values(config.get("hyperparameters", config.get("options")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} holds no hyperparameters of an agent; give the best.json of 'pydeeprecsys tune'"
        ) from error
    for name in options:
        agent_option(agent, name)
    return agent, options
