"""The folders of audits, within that of a run or a comparison, and their tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from pydeeprecsys.experiments.claimed_folder import AUDITS
from pydeeprecsys.experiments.result_files import read_table, write_table

if TYPE_CHECKING:
    from pydeeprecsys.experiments.run_folder import RunFolder

TABLES = ("sessions", "agents", "groups", "steps", "exposure", "tastes", "items")
"""The tables of an audit, each a CSV file of its name; the last is written last."""


def audit_folder(folder: RunFolder, label: str) -> RunFolder:
    """The folder of an audit of a run or a comparison."""
    return type(folder)(folder.path / AUDITS / label)


def audits_of(folder: RunFolder) -> list[RunFolder]:
    """The audits of a run or a comparison that are done, in the order of their names."""
    return [type(folder)(path.parent) for path in sorted(folder.path.glob(f"{AUDITS}/*/{TABLES[-1]}.csv"))]


def write_audit(audit: RunFolder, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write the tables of an audit, by their names, without those that have no rows."""
    (audit.path / f"{TABLES[-1]}.csv").unlink(missing_ok=True)  # what is written over is not done
    for name in TABLES:
        if len(tables[name]):
            write_table(audit.path / f"{name}.csv", tables[name], index=False, float_format="%.8g")


def audit_table(audit: RunFolder, name: str) -> pd.DataFrame:
    """A table of an audit; without rows if there are no groups that it could be of.

    Raises:
        InputError: it is missing, or a spreadsheet has written it anew.
    """
    if name == "groups" and not audit.config["columns"]:
        return pd.DataFrame()
    words = dict.fromkeys(("group", "user", "item_id"), str)  # a group may be called NA
    options: dict[str, Any] = {"dtype": words, "keep_default_na": False, "na_values": [""]}
    return read_table(audit.path / f"{name}.csv", set(), advice="audit it again", **options)
