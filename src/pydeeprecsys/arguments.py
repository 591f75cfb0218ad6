"""Constructor arguments: range and help text are said once, in the annotation, and `checked` enforces them."""

from __future__ import annotations

import functools
import inspect
import json
import math
import operator
import re
import reprlib
import textwrap
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, is_dataclass
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    TypeVar,
    Union,
    Unpack,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import numpy as np

from pydeeprecsys.errors import InputError, nearest


@dataclass(frozen=True)
class Range:
    """An interval of finite numbers, as metadata of an annotation: `Annotated[float, Range(0, 1)]`.

    `value in range` is whether a number lies in it; `str(range)` is its wording, as in "in [0, 1]" or "above 0".

    Attributes:
        low: Lower bound.
        high: Upper bound.
        open_low: Exclude the lower bound.
        open_high: Exclude the upper bound.
    """

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def __contains__(self, value: float) -> bool:
        above = value > self.low or (value == self.low and not self.open_low)
        below = value < self.high or (value == self.high and not self.open_high)
        return above and below and math.isfinite(value)

    def __str__(self) -> str:
        if math.isinf(self.low) and math.isinf(self.high):
            return "finite"
        if math.isinf(self.high):
            return f"{'above' if self.open_low else 'at least'} {self.low}"
        if math.isinf(self.low):
            return f"{'below' if self.open_high else 'at most'} {self.high}"
        return f"in {'(' if self.open_low else '['}{self.low}, {self.high}{')' if self.open_high else ']'}"


Count = Annotated[int, Range(1)]
Natural = Annotated[int, Range(0)]
Seed = Annotated[int, Range(0), "Random seed."]
Finite = Annotated[float, Range()]
Positive = Annotated[float, Range(0, open_low=True)]
NonNegative = Annotated[float, Range(0)]
UnitInterval = Annotated[float, Range(0, 1)]
Sizes = Annotated[list[int] | None, Range(1)]

_TYPES: dict[Any, tuple[Any, str]] = {
    int: (Integral, "an integer"),
    float: (Real, "a number"),
    bool: ((bool, np.bool_), "True or False"),
    str: (str, "text"),
}
_LISTS = {list[int]: "a list of integers", Sequence[str]: "a list of texts"}
_BOOLS = {"true": True, "True": True, "false": False, "False": False}


class Argument(NamedTuple):
    """One argument of a constructor, as its annotation and its documentation describe it.

    Attributes:
        name: Name of the argument.
        type: Plain type, without None and metadata; Any for a union, unless it is of classes of this package. Values of
            Any are not checked, and of containers only the kind of container, save for lists of integers or texts.
        optional: Whether None is allowed.
        range: Range of the number, or of each number in a list; None for any number.
        default: Default value; `inspect.Parameter.empty` if it is required.
        help: Help text, with the range in words.
    """

    name: str
    type: Any
    optional: bool
    range: Range | None
    default: Any
    help: str

    def check(self, value: Any) -> None:
        """Check a value.

        Raises:
            InputError: The value is of the wrong type, not finite, out of range, or not one of the choices.
        """
        if (value is None and self.optional) or not (wanted := _unmet(value, self.type, self.range)):
            return
        shown = str(value) if isinstance(value, Real) else reprlib.repr(value)
        if getattr(type(value), "__repr__", None) is object.__repr__:
            shown = f"of the type {type(value).__name__}"
        choices = map(str, get_args(self.type) if get_origin(self.type) is Literal else ())
        raise InputError(f"{self.name} must be {wanted}, it is {shown}{nearest(str(value), choices)}")

    def read(self, text: str) -> Any:
        """The value that a text stands for: "none", a number, true or false, a choice, numbers separated by commas, ...

        Raises:
            InputError: The text stands for no value of the type, or for one out of range.
        """
        try:
            value = None if self.optional and text.lower() == "none" else _from_text(text, self.type)
        except (KeyError, ValueError) as error:
            self.check(text)
            shown = getattr(self.type, "__name__", str(self.type))
            raise InputError(f"{self.name} must be of the type {shown}, it is {text!r}") from error
        self.check(value)
        return value


def _from_text(text: str, kind: Any) -> Any:
    if get_origin(kind) is Literal:
        return {str(choice): choice for choice in get_args(kind)}[text]
    if list in (kind, get_origin(kind)):
        (part,), inside = get_args(kind) or (Any,), text.strip("[]() ")
        return [_from_text(piece.strip(), part) for piece in inside.split(",") if inside]
    if kind is Any:
        with suppress(ValueError):
            return json.loads(text)
    readers: dict[Any, Callable[[str], Any]] = {bool: _BOOLS.__getitem__, int: int, float: float, str: str, Any: str}
    return readers[kind](text)


def _unmet(value: Any, kind: Any, bounds: Range | None) -> str:
    """What a value must be but is not; empty if it is."""
    if get_origin(kind) is Literal:
        return "" if value in get_args(kind) else f"one of {', '.join(map(str, get_args(kind)))}"
    if kind in _LISTS:
        (part,) = get_args(kind)
        fits = isinstance(value, (list, tuple)) and not any(_unmet(each, part, bounds) for each in value)
        return "" if fits else _LISTS[kind] + (f", each {bounds}" if bounds else "")
    if kind not in _TYPES:
        kinds = [get_origin(part) or part for part in (get_args(kind) if isinstance(kind, UnionType) else [kind])]
        fits = not all(map(_has_instances, kinds)) or isinstance(value, tuple(kinds))
        return "" if fits else f"of the type {' or '.join(part.__name__ for part in kinds)}"
    accepted, words = _TYPES[kind]
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool) or value != value:
        return words
    if bounds is None or value in bounds:
        return ""
    return str(bounds) if math.isfinite(value) else "a finite number"


