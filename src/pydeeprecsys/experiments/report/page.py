"""The report as one HTML page."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from importlib.resources import files
from typing import Any

import jinja2
import numpy as np
import plotly.offline

import pydeeprecsys
from pydeeprecsys.evaluation.standings import ORACLE, RANDOM
from pydeeprecsys.experiments.report.content import WorldResults, results
from pydeeprecsys.experiments.report.folders import Source
from pydeeprecsys.experiments.report.sessions import BUDGET, pack
from pydeeprecsys.experiments.report.settings import differences, flat, shared_settings, split_record
from pydeeprecsys.experiments.run import joint_note


def render(sources: Sequence[Source]) -> str:
    """The page: text, style, program and data in one."""
    here = files(__package__)
    worlds = results(sources)
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    environment.filters |= {
        "number": _number,
        "known": lambda value, digits: "not known" if math.isnan(value) else _number(value, digits),
        "interval": _interval,
        "percent": _percent,
        "short": _short,
    }
    apart, _ = differences([world.settings for world in worlds])
    differing, common = differences([shared_settings(source.config) for source in sources])
    return environment.from_string((here / "page.html").read_text("utf-8")).render(
        version=pydeeprecsys.__version__,
        sources=sources,
        worlds=[_world(world, apart) for world in worlds],
        missing=[line for source in sources for line in missing(source)],
        differing=dict(zip(("told", "made"), split_record(differing), strict=True)),
        common=dict(zip(("told", "made"), split_record(common), strict=True)),
        data=_without_nan({"worlds": [_data(world, BUDGET // len(worlds)) for world in worlds]}),
        style=(here / "page.css").read_text("utf-8"),
        programs=[(here / name).read_text("utf-8") for name in ("charts.js", "explorer.js")],
        plotly=plotly.offline.get_plotlyjs(),
    )


def missing(source: Source) -> list[str]:
    """What is not done yet in a folder, a line for each agent."""
    lines = []
    runs = {(run.agent, run.seed): run for run in source.runs}
    planned = list(runs)
    if source.config["kind"] == "compare":
        agents = dict.fromkeys((*source.config["agents"], RANDOM, ORACLE))
        planned = [(agent, seed) for agent in agents for seed in range(source.config["seeds"])]
    for agent in dict.fromkeys(agent for agent, _ in planned):
        seeds = [seed for other, seed in planned if other == agent]
        states = []
        for seed in seeds:
            run = runs.get((agent, seed))
            if run is not None and run.measures is None:
                done = int(run.episodes[-1]) + 1
                states.append(f"seed {seed} at episode {done} of {run.config['episodes']}, not judged")
        fresh = [str(seed) for seed in seeds if (agent, seed) not in runs]
        if fresh:
            states.append(f"seed{'s' * (len(fresh) > 1)} {', '.join(fresh)} not begun")
        if states:
            lines.append(f"{agent} in {source.path}: {'; '.join(states)}")
    return lines


def _world(world: WorldResults, apart: Collection[str]) -> dict[str, Any]:
    """What the template says of a world."""
    table = world.table
    ends = table[["median", "median_low", "median_high"]].to_numpy()
    low, high = (float(np.nanmin(ends)), float(np.nanmax(ends))) if len(table) else (0.0, 1.0)
    span = (high - low) or 1.0
    rows = table.to_dict("records")
    yardsticks = {entry.label for entry in world.entries if entry.is_yardstick}
    entries = {entry.label: entry for entry in world.entries}
    oracles = {entry.label for entry in world.entries if entry.agent == ORACLE}
    for row in rows:
        row["yardstick"] = row["agent"] in yardsticks
        notes = {run.seed: run.note for run in entries[row["agent"]].judged}
        row["note"] = joint_note(notes)
        row["mark"] = "never updated" if all(notes.values()) else "never updated in some seeds"
        row["left"] = 100 * (row["median_low"] - low) / span
        row["middle"] = 100 * (row["median"] - low) / span
        row["right"] = 100 * (high - row["median_high"]) / span
    options = {entry.label: flat(entry.runs[0].config.get("options", {})) for entry in world.entries}
    return {
        "title": _title(world.settings, apart),
        "rows": rows,
        "best": next((row for row in rows if row["agent"] not in oracles), None),
        "scale": (low, high),
        "unknown": [row["agent"] for row in rows if math.isnan(row["violence"])],
        "reference": next(iter(table["reference"].dropna()), None),
        "options": {label: told for label, told in options.items() if told},
        "curves": any(len(run.episodes) for entry in world.entries for run in entry.runs),
        "sessions": any(run.sessions for entry in world.entries for run in entry.runs),
    }


def _title(settings: Mapping[str, str], apart: Collection[str]) -> str:
    """The data, the world and the slates, and what else sets it apart from other worlds."""
    version = settings.get("world_options.version", "0")
    size = settings.get("slate_size", "1")
    shown = "one item at a time" if size == "1" else f"slates of {size}"
    named = {"dataset", "dataset_checksum", "world_options.version", "slate_size"}
    more = [f", {name.rpartition('.')[2]} {settings[name]}" for name in settings if name in apart and name not in named]
    return f"{settings.get('dataset', 'unknown data')}, world {version}, {shown}{''.join(more)}"


def _data(world: WorldResults, budget: int) -> dict[str, Any]:
    """What the charts and the explorer draw of a world."""
    reached = dict(zip(world.table["agent"], world.table["median"], strict=True))
    # In the order of the table, so that what stands together looks alike everywhere; those not judged come last.
    entries = sorted(world.entries, key=lambda entry: -reached.get(entry.label, -math.inf))
    return {
        "entries": [
            {
                "label": entry.label,
                "yardstick": entry.is_yardstick,
                "reached": reached.get(entry.label),
                "curve": entry.curve(),
                "points": [
                    [run.seed, run.measures["violence"], run.measures["return"]] for run in entry.runs if run.measures
                ],
            }
            for entry in entries
        ],
        "profiles": world.profiles(),
        "normalized": world.scale is not None,
        **pack([(entry.label, run) for entry in world.entries for run in entry.runs], budget),
    }


def _without_nan(value: Any) -> Any:
    """NaN, which JSON does not have, becomes null; other numbers keep five digits, more than a screen has."""
    if isinstance(value, dict):
        return {name: _without_nan(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(part) for part in value]
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else None
    return value


def _number(value: float, digits: int, sign: str = "-") -> str:
    return "–" if math.isnan(value) else f"{value:{sign}.{digits}f}"


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.0f} %"


def _interval(low: float, high: float, digits: int, seeds: int = 0) -> str:
    return f"not from {seeds} seed{'s' * (seeds > 1)}" if math.isnan(low) else f"{low:.{digits}f} to {high:.{digits}f}"


def _short(text: str) -> str:
    """A long number in six digits, other text as it is."""
    try:
        return text if len(text) <= 8 or text.isdecimal() else f"{float(text):.6g}"
    except ValueError:
        return text
