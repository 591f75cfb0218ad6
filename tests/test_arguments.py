"""Ranges and help texts in annotations, and the decorator that enforces them."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

import numpy as np
import pytest

from pydeeprecsys.arguments import (
    Count,
    Finite,
    NonNegative,
    Positive,
    Range,
    Seed,
    Sizes,
    UnitInterval,
    arguments_of,
    check_arguments,
    checked,
)
from pydeeprecsys.errors import InputError

Rate = Annotated[UnitInterval, "Mixing rate; 0 for none."]


@checked
class Mixer:
    """Mixes.

    Args:
        size: Number of inputs.
        layers: Sizes of the layers; [4] if None.

    Raises:
        InputError: An argument is out of range.
    """

    def __init__(
        self,
        size: Count,
        rate: Rate = 0.5,
        *,
        layers: Sizes = None,
        limit: Annotated[Positive | None, "Upper limit: none if None."] = None,
        kind: Literal["fast", "slow"] = "fast",
        double: bool = False,
        weight: float = 1.0,
        anything: Any = None,
    ) -> None:
        self.given = (size, rate, layers, limit, kind, double, weight, anything)


@checked
@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings.

    Attributes:
        seed: Seed of the draws.
    """

    seed: Seed = 0
    scale: NonNegative = 1.0


class Options(TypedDict, total=False):
    """Options.

    Attributes:
        steps: Number of steps.
    """

    steps: Count


@pytest.mark.parametrize(
    ("bounds", "words", "inside", "outside"),
    [
        (Range(0, 1), "in [0, 1]", [0, 1, 0.5], [-1e-9, 1 + 1e-9]),
        (Range(0, 1, open_low=True), "in (0, 1]", [1e-9, 1], [0, 1.1]),
        (Range(0, 1, open_high=True), "in [0, 1)", [0, 0.99], [1]),
        (Range(1), "at least 1", [1, 10**9], [0]),
        (Range(0, open_low=True), "above 0", [1e-300], [0, -1]),
        (Range(high=5), "at most 5", [5, -1e9], [5.1]),
        (Range(high=5, open_high=True), "below 5", [4.9], [5]),
        (Range(), "finite", [0, -1e300], []),
    ],
)
def test_a_range_tells_what_lies_in_it_and_words_itself(
    bounds: Range, words: str, inside: list[float], outside: list[float]
) -> None:
    assert str(bounds) == words
    assert all(number in bounds for number in inside)
    assert not any(number in bounds for number in [*outside, math.nan, math.inf, -math.inf])


def test_values_in_range_arrive_as_they_were_given() -> None:
    features = np.ones(3)
    mixer = Mixer(np.int64(3), 1, layers=(4, 2), limit=np.float32(0.5), double=np.True_, weight=-math.inf,
                  anything=features)  # fmt: skip
    assert mixer.given[:4] == (3, 1, (4, 2), 0.5)
    assert mixer.given[7] is features
    assert Mixer(3, layers=None, limit=None).given == (3, 0.5, None, None, "fast", False, 1.0, None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 0}, "size must be at least 1, it is 0"),
        ({"size": 3.0}, "size must be an integer, it is 3.0"),  # integral floats too: 1e5 is not a count
        ({"size": True}, "size must be an integer, it is True"),
        ({"size": "3"}, "size must be an integer, it is '3'"),
        ({"size": None}, "size must be an integer, it is None"),
        ({"rate": 1.5}, "rate must be in [0, 1], it is 1.5"),
        ({"rate": math.nan}, "rate must be a number, it is nan"),
        ({"rate": math.inf}, "rate must be a finite number, it is inf"),
        ({"rate": False}, "rate must be a number, it is False"),
        ({"layers": [4, 0]}, "layers must be a list of integers, each at least 1, it is [4, 0]"),
        ({"layers": [4.0]}, "layers must be a list of integers, each at least 1, it is [4.0]"),
        ({"layers": 4}, "layers must be a list of integers, each at least 1, it is 4"),
        ({"limit": 0}, "limit must be above 0, it is 0"),
        ({"kind": "fsat"}, "kind must be one of fast, slow, it is 'fsat'; did you mean 'fast'?"),
        ({"kind": 3}, "kind must be one of fast, slow, it is 3"),
        ({"double": 1}, "double must be True or False, it is 1"),
        ({"double": "yes"}, "double must be True or False, it is 'yes'"),
        ({"weight": math.nan}, "weight must be a number, it is nan"),
        ({"weight": "1"}, "weight must be a number, it is '1'"),
    ],
)
def test_other_values_are_refused_in_one_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        Mixer(**({"size": 3} | changes))
    assert str(caught.value) == message


def test_positional_arguments_are_checked_too() -> None:
    with pytest.raises(InputError, match="rate must be"):
        Mixer(3, 2.0)
    with pytest.raises(TypeError, match="size"):
        Mixer()  # type: ignore[call-arg]


def test_the_signature_stays_and_the_docstring_is_completed() -> None:
    assert list(inspect.signature(Mixer).parameters) == [
        "size", "rate", "layers", "limit", "kind", "double", "weight", "anything"
    ]  # fmt: skip
    assert inspect.getdoc(Mixer) == (
        "Mixes.\n\nArgs:\n"
        "    size: Number of inputs, at least 1.\n"
        "    rate: Mixing rate, in [0, 1]; 0 for none.\n"
        "    layers: Sizes of the layers, each at least 1; [4] if None.\n"
        "    limit: Upper limit, above 0: none if None.\n"
        "\nRaises:\n    InputError: An argument is out of range."
    )


def test_arguments_are_described() -> None:
    arguments = arguments_of(Mixer)
    assert arguments["limit"][:5] == ("limit", float, True, Range(0, open_low=True), None)
    assert arguments["size"].default is inspect.Parameter.empty
    assert arguments["anything"].type is Any
    assert arguments_of(Mixer) is arguments


def test_dataclasses_are_checked() -> None:
    assert Settings(seed=3) == Settings(seed=3, scale=1.0)
    assert "seed: Seed of the draws, at least 0." in str(Settings.__doc__)
    with pytest.raises(InputError, match="seed must be at least 0, it is -1"):
        Settings(seed=-1)


def test_a_class_checks_what_it_inherits_and_a_dictionary_what_it_declares() -> None:
    @checked
    class Faster(Mixer):
        """Mixes faster."""

    with pytest.raises(InputError, match="size must be at least 1"):
        Faster(0)
    assert arguments_of(Faster) == arguments_of(Mixer)  # the documentation is inherited with the constructor
    check_arguments(Options, {"steps": 1, "unknown": -1})
    with pytest.raises(InputError, match="steps must be at least 1, it is 0"):
        check_arguments(Options, {"steps": 0})
    assert arguments_of(Options)["steps"].help == "Number of steps, at least 1."


def test_finite_numbers() -> None:
    assert Range(-math.inf, math.inf) == Range()
    assert Finite.__metadata__ == (Range(),)  # type: ignore[attr-defined]
