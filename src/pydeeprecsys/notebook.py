"""What notebooks show: tables of facts, and a place whose content is renewed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from html import escape


def table(title: str, rows: Mapping[str, object | Sequence[object]]) -> str:
    """A small HTML table: a heading, and a name with one or several values in each row, all of it escaped."""
    lines = []
    for name, values in rows.items():
        cells = values if isinstance(values, list | tuple) else [values]
        lines.append(f"<tr><th>{escape(name)}</th>{''.join(f'<td>{escape(str(cell))}</td>' for cell in cells)}</tr>")
    return f"<table><caption>{escape(title)}</caption>{''.join(lines)}</table>"


def bar(text: str, done: float, total: float | None) -> str:
    """A progress bar in HTML with a text beside it; without a total it has no length."""
    length = "" if total is None else f' value="{done:g}" max="{total:g}"'
    return f"<progress{length}></progress> {escape(text)}"


def new_place() -> Callable[[str], None] | None:
    """A place below the running cell: a function that shows HTML there instead of what it showed before.

    None outside of notebooks.
    """
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if not hasattr(shell, "kernel"):
        return None
    from IPython.display import HTML, display

    handle = display(HTML(""), display_id=True)
    return lambda html: handle.update(HTML(html))
