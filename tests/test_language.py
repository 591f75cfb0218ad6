"""The field's words in every page, docstring, comment, message and help text: docs/conventions.md."""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from pydeeprecsys.cli import cli

ROOT = Path(__file__).parents[1]
PAGES = sorted(path for path in ROOT.rglob("*.md") if not any(part.startswith(".") for part in path.parts))
FOLDERS = ("src", "examples", "reproductions", "benchmarks")
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
TEMPLATES = sorted(path for kind in ("*.html", "*.js") for path in (ROOT / "src").rglob(kind))


class Rule(NamedTuple):
    """A phrase that is not written here, what is written instead, and an example that breaks the rule."""

    banned: str
    instead: str
    example: str


_UNITS = (
    "second|minute|step|session|slate|seed|trial|training|user|item|agent|episode|update|row|file|number|star|genre"
)
_COUNTED = r"steps|ratings|times|rows?|seeds?|slates?|bits?|bytes?|one|seed|parts|\d+|items?|movies?|trials?"

RULES = [
    Rule(rf"(?i)\b({_COUNTED}) an? ({_UNITS})\b", "per", "one row a session"),
    Rule(
        r"(?i)\bwhat (an? )?rewards? (is|are) worth\b", "discount factor γ", "what a reward is worth one step earlier"
    ),
    Rule(r"(?i)\b(good|better|best) options\b", "hyperparameters", "looks for an agent's good options"),
    Rule(r"(?i)\bagents?'s? options\b|\boptions of (the|an|each) agents?\b", "hyperparameters", "an agent's options"),
    Rule(r"(?i)\boptions? to try\b|\bsearch for options\b", "hyperparameters", "Options to try"),
    Rule(r"(?i)\bhyper-parameters?\b", "hyperparameter", "the hyper-parameters"),
    Rule(r"(?i)\bjudg\w+", "evaluate", "Policies judged"),
    Rule(r"(?i)\b(tells|told)\b", "report, log, pass, show", "what agents are told of items"),
    Rule(r"(?i)\blooked for\b|\blooks? for (an?|good|better)\b", "search", "where good ones are looked for"),
    Rule(r"(?i)\b(fell behind|stopped early)\b", "pruned", "stopped because it fell behind"),
    Rule(r"(?i)\b(go|goes|going|went|gone) on\b", "continue, resume", "it goes on where it was"),
    Rule(r"(?i)\bcarr(y|ies|ied|ying) out\b", "run", "Carry out the trainings"),
    Rule(r"(?i)\bat work in\b", "use", "a folder that another process is at work in"),
    Rule(r"(?i)\byardsticks?\b", "simple policy", "a yardstick, not deployable"),
    Rule(r"(?i)\bfounding\b", "v0, of the notebook, notebook API", "the founding world"),
    Rule(r"(?i)\bin 0\.\.1\b", "in [0, 1]", "a probability in 0..1"),
    Rule(r"(?i)\bexperiences\b(?!/)", "transitions", "the experiences that are kept"),
    Rule(r"(?i)\bverbs?\b", "command", "as the other verbs do"),
    Rule(r"(?i)\bhow sure\b", "confidence interval", "what they reached, with how sure it is"),
    Rule(r"(?i)\b(can|could) be had\b", "reachable, upper bound", "It marks what could be had"),
    Rule(r"(?i)\busers?'s? minds?\b", "true affinities", "reads the users' minds"),
    Rule(r"(?i)\bwhoever\b", "a policy that, a process that", "whoever does not beat the best"),
    Rule(r"(?i)\bone's own\b", "your own", "a dynamic of one's own"),
    Rule(r"(?i)\bso many\b", "a number of", "the first so many episodes"),
    Rule(r"(?i)\bthe (more|longer|higher|larger) the(y|re)?\b", "a clause with a verb", "longer the more they please"),
    Rule(r"(?i)\bwhat (was|is|were) (kept|tried|done|measured|begun|missing)\b", "a noun", "what was kept"),
    Rule(r"(?i)\bwhatever of\b|\bwhat of (a|an|the)\b", "a noun", "the mean of whatever of them there is"),
    Rule(
        r"(?i)\bwhere it is that\b|\bas it were\b|\bnothing one could\b", "plain order", "where it is that they differ"
    ),
    Rule(r"(?i)\bheld against\b", "compared with", "held against the best"),
    Rule(r"(?i)\bmend(s|ed|ing)?\b", "fix, correct", "what the user can mend"),
    Rule(r"(?i)\bfor want of\b", "for lack of", "for want of memory"),
    Rule(r"(?i)\ba update\b", "an update, per update", "many steps a update"),
    Rule(
        r"(?:^|[.:;] )Of (a|an|the|two|three|these|those|all|each|every|what|users)\b",
        "the subject first",
        "Of a new state only one action counts.",
    ),
]

