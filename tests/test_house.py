"""What the source promises its readers, checked over its syntax trees."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "pydeeprecsys"
FILES = sorted(SOURCE.rglob("*.py"))
CONTRACT_BASES = {"ReinforcementLearning", "BaseNetwork"}


def nodes(kind: type[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    """All nodes of a kind in the source, with where they stand."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, kind):
                yield f"{path.relative_to(SOURCE)}:{node.lineno}", node  # type: ignore[attr-defined]


def test_no_call_has_more_than_four_positional_arguments() -> None:
    calls = [(place, node) for place, node in nodes(ast.Call) if isinstance(node, ast.Call) and len(node.args) > 4]
    assert [f"{place} {ast.unparse(node.func)}" for place, node in calls] == []


def test_no_class_has_more_than_one_ancestor_of_ours_besides_the_contract_bases() -> None:
    bases: dict[str, list[str]] = {}
    for _, node in nodes(ast.ClassDef):
        assert isinstance(node, ast.ClassDef)
        bases[node.name] = [ast.unparse(base).partition("[")[0].rpartition(".")[2] for base in node.bases]

    def ancestors(name: str) -> set[str]:
        own = {base for base in bases.get(name, []) if base in bases}
        return own.union(*map(ancestors, own))

    deep = {name: found for name in bases if len(found := ancestors(name) - CONTRACT_BASES) > 1}
    assert deep == {}


def test_at_most_three_files_are_longer_than_300_lines() -> None:
    long = {str(path.relative_to(SOURCE)): n for path in FILES if (n := len(path.read_text().splitlines())) > 300}
    assert len(long) <= 3, long
