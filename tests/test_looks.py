import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from matplotlib.colors import TABLEAU_COLORS, to_rgb

from pydeeprecsys.experiments.registry import AGENTS
from pydeeprecsys.looks import COLOURS, NEUTRAL, looks

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
SIGHT = {
    "usual": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def linear(colour: str) -> np.ndarray:
    channels = np.array(to_rgb(colour))
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(light: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of linear RGB."""
    ratios = XYZ @ np.clip(light, 0, 1) / [0.95047, 1, 1.08883]
    x, y, z = np.where(ratios > 0.008856, np.cbrt(ratios), 7.787 * ratios + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def closest(colours: Sequence[str], sight: str) -> float:
    """The least distance of two colours, where 2 is just seen."""
    seen = [lab(np.array(SIGHT[sight]) @ linear(colour)) for colour in colours]
    return min(float(np.linalg.norm(one - other)) for one, other in itertools.combinations(seen, 2))


@pytest.mark.parametrize("sight", SIGHT)
def test_colours_are_told_apart_by_colour_blind_readers(sight: str) -> None:
    assert closest(COLOURS, sight) > 15
    assert closest([*COLOURS, NEUTRAL], sight) > 5


def test_the_usual_palette_is_not_told_apart() -> None:
    assert closest(list(TABLEAU_COLORS.values())[:6], "deuteranopia") < 10


@pytest.mark.parametrize("paper", ["#fcfbf8", "#15161a"])
def test_colours_are_seen_on_light_and_on_dark(paper: str) -> None:
    for colour in (*COLOURS, NEUTRAL):
        dim, bright = sorted(float(XYZ[1] @ linear(one)) for one in (colour, paper))
        assert (bright + 0.05) / (dim + 0.05) > 2


def test_the_colour_of_an_agent_is_always_the_same() -> None:
    everyone = looks({name: name for name in AGENTS})
    for name in (*AGENTS, "mine.agents:Mine", "theirs:Theirs"):
        colour = looks({name: name})[name].colour
        assert looks({"dqn": "dqn", name: name, "sac": "sac"})[name].colour == colour
        assert looks({f"{name}, gamma 0.9": name, f"{name}, gamma 0.5": name})[f"{name}, gamma 0.5"].colour == colour
        assert name not in everyone or everyone[name].colour == colour


def test_a_look_depends_on_names_and_not_on_their_order() -> None:
    names = ["dqn", "ppo", "a:A", "b:B", "random", "dqn, gamma 0.5"]
    agents = {name: name.partition(",")[0] for name in names}
    assert looks(agents) == looks({name: agents[name] for name in reversed(names)})


def test_each_agent_of_the_package_has_a_look_of_its_own() -> None:
    alone = [looks({name: name})[name] for name in AGENTS]
    assert len(set(alone)) == len(AGENTS)
    assert {look.colour for name, look in zip(AGENTS, alone, strict=True) if name in ("random", "oracle")} == {NEUTRAL}


def test_eight_lines_are_told_apart_without_colour() -> None:
    agents = {f"dqn, seed {i}": "dqn" for i in range(4)} | {name: name for name in ("ppo", "sac", "a:A", "random")}
    lines = [look.as_line() for look in looks(agents).values()]
    assert len({line["marker"] for line in lines}) == len({line["linestyle"] for line in lines}) == 8
    page = [look.as_json() for look in looks(agents).values()]
    assert len({look["marker"] for look in page}) == len({tuple(look["dashes"]) for look in page}) == 8


def test_lines_beyond_all_markers_still_have_a_look() -> None:
    assert len(looks({f"dqn, seed {i}": "dqn" for i in range(30)})) == 30
    assert len(set(looks({name: name for name in AGENTS}).values())) == len(AGENTS)
