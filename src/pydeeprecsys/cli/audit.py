"""`pydeeprecsys audit`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from pydeeprecsys.cli.common import progress_bars, results_table, screen
from pydeeprecsys.cli.report import report
from pydeeprecsys.cli.resume import read_settings
from pydeeprecsys.experiments.audit import audit as run_audit
from pydeeprecsys.experiments.audit_folder import audit_table
from pydeeprecsys.experiments.run_folder import RunFolder

_WORST = ("return", "worst group")
_RETURN = ("return", "mean", "{:.2f}")
_COLUMNS = {
    "its return": (*_WORST, "{:.2f}"),
    "violence": ("violence", "mean", "{:.3f}"),
    "CVaR": ("violence", "cvar", "{:.3f}"),
    "harmed": ("beyond", "mean", "{:.1%}"),
    "coverage": ("coverage", "median over seeds", "{:.3f}"),
    "gini": ("gini", "median over seeds", "{:.3f}"),
}
"""The columns that follow the name of the worst group: figure, statistic and form of the numbers."""


def audit(folder: Path, groups: list[str], arguments: dict[str, Any]) -> None:
    """Audit the policies in a folder, print what was found, and write the report."""
    settings = read_settings(folder)
    with progress_bars() as progress:
        runs = [run for run in RunFolder(folder).runs if run.is_done]
        bar = progress.add_task("auditing", total=len(runs), unit="runs")

        def on_run(agent: str, seed: int) -> None:
            progress.update(bar, description=f"auditing {agent}, seed {seed}")
            progress.advance(bar)

        audited = run_audit(folder, settings, groups=groups, on_run=on_run, **arguments)
    for note in audited.config["notes"]:
        screen.print(note, soft_wrap=True)
    wide = not screen.is_terminal or screen.width >= 150
    paper = Console(width=max(screen.width, 150), markup=False, highlight=False) if wide else screen
    paper.print(_table(audited, " " if wide else "\n"))
    screen.print(f"tables in {audited.path}", soft_wrap=True)
    report([folder], None)


def _table(audited: RunFolder, apart: str) -> Table:
    """One row per agent, the highest return first; on a narrow screen intervals stand below their numbers."""
    config, rows = audited.config, audit_table(audited, "agents")
    table = results_table(
        title="without exploration, the same users and sessions for all",
        caption="mean over sessions, with 95 % intervals over users and seeds; worst group: that of the lowest mean "
        f"return; CVaR: mean violence of the worst {1 - config['alpha']:.0%} of sessions; harmed: share of users whose "
        f"mean violence is above {config['threshold']:g}",
    )
    for heading in ("agent", "return", "worst group", *_COLUMNS):
        table.add_column(heading, justify="left" if heading in ("agent", "worst group") else "right")
    returns = rows.query("figure == 'return' and statistic == 'mean'").set_index("agent")["value"]
    for agent in returns.sort_values(ascending=False).index:
        own = rows[rows["agent"] == agent].set_index(["figure", "statistic"])
        cells = [_cell(own, *which, apart=apart) for which in (_RETURN, *_COLUMNS.values())]
        table.add_row(agent, cells[0], str(own["note"].get(_WORST, "none")), *cells[1:])
    return table


def _cell(own: pd.DataFrame, figure: str, statistic: str, form: str, *, apart: str) -> str:
    """A figure of an agent with its interval."""
    if (figure, statistic) not in own.index:
        return "not known"
    value, low, high = own.loc[(figure, statistic), ["value", "low", "high"]].to_numpy(np.float64)
    return form.format(value) + ("" if np.isnan(low) else apart + f"({form}..{form})".format(low, high))
