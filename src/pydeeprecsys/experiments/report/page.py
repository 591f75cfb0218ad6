"""The report as one HTML page."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, metadata
from importlib.resources import files
from typing import Any

import jinja2
import numpy as np
import plotly.offline
from markupsafe import Markup, escape

import pydeeprecsys
from pydeeprecsys.evaluation.standings import ORACLE, RANDOM
from pydeeprecsys.experiments.audit_folder import audits_of
from pydeeprecsys.experiments.captions import data_name, in_words, joint_note, task_name
from pydeeprecsys.experiments.report.audits import AuditResults
from pydeeprecsys.experiments.report.content import Entry, Source, TaskResults, results
from pydeeprecsys.experiments.report.fronts import fronts
from pydeeprecsys.experiments.report.sessions import BUDGET, pack
from pydeeprecsys.experiments.report.settings import differences, flat, shared_settings, split_provenance
from pydeeprecsys.experiments.report.trials import SearchResults
from pydeeprecsys.experiments.sweep import Sweep
from pydeeprecsys.looks import looks


def render(sources: Sequence[Source]) -> str:
    """The page: text, style, program and data in one."""
    here = files(__package__)
    tasks = results(sources)
    joined = fronts(sources)
    searches = [SearchResults(source.folder) for source in sources if not source.runs]
    audits = [AuditResults(source.folder, audit) for source in sources for audit in audits_of(source.folder)]
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (here / name).read_text("utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["guide"] = partial(_guide, site=_site())
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    environment.filters |= {
        "number": _number,
        "known": lambda value, digits: "not known" if math.isnan(value) else _number(value, digits),
        "interval": _interval,
        "percent": _percent,
        "short": _short,
        "short_number": lambda value: "–" if math.isnan(value) else f"{value:g}",
        "yes_or_no": lambda known: {True: "yes", False: "no"}.get(known, "–"),
        "breakable": _breakable,
    }
    differing, common = differences([shared_settings(source.folder.config) for source in sources])
    return environment.get_template("page.html").render(
        version=pydeeprecsys.__version__,
        sources=sources,
        facts=_facts(sources),
        fronts=joined,
        searches=[search.section() for search in searches],
        audits=[audit.section() for audit in audits],
        worlds=[_task(task, title) for task, title in zip(tasks, _titles(tasks), strict=True)],
        missing=[line for source in sources for line in missing(source)],
        differing=dict(zip(("settings", "provenance"), split_provenance(differing), strict=True)),
        common=dict(zip(("settings", "provenance"), split_provenance(common), strict=True)),
        data=_without_nan(
            {
                "worlds": [_data(task, BUDGET // len(tasks)) for task in tasks],
                "fronts": [{"entries": front["entries"]} for front in joined],
                "searches": [search.data() for search in searches],
                "audits": [audit.data() for audit in audits],
            }
        ),
        style=(here / "page.css").read_text("utf-8"),
        programs=[(here / name).read_text("utf-8") for name in ("charts.js", "explorer.js", "trials.js", "audits.js")],
        plotly=plotly.offline.get_plotlyjs(),
    )


def _site() -> str | None:
    """The address of the documentation, if the installed package names one."""
    try:
        urls = metadata("pydeeprecsys").get_all("Project-URL", [])
    except PackageNotFoundError:  # in a source tree that is not installed
        return None
    return next((url.removeprefix("Documentation, ") for url in urls if url.startswith("Documentation, ")), None)


def _guide(section: str, site: str | None) -> Markup:
    """The section of the guide to reports that explains a chart: a link, or its name if the site has no address."""
    if site is None:
        return Markup("Guide: “Reading a report”, “{}”.").format(section)
    anchor = section.lower().replace(" ", "-")
    return Markup('<a href="{}/report.html#{}">Guide: {}</a>.').format(site.rstrip("/"), anchor, section)


def _facts(sources: Sequence[Source]) -> dict[str, str]:
    """The data, the seeds and the days of the runs, for the heading."""
    data, seeds, days = [], set(), set()
    for source in sources:
        record = source.folder.config["provenance"]
        dataset = source.folder.config["dataset"]
        counts = [f"{record[name]:,} {name}" for name in ("users", "items", "ratings") if name in record]
        if dataset or counts:
            name = data_name(dataset) if dataset else "a world given in Python"
            data.append(f"{name} ({', '.join(counts)})" if counts else name)
        for run in source.runs or source.folder.runs:
            seeds.add(run.seed)
            days |= set(run.days)
    return {
        "Data": "; ".join(dict.fromkeys(data)) or "none",
        "Seeds": in_words(seeds) if seeds else "not known",
        "Run on": " to ".join(dict.fromkeys([min(days), max(days)])) if days else "a day that was not logged",
    }


def missing(source: Source) -> list[str]:
    """What is not done yet in a folder, one line per agent."""
    config = source.folder.config
    if config["kind"] == "tune":
        done = len(source.folder.trials)
        return [f"{config['agent']} in {source.path}: {done} of {config['trials']} trials"] * (done < config["trials"])
    lines = []
    sweep = Sweep.parse(config["sweep"]) if config.get("sweep") else None
    runs = {(sweep.name(run.config) if sweep else run.agent, run.seed): run for run in source.runs}
    planned = list(runs)
    if config["kind"] == "compare":
        has_users = config["dataset"] or config.get("evaluation_pool")
        agents = dict.fromkeys((*config["agents"], RANDOM, *([ORACLE] if has_users else [])))
        names = sweep.names(list(agents)) if sweep else agents
        planned = [(name, seed) for name in names for seed in range(config["seeds"])]
    for agent in dict.fromkeys(agent for agent, _ in planned):
        seeds = [seed for other, seed in planned if other == agent]
        states = []
        for seed in seeds:
            run = runs.get((agent, seed))
            if run is not None and run.measures is None:
                done = int(run.curve[0][-1]) + 1
                states.append(f"seed {seed} at episode {done} of {run.config['episodes']}, not evaluated")
        fresh = [str(seed) for seed in seeds if (agent, seed) not in runs]
        if fresh:
            states.append(f"seed{'s' * (len(fresh) > 1)} {', '.join(fresh)} not begun")
        if states:
            lines.append(f"{agent} in {source.path}: {'; '.join(states)}")
    return lines


def _task(task: TaskResults, title: str) -> dict[str, Any]:
    """The values of a task in the template."""
    table = task.table
    ends = table[["median", "median_low", "median_high"]].to_numpy()
    low, high = (float(np.nanmin(ends)), float(np.nanmax(ends))) if len(table) else (0.0, 1.0)
    span = (high - low) or 1.0
    rows = table.to_dict("records")
    simple_policies = {entry.label for entry in task.entries if entry.is_simple}
    entries = {entry.label: entry for entry in task.entries}
    look = looks({entry.label: entry.agent for entry in task.entries})
    oracles = {entry.label for entry in task.entries if entry.agent == ORACLE}
    for row in rows:
        row["colour"] = look[row["agent"]].colour
        row["simple"] = row["agent"] in simple_policies
        notes = {run.seed: run.note for run in entries[row["agent"]].done}
        row["note"] = joint_note(notes)
        row["features"] = entries[row["agent"]].runs[0].features
        row["mark"] = "never updated" if all(notes.values()) else "never updated in some seeds"
        row["left"] = 100 * (row["median_low"] - low) / span
        row["middle"] = 100 * (row["median"] - low) / span
        row["right"] = 100 * (high - row["median_high"]) / span
    options = {
        entry.label: flat(entry.runs[0].config.get("hyperparameters", {})) | _found(entry) for entry in task.entries
    }
    return {
        "title": title,
        "rows": rows,
        "best": next((row for row in rows if row["agent"] not in oracles), None),
        "scale": (low, high),
        "has_items": bool(table["coverage"].notna().any()),
        "has_violence": bool(table["violence"].notna().any()),
        "several_seeds": bool((table["seeds"] > 1).any()),
        "unknown": [row["agent"] for row in rows if math.isnan(row["violence"])],
        "reference": next(iter(table["reference"].dropna()), None),
        "options": {label: own for label, own in options.items() if own},
        "curves": any(len(run.curve[0]) for entry in task.entries for run in entry.runs),
        "sessions": any(run.sessions["sessions"] for entry in task.entries for run in entry.runs),
    }


def _found(entry: Entry) -> dict[str, str]:
    """The parameters that a policy search found, by name: one number per seed."""
    found = [run.parameters for run in entry.done]
    return {f"found: {name}": ", ".join(f"{own[name]:.4g}" for own in found) for name in (found[0] if found else ())}


def _titles(tasks: Sequence[TaskResults]) -> list[str]:
    """The data, the environment and the slates of each task, and what else sets it apart from others."""
    apart, _ = differences([task.settings for task in tasks])
    data = ("dataset", "dataset_checksum")  # which the names of files tell apart, as a rule
    titles = [_title(task.settings, apart, {"env", "env_options.slate_size", *data}) for task in tasks]
    return [
        title if titles.count(title) == 1 else _title(task.settings, apart, {"env", "env_options.slate_size"})
        for title, task in zip(titles, tasks, strict=True)
    ]


def _title(settings: Mapping[str, str], apart: Collection[str], named: Collection[str]) -> str:
    dataset = None if settings["dataset"] == "null" else settings["dataset"]
    title = task_name(settings["env"], dataset, int(settings.get("env_options.slate_size", "1")))
    more = [f"{name.rpartition('.')[2]} {settings[name]}" for name in settings if name in apart and name not in named]
    return ", ".join([title, *more])


def _data(task: TaskResults, budget: int) -> dict[str, Any]:
    """What the charts and the explorer draw of a task."""
    reached = dict(zip(task.table["agent"], task.table["median"], strict=True))
    # In the order of the table; agents that are not evaluated come last.
    entries = sorted(task.entries, key=lambda entry: -reached.get(entry.label, -math.inf))
    look = looks({entry.label: entry.agent for entry in entries})
    return {
        "entries": [
            {
                "label": entry.label,
                "simple": entry.is_simple,
                "look": look[entry.label].as_json(),
                "reached": reached.get(entry.label),
                "curve": entry.curve(),
                "points": [
                    [run.seed, run.measures["violence"], run.measures["return"]] for run in entry.runs if run.measures
                ],
            }
            for entry in entries
        ],
        "profiles": task.profiles(),
        "normalized": task.scale is not None,
        "hasViolence": bool(task.table["violence"].notna().any()),
        **pack([(entry.label, run) for entry in task.entries for run in entry.runs], budget),
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
    return "–" if math.isnan(value) else f"{100 * value:.0f}\N{NO-BREAK SPACE}%"


def _interval(low: float, high: float, digits: int, seeds: int = 0) -> str:
    return f"not from {seeds} seed{'s' * (seeds > 1)}" if math.isnan(low) else f"{low:.{digits}f} to {high:.{digits}f}"


def _breakable(text: str) -> Markup:
    """A name that may break after its signs."""
    return Markup(re.sub(r"([._:/,-])(?=[^\W\d])", r"\1<wbr>", str(escape(text))))


def _short(text: str) -> str:
    """A long number in six digits, other text as it is."""
    try:
        return text if len(text) <= 8 or text.isdecimal() else f"{float(text):.6g}"
    except ValueError:
        return text
