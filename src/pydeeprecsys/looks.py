"""How an agent is drawn in every figure and page: its colour, marker and dashes follow from its name."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito (2008), "Color Universal Design", without yellow and black, which are too faint on white or on dark."""
NEUTRAL = "#808080"
"""The colour of random and the oracle, by which others are measured; it is seen on white and on dark."""

# Names of markers in Plotly and in Matplotlib, and lengths of dashes and gaps in pixels.
_MARKERS: tuple[tuple[str, str, tuple[float, ...]], ...] = (
    ("circle", "o", ()),
    ("square", "s", (7, 3)),
    ("diamond", "D", (2, 2)),
    ("triangle-up", "^", (7, 2, 2, 2)),
    ("triangle-down", "v", (3, 4)),
    ("cross", "P", (11, 3)),
    ("x", "X", (5, 2, 1, 2, 1, 2)),
    ("star", "*", (11, 3, 2, 3)),
)
# The agents of this package, in an order that gives agents often compared different colours.
_KNOWN = (
    *("dqn", "reinforce", "actor-critic", "rainbow", "ppo", "sac"),
    *("slate-q", "linucb", "cma-es", "es", "thompson", "fold-in"),
    *("win-stay", "varied", "best-rated", "popular", "item-knn", "ease"),
    "best-constant",
)
_NEUTRAL = {"random": 6, "oracle": 7}  # with markers that are no other agent's first choice


@dataclass(frozen=True)
class Look:
    """How an agent is drawn.

    Attributes:
        colour: as #rrggbb.
        number: of its marker and dashes.
    """

    colour: str
    number: int

    def as_json(self) -> dict[str, Any]:
        """As the charts of the report take it."""
        marker, _, dashes = _MARKERS[self.number]
        return {"color": self.colour, "marker": marker, "dashes": dashes}

    def as_line(self, *, learns: bool = True) -> dict[str, Any]:
        """Arguments of Matplotlib's `plot`; the line of what does not learn is thinner, and its markers are open."""
        _, marker, dashes = _MARKERS[self.number]
        width = 1.8 if learns else 1.2
        style = (0, tuple(length / 2 for length in dashes)) if dashes else "-"  # in widths of the line
        face = self.colour if learns else "none"
        return {"color": self.colour, "linewidth": width, "linestyle": style, "marker": marker, "markerfacecolor": face}


def looks(agents: Mapping[str, str]) -> dict[str, Look]:
    """The look of each line of a figure.

    The colour follows from the agent's name alone. So do marker and dashes, unless another line of the figure has them:
    then they are the next that are free, in the figure or, from the ninth line on, in this colour.

    Args:
        agents: the name of the agent, by the label of its line.
    """
    first: dict[str, str] = {}
    for label, agent in sorted(agents.items()):
        first.setdefault(agent, label)
    found: dict[str, Look] = {}
    for label, agent in sorted(
        agents.items(), key=lambda pair: (first[pair[1]] != pair[0], pair[1] not in _NEUTRAL, pair[0])
    ):
        preferred = _preferred(agent)
        choices = [Look(preferred.colour, (preferred.number + i) % len(_MARKERS)) for i in range(len(_MARKERS))]
        taken = {look.number for look in found.values()}
        free = [look for look in choices if look.number not in taken]
        found[label] = next(iter(free or [look for look in choices if look not in found.values()] or choices))
    return {label: found[label] for label in agents}


def _preferred(agent: str) -> Look:
    if agent in _NEUTRAL:
        return Look(NEUTRAL, _NEUTRAL[agent])
    number = _KNOWN.index(agent) if agent in _KNOWN else zlib.crc32(agent.encode())
    row, column = divmod(number, len(COLOURS))
    return Look(COLOURS[column], (row + column) % (len(_MARKERS) - len(_NEUTRAL)))
