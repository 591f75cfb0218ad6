"""Errors with messages of one line."""

import difflib
import textwrap
import warnings
from collections.abc import Iterable


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line that says what is wrong and what to do about it: the command line prints it as it is and
    exits with code 2.
    """


class MissingExtraError(ModuleNotFoundError, InputError):
    """A package of an extra is not installed; the message says how to install it, `name` is the module."""


class BusyError(InputError):
    """Another process is at work where this one would be."""


class DivergenceError(FloatingPointError):
    """An agent met a loss or a reward that is NaN or infinite; it still has its last finite parameters.

    The message is one line that names the agent and when it happened: the command line prints it as it is and exits
    with code 1.
    """


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of an error about an unknown name: the known names, and the nearest one if any is near."""
    known = list(known)
    return f"there are: {shortened(known)}{nearest(name, known)}"


def nearest(name: str, known: Iterable[str]) -> str:
    """A question about the known name that is nearest; empty if none is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def shortened(names: Iterable[str]) -> str:
    """Names separated by commas, cut where they are too many for one line."""
    return textwrap.shorten(", ".join(names) or "none", 400, placeholder=" …")


def warn(notes: Iterable[str]) -> None:
    """Warn of each note."""
    for note in notes:
        warnings.warn(note, stacklevel=3)
