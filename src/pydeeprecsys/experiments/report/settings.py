"""What runs were told, and what made them: settings that differ, and settings in common."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

# What else the page shows of a run, and what is no matter of its numbers.
_APART = {"kind", "agent", "agents", "seed", "seeds", "options", "agent_options", "checkpoint_every"}
_RECORD = "record."


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Settings by dotted names, as text: `{"world_options": {"delta": 1.0}}` gives `world_options.delta`: `1.0`."""
    texts: dict[str, str] = {}
    for name, value in config.items():
        if isinstance(value, Mapping) and value:
            texts |= flat(value, f"{prefix}{name}.")
        else:
            texts[prefix + name] = value if isinstance(value, str) else json.dumps(value)
    return texts


def shared_settings(config: Mapping[str, Any]) -> dict[str, str]:
    """Of the settings of a run or a comparison those that are not of one agent, flat."""
    return flat({name: value for name, value in config.items() if name not in _APART})


def differences(configs: Sequence[Mapping[str, str]]) -> tuple[dict[str, list[str | None]], dict[str, str]]:
    """Put flat settings side by side.

    Args:
        configs: one a column.

    Returns:
        Those that differ, each with its text in every column, None where it is not set; and those in common.
    """
    names = dict.fromkeys(name for config in configs for name in config)
    columns = {name: [config.get(name) for config in configs] for name in names}
    common = {name: configs[0][name] for name, texts in columns.items() if len(set(texts)) == 1}
    return {name: texts for name, texts in columns.items() if name not in common}, common


def split_record(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was set, and what was recorded of where it was made, the latter without `record.` before the names."""
    told = {name: value for name, value in settings.items() if not name.startswith(_RECORD)}
    made = {name.removeprefix(_RECORD): value for name, value in settings.items() if name.startswith(_RECORD)}
    made.pop("calibration", None)  # a table of its own, which `pydeeprecsys data describe` prints
    return told, made
