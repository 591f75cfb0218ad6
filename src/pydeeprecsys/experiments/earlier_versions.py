"""Configurations of earlier versions, by the names and values of today."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def with_todays_values(hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    """Hyperparameters, or those of each agent, also of versions in which `item_features` was a switch."""
    today: dict[str, Any] = {}
    for name, value in hyperparameters.items():
        if name == "item_features" and isinstance(value, bool):
            value = "world" if value else "none"
        today[name] = with_todays_values(value) if isinstance(value, Mapping) else value
    return today


def with_todays_names(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration, also of versions without sweeps, or only the two environments of MovieLens, by today's names."""
    if config.get("kind") == "compare":
        config = {"sweep": None} | config
    if not isinstance(config.get("record"), dict):
        return config
    names = {"record": "provenance", "options": "hyperparameters", "agent_options": "hyperparameters"}
    config = {names.get(name, name): value for name, value in config.items()}
    env_options = {"slate_size": config.pop("slate_size", 1), **config.pop("world_options", {})}
    return config | {"env": f"MovieLensFairness-v{env_options.pop('version', 0)}", "env_options": env_options}
