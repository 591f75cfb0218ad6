import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from command_line import run
from pydeeprecsys.experiments.claimed_folder import ClaimedFolder

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("small")]

TUNE = ("tune", "reinforce", "--dataset", "small.world", "--trials", "6", "--episodes", "12", "--seeds", "1")
TUNE += ("--evaluation-episodes", "10", "--checkpoint-every", "0")


def best(folder: str = "found") -> dict[str, object]:
    told: dict[str, object] = json.loads(Path(folder, "best.json").read_text())
    return told


def test_what_is_found_is_said_and_can_be_used(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(*TUNE, "--out", "found") == 0
    captured = capfd.readouterr()
    assert not captured.err  # neither Optuna's log nor its warnings
    found = best()
    for line in (f"trial {found['trial']}: return {found['mean_return']:.2f}, the best so far", "learning_rate"):
        assert line in captured.out
    assert "6 trials: " in captured.out
    assert "train reinforce --config found/best.json" in " ".join(captured.out.split())

    train = ("train", "reinforce", "--dataset", "small.world", "--episodes", "2", "--config", "found/best.json")
    assert run(*train, "--learning-rate", "0.5", "--out", "trained") == 0
    options = json.loads(Path("trained/config.json").read_text())["hyperparameters"]
    assert options == options | found["hyperparameters"] | {"learning_rate": 0.5}

    compare = ("compare", "--agents", "reinforce", "--dataset", "small.world", "--episodes", "2", "--seeds", "1")
    setting = ("--set", "reinforce.learning_rate=0.5")
    assert run(*compare, "--config", "found/best.json", *setting, "--out", "compared") == 0
    options = json.loads(Path("compared/config.json").read_text())["hyperparameters"]["reinforce"]
    assert options == found["hyperparameters"] | {"learning_rate": 0.5}


def test_a_best_trial_that_never_updated_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    small = ("--trials", "1", "--episodes", "2", "--seeds", "1", "--evaluation-episodes", "4", "--out", "found")
    assert run("tune", "ppo", "--dataset", "small.world", *small) == 0
    assert "trial 0: ppo never updated in 2 episodes (100 steps): the first" in " ".join(capfd.readouterr().out.split())


def test_killed_it_goes_on_to_the_same(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(*TUNE, "--out", "whole") == 0
    command = [sys.executable, "-m", "pydeeprecsys.cli", *TUNE, "--out", "found", "--jobs", "2"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 120
    while not list(Path("found").glob("runs/001-*/checkpoint.safetensors")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert run("resume", "found") == 0
    assert "6 trials: " in capfd.readouterr().out
    for name in ("trials.csv", "best.json"):
        assert Path("found", name).read_bytes() == Path("whole", name).read_bytes()

    # The same command goes on, too: here with more trials.
    assert run(*TUNE, "--trials", "7", "--out", "found") == 0
    assert Path("found/trials.csv").read_text().startswith(Path("whole/trials.csv").read_text())


def test_files_and_agents_that_cannot_be(capfd: pytest.CaptureFixture[str]) -> None:
    Path("no.json").write_text("[1, 2")
    Path("other.json").write_text('{"agent": "dqn", "options": {"n_steps": 3}}')
    Path("unknown.json").write_text('{"agent": "reinforce", "options": {"rate": 3}}')
    train = ("train", "reinforce", "--dataset", "small.world", "--config")
    for arguments, message in (
        ((*train, "no.json"), "no.json holds no hyperparameters of an agent"),
        ((*train, "other.json"), "other.json is of the agent 'dqn', not of 'reinforce'"),
        ((*train, "unknown.json"), "the agent 'reinforce' has no option 'rate'"),
        (("tune", "reinforse"), "did you mean 'reinforce'"),
        (("tune", "oracle", "--dataset", "small.world"), "the agent 'oracle' has no search space"),
        (("tune", "dqn", "--dataset", "small.world", "--ray", "local", "--jobs", "2"), "leave jobs out"),
    ):
        assert run(*arguments) == 2
        captured = capfd.readouterr()
        assert message in captured.err
        assert captured.err.count("\n") == 1


@pytest.mark.parametrize("mine", ['{"my": "settings"}', "[]", "{"])
def test_a_folder_of_the_users_own_is_not_searched_in(mine: str, capfd: pytest.CaptureFixture[str]) -> None:
    Path("mine").mkdir()
    Path("mine/config.json").write_text(mine)
    assert run(*TUNE, "--out", "mine") == 2
    assert capfd.readouterr().err == "error: mine exists; give another --out\n"
    assert [path.name for path in Path("mine").iterdir()] == ["config.json"]


def test_a_folder_may_have_any_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "50% off?").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "50% off?"))
    few = [*TUNE[:4], *TUNE[6:], "--out", "~/a #{b}"]
    assert run(*few, "--trials", "2") == 0
    assert run(*few, "--trials", "3") == 0  # it finds its database again
    assert os.listdir(tmp_path / "50% off?") == ["a #{b}"]
    assert sorted(os.listdir(tmp_path)) == ["50% off?", "small.world"]
    assert len(Path(tmp_path, "50% off?", "a #{b}", "trials.csv").read_text().splitlines()) == 4


def test_a_second_search_in_a_folder_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    few = [*TUNE[:4], *TUNE[6:], "--out", "found", "--trials"]
    assert run(*few, "1") == 0
    capfd.readouterr()
    with ClaimedFolder("found").claimed():
        assert run(*few, "2") == 2
    assert "another process is using found; wait for it" in capfd.readouterr().err
    assert len(Path("found", "trials.csv").read_text().splitlines()) == 2
