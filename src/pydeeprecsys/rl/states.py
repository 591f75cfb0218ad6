"""States, loaded whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from copy import deepcopy
from functools import wraps
from numbers import Number
from typing import Any

import numpy as np

from pydeeprecsys.errors import InputError

_Load = Callable[[Any, dict[str, Any]], None]

_within_another = ContextVar("_within_another", default=False)


def all_or_nothing(load: _Load, *, same_names: bool = True) -> _Load:
    """Decorator of a `load_state_dict`: a state that does not fit is an InputError, and the owner stays as it was.

    Args:
        load: the method; of what it loads into, `state_dict` gives the state.
        same_names: whether a state fits only if it has the names of the owner's own state.
    """

    @wraps(load)
    def load_or_restore(self: Any, state: dict[str, Any]) -> None:
        if _within_another.get():  # the outermost restores all
            load(self, state)
            return
        before = deepcopy(self.state_dict())
        token = _within_another.set(True)
        try:
            try:
                _check_types(state, before)
                load(self, state)
                if same_names and state.keys() != before.keys():
                    raise InputError(f"the state is of another: it has {', '.join(state)}, not {', '.join(before)}")
            except Exception as error:
                load(self, before)
                raise _not_fitting(self, error) from error
        finally:
            _within_another.reset(token)

    return load_or_restore


def _check_types(state: Any, own: Any, name: str = "it") -> None:
    """Raise an InputError where a state has something else in the place of an array, dictionary, number or text."""
    for kind, word in ((Mapping, "a dictionary"), (np.ndarray, "an array"), (str, "text"), (Number, "a number")):
        if isinstance(own, kind) and not isinstance(state, kind):
            raise InputError(f"the state is that of another agent or damaged: {name} is not {word}")
    if isinstance(own, np.ndarray) and state.dtype.kind not in "biuf":
        raise InputError(f"the state is damaged: {name} is not an array of numbers")
    if isinstance(own, Mapping):
        for key in own.keys() & state.keys():
            _check_types(state[key], own[key], repr(key))


def _not_fitting(owner: object, error: Exception) -> InputError:
    if isinstance(error, InputError):
        return error
    why = " ".join(f"{type(error).__name__}: {error}".split())
    return InputError(f"the state is not that of a {type(owner).__name__} like this one ({why})")
