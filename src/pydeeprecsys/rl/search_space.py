"""Search spaces of hyperparameters, declared by each agent as the class attribute `search_space`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Between:
    """A number in [low, high]; an integer if both bounds are.

    Attributes:
        low: Lower bound.
        high: Upper bound, above `low`.
        log: Sample on a logarithmic scale; `low` must be above 0.

    Raises:
        ValueError: The bounds do not fit.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError(f"{self} is empty: high must be above low, and low above 0 on a logarithmic scale")

    @property
    def whole(self) -> bool:
        """Whether the numbers are integers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def corners(self) -> list[Any]:
        """Both bounds."""
        return [self.low, self.high]

    def position(self, value: float) -> float:
        """Position of a number between the bounds: 0 for the lower, 1 for the upper."""
        low, high, value = (
            (math.log(x) for x in (self.low, self.high, value)) if self.log else (self.low, self.high, value)
        )
        return (value - low) / (high - low)

    def at(self, position: float) -> float:
        """The number at a position; positions outside of [0, 1] are reflected at the bounds."""
        inside = 1.0 - abs(position % 2.0 - 1.0)
        value = self.low * (self.high / self.low) ** inside if self.log else self.low + inside * (self.high - self.low)
        return min(max(value, self.low), self.high)

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int if self.whole else (int, float)) and self.low <= value <= self.high


class OneOf:
    """A categorical choice: numbers, booleans, strings, lists of numbers, or None.

    Args:
        *values: Choices, at least two.

    Raises:
        ValueError: There are fewer than two.
    """

    def __init__(self, *values: Any) -> None:
        if len(values) < 2:
            raise ValueError(f"a choice needs at least two values, there are {len(values)}")
        self.values = values

    def __repr__(self) -> str:
        return f"OneOf{self.values}"

    def corners(self) -> list[Any]:
        """All choices."""
        return list(self.values)

    def __contains__(self, value: object) -> bool:
        return any(type(value) is type(own) and value == own for own in self.values)


SearchSpace = Mapping[str, Between | OneOf]
"""Domains by hyperparameter; hyperparameters without a domain keep their defaults."""
