"""Every command and snippet of the pages runs, with the sizes of the table in CONTRIBUTING.md."""

import ast
import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import click
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from command_line import run
from contracts.releases import write_ml_1m, write_tag_genome
from pydeeprecsys.cli import cli
from pydeeprecsys.data.dataset import Dataset
from pydeeprecsys.data.synthetic import synthetic_dataset

ROOT = Path(__file__).parents[1]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


PAGES = sorted(
    {ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("[a-z]*/README.md")}
)
RUN_BY_OTHERS = {
    "docs/serving.md": "tests/test_serving_guide.py",
    "examples/README.md": "tests/test_examples.py",
}
SLOW = {
    "README.md",
    "docs/agents.md",
    "docs/audit.md",
    "docs/clusters.md",
    "docs/constraints.md",
    "docs/data.md",
    "docs/get-started.md",
    "docs/index.md",
    "docs/own-world.md",
    "docs/runs.md",
    "docs/state-encoders.md",
    "docs/statistics.md",
    "docs/tuning.md",
}
RAY = {"docs/clusters.md"}
# Commands that no test can run, by how they begin, and why.
NOT_RUN = {
    "pip install torch --index-url": "downloads from another index",
    "python -m venv": "for a package whose requirements exclude ours",
    "V/bin/pip install": "the same",
    ". .venv/bin/activate": "changes the shell",
    "echo": "changes the shell's settings",
    "_PYDEEPRECSYS_COMPLETE=": "the same; tests/cli/test_help.py asks for completions",
    "TIANSHOU_PYTHON=": "needs a Python with tianshou",
}
GIVEN_RUNS = {
    "runs/compare-1": "compare --agents varied,popular",
    "runs/dqn-1": "train dqn",
    "runs/ppo-1": "train ppo",
}
SIZES = {
    name: size
    for names, size in re.findall(r"^\| (`.*) \| (\d+) \|$", (ROOT / "CONTRIBUTING.md").read_text(), re.M)
    for name in re.findall(r"`(\w+)`", names)
}


each_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


class Block(NamedTuple):
    """A fenced block of a page: its language, its text, and the text of the output that follows, if any."""

    language: str
    text: str
    output: str | None


def blocks(page: str) -> list[Block]:
    """The blocks of a page, in their order."""
    found = re.finditer(r"^```(\w*)\n(.*?)^```$(?=(?:\n\n```text\n(.*?)^```$)?)", page, re.S | re.M)
    return [Block(*each.groups()) for each in found]


def commands(text: str) -> Iterator[list[str]]:
    """The commands of a block, as lists of words; comments are no words."""
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="&;")
        lexer.whitespace_split = True
        for ends, words in groupby(lexer, key=lambda word: word in ("&&", ";")):
            if not ends:
                yield list(words)


def file_name(block: Block) -> str:
    """The file that a block is; empty for a snippet."""
    found = re.match(r"# ([\w.-]+)\n", block.text)
    return found[1] if found else ""


FILES = {name: block.text for page in PAGES for block in blocks(page.read_text()) if (name := file_name(block))}


def command_of(words: list[str]) -> tuple[click.Command, click.Context]:
    """The command of this package that words call, and its context; errors in its options are raised."""
    command: click.Command = cli
    context = click.Context(cli)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        assert found is not None, words[0]
        command, context, words = found, click.Context(found, context, info_name=words[0]), words[1:]
    return command, context


def small(words: list[str]) -> list[str]:
    """The arguments of a command of this package with the sizes of tests."""
    command, _ = command_of(words)
    if words[0] == "demo":
        sizes = ("episodes", "evaluation_episodes", "seeds", "n_envs")
        settings = [word for name in sizes for word in ("--set", f"{name}={SIZES[name]}")]
        return [*words, "--jobs", SIZES["jobs"], *settings]
    for option in command.params:
        name = option.name or ""
        flag = "--" + name.replace("_", "-")
        if name not in SIZES or not isinstance(option, click.Option) or flag not in option.opts:
            continue
        if flag in words:
            place = words.index(flag) + 1
            words = [*words[:place], min(words[place], SIZES[name], key=int), *words[place + 1 :]]
        elif words[0] in ("train", "compare", "tune", "audit", "evaluate") and "--help" not in words:
            words = [*words, flag, SIZES[name]] if name != "steps" else words
    return words


class SmallSizes(ast.NodeTransformer):
    """Replaces the sizes of a snippet."""

    def visit_keyword(self, node: ast.keyword) -> ast.keyword:
        self.generic_visit(node)
        if node.arg in SIZES and isinstance(node.value, ast.Constant):
            node.value = ast.Constant(min(node.value.value, int(SIZES[node.arg])))
        return node


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a release of MovieLens 1M's form, as if it had been fetched."""
    folder = tmp_path_factory.mktemp("home")
    write_ml_1m(folder / "ml-1m.zip", people())
    write_tag_genome(folder / "tag-genome.zip", people())
    return folder


@cache
def people() -> Dataset:
    return synthetic_dataset(n_users=300, n_items=120, n_ratings=int(SIZES["n_ratings"]))