def _has_instances(kind: Any) -> bool:
    """Whether `isinstance` takes the type: it is a class, and no protocol for type checkers only."""
    if not isinstance(kind, type) or kind is Any or is_typeddict(kind):
        return False
    return not getattr(kind, "_is_protocol", False) or getattr(kind, "_is_runtime_protocol", False)


_SECTION = re.compile(r"^((?:Args|Attributes):\n)((?: {4}.*\n|\n(?= {4}))+)", re.MULTILINE)
_ENTRY = re.compile(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)
_FIRST_CLAUSE_ENDS = re.compile(r"(?=[;:.](?:\s|$))|$")


@functools.cache
def arguments_of(owner: Callable[..., Any]) -> Mapping[str, Argument]:
    """The arguments of a class's constructor or of a function, or the keys of a TypedDict, by name.

    Keyword arguments `**options: Unpack[X]` are those of the TypedDict X.

    The help text is that of the docstring (`Args:` or `Attributes:`) of the class, or of the base whose constructor or
    fields it inherits, otherwise that of the annotation.
    """
    construct = inspect.unwrap(owner.__init__ if isinstance(owner, type) else owner)  # type: ignore[misc]
    bases = list(reversed(owner.__mro__)) if isinstance(owner, type) else [owner]
    if isinstance(owner, type) and not is_dataclass(owner):
        bases = [base for base in bases if inspect.unwrap(base.__init__) is construct]
    texts = {name: text for base in bases for name, text in _documented(base).items()}
    if is_typeddict(owner):
        hints = get_type_hints(owner, include_extras=True)
        defaults = dict.fromkeys(hints, inspect.Parameter.empty)
    else:
        # The names in a field's annotation are those of the module of its class.
        hints = get_type_hints(owner if is_dataclass(owner) else construct, include_extras=True)
        parameters = inspect.signature(owner).parameters.values()
        defaults = {each.name: each.default for each in parameters if each.kind is not each.VAR_KEYWORD}
    own = {name: _argument(name, hints.get(name, Any), defaults[name], texts.get(name, "")) for name in defaults}
    unpacked = [get_args(hint)[0] for hint in hints.values() if get_origin(hint) is Unpack]
    return own | {name: argument for each in unpacked for name, argument in arguments_of(each).items()}


def check_arguments(owner: Callable[..., Any], values: Mapping[str, Any]) -> None:
    """Check the values of the arguments of a class or function, or of the keys of a TypedDict; others are ignored.

    Raises:
        InputError: A value is of the wrong type, not finite, out of range, or not one of the choices.
    """
    arguments = arguments_of(owner)
    for name, value in values.items():
        if name in arguments:
            arguments[name].check(value)


_Owner = TypeVar("_Owner", bound=type)


def checked(owner: _Owner) -> _Owner:
    """Class decorator: check arguments against their annotations, and list all of them in the class's docstring.

    The constructor then raises an InputError for a value that its annotation does not allow; the rules between several
    arguments are left to the constructor.
    """
    owner.__doc__ = _completed(owner)
    construct = owner.__init__  # type: ignore[misc]
    signature = inspect.signature(construct)

    @functools.wraps(construct)
    def checked_construct(self: Any, *args: Any, **kwargs: Any) -> None:
        check_arguments(owner, signature.bind(self, *args, **kwargs).arguments)
        construct(self, *args, **kwargs)

    owner.__init__ = checked_construct  # type: ignore[misc]
    return owner


def _argument(name: str, hint: Any, default: Any, text: str) -> Argument:
    parts = _parts(hint)
    bounds = next((part for part in parts if isinstance(part, Range)), None)
    types = [part for part in parts if not isinstance(part, (Range, str)) and part is not NoneType]
    ours = all(getattr(part, "__module__", "").startswith(f"{__package__}.") for part in types)
    kind = types[0] if len(types) == 1 else functools.reduce(operator.or_, types) if types and ours else Any
    text = text or next((part for part in reversed(parts) if isinstance(part, str)), "")
    if bounds and text:
        text = _FIRST_CLAUSE_ENDS.sub(f", each {bounds}" if kind == list[int] else f", {bounds}", text, count=1)
    return Argument(name, kind, optional=NoneType in parts, range=bounds, default=default, help=text)


def _parts(hint: Any) -> list[Any]:
    """The types of a union, followed by the metadata of annotations, inner ones first."""
    if get_origin(hint) is Annotated:
        return [*_parts(hint.__origin__), *hint.__metadata__]
    if get_origin(hint) in (Union, UnionType):
        return [part for member in get_args(hint) for part in _parts(member)]
    return [hint]


@functools.cache  # what was written, before `checked` completes it
def _documented(owner: Callable[..., Any]) -> dict[str, str]:
    section = _SECTION.search(inspect.cleandoc(owner.__doc__ or "") + "\n")
    return {name: " ".join(text.split()) for name, text in _ENTRY.findall(section[2] if section else "")}


def _completed(owner: type) -> str:
    helps = {name: argument.help for name, argument in arguments_of(owner).items() if argument.help}
    texts = helps | {name: text for name, text in _documented(owner).items() if name not in helps}
    layout = textwrap.TextWrapper(
        width=112, initial_indent=" " * 4, subsequent_indent=" " * 8, break_on_hyphens=False, break_long_words=False
    )
    entries = "".join(f"{layout.fill(f'{name}: {text}')}\n" for name, text in texts.items())
    docstring = inspect.cleandoc(owner.__doc__ or "") + "\n"
    return _SECTION.sub(lambda section: section[1] + entries, docstring, count=1)
