"""Hyperparameters of agents on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.catalogue import agent_option


def read_options(path: Path) -> tuple[str, dict[str, Any]]:
    """An agent's name and hyperparameters, from a file that `pydeeprecsys tune` wrote.

    Raises:
        InputError: It is not such a file, or it names an unknown agent or hyperparameter.
    """
    from pydeeprecsys.experiments.claimed_folder import with_todays_values  # which locks files, and takes its time

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
