"""The categories of the user's own items, whatever their names and however they are written."""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

from pydeeprecsys.data.columns import MISSING

OTHER = "Other"
"""Name of the category of items of which none is known."""

_UNKNOWN = {*MISSING, "(no genres listed)", "unknown"}
_SEPARATORS = ("|", ";", ",", "/")


def read_categories(values: Sequence[object], separator: str | None) -> tuple[list[str], tuple[str, ...]]:
    """Read the categories of items.

    A value is a list of names or of objects with a `name`, a text that is such a list in JSON or in Python's notation,
    or names joined by a separator. Case makes no difference: the most frequent spelling is the name.

    Args:
        values: (items,) of the column; None where it is empty.
        separator: of joined names; None for the first of | ; , / that occurs in the column.

    Returns:
        (items,) names joined by "|", and the names of all categories, sorted, after that of items of which none is
        known.
    """
    lists = [_listed(value) for value in values]
    texts = [str(value) for value, names in zip(values, lists, strict=True) if names is None and value is not None]
    separator = separator or next((each for each in _SEPARATORS if any(each in text for text in texts)), _SEPARATORS[0])
    joined = iter(texts)
    of_items = [
        _known([] if value is None else next(joined).split(separator) if names is None else names)
        for value, names in zip(values, lists, strict=True)
    ]
    spellings: dict[str, Counter[str]] = {}
    for name in (name for names in of_items for name in names):
        spellings.setdefault(name.casefold(), Counter())[name] += 1
    spelled = {key: min(count, key=lambda name: (-count[name], name)) for key, count in spellings.items()}
    other = spelled.get(OTHER.casefold(), OTHER)
    rows = ["|".join(dict.fromkeys(spelled[name.casefold()] for name in names)) for names in of_items]
    return rows, (other, *sorted(name for name in spelled.values() if name != other))


def _listed(value: object) -> list[str] | None:
    """The names in a list, or in a text that is one; None for other texts."""
    if isinstance(value, str) and (text := value.strip()).startswith("["):
        for parse in (ast.literal_eval, json.loads):
            with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
                value = parse(text)
    if not isinstance(value, (list, tuple)):
        return None
    names = [each.get("name") if isinstance(each, dict) else each for each in value]
    return [str(name) for name in names if name is not None]


def _known(names: Sequence[str]) -> list[str]:
    """The names that say something, in a form that "|" can join."""
    plain = (" ".join(name.replace("|", "/").split()) for name in names)
    return [name for name in plain if name.lower() not in _UNKNOWN]
