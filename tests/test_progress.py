import io
import re
import sys
import time
import types
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from pydeeprecsys import progress
from pydeeprecsys.data.library import open_world
from pydeeprecsys.data.synthetic import synthetic_dataset
from pydeeprecsys.data.world import World
from pydeeprecsys.progress import Line, watched


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines and bars are renewed a hundred times in a second."""
    monkeypatch.setattr(progress, "LINE_EVERY", 0.01)
    monkeypatch.setattr(progress, "_RENEWED_EVERY", 0.01)


class Notebook:
    """What a notebook shows: the HTML in each place, in its last version, and all pictures."""

    def __init__(self) -> None:
        self.places: list[str] = []
        self.versions: list[str] = []

    def display(self, html: str, display_id: bool = False) -> Any:
        place = len(self.places)
        self.places.append(html)

        def update(html: str) -> None:
            self.places[place] = html
            self.versions.append(html)

        return types.SimpleNamespace(update=update)


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    """The parts of IPython that a notebook has."""
    shown = Notebook()
    ipython: Any = types.ModuleType("IPython")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    ipython.display = types.ModuleType("IPython.display")
    ipython.display.display, ipython.display.HTML = shown.display, lambda html: html
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", ipython.display)
    return shown


def wait_for(seen: Any) -> None:
    """Wait until a condition holds, for two seconds at most."""
    deadline = time.monotonic() + 2
    while not seen() and time.monotonic() < deadline:
        time.sleep(0.005)


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize(
    "console",
    [
        Console(file=io.StringIO()),
        Console(file=io.StringIO(), force_terminal=True),  # as by FORCE_COLOR
        Console(file=Terminal(), _environ={"TERM": "dumb"}),
        Console(file=io.StringIO(), width=1),
    ],
)
def test_without_a_terminal_a_line_says_what_how_far_and_since_when(console: Console) -> None:
    file: Any = console.file
    with watched(console) as bars:
        bars.add_task("reading", total=None)
        wait_for(lambda: "reading, 0:00:00\n" in file.getvalue())
        task = bars.add_task("[b]training", total=2000, unit="episodes")
        bars.update(task, completed=1250)
        wait_for(lambda: "1,250" in file.getvalue())
    lines = file.getvalue().splitlines()
    assert lines[0] == "reading, 0:00:00"
    assert lines[-1] == "[b]training: 1,250 of 2,000 episodes, 0:00:00"


def test_lines_are_half_a_minute_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    assert progress.LINE_EVERY == 30
    monkeypatch.setattr(progress, "LINE_EVERY", 0.1)
    console = Console(file=(file := io.StringIO()))
    with watched(console) as bars:
        task = bars.add_task("training", total=100)
        for _ in range(50):
            bars.advance(task)
            time.sleep(0.005)
    assert 1 <= file.getvalue().count("\n") <= 3


@pytest.mark.usefixtures("quickly")
def test_a_terminal_has_a_bar_and_no_lines() -> None:
    console = Console(file=(file := Terminal()), _environ={"TERM": "xterm"})
    with watched(console, "{task.description}") as bars:
        bars.add_task("training", total=2000, unit="episodes")
        time.sleep(0.05)
    assert "\x1b" in file.getvalue()
    assert "of 2,000" not in file.getvalue()


@pytest.mark.usefixtures("quickly")
def test_a_notebook_has_one_bar_that_vanishes(notebook: Notebook) -> None:
    console = Console(file=(file := io.StringIO()))
    with watched(console) as bars:
        bars.update(bars.add_task("<train>", total=8), completed=2)
        wait_for(lambda: notebook.places != [""])
        assert notebook.places == ['<progress value="2" max="8"></progress> &lt;train&gt;: 2 of 8, 0:00:00']
    assert notebook.places == [""]
    assert not file.getvalue()


def test_a_notebook_shows_how_far_a_world_is(notebook: Notebook) -> None:
    World.from_dataset(dataset := synthetic_dataset(n_users=60, n_items=80, n_ratings=1500))
    assert not notebook.places
    open_world(dataset)
    (bar,) = notebook.places
    done, total = re.findall(r'"(\d+)"', bar)
    assert done == total
    assert bar.endswith("building the world of synthetic")


def test_a_line_is_renewed_in_place_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", file := Terminal())
    line = Line(3)
    line.update("Episode 0", 1)
    line.update("Episode 1", 2)
    line.end("done")
    assert file.getvalue() == "\rEpisode 0\t\t\rEpisode 1\t\tdone\n"


def test_a_log_has_the_last_line_and_few_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = Line(100)
    for i in range(100):
        line.update(f"Episode {i}", i + 1)
    line.end("solved")
    assert capsys.readouterr().out == "Episode 99 solved\n"

    monkeypatch.setattr(progress, "LINE_EVERY", 0.0)
    line.update("Episode 1")
    line.end()
    Line().end()
    assert capsys.readouterr().out == "Episode 1\n"


@pytest.mark.usefixtures("quickly")
def test_a_notebook_has_a_bar_beside_a_line(notebook: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    line = Line(4)
    time.sleep(0.02)
    line.update("Episode 1", 2)
    assert notebook.places == ['<progress value="2" max="4"></progress> Episode 1']
    line.end("solved")
    assert notebook.places == ["Episode 1<br>solved"]
    assert not capsys.readouterr().out


def test_a_line_that_is_not_wanted_is_not_there(notebook: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    line = Line(is_shown=False)
    line.update("Episode 1")
    line.end("solved")
    assert not notebook.places
    assert not capsys.readouterr().out


def test_a_row_of_a_table_has_one_value_or_several() -> None:
    shown = progress.notebook.table("<T>", {"n": 3, "x & y": ["1", "<2>"]})
    assert re.sub("</?table>", "", shown) == (
        "<caption>&lt;T&gt;</caption>"
        "<tr><th>n</th><td>3</td></tr>"
        "<tr><th>x &amp; y</th><td>1</td><td>&lt;2&gt;</td></tr>"
    )
