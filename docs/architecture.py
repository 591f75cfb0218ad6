"""Draw the architecture: `python docs/architecture.py` writes docs/architecture.svg.

The layers and the rules of imports are those of pyproject.toml; their descriptions and the steps in the life of a slate
are the headings and the numbered steps of docs/architecture.md.
"""

import re
import tomllib
from html import escape
from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).parent
DRAWING = DOCS / "architecture.svg"
PACKAGE = "pydeeprecsys."

WIDTH, LEFT, LANES, STEP = 940, 48, 392, 46  # of the page; of the rows, and of the first step and between two
LINE, GAP = 18, 6  # height of a line of text, and between rows

STYLE = """
  svg { --paper: #fcfbf8; --row: #ffffff; --ink: #1d1c1a; --quiet: #5c5953; --rule: #d3cfc6; --path: #1c5d9e; }
  @media (prefers-color-scheme: dark) {
    svg { --paper: #15161a; --row: #1f2127; --ink: #ebe8e2; --quiet: #b0aca4; --rule: #41444d; --path: #86b8f0; }
  }
  .paper { fill: var(--paper); } .row { fill: var(--row); stroke: var(--rule); }
  text { font: 14px system-ui, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif; fill: var(--ink); }
  .name { font: 600 14px ui-monospace, Menlo, Consolas, "Liberation Mono", monospace; }
  .quiet, .note { fill: var(--quiet); } .note { font-size: 13px; font-style: italic; } .title { font-weight: 600; }
  .path { stroke: var(--path); fill: none; stroke-width: 1.5; } .stop { fill: var(--path); }
  .number { fill: var(--paper); font-size: 11px; font-weight: 600; text-anchor: middle; }
  .label { font-size: 13px; text-anchor: middle; stroke: var(--row); stroke-width: 4px; paint-order: stroke; }
  .arrow { fill: none; stroke: var(--quiet); }
"""


class Layer(NamedTuple):
    """Modules that may import all layers below them; `rules` are the names of contracts about parts of them."""

    modules: tuple[str, ...]
    rules: tuple[str, ...]


class Stop(NamedTuple):
    """A step in the life of a slate, and the layer that takes it."""

    label: str
    module: str


def layers() -> list[Layer]:
    """The layers of pyproject.toml, highest first."""
    settings = tomllib.loads((DOCS.parent / "pyproject.toml").read_text())
    stack, *others = settings["tool"]["importlinter"]["contracts"]
    found = []
    for line in stack["layers"]:
        modules = tuple(name.removeprefix(PACKAGE) for name in line.split(" : "))
        rules = [
            rule["name"]
            for rule in others
            if rule["source_modules"][0].removeprefix(PACKAGE).partition(".")[0] in modules
        ]
        found.append(Layer(modules, tuple(rules)))
    return found


def descriptions() -> dict[tuple[str, ...], str]:
    """What the page says of each layer in its heading."""
    headings = re.findall(r"^### (`.*`): (.*)$", (DOCS / "architecture.md").read_text(), re.M)
    return {tuple(re.findall(r"`(\w+)`", names)): text for names, text in headings}


def tour() -> list[Stop]:
    """The steps of the page, in order."""
    steps = re.findall(r"^\d+\. \*\*(\w+)\*\* in `(\w+)`", (DOCS / "architecture.md").read_text(), re.M)
    return [Stop(*step) for step in steps]


def draw() -> str:
    """The drawing, as SVG."""
    texts, stack, stops = descriptions(), layers(), tour()
    rows, middles, top = [], {}, 46
    for layer in stack:
        names = ", ".join(layer.modules)
        about = escape(texts[layer.modules])
        lines = [f'<tspan class="name">{names}</tspan><tspan class="quiet" dx="8">{about}</tspan>']
        lines += [f'<tspan class="note">{escape(rule)}</tspan>' for rule in layer.rules]
        is_room = (DOCS.parent / "src" / "pydeeprecsys" / layer.modules[0]).is_dir()
        height = len(lines) * LINE + (32 if is_room else 10)
        rows.append(f'<rect class="row" x="{LEFT}" y="{top}" width="{WIDTH - LEFT - 16}" height="{height}" rx="6"/>')
        first = top + (height - len(lines) * LINE) / 2 + 13
        rows += [f'<text x="{LEFT + 12}" y="{first + i * LINE:g}">{line}</text>' for i, line in enumerate(lines)]
        middles |= dict.fromkeys(layer.modules, top + height / 2)
        top += height + GAP
    points = [(LANES + i * STEP, middles[stop.module]) for i, stop in enumerate(stops)]
    path = " ".join(f"{x:g},{y:g}" for x, y in points)
    marks = [f'<polyline class="path" points="{path}"/>']
    for number, (stop, (x, y)) in enumerate(zip(stops, points, strict=True), 1):
        marks.append(f'<circle class="stop" cx="{x}" cy="{y:g}" r="9"/>')
        marks.append(f'<text class="number" x="{x}" y="{y + 4:g}">{number}</text>')
        marks.append(f'<text class="label" x="{x}" y="{y + 22:g}">{stop.label}</text>')
    bottom = top + 6
    order = "; ".join(f"{', '.join(layer.modules)}: {texts[layer.modules]}" for layer in stack)
    steps = ", ".join(f"{number} {stop.label} in {stop.module}" for number, stop in enumerate(stops, 1))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom}" role="img" aria-labelledby="t d">
<title id="t">Architecture of PyDeepRecSys</title>
<desc id="d">{escape(f"Layers, highest first: {order}. The life of a slate: {steps}.")}</desc>
<style>{STYLE}</style>
<rect class="paper" width="{WIDTH}" height="{bottom}"/>
<text class="title" x="{LEFT}" y="28">Layers: each imports only those below it</text>
<text class="title" x="{WIDTH - 16}" y="28" text-anchor="end">The life of a slate, from left to right</text>
<path class="arrow" d="M24 46V{bottom - 16}m-6 -8l6 8l6 -8"/>
{chr(10).join(rows + marks)}
</svg>
"""


if __name__ == "__main__":
    DRAWING.write_text(draw())
