"""Agents on the command line: their hyperparameters, and the command that trains each."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from pydeeprecsys.cli.groups import HomePath, SuggestingGroup, SummarizedCommand
from pydeeprecsys.cli.options import JOBS, RAY, click_option, read_environment, settings_options
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments import catalogue
from pydeeprecsys.experiments.catalogue import agent_option


def read_options(path: Path) -> tuple[str, dict[str, Any]]:
    """An agent's name and hyperparameters, from a file that `pydeeprecsys tune` wrote.

    Raises:
        InputError: It is not such a file, or it names an unknown agent or hyperparameter.
    """
    from pydeeprecsys.experiments.earlier_versions import with_todays_values

    try:
        config = json.loads(path.read_text("utf-8"))
        if "kind" in config:
            raise InputError(
                f"{path} holds all settings of a {config['kind']}, of which this would take few; give the best.json of "
                '\'pydeeprecsys tune\', or a file with an "agent" and its "hyperparameters" alone'
            )
        agent, options = config["agent"], with_todays_values(config.get("hyperparameters", config.get("options")))
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} holds no hyperparameters of an agent; give the best.json of 'pydeeprecsys tune'"
        ) from error
    for name in options:
        agent_option(agent, name)
    return agent, options


def read_hyperparameters(configs: Iterable[Path], changes: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The hyperparameters of agents, by agent, that files and settings AGENT.OPTION=VALUE hold; the latter count more.

    Raises:
        InputError: An agent or a hyperparameter is unknown or given twice, or its value cannot be.
    """
    hyperparameters: dict[str, dict[str, Any]] = {}
    for path in configs:
        agent, options = read_options(path)
        if agent in hyperparameters:
            raise InputError(f"--config {path}: the hyperparameters of {agent} are given twice")
        hyperparameters[agent] = options
    changed: set[str] = set()
    for change in changes:
        target, _, text = change.partition("=")
        agent, _, name = target.rpartition(".")
        if not text or not agent:
            raise InputError(f"--set takes AGENT.OPTION=VALUE, such as reinforce.learning_rate=0.003, not {change!r}")
        option = agent_option(agent, name.replace("-", "_"))
        if (target := f"{agent}.{option.name}") in changed:
            raise InputError(f"--set {change}: {target} is given twice")
        changed.add(target)
        try:
            hyperparameters.setdefault(agent, {})[option.name] = option.read(text)
        except InputError as error:
            raise InputError(f"--set {change}: {error}") from error
    return hyperparameters


class Agents(SuggestingGroup):
    """A command for each agent that trains it: those of this package, and the user's own as package.module:Class."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the agents of this package."""
        return catalogue.agent_names()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Make the command of an agent."""
        return _train(cmd_name) if cmd_name in catalogue.agent_names() or ":" in cmd_name else None


def _train(agent: str) -> click.Command:
    entry = catalogue.agent(agent)

    def run(**arguments: Any) -> None:
        read_environment(arguments)
        from pydeeprecsys.cli.common import choose_out

        out = choose_out(arguments["out"], arguments["overwrite"], agent)
        from pydeeprecsys.cli.train import train

        train(agent, {name: arguments[name] for name in entry.arguments}, arguments, out)

    def take_config(ctx: click.Context, param: click.Parameter, path: Path | None) -> None:
        """Let a file's hyperparameters replace the defaults; what is given on the command line replaces both."""
        if path is not None:
            name, hyperparameters = read_options(path)
            if name != agent:
                raise InputError(f"{path} is of the agent {name!r}, not of {agent!r}")
            ctx.default_map = {name: value for name, value in hyperparameters.items() if value is not None}

    config = click.Option(
        ["--config"],
        type=HomePath(exists=True, dir_okay=False),
        is_eager=True,
        expose_value=False,
        callback=take_config,
        help="Hyperparameters in place of the agent's defaults, as 'pydeeprecsys tune' finds them: its best.json.",
    )
    several = [JOBS, RAY] if "search" in entry.traits else []
    params = [*settings_options("run"), *several, config, *map(click_option, entry.arguments.values())]
    return SummarizedCommand(agent, callback=run, help=entry.help, params=params)
