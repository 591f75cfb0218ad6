import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from pydeeprecsys.cli import main
from pydeeprecsys.data.world import World
from pydeeprecsys.experiments.registry import AGENTS

SHORT = ("--episodes", "2", "--seeds", "1")


@pytest.fixture
def saved(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The path of a small world, from a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    world.save(tmp_path / "small.world")
    return "small.world"


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


def test_help_needs_neither_torch_nor_numba() -> None:
    code = "import sys; from pydeeprecsys.cli import cli; cli.main(['--help'], standalone_mode=False); "
    code += "sys.exit('torch' in sys.modules or 'numba' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for verb in ("data", "train", "compare"):
        assert verb in shown.stdout


@pytest.mark.parametrize("agent", AGENTS)
def test_every_agent_trains_and_explains_itself(saved: str, agent: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", agent, "--help") == 0
    assert "--dataset" in capsys.readouterr().out
    assert run("train", agent, "--dataset", saved, "--episodes", "3", "--slate-size", "2", "--out", "there") == 0
    assert "return" in capsys.readouterr().out
    metrics = pd.read_csv("there/metrics.csv")
    assert (metrics["metric"] == "episode_rewards").sum() == 3
    config = json.loads(Path("there/config.json").read_text())
    assert (config["agent"], config["slate_size"], config["episodes"]) == (agent, 2, 3)
    assert config["world"]["held_out_rmse"] > 0


def test_options_of_an_agent_come_from_its_constructor(saved: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--hidden-layers", "8,4", "--learning-rate", "0.5", "--episodes", "2", "--out", "out", "--seed", "3")
    assert run("train", "reinforce", "--dataset", saved, *options) == 0
    config = json.loads(Path("out/config.json").read_text())
    assert config["options"]["hidden_layers"] == [8, 4]
    assert config["options"]["learning_rate"] == 0.5
    assert config["seed"] == 3
    assert Path("out/agent.safetensors").exists()
    metrics = pd.read_csv("out/metrics.csv")
    assert (metrics["metric"] == "loss").sum() == 2


def test_compare_prints_the_table_and_numbers_its_folders(saved: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("compare", "--agents", "random,win-stay", "--dataset", saved, "--episodes", "3", "--seeds", "2")
    assert run(*arguments) == 0
    shown = capsys.readouterr().out
    for text in ("random", "win-stay", "oracle", "95 % interval", "of oracle", "steps/s", "runs/compare-1", "RMSE"):
        assert text in shown
    assert run(*arguments, "--set", "win-stay.candidates=2") == 0
    assert {path.name for path in Path("runs").iterdir()} == {"compare-1", "compare-2"}


def test_an_existing_folder_is_refused_unless_told(saved: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("compare", "--agents", "random", "--dataset", saved, *SHORT, "--out", "here")
    Path("here").mkdir()
    Path("here/notes.txt").write_text("mine")
    assert run(*arguments) == 2
    assert capsys.readouterr().err.startswith("error: here exists")
    assert run(*arguments, "--overwrite") == 0
    assert Path("here/notes.txt").read_text() == "mine"
    assert Path("here/summary.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["trian"], "did you mean 'train'"),
        (["train", "reinforse"], "did you mean 'reinforce'"),
        (["train", "reinforce", "--learningrate", "1"], "[Dd]id you mean '--learning-rate'"),
        (["train", "reinforce", "--hidden-layers", "a,b"], "128,128"),
        (["train", "reinforce", "--dataset", "small.world", "--learning-rate", "-1"], "learning_rate"),
        (["compare", "--agents", "random,bestrated"], "did you mean 'best-rated'"),
        (["compare", "--agents", "random,random", "--dataset", "small.world"], "each once"),
        (["compare", "--set", "reinforce=3"], "AGENT.OPTION=VALUE"),
        (["compare", "--set", "reinforce.gamma=3", "--dataset", "small.world", "--agents", "reinforce"], "no option"),
        (["compare", "--dataset", "nowhere.csv"], "nowhere.csv"),
        (["compare", "--dataset", "ml-1m"], "data fetch ml-1m"),
        (["compare", "--dataset", "small.world", "--slate-size", "1000"], "slate_size is 1000"),
        (["compare", "--dataset", "small.world", "--delta", "-1"], "delta"),
        (["compare", "--dataset", "small.world", "--lambda-non-violent", "2"], "lambda_non_violent"),
        (["compare", "--episodes", "0"], "--episodes"),
        (["compare", "--seeds", "x"], "--seeds"),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_exit_code_2(
    saved: str, arguments: list[str], match: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert re.search(match, error), error
    assert not Path("runs").exists()


def test_a_full_disk_is_one_line(
    saved: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    assert run("compare", "--agents", "random", "--dataset", saved, *SHORT, "--out", "o") == 2
    assert capsys.readouterr().err == "error: No space left on device; what was there before is untouched\n"
    assert list(Path("o").iterdir()) == []


def test_ctrl_c_leaves_readable_files(saved: str, tmp_path: Path) -> None:
    arguments = ["compare", "--agents", "random,win-stay", "--dataset", saved, "--episodes", "60", "--seeds", "400"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pydeeprecsys.cli", *arguments, "--out", "out"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"COLUMNS": "200"},
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "out" / "summary.csv").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    # Python ends itself by the signal when it passed through a C extension that ran Python code.
    assert process.returncode in (130, -signal.SIGINT), err
    assert "Traceback" not in err
    assert "stopped; what was done is in out" in out
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]
    assert (pd.read_csv(tmp_path / "out" / "all_metrics.csv")["metric"] == "episode_rewards").sum() >= 60
    assert len(pd.read_csv(tmp_path / "out" / "summary.csv")) >= 1
