import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from command_line import run
from pydeeprecsys import progress
from pydeeprecsys.data.world import World
from pydeeprecsys.experiments.run_folder import RunFolder

FEW = ("--evaluation-episodes", "3", "--episodes", "30")


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch, world: World, tmp_path: Path) -> None:
    """Lines a hundredth of a second apart, in a working directory of its own with a small world in it."""
    monkeypatch.setattr(progress, "LINE_EVERY", 0.01)
    monkeypatch.setattr("pydeeprecsys.cli.compare._LOOK_EVERY", 0.01)
    monkeypatch.chdir(tmp_path)
    world.save(tmp_path / "small.world")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "line"),
    [
        (("train", "reinforce", *FEW), r"reinforce: return \d+\.\d: \d+ of 30 episodes, 0:00:\d\d"),
        (
            ("compare", "--agents", "random,reinforce", "--seeds", "2", *FEW),
            r"reinforce, seed 1: return \d+\.\d: 1[0-2]\d of 120 episodes, 0:0\d:\d\d",
        ),
        (
            ("compare", "--agents", "random,reinforce", "--seeds", "2", "--jobs", "2", *FEW),
            r"comparing: \d+ of 120 episodes, 0:0\d:\d\d",
        ),
        (("tune", "reinforce", "--trials", "2", "--seeds", "1", *FEW), r"trial 1: [12] of 2, 0:0\d:\d\d"),
    ],
)
def test_a_log_says_how_far_it_is(
    command: tuple[str, ...], line: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(*command, "--dataset", "small.world", "--out", "out") == 0
    assert re.search(f"^{line}$", capfd.readouterr().out, re.MULTILINE)


@pytest.mark.slow
def test_an_evaluation_says_how_far_it_is(capfd: pytest.CaptureFixture[str]) -> None:
    assert run("compare", "--agents", "random", "--dataset", "small.world", "--seeds", "2", "--out", "out", *FEW) == 0
    capfd.readouterr()
    assert run("evaluate", "out", "--sessions", "200") == 0
    assert re.search(r"^evaluating: [0-3] of 4 runs, 0:00:\d\d$", capfd.readouterr().out, re.MULTILINE)


@pytest.mark.slow
def test_a_world_that_is_built_says_how_far_it_is(capfd: pytest.CaptureFixture[str]) -> None:
    rows = [f"{user},{item},{1 + (user * item) % 5}" for user in range(40) for item in range(user % 3, 60, 3)]
    Path("ratings.csv").write_text("\n".join(["user_id,item_id,rating", *rows]))
    assert run("data", "describe", "ratings.csv") == 0
    told = capfd.readouterr().out
    assert re.search(r"^building the world of ratings.csv: \d+ of \d+, 0:00:\d\d$", told, re.MULTILINE)


def test_episodes_so_far_are_those_of_the_last_whole_line(tmp_path: Path) -> None:
    folder, metrics = RunFolder(tmp_path), tmp_path / "metrics.csv"
    assert folder.episodes_so_far == 0
    metrics.write_text("metric,measurement,timestep,episode,model,env\n")
    assert folder.episodes_so_far == 0
    rewards = '"[' + ", ".join(["1.5"] * 50_000) + ']"'
    with metrics.open("a") as file:
        for episode in (0, 1):
            file.write(
                f"timestep_rewards,{rewards},50,{episode},dqn,CartPole-v1\nepisode_rewards,3.0,50,{episode},dqn,\n"
            )
        file.write('timestep_rewards,"[1.0, 2,2,3')
    assert folder.episodes_so_far == 2


@pytest.mark.slow
@pytest.mark.parametrize("columns", ["0", "wide"])
def test_inherited_widths_hide_nothing(columns: str) -> None:
    command = [sys.executable, "-m", "pydeeprecsys.cli", "data", "list"]
    variables = os.environ | {"COLUMNS": columns, "TERM": "nonsense"}
    shown = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    assert "synthetic" in shown.stdout
    assert "get one with 'pydeeprecsys data fetch NAME'" in shown.stdout
