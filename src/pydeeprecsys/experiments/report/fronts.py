"""The fronts of sweeps in the report: the rating of what agents show against its violence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from pydeeprecsys.evaluation.fronts import FIGURES, front_table
from pydeeprecsys.evaluation.standings import BEST_CONSTANT, ORACLE, SIMPLE_POLICIES
from pydeeprecsys.experiments.captions import task_name, the_slate_size
from pydeeprecsys.experiments.report.content import Source, task_settings
from pydeeprecsys.experiments.summary import LEVEL, sweep_points
from pydeeprecsys.experiments.sweep import Sweep
from pydeeprecsys.looks import looks


def fronts(sources: Sequence[Source]) -> list[dict[str, Any]]:
    """The values of each front in the template and in its charts.

    Sweeps in the same world, such as of different options, are one front: their points are comparable.
    """
    groups: dict[tuple[tuple[str, str], ...], list[Source]] = {}
    for source in sources:
        if source.folder.config.get("sweep") and any(run.measures is not None for run in source.runs):
            groups.setdefault(tuple(sorted(task_settings(source.folder).items())), []).append(source)
    return [_front(group) for group in groups.values()]


def _front(sources: Sequence[Source]) -> dict[str, Any]:
    config = sources[0].folder.config
    sweeps = [Sweep.parse(source.folder.config["sweep"]) for source in sources]
    options = [sweep.option for sweep in sweeps]
    parts, agents = [], dict[str, str]()
    for source, sweep in zip(sources, sweeps, strict=True):
        points = sweep_points(sweep, [run for run in source.runs if run.measures])
        source_name = sweep.option if options.count(sweep.option) == 1 else source.path
        apart = "" if len(sources) == 1 else f", {source_name}"
        agents |= {f"{agent}{apart}": agent for agent in points["agent"]}
        parts.append(points.assign(agent=points["agent"] + apart))
    points = pd.concat(parts).drop_duplicates(["agent", "value", "seed"])  # of a folder that is named twice
    table = front_table(points, [label for label, agent in agents.items() if agent in (ORACLE, BEST_CONSTANT)])
    look, simple = looks(agents), {label for label, agent in agents.items() if agent in (*SIMPLE_POLICIES, ORACLE)}
    columns = ["value", *(f"{figure}{end}" for figure in FIGURES for end in ("", "_low", "_high"))]
    return {
        "title": f"Rating against violence over {', '.join(dict.fromkeys(sweep.target for sweep in sweeps))}",
        "task": task_name(config["env"], config["dataset"], the_slate_size(config)),
        "level": LEVEL,
        "rows": [row | {"simple": row["agent"] in simple} for row in table.to_dict("records")],
        "entries": [
            {
                "label": label,
                "simple": label in simple,
                "look": look[label].as_json(),
                "points": table.loc[table["agent"] == label, columns].to_dict("records"),
            }
            for label in agents
        ],
    }
