"""Readers of results that may be damaged, and writers of results that appear whole or not at all."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from pydeeprecsys.errors import InputError
from pydeeprecsys.evaluation.plots import save_figure
from pydeeprecsys.files import whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def read_json(path: Path) -> Any:
    """The content of a JSON file, or an InputError: it is damaged."""
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is not readable as JSON ({error}); remove it, and resume the run") from error


def read_table(
    path: Path,
    columns: set[str],
    optional: Collection[str] = (),
    *,
    advice: str = "remove result.json, and resume",
    **options: Any,
) -> pd.DataFrame:
    """A table with columns of numbers, or an InputError: it is missing, or a spreadsheet has written it anew."""
    try:
        table: pd.DataFrame = pd.read_csv(path, **options)
        numbers = [*sorted(columns), *(table.columns.intersection([*optional]))]
        if table.empty or table[numbers].select_dtypes("number").shape[1] < len(numbers):
            raise ValueError("it has no rows, or no numbers in them")
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} is not as it was written ({' '.join(str(error).split())}); {advice}") from error
    return table


def draw_or_warn(draw: Callable[[], Figure], path: Path, suffixes: Sequence[str]) -> None:
    """Draw a figure and write it in each of the formats that the suffixes name, or warn that it cannot be done."""
    try:
        import matplotlib.pyplot as plt

        figure = draw()
        save_figure(figure, path, suffixes)
        plt.close(figure)
    except Exception as error:  # whatever it is that the libraries meet here: results are worth more than figures
        warnings.warn(f"{path} was not drawn: {' '.join(str(error).split())}", stacklevel=3)


def write_json(path: Path, value: Any, indent: int | None = None) -> None:
    """Write a value as JSON."""
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(value, indent=indent))


def write_table(path: Path, table: pd.DataFrame, **options: Any) -> None:
    """Write a table as CSV, with options of `DataFrame.to_csv`."""
    with whole_file(path) as temporary:
        table.to_csv(temporary, **options)
