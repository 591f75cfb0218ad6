"""The tutorials run in an empty folder, and the facts that their prose states hold: hidden cells assert them."""

from pathlib import Path

import pytest
from myst_nb.core.read import read_myst_markdown_notebook
from nbclient import NotebookClient
from nbformat import NotebookNode

TUTORIALS = sorted((Path(__file__).parents[1] / "docs" / "tutorials").glob("*.md"))

each_tutorial = pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)


def notebook(path: Path) -> NotebookNode:
    """A tutorial as a notebook without outputs."""
    read: NotebookNode = read_myst_markdown_notebook(path.read_text())
    return read


def code(read: NotebookNode) -> list[NotebookNode]:
    """The cells of code."""
    return [cell for cell in read.cells if cell.cell_type == "code"]


@each_tutorial
def test_hidden_cells_assert_and_say_nothing(path: Path) -> None:
    hidden = [cell.source for cell in code(notebook(path)) if "remove-cell" in cell.metadata.get("tags", [])]
    assert hidden
    assert all("assert " in source and "print(" not in source for source in hidden)


@each_tutorial
@pytest.mark.slow
def test_cells_run_and_what_the_prose_claims_holds(path: Path, tmp_path: Path) -> None:
    read = notebook(path)
    NotebookClient(read, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()

    outputs = [(cell, output) for cell in code(read) for output in cell.outputs]
    assert [output.text for _, output in outputs if output.get("name") == "stderr"] == []
    # A figure is drawn by each cell that describes one, and by no other.
    drawn = [cell.source for cell, output in outputs if "image/png" in output.get("data", {})]
    assert drawn == [cell.source for cell in code(read) if "image" in cell.metadata.get("mystnb", {})]
