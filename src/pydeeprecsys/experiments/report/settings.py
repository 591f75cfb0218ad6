"""The settings of runs and the provenance of their numbers: what differs, and what is in common."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

# What the page shows elsewhere, and what the numbers do not depend on.
_APART = {"kind", "agent", "agents", "seed", "seeds", "hyperparameters", "checkpoint_every"}
_PROVENANCE = "provenance."


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Settings by dotted names, as text: `{"env_options": {"delta": 1.0}}` gives `env_options.delta`: `1.0`."""
    texts: dict[str, str] = {}
    for name, value in config.items():
        if isinstance(value, Mapping) and value:
            texts |= flat(value, f"{prefix}{name}.")
        else:
            texts[prefix + name] = value if isinstance(value, str) else json.dumps(value)
    return texts


def shared_settings(config: Mapping[str, Any]) -> dict[str, str]:
    """The settings of a run or a comparison without those of single agents, flat."""
    return flat({name: value for name, value in config.items() if name not in _APART})


def differences(configs: Sequence[Mapping[str, str]]) -> tuple[dict[str, list[str | None]], dict[str, str]]:
    """Put flat settings side by side.

    Args:
        configs: one per column.

    Returns:
        Those that differ, each with its text in every column, None if it is not set; and those in common.
    """
    names = dict.fromkeys(name for config in configs for name in config)
    columns = {name: [config.get(name) for config in configs] for name in names}
    common = {name: configs[0][name] for name, texts in columns.items() if len(set(texts)) == 1}
    return {name: texts for name, texts in columns.items() if name not in common}, common


def split_provenance(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings proper, and those of the provenance, the latter without `provenance.` before their names."""
    proper = {name: value for name, value in settings.items() if not name.startswith(_PROVENANCE)}
    made = {name.removeprefix(_PROVENANCE): value for name, value in settings.items() if name not in proper}
    made.pop("calibration", None)  # a table of its own, which `pydeeprecsys data describe` prints
    return proper, made
