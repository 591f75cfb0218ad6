"""The reference: every public name is in it, and its docstring agrees with its signature."""

import builtins
import dataclasses
import importlib
import inspect
import re
import sys
import textwrap
import typing
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import UnionType
from typing import Any

import numpy as np
import pytest
import torch

import pydeeprecsys as pdr

ROOT = Path(__file__).parents[1]
SECTIONS = ("Args", "Attributes", "Returns", "Raises")
SHAPE = re.compile(r"\((?:\.\.\.)?\)|\([^()]+,[^()]*(?:\([^()]*\)[^()]*)*\)")  # such as (n,), (n, items), (..., c), ()


def listed() -> Iterator[tuple[str, str]]:
    """The directives of the reference with what they document, by its full name."""
    for page in sorted((ROOT / "docs" / "reference").glob("*.md")):
        module = ""
        for directive, name in re.findall(r"^\.\. (\w+):: ([\w.]+)$", page.read_text(), re.M):
            if directive == "currentmodule":
                module = name + "."
            elif directive.startswith("auto"):
                yield directive, name if directive == "automodule" or name.startswith("pydeeprecsys") else module + name


def documented() -> dict[str, Any]:
    """Every class and function of the reference, and the public methods of the classes, by name."""
    found: dict[str, Any] = {}
    for directive, name in listed():
        if directive == "automodule":
            module = importlib.import_module(name)
            members = {f"{name}.{key}": value for key, value in vars(module).items() if not key.startswith("_")}
            found |= {key: value for key, value in members.items() if getattr(value, "__module__", "") == name}
        else:
            module, _, key = name.rpartition(".")
            found[name] = getattr(importlib.import_module(module), key)
    callables = {name: value for name, value in found.items() if inspect.isclass(value) or inspect.isroutine(value)}
    methods = {
        f"{name}.{key}": getattr(value, key)
        for name, value in callables.items()
        if inspect.isclass(value)
        for key, method in vars(value).items()
        if not key.startswith("_") and isinstance(method, Callable | classmethod | staticmethod)  # type: ignore[arg-type]
        if not inspect.isclass(method) and getattr(method, "__doc__", None)
    }
    return callables | methods


def sections(docstring: str) -> dict[str, str]:
    """The sections of a docstring in Google's style, and its summary as the section of no name."""
    parts = re.split(rf"^({'|'.join(SECTIONS)}):\n", inspect.cleandoc(docstring) + "\n", flags=re.M)
    found = {"": parts[0].splitlines()[0] if parts[0] else ""}
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        indented = re.match(r"(?:[ ].*\n|\n(?=[ ]))*", text)
        assert indented
        found[name] = textwrap.dedent(indented[0])
    return found


def entries(section: str) -> dict[str, str]:
    """The entries of a section with their texts."""
    parts = re.split(r"^(\*{0,2}[\w.]+(?:, [\w.]+)*): ?", section, flags=re.M)[1:]
    return {
        name: " ".join(text.split())
        for names, text in zip(parts[::2], parts[1::2], strict=True)
        for name in names.split(", ")
    }


def parameters(value: Any) -> dict[str, inspect.Parameter]:
    """The parameters that callers give, by name, with the stars of those that take several."""
    try:
        found = inspect.signature(value).parameters
    except ValueError:
        return {}
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return {
        stars.get(each.kind, "") + name: each
        for name, each in found.items()
        if name not in ("self", "cls") and not name.startswith("_")
    }


def types(value: Any) -> dict[str, Any]:
    """The types of arguments and attributes, by name; those that only type checkers import are left out."""
    found = {}
    for each in reversed([*getattr(value, "__mro__", ()), value.__init__ if inspect.isclass(value) else value]):
        scope = vars(sys.modules[each.__module__]) if hasattr(each, "__module__") else {}
        for name, annotation in getattr(each, "__annotations__", {}).items():
            with suppress(NameError):
                found[name] = eval(annotation, dict(scope)) if isinstance(annotation, str) else annotation
    return found


def is_array(kind: Any) -> bool:
    """Whether values of a type are, or may be, arrays."""
    parts = typing.get_args(kind)
    if typing.get_origin(kind) in (typing.Union, UnionType):
        return any(map(is_array, parts))
    if typing.get_origin(kind) is typing.Annotated:
        return is_array(parts[0])
    return kind is torch.Tensor or np.ndarray in (kind, typing.get_origin(kind)) or "ArrayLike" in str(kind)


def attributes_of(value: type) -> set[str]:
    """The names that instances of a class may have."""
    assigned = set()
    for each in value.__mro__[:-1]:
        try:
            assigned |= set(re.findall(r"self\.(\w+)(?=[^=\n]*=[^=])", inspect.getsource(each)))
        except (OSError, TypeError):
            continue
    return assigned | set(dir(value)) | set(types(value))


def faults(value: Any) -> list[str]:
    """What the docstring of a class or a function lacks, or has beside its signature."""
    found = sections(value.__doc__ or "")
    named = {name: entries(found.get(name, "")) for name in SECTIONS}
    is_tuple, is_protocol = hasattr(value, "_fields"), getattr(value, "_is_protocol", False)
    if is_tuple and not named["Attributes"]:  # as docs/conf.py reads them
        named["Attributes"] = dict(re.findall(r"^    (\w+): [^#\n]*(?:# )?(.*)$", inspect.getsource(value), re.M))
    given = {} if is_protocol else parameters(value)
    lines = []
    if not found[""].endswith((".", ":")):
        lines.append(f"no summary: {found['']!r}")
    if named["Args"] and list(named["Args"]) != list(given):
        lines.append(f"Args {list(named['Args'])} of the arguments {list(given)}")
    if dataclasses.is_dataclass(value) and not named["Args"]:
        fields = [each.name for each in dataclasses.fields(value) if not each.name.startswith("_")]
        init = [name for name in named["Attributes"] if name in fields]
        if init != fields:
            lines.append(f"Attributes {list(named['Attributes'])} of the fields {fields}")
    elif inspect.isclass(value) and given and not named["Args"] and not named["Attributes"]:
        lines.append(f"no Args of {list(given)}")
    if inspect.isclass(value):
        lines += [f"no attribute {name}" for name in named["Attributes"] if name not in attributes_of(value)]
    elif "Returns" in found and inspect.signature(value).return_annotation in (None, "None"):
        lines.append("Returns of a function that returns nothing")
    for name in named["Raises"]:
        module, _, last = name.rpartition(".")
        places = [importlib.import_module(module)] if module else [builtins, pdr.errors, inspect.getmodule(value)]
        if not any(inspect.isclass(getattr(place, last, None)) for place in places):
            lines.append(f"no exception {name}")
    kinds = types(value)
    for name, text in (named["Args"] | named["Attributes"]).items():
        if is_array(kinds.get(name.lstrip("*"))) and not SHAPE.search(text):
            lines.append(f"no shape: {name}: {text}")
    return lines


DOCUMENTED = documented()


def test_every_public_name_is_in_the_reference() -> None:
    assert {f"pydeeprecsys.{name}" for name in pdr.__all__} <= DOCUMENTED.keys()


@pytest.mark.parametrize("name", DOCUMENTED)
def test_docstrings_agree_with_signatures(name: str) -> None:
    assert faults(DOCUMENTED[name]) == []
