"""The drawing of the architecture is that of pyproject.toml, and the tour names what there is."""

import importlib
import inspect
import re
import runpy
import tomllib
from functools import reduce
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
DRAWING = (ROOT / "docs" / "architecture.svg").read_text()
SVG = "{http://www.w3.org/2000/svg}"
LAYERS = [
    tuple(name.removeprefix("pydeeprecsys.") for name in line.split(" : "))
    for line in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]["layers"]
]


def test_the_drawing_is_up_to_date() -> None:
    draw = runpy.run_path(str(ROOT / "docs" / "architecture.py"))["draw"]
    assert draw() == DRAWING, "draw it again: python docs/architecture.py"


def test_the_drawing_has_the_layers_in_their_order() -> None:
    names = [
        (float(text.get("y", "")), text[0].text)
        for text in ElementTree.fromstring(DRAWING).iter(f"{SVG}text")
        if len(text) and text[0].get("class") == "name"
    ]
    assert [name for _, name in sorted(names)] == [", ".join(layer) for layer in LAYERS]


def test_the_drawing_can_be_read_aloud() -> None:
    drawing = ElementTree.fromstring(DRAWING)
    named = {element.get("id"): element.text for element in drawing if element.tag in (f"{SVG}title", f"{SVG}desc")}
    assert drawing.get("role") == "img"
    assert set(drawing.get("aria-labelledby", "").split()) == set(named)
    for words in ("cli: the command line", "3 choose in rl", "12 use in serving"):
        assert words in (named["d"] or "")


def test_the_page_has_a_paragraph_for_each_layer() -> None:
    headings = re.findall(r"^### (`.*`): .*\n\S", PAGE, re.M)
    assert [tuple(re.findall(r"`(\w+)`", names)) for names in headings] == LAYERS


def test_the_tour_names_what_there_is_where_it_is() -> None:
    names = re.findall(r"\[`([\w.]+)`\]\(\.\./src/pydeeprecsys/([\w/]+\.py)\)", PAGE)
    assert len(names) > 20
    for name, file in names:
        path = ROOT / "src" / "pydeeprecsys" / file
        module = file.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".")
        assert name.startswith(f"{module}."), name
        named = reduce(
            getattr, name.removeprefix(f"{module}.").split("."), importlib.import_module(f"pydeeprecsys.{module}")
        )
        assert Path(inspect.getfile(inspect.unwrap(named))).resolve() == path, name  # not only imported there


def test_each_step_of_the_tour_is_in_a_layer() -> None:
    steps = re.findall(r"^(\d+)\. \*\*\w+\*\* in `(\w+)`", PAGE, re.M)
    assert [int(number) for number, _ in steps] == list(range(1, len(re.findall(r"^\d+\. ", PAGE, re.M)) + 1))
    assert {module for _, module in steps} <= {module for layer in LAYERS for module in layer}