ALLOWED = {
    ("docs/conventions.md", "founding"),  # the one place that explains it
    ("benchmarks/README.md", "experiences"),  # as the stored results name their unit
    ("benchmarks/replay.py", "experiences"),
}


def broken(text: str, file: str = "") -> list[str]:
    """The rules that a text breaks, one line each; code, names and quoted values are not read."""
    text = re.sub(r"`[^`]*`|\"\w+\"|'\w+'", "it", text)
    text = " ".join(text.split())
    return [
        f"'{found[0].strip()}': say {rule.instead}, in: ...{text[max(found.start() - 30, 0) : found.end() + 30]}..."
        for rule in RULES
        for found in re.finditer(rule.banned, text)
        if (file, found[0].lower()) not in ALLOWED
    ]


def page(text: str) -> Iterator[str]:
    """The paragraphs of a page that people write: no code, no link targets, no tables that programs write."""
    text = re.sub(r"```.*?```|<!-- (\w+) -->.*?<!-- /\1 -->", "", text, flags=re.S)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return iter(re.split(r"\n\s*\n|\n(?=\s*- |\d+\. |#|\|)|(?<=\|)\s*\n", text))


def comments(text: str) -> Iterator[str]:
    """The comments of a program, neighbouring lines as one."""
    block: list[str] = []
    last = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            if token.start[0] != last + 1:
                yield " ".join(block)
                block = []
            block.append(token.string.lstrip("# "))
            last = token.start[0]
    yield " ".join(block)


def program(text: str) -> Iterator[str]:
    """The comments, docstrings and sentences of a program; a string without a space is a name."""
    yield from comments(text)
    nodes = list(ast.walk(ast.parse(text)))
    pieces = {part for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "`it`" for part in node.values)
        elif node in pieces:
            continue
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value.strip():
            named = re.sub(r"^ +\*{0,2}\w+( \([^)]*\))?: ", "\n\n", node.value, flags=re.M)  # of arguments
            yield from re.split(r"\n\s*\n", named)


def template(text: str) -> Iterator[str]:
    """The words between the tags of a page, or the comments and sentences of a script."""
    if "<html" in text:
        yield from re.split(r"\n\s*\n|<[^>]*>|\{[{%].*?[%}]\}", text)
    else:
        yield from re.findall(r"//[^\n]*|/\*.*?\*/", text, flags=re.S)
        yield from (found for found in re.findall(r"\"[^\"\n]*\"|`[^`]*`", text) if " " in found)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.example)
def test_a_sentence_against_a_rule_is_found(rule: Rule) -> None:
    assert re.search(rule.banned, rule.example)
    assert any(f"say {rule.instead}" in line for line in broken(rule.example))
    assert any(f"say {rule.instead}" in line for text in program(f"x = 1\n# {rule.example}\n") for line in broken(text))


def test_code_and_names_are_not_read() -> None:
    text = 'def f(yardsticks=()):\n    """Rank.\n\n    Args:\n        yardsticks: `judge` or "founding".\n    """\n'
    assert [line for part in program(text) for line in broken(part)] == []
    assert [line for part in page("```\njudge\n```\n[a](judge.md)\n") for line in broken(part)] == []


def check(path: Path, parts: Callable[[str], Iterator[str]]) -> None:
    """Fail with all the phrases of a file that break a rule."""
    found = [line for part in parts(path.read_text()) for line in broken(part, str(path.relative_to(ROOT)))]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pages(path: Path) -> None:
    check(path, page)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_programs(path: Path) -> None:
    check(path, program)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_templates(path: Path) -> None:
    check(path, template)


def commands(command: click.Command, name: str) -> Iterator[tuple[str, str]]:
    """The help of a command and of all below it."""
    context = click.Context(command, info_name=name, max_content_width=10_000)
    yield name, command.get_help(context)
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            assert found is not None
            yield from commands(found, f"{name} {below}")


def test_helps() -> None:
    found = {
        name: lines
        for name, text in commands(cli, "pydeeprecsys")
        if (lines := [line for part in re.split(r"\n\s*\n|\n(?=  -)", text) for line in broken(part)])
    }
    assert found == {}
