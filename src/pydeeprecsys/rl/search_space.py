"""Where good options of an agent are looked for: declared beside them, as the class attribute `search_space`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Between:
    """A number from low to high, both included; a whole one where both are.

    Attributes:
        low: the least.
        high: the greatest, above low.
        log: look as closely below 10 as between 10 and 100; low is above 0.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError(f"{self} holds no numbers to look through")

    @property
    def whole(self) -> bool:
        """Whether it is of whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def corners(self) -> list[Any]:
        """The least and the greatest."""
        return [self.low, self.high]

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int if self.whole else (int, float)) and self.low <= value <= self.high


class OneOf:
    """One of some values: numbers, switches, words, lists of numbers, or None.

    Args:
        *values: which, two at least.
    """

    def __init__(self, *values: Any) -> None:
        if len(values) < 2:
            raise ValueError(f"{values} leaves nothing to choose")
        self.values = values

    def __repr__(self) -> str:
        return f"OneOf{self.values}"

    def corners(self) -> list[Any]:
        """All of them."""
        return list(self.values)

    def __contains__(self, value: object) -> bool:
        return any(type(value) is type(own) and value == own for own in self.values)


SearchSpace = Mapping[str, Between | OneOf]
"""Where to look, by the name of the option. What is not named stays as it is."""
