"""Results: on screen, as JSON, and in the README."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

import pydeeprecsys
from pydeeprecsys.files import whole_file

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results"
_PACKAGES = (
    "gymnasium",
    "numba",
    "numpy",
    "pandas",
    "torch",
    "onnxruntime",
    "sardine-rec",
    "cpprb",
    "stable-baselines3",
)
_HEADINGS = ("", "unit", "median", "lowest to highest", "ratio", "bar", "met")


@dataclass(frozen=True)
class Bar:
    """What a number has to reach: at least `least`, or at most `most`."""

    least: float | None = None
    most: float | None = None

    def __str__(self) -> str:
        return f"≥ {_number(self.least)}" if self.least is not None else f"≤ {_number(self.most or 0)}"

    def is_met_by(self, value: float) -> bool:
        return value >= self.least if self.least is not None else value <= (self.most or 0)


@dataclass(frozen=True)
class Row:
    """One quantity: a number per repetition, and the bar for its median."""

    name: str
    unit: str
    values: Sequence[float]
    bar: Bar | None = None


@dataclass(frozen=True)
class Results:
    """One table.

    Attributes:
        title: of the table.
        rows: the quantities.
        reference: the row whose median the ratio of every row of its unit is to.
        notes: what was left out, and why.
    """

    title: str
    rows: Sequence[Row]
    reference: str | None = None
    notes: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """Every repetition, and what is made of them."""
        of_reference = {row.unit: median(row.values) for row in self.rows if row.name == self.reference}
        rows = []
        for row in self.rows:
            middle = median(row.values)
            rows.append(
                {
                    "name": row.name,
                    "unit": row.unit,
                    "values": list(row.values),
                    "median": middle,
                    "ratio": middle / of_reference[row.unit] if row.unit in of_reference else None,
                    "bar": str(row.bar) if row.bar else None,
                    "met": row.bar.is_met_by(middle) if row.bar else None,
                }
            )
        return {"title": self.title, "reference": self.reference, "rows": rows, "notes": list(self.notes)}


def machine() -> dict[str, Any]:
    """The machine and versions that the numbers depend on."""
    versions = {"pydeeprecsys": pydeeprecsys.__version__}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "date": date.today().isoformat(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "processor": _processor(),
        "system": platform.system(),
        "python": platform.python_version(),
        "packages": versions,
    }


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    name = re.search(r"model name\s*: (.+)", facts.read_text()) if facts.exists() else None
    return name[1] if name else platform.processor() or platform.machine()


def write(topic: str, facts: dict[str, Any], tables: Sequence[Results], folder: Path) -> None:
    """Write the quantities of a topic to `folder`/`topic`.json."""
    with whole_file(folder / f"{topic}.json") as path:
        content = {"topic": topic, **facts, "tables": [table.as_json() for table in tables]}
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def show(tables: Sequence[Results], console: Console) -> None:
    """Print tables."""
    for results in tables:
        content = results.as_json()
        table = Table(title=content["title"], title_justify="left", box=box.SIMPLE_HEAD, caption_justify="left")
        table.caption = "\n".join(_footnotes(content)) or None
        for heading in _HEADINGS:
            table.add_column(heading, justify="left" if heading in ("", "unit") else "right")
        for row in content["rows"]:
            style = "red" if row["met"] is False else None
            table.add_row(*_cells(row), style=style)
        console.print(table)


def update_readme() -> None:
    """Put the kept results into the README, below its last heading."""
    readme = FOLDER / "README.md"
    head, heading, _ = readme.read_text().partition("## Results\n")
    parts = [head + heading]
    for path in sorted(RESULTS.glob("*.json")):
        content = json.loads(path.read_text())
        packages = ", ".join(f"{name} {number}" for name, number in content["packages"].items())
        load = " to ".join(f"{number:.1f}" for number in content["load"])
        parts.append(
            f"\n### {content['topic'].capitalize()}\n"
            f"{content['date']}: {content['cores']} cores ({content['processor']}), {content['system']}, "
            f"Python {content['python']}, {packages}. Load average of the machine: {load}.\n"
        )
        for table in content["tables"]:
            lines = [_HEADINGS, ("---", "---", *["---:"] * 5), *(_cells(row) for row in table["rows"])]
            parts.append(f"\n**{table['title']}**\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines))
            parts.extend(f"\n{note}\n" for note in _footnotes(table))
    with whole_file(readme) as path:
        path.write_text("".join(parts))


def _footnotes(table: dict[str, Any]) -> list[str]:
    reference = [f"Ratio: to {table['reference']}."] if table["reference"] else []
    return [*reference, *table["notes"]]


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["name"],
        row["unit"],
        _number(row["median"]),
        f"{_number(min(row['values']))} to {_number(max(row['values']))}",
        f"{row['ratio']:.2f}" if row["ratio"] is not None else "",
        row["bar"] or "",
        {True: "yes", False: "NO", None: ""}[row["met"]],
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
