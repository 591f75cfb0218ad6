"""YAML and JSON of plain values: mappings of names that differ, lists, texts, numbers, true, false and null."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import yaml

from pydeeprecsys.errors import InputError


def read_values(text: str, source: str, *, is_json: bool = False) -> Any:
    """Read YAML with the core types of YAML 1.2, which are those of JSON: `no` is text, and `1e-3` a number.

    Args:
        text: the YAML, or JSON.
        source: what errors name as the origin of the text.
        is_json: whether it is JSON, which differs in texts with escapes.

    Raises:
        InputError: it is not well formed, repeats a name, or asks for other types by a tag.
    """
    try:
        return json.loads(text, object_pairs_hook=_mapping) if is_json else yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InputError(f"{source}{line}: {error.problem}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{source} cannot be read: {' '.join(str(error).split())}") from error


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise ValueError(f"{name!r} is given twice")
        values[name] = value
    return values


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - none of YAML 1.1
    yaml_constructors: dict[str, Any] = {}  # noqa: RUF012

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if tag := getattr(event, "tag", None):
            raise _problem(f"the tag {tag} is not read; leave it out", event)
        return super().compose_node(parent, index)

    def compose_mapping_node(self, anchor: Any) -> Any:
        node = super().compose_mapping_node(anchor)
        names = set()
        for name, _ in node.value:
            if not isinstance(name, yaml.ScalarNode):
                raise _problem("a list or a mapping is no name", name)
            if name.value in names:
                raise _problem(f"{name.value!r} is given twice", name)
            names.add(name.value)
            name.tag = self.DEFAULT_SCALAR_TAG
        return node


def _problem(problem: str, place: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=place.start_mark)


def _add_scalar(kind: str, read: Callable[[str], Any], pattern: str | None = None) -> None:
    tag = f"tag:yaml.org,2002:{kind}"
    _Loader.add_constructor(tag, lambda loader, node: read(node.value))
    if pattern is not None:
        _Loader.add_implicit_resolver(tag, re.compile(f"(?:{pattern})$"), None)


_add_scalar("null", lambda text: None, "|~|null|Null|NULL")
_add_scalar("bool", lambda text: text.lower() == "true", "true|True|TRUE|false|False|FALSE")
_add_scalar("int", int, "[-+]?[0-9]+")
_add_scalar("float", float, r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_add_scalar("str", str)
# At once, and so that a value that contains itself is refused.
_Loader.add_constructor("tag:yaml.org,2002:seq", lambda loader, node: loader.construct_sequence(node, deep=True))
_Loader.add_constructor("tag:yaml.org,2002:map", lambda loader, node: loader.construct_mapping(node, deep=True))
