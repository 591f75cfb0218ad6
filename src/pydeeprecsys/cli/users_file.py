"""A table of many users and their histories, read row by row."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydeeprecsys.errors import InputError, did_you_mean
from pydeeprecsys.serving.demographics import COLUMNS

if TYPE_CHECKING:
    from _csv import Reader

_REQUIRED = ("user", "item", "rating")
_KNOWN = (*_REQUIRED, *COLUMNS, "slate")
_MOST_REMEMBERED = 1 << 20  # users, so that memory does not grow with the file


@dataclass
class UserRows:
    """A user of the table.

    Attributes:
        user: id.
        demographics: as `Policy.rank` takes them.
        history: likewise.
        line: the first line of the user.
        lines: the line of each pair of the history.
        last: the row read last.
    """

    user: str
    demographics: dict[str, Any]
    history: list[Any] = field(default_factory=list)
    line: int = 0
    lines: list[int] = field(default_factory=list)
    last: Mapping[str, str] = field(default_factory=dict)

    def add(self, row: Mapping[str, str], line: int) -> None:
        """Add the pair of a row, to the last slate if it is of the same.

        Raises:
            InputError: the row cannot be read, or has other demographics than the one before.
        """
        item, rating, slate = row["item"], row["rating"], row.get("slate", "")
        if self.last and any(row[name] != self.last[name] for name in COLUMNS if name in row):
            raise InputError(f"other demographics of the user {self.user!r} than in the line before")
        if item:
            pair = (item, number("rating", rating) if rating else None)
            if slate and slate == self.last.get("slate") and self.last["item"]:
                self.history[-1].append(pair)
            else:
                self.history.append([pair] if slate else pair)
            self.lines.append(line)
        elif rating:
            raise InputError(f"the rating {rating} of no item; both are empty for a user without history")
        self.last = row


def read_demographics(texts: Mapping[str, str]) -> dict[str, Any]:
    """Demographics as `Policy.rank` takes them, from text; empty for unknown.

    Raises:
        InputError: the age is no number.
    """
    return {name: number(name, text) if name == "age" else text for name, text in texts.items() if text}


def number(name: str, text: str) -> float:
    """The number that a text stands for.

    Raises:
        InputError: it stands for none.
    """
    try:
        return float(text)
    except ValueError as error:
        raise InputError(f"{name} should be a number, found {text!r}") from error


def read_users(path: Path) -> Iterator[UserRows]:
    """The users of a CSV file, one after the other.

    Raises:
        InputError: a row that cannot be read, with its line; or the rows of a user do not stand together, as far as
            they are among the last million users.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file, strict=True)
        try:
            yield from _users(reader)
        except (InputError, csv.Error) as error:
            raise InputError(f"{path}, line {max(1, reader.line_num)}: {error}") from error
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is not in UTF-8: {error}") from error


def _users(reader: Reader) -> Iterator[UserRows]:
    header = next(reader, [])
    if missing := [name for name in _REQUIRED if name not in header]:
        raise InputError(f"there is no column {missing[0]!r}; the first line names user, item, rating and others")
    if others := [name for name in header if name not in _KNOWN]:
        raise InputError(f"the column {others[0]!r} has no use; {did_you_mean(others[0], _KNOWN)}")
    if len(set(header)) < len(header):
        raise InputError(f"a column stands twice in {','.join(header)}")
    seen, found = set[str](), None
    for fields in filter(None, reader):
        if len(fields) != len(header):
            raise InputError(f"expected {len(header)} fields, found {len(fields)}: {','.join(fields)!r:.60}")
        row = dict(zip(header, fields, strict=True))
        if found is None or row["user"] != found.user:
            if found is not None:
                yield found
            found = _begun(row, reader.line_num, seen)
        found.add(row, reader.line_num)
    if found is not None:
        yield found


def _begun(row: Mapping[str, str], line: int, seen: set[str]) -> UserRows:
    """A user without history yet, who is not among those seen, and is then."""
    user = row["user"]
    if not user:
        raise InputError("user is empty")
    if user in seen:
        raise InputError(f"the user {user!r} has other rows further up; sort the file by user, then by time")
    if len(seen) == _MOST_REMEMBERED:
        seen.clear()
    seen.add(user)
    return UserRows(user, read_demographics({name: row[name] for name in COLUMNS if name in row}), line=line)
