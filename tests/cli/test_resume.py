import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import filelock
import pandas as pd
import pytest

from command_line import run
from pydeeprecsys.data.synthetic import synthetic_dataset
from pydeeprecsys.data.world import World

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("small")]

COMMON = ("--dataset", "small.world", "--evaluation-episodes", "10", "--checkpoint-every", "0")
TRAIN = ("train", "reinforce", *COMMON, "--episodes", "40", "--hidden-layers", "8")


@pytest.fixture(scope="module")
def killed_training(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training that was killed after its first checkpoint."""
    folder = tmp_path_factory.mktemp("killed")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        world.save("small.world")
        kill_when(Path("out/checkpoint.safetensors"), (*TRAIN, "--out", "out"))
    return folder / "out"


@pytest.fixture
def killed(killed_training: Path, world: World, tmp_path: Path) -> None:
    """A copy of it, as `killed`, with its world as it was."""
    shutil.copytree(killed_training, tmp_path / "killed")
    world.save(killed_training.parent / "small.world")


def its_world() -> Path:
    """The file of the world of `killed`, by its path from the root."""
    return Path(json.loads(Path("killed/config.json").read_text())["dataset"])


def kill_when(there: Path, arguments: tuple[str, ...]) -> None:
    """Begin a command in a process of its own, and kill it with SIGKILL once a file is there."""
    command = [sys.executable, "-m", "pydeeprecsys.cli", *arguments]
    # A group of its own, so that the processes it begins are killed with it.
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 120
    while not there.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def test_a_killed_comparison_is_resumed_to_the_same_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    settings = ("--set", "dqn.buffer_burn_in=40", "--set", "dqn.batch_size=8", "--seeds", "2", "--episodes", "30")
    arguments = ("compare", "--agents", "random,dqn", *COMMON, *settings, "--slate-size", "5")
    assert run(*arguments, "--out", "whole") == 0
    kill_when(Path("killed/runs/dqn-1/checkpoint.safetensors"), (*arguments, "--out", "killed", "--jobs", "2"))
    assert not Path("killed/runs/dqn-1/result.json").exists()
    capsys.readouterr()
    assert run("resume", "killed", "--jobs", "2") == 0
    assert "beats next" in capsys.readouterr().out
    assert "resumed after" in Path("killed/runs/dqn-1/log.txt").read_text()
    for name in ("all_metrics.csv", "relevance_metrics.csv", "runs/dqn-1/agent.safetensors"):
        assert Path("whole", name).read_bytes() == Path("killed", name).read_bytes()
    whole, killed = (pd.read_csv(f"{out}/summary.csv").drop(columns="steps_per_second") for out in ("whole", "killed"))
    pd.testing.assert_frame_equal(whole, killed, check_exact=True)
    assert not list(Path("killed").rglob(".unfinished*"))


def test_a_killed_training_is_resumed_to_the_same_numbers(killed: None) -> None:
    assert run(*TRAIN, "--out", "whole") == 0
    metrics = Path("killed/metrics.csv").read_text()
    Path("killed/metrics.csv").write_text(metrics + 'episode_rewards,"12.3')  # as if killed within a line
    assert run("resume", "killed") == 0
    for name in ("metrics.csv", "evaluation.csv", "agent.safetensors"):
        assert Path("whole", name).read_bytes() == Path("killed", name).read_bytes()
    assert Path("killed/learning.png").exists()
    done = Path("killed/evaluation.csv").stat().st_mtime_ns
    assert run("resume", "killed") == 0  # nothing is left to do
    assert Path("killed/evaluation.csv").stat().st_mtime_ns == done


def test_a_run_of_a_comparison_is_resumed_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("compare", "--agents", "win-stay", *COMMON, "--seeds", "1", "--episodes", "2", "--out", "out") == 0
    for agent in ("win-stay", "random"):  # the second is judged along, and did not train
        Path(f"out/runs/{agent}-0/result.json").unlink()
        assert run("resume", f"out/runs/{agent}-0") == 0
        assert "in the evaluation without exploration, 10 episodes" in capsys.readouterr().out
        assert Path(f"out/runs/{agent}-0/result.json").exists()


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


def another_world(path: Path) -> None:
    World.from_dataset(synthetic_dataset(n_users=60, n_items=80, n_ratings=1500, seed=1)).save(its_world())


def foreign(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04 a zip")


def edited(path: Path) -> None:
    config: dict[str, Any] = json.loads(Path("killed/config.json").read_text())
    config["hyperparameters"]["learning_rate"] = 0.5
    Path("killed/config.json").write_text(json.dumps(config))


def with_another_key(path: Path) -> None:
    config: dict[str, Any] = json.loads(Path("killed/config.json").read_text())
    Path("killed/config.json").write_text(json.dumps(config | {"learning_rate": 0.5}))


def without_threads(path: Path) -> None:
    config: dict[str, Any] = json.loads(Path("killed/config.json").read_text())
    del config["provenance"]["threads"]
    Path("killed/config.json").write_text(json.dumps(config))


def of_another_seed(path: Path) -> None:
    assert run(*TRAIN, "--seed", "1", "--out", "other") == 0
    shutil.copy("other/checkpoint.safetensors", path)


def as_a_spreadsheet_saves_it(path: Path) -> None:
    metrics = Path("killed/metrics.csv")
    metrics.write_text("\ufeff" + metrics.read_text().replace(",", ";").replace("\n", "\r\n"))


def other_settings(path: Path) -> None:
    config: dict[str, Any] = json.loads(Path("killed/config.json").read_text())
    Path("killed/config.json").write_text(json.dumps(config | {"kind": "study"}))


def older(path: Path) -> None:
    Path("killed/.begun.json").unlink()
    config: dict[str, Any] = json.loads(Path("killed/config.json").read_text())
    del config["train_pool"], config["evaluation_pool"]
    Path("killed/config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (damage, "killed/checkpoint.safetensors is damaged: .* delete it to begin anew"),
        (edited, r"killed/config.json was edited: hyperparameters.learning_rate is 0.5, not 0\.\d+ as the folder"),
        (with_another_key, "killed/config.json was edited: learning_rate is 0.5, not None as the folder was begun"),
        (
            without_threads,
            "killed/config.json was edited: provenance.threads is None, not 1 as the folder",
        ),
        (of_another_seed, "the checkpoint in killed is of another run: its seed is 1, not 0"),
        (foreign, "killed/checkpoint.safetensors is damaged or no checkpoint"),
        (Path.unlink, None),
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), "damaged or no checkpoint"),
        (another_world, "the ratings are not those that killed was begun with"),
        (other_settings, "killed has no config.json of a run"),
        (
            older,
            "begun by pydeeprecsys 0.1.0, before there were settings for train_pool, evaluation_pool;",
        ),
        (lambda path: Path("killed/config.json").unlink(), "killed has no config.json of a run"),
        *(
            (lambda path, text=text: Path("killed/config.json").write_text(text), "killed has no config.json of a run")
            for text in (
                "{",
                "[]",
                "null",
                '{"kind": "run", "dataset": "synthetic"}',
                '{"kind": ["run"], "provenance": {}}',
            )
        ),
        (lambda path: Path("killed/metrics.csv").write_text(""), "was changed since the last checkpoint"),
        (as_a_spreadsheet_saves_it, "metrics.csv was changed since the last checkpoint, as by a spreadsheet"),
        (lambda path: its_world().unlink(), "small.world"),
    ],
)
def test_what_cannot_be_resumed_is_said_in_one_line(
    killed: None, change: Any, match: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    change(Path("killed/checkpoint.safetensors"))
    code = run("resume", "killed")
    error = capsys.readouterr().err
    if match is None:  # without a checkpoint it begins anew
        assert code == 0, error
        return
    assert code == 2
    assert error.count("\n") == 1
    assert re.search(match, error), error


def test_a_folder_at_work_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    Path("out").mkdir()
    with filelock.FileLock(Path("out/.lock")):
        assert run(*TRAIN, "--out", "out", "--overwrite") == 2
    assert "another process is using out" in capsys.readouterr().err


def test_other_versions_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*TRAIN, "--out", "out") == 0
    config: dict[str, Any] = json.loads(Path("out/config.json").read_text())
    config["provenance"]["versions"]["torch"] = "1.0"
    Path("out/config.json").write_text(json.dumps(config))
    capsys.readouterr()
    assert run("resume", "out") == 0
    assert "begun with torch 1.0, this is" in capsys.readouterr().out


def test_a_policy_search_prints_its_parameters_and_continues_on_several_processes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ("train", "cma-es", *COMMON, "--base", "varied", "--sessions", "2", "--episodes", "24")
    assert run(*arguments, "--out", "whole") == 0
    found = json.loads(Path("whole/best.json").read_text())["hyperparameters"]
    text = ", ".join(f"{name} {value:.4g}" for name, value in found.items())
    assert f"parameters found: {text}" in capsys.readouterr().out
    kill_when(Path("killed/checkpoint.safetensors"), (*arguments, "--out", "killed", "--jobs", "2"))
    assert run("resume", "killed", "--jobs", "2") == 0
    for name in ("metrics.csv", "best.json", "evaluation.csv"):
        assert Path("whole", name).read_bytes() == Path("killed", name).read_bytes()
    assert run("train", "varied", *COMMON, "--config", "whole/best.json", "--episodes", "0", "--out", "base") == 0
    assert Path("base/evaluation.csv").read_bytes() == Path("whole/evaluation.csv").read_bytes()


def test_several_processes_for_an_agent_that_trains_in_one_are_refused(
    killed: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("resume", "killed", "--jobs", "2") == 2
    assert "reinforce trains in one process: leave jobs and Ray out" in capsys.readouterr().err


def test_a_finished_run_is_trained_for_longer(capsys: pytest.CaptureFixture[str]) -> None:
    train = ("train", "win-stay", *COMMON)
    assert run(*train, "--episodes", "3", "--out", "out") == 0
    for given in (("--episodes", "3"), ("--episodes", "2"), ("--steps", "900"), ("--episodes", "9", "--steps", "900")):
        capsys.readouterr()
        assert run("resume", "out", *given) == 2
        assert re.search(r"give more, or leave --episodes out|is in episodes alone", error := capsys.readouterr().err)
        assert error.count("\n") == 1
    assert run("resume", "out", "--episodes", "5") == 0
    assert run(*train, "--episodes", "5", "--out", "whole") == 0
    for name in ("config.json", "metrics.csv", "evaluation.csv"):
        assert Path("out", name).read_bytes() == Path("whole", name).read_bytes()


def test_a_comparison_is_trained_for_longer_and_no_run_of_it_alone(capsys: pytest.CaptureFixture[str]) -> None:
    compare = ("compare", "--agents", "win-stay", *COMMON, "--seeds", "2")
    assert run(*compare, "--episodes", "2", "--out", "out") == 0
    assert run("resume", "out/runs/win-stay-0", "--episodes", "4") == 2
    assert re.search(r"belongs to .*out; resume that with more episodes", capsys.readouterr().err)
    assert run("resume", "out", "--episodes", "4") == 0
    assert run(*compare, "--episodes", "4", "--out", "whole") == 0
    assert Path("out/all_metrics.csv").read_bytes() == Path("whole/all_metrics.csv").read_bytes()
    assert run("resume", "out", "--steps", "400") == 2
    assert "is in episodes alone" in capsys.readouterr().err


def test_ctrl_c_is_heard_while_an_agent_is_evaluated() -> None:
    command = ("train", "random", *COMMON, "--episodes", "1", "--evaluation-episodes", "3000000", "--out", "out")
    process = subprocess.Popen(
        [sys.executable, "-m", "pydeeprecsys.cli", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not Path("out/log.txt").exists() or "trained for" not in Path("out/log.txt").read_text():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)  # hours otherwise
    assert process.returncode in (130, -signal.SIGINT), err
    assert err == ""
    assert out.endswith("stopped; results so far are in out; continue with: pydeeprecsys resume out\n")
    assert Path("out/checkpoint.safetensors").exists()


@pytest.mark.parametrize("backend", ["module://not_installed_here", "nonsense", "tkagg"])
def test_figures_are_drawn_whatever_backend_is_handed_down(backend: str) -> None:
    command = ("compare", "--agents", "win-stay", *COMMON, "--seeds", "1", "--episodes", "2", "--out", "out")
    process = subprocess.run(
        [sys.executable, "-m", "pydeeprecsys.cli", *command],
        env=os.environ | {"MPLBACKEND": backend, "MPLCONFIGDIR": "small.world"},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    assert "Traceback" not in process.stderr
    assert "learning_curves.png" in process.stdout