@pytest.fixture
def place(data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the files that pages name, and small data sets under the names of large ones."""
    mpl.use("agg")
    monkeypatch.setenv("PYDEEPRECSYS_HOME", str(data_folder))
    monkeypatch.setattr("pydeeprecsys.data.library.synthetic_dataset", people)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name, text in FILES.items():
        Path(name).write_text(text)
    dataset = people()
    ratings = {"user_id": dataset.user_index, "item_id": dataset.item_index, "rating": dataset.ratings}
    pd.DataFrame(ratings).to_csv("ratings.csv", index=False)
    dataset.items[["item_id", "title", "genres"]].assign(item_id=range(len(dataset.items))).to_csv(
        "products.csv", index=False
    )
    dataset.users[["sex", "age"]].assign(user_id=range(len(dataset.users))).to_csv("people.csv", index=False)
    return tmp_path


def given(folder: str) -> None:
    """Make the folder of a run that a page takes as given."""
    if folder in GIVEN_RUNS and not Path(folder).exists():
        assert run(*small([*GIVEN_RUNS[folder].split(), "--out", folder])) == 0


def run_command(words: list[str]) -> None:
    """Run a command of a page, or check what can be checked of it without."""
    program, *arguments = words
    if program == "pydeeprecsys":
        for word in arguments:
            given("/".join(word.split("/")[:2]))
        assert run(*small(arguments)) == 0, words
    elif program == "python":
        check_module(arguments)
    elif program == "make":
        assert re.search(rf"^{arguments[0]}:", (ROOT / "Makefile").read_text(), re.M), words
    elif words[:2] == ["pip", "install"] and "torch" not in words:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        (extras,) = re.fullmatch(r"(?:\.|pydeeprecsys)(?:\[(.*)\])?", arguments[1]).groups()  # type: ignore[union-attr]
        assert set((extras or "").split(",")) <= {"", *project["optional-dependencies"]}, words
    else:
        assert any(" ".join(words).startswith(begin) for begin in NOT_RUN), words


def check_module(arguments: list[str]) -> None:
    """Check that a module of reproductions or benchmarks is there, and has the options that a page gives it."""
    assert arguments[0] == "-m"
    spec = importlib.util.find_spec(arguments[1])
    assert spec is not None, arguments
    assert spec.origin is not None
    text = Path(spec.origin).with_name("__main__.py") if spec.submodule_search_locations else Path(spec.origin)
    for option in (word for word in arguments if word.startswith("--")):
        assert option in text.read_text() + (ROOT / "reproductions" / "runner.py").read_text(), arguments


def run_snippet(block: Block, names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """Run a snippet, and compare its output with that of the page."""
    tree = ast.fix_missing_locations(SmallSizes().visit(ast.parse(block.text)))
    capsys.readouterr()
    exec(compile(tree, "snippet", "exec"), names)
    if block.output is not None:
        assert capsys.readouterr().out == block.output


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(
            page,
            id=name_of(page),
            marks=[
                mark for pages, mark in ((SLOW, pytest.mark.slow), (RAY, pytest.mark.ray)) if name_of(page) in pages
            ],
        )
        for page in PAGES
        if name_of(page) not in RUN_BY_OTHERS
    ],
)
def test_commands_and_snippets(page: Path, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {
        "ratings_frame": pd.read_csv("ratings.csv"),
        "items_frame": pd.read_csv("products.csv"),
        "sessions": pd.DataFrame({"user": np.arange(80), "sex": ["F", "M"] * 40, "violence": np.linspace(0, 1, 80)}),
    }
    for block in blocks(page.read_text()):
        if block.language == "sh":
            for words in commands(block.text):
                run_command(words)
        elif block.language == "python" and not file_name(block):
            run_snippet(block, names, capsys)


@each_page
def test_every_block_has_a_language(page: Path) -> None:
    text = page.read_text()
    assert len(re.findall(r"^```\S+$", text, re.M)) == text.count("\n```\n") + text.endswith("\n```")
    outside = re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M)
    assert re.findall(r"(?<=\n\n) {4}\S.*", outside) == []


@each_page
def test_commands_within_sentences_are_commands(page: Path) -> None:
    outside = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.S | re.M)
    for line in re.findall(r"`pydeeprecsys ([^`]+)`", outside):
        words = shlex.split(line.replace("\n", " ").replace(" AGENT", " dqn"))
        command, context = command_of(words)
        known = {flag for each in command.get_params(context) for flag in [*each.opts, *each.secondary_opts]}
        assert {word for word in words if word.startswith("--")} <= known | {"--help"}, line


def test_what_is_not_run_is_on_a_page() -> None:
    lines = [
        " ".join(words)
        for page in PAGES
        for block in blocks(page.read_text())
        if block.language == "sh"
        for words in commands(block.text)
    ]
    assert [begin for begin in NOT_RUN if not any(line.startswith(begin) for line in lines)] == []
    assert all((ROOT / page).exists() and (ROOT / test).exists() for page, test in RUN_BY_OTHERS.items())
