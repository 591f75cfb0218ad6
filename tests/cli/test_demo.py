"""`pydeeprecsys demo`, with small sizes."""

import json
from pathlib import Path

import pandas as pd
import pytest

from command_line import run

pytestmark = pytest.mark.usefixtures("small")

SIZES = {"dataset": "small.world", "episodes": 2, "evaluation_episodes": 3, "seeds": 1, "env_options.slate_size": 2}
SMALL = ("--jobs", "1", *(word for name, value in SIZES.items() for word in ("--set", f"{name}={value}")))


@pytest.mark.slow
def test_it_prints_the_table_and_ends_with_the_path_of_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("demo", *SMALL) == 0
    assert run("demo", *SMALL, "--out", "there") == 0
    shown = capsys.readouterr().out
    assert f"{Path('runs/demo-1/report.html')}\n" in shown
    assert shown.endswith(f" MB, to be opened in a browser: {Path('there/report.html')}\n")
    for folder in (Path("runs/demo-1"), Path("there")):
        agents = pd.read_csv(folder / "summary.csv")["agent"]
        assert {"oracle", "random", "fold-in", "cma-es"} < set(agents)
        assert all(f"\n{agent} " in shown for agent in agents)
        assert "<html" in (folder / "report.html").read_text(encoding="utf-8")
        config = json.loads((folder / "config.json").read_text())
        assert (config["kind"], config["env"]) == ("compare", "MovieLensFairness-v1")
        assert config["env_options"] == {"slate_size": 2, "observation": "items"}
        assert config["hyperparameters"]["cma-es"] == {"base": "fold-in,diversify=0.6", "initial_step": 0.1}


def test_what_is_in_the_folder_stays(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("mine")
    assert run("demo", *SMALL, "--out", "mine") == 2
    assert capsys.readouterr().err == "error: mine exists; give another --out\n"
    assert [path.name for path in Path("mine").iterdir()] == ["notes.txt"]


def test_a_setting_that_there_is_not_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("demo", "--set", "episode=2") == 2
    assert capsys.readouterr().err.endswith("did you mean 'episodes'?\n")
    assert not Path("runs").exists()
