"""The examples run, and leave what they say."""

import json
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from contracts.policies import write_policy
from pydeeprecsys.cli import main
from pydeeprecsys.data.world import World

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def small(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own with a small world in it."""
    mpl.use("agg")
    monkeypatch.chdir(tmp_path)
    world.save(tmp_path / "small.world")
    return tmp_path


class MLflow:
    """The functions of MLflow 3 that the example calls, with their arguments."""

    @staticmethod
    def start_run(run_id: Any = None, experiment_id: Any = None, run_name: str | None = None) -> None: ...

    @staticmethod
    def log_params(params: dict[str, Any], synchronous: bool | None = None, run_id: str | None = None) -> None: ...

    @staticmethod
    def log_metrics(metrics: dict[str, float], step: int | None = None, synchronous: bool | None = None) -> None: ...

    @staticmethod
    def end_run(status: str = "FINISHED") -> None: ...


def run(name: str, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr("sys.argv", [name, *arguments])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")


def test_random_agent(small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run("random_agent.py", monkeypatch, "--episodes", "3", "--dataset", "small.world")
    assert "Episode 2 Mean Rewards" in capsys.readouterr().out
    assert (small / "output" / "random_agent.png").read_bytes().startswith(b"\x89PNG")


def test_full_training(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("full_training.py", monkeypatch, "--trainings", "2", "--episodes", "3", "--dataset", "small.world")
    files = {path.name: pd.read_csv(path) for path in (small / "output").iterdir()}
    agents = ["ActorCriticAgent", "RainbowDQNAgent", "ReinforceAgent"]
    assert sorted(files) == [f"{agent}_optimized_results.csv" for agent in agents]
    for agent in agents:
        metrics = files[f"{agent}_optimized_results.csv"]
        assert set(metrics["model"]) == {agent}
        returns = metrics[metrics["metric"] == "episode_rewards"]
        assert returns.groupby("training")["episode"].apply(list).tolist() == [[0, 1, 2]] * 2
        assert returns["measurement"].nunique() == 6  # trainings are repetitions, not copies
    assert "loss" in set(files["ReinforceAgent_optimized_results.csv"]["metric"])


@pytest.mark.slow
def test_slates(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("slates.py", monkeypatch, "--seeds", "2", "--episodes", "3", "--dataset", "small.world")
    folder = small / "output" / "slates"
    metrics = pd.read_csv(folder / "relevance_metrics.csv", index_col=0)
    assert metrics.columns.tolist() == ["dcg_random", "ndcg_random", "dcg_rainbow", "ndcg_rainbow"]
    assert len(metrics) == 2 * 3 * 5  # sessions of 50 ratings are 5 slates of 10
    assert metrics["ndcg_random"].between(0.2, 1).all()
    assert metrics["dcg_random"].nunique() == 30  # every step, and the seeds are repetitions, not copies
    described = pd.read_csv(folder / "relevance_metrics_describe.csv", index_col=0)
    assert described.loc["mean", "dcg_rainbow"] == pytest.approx(metrics["dcg_rainbow"].mean())
    assert described.loc["max", "ndcg_random"] == pytest.approx(metrics["ndcg_random"].max())


def test_own_dynamic_stays_bounded_in_sessions_of_any_length(world: World) -> None:
    tiring = runpy.run_path(str(EXAMPLES / "own_dynamic.py"))["Tiring"]()
    vectors, slates = world.user_vectors[:2], np.array([[3], [3]])
    before = world.affinities(vectors).copy()
    for _ in range(5000):
        vectors = tiring(vectors, slates, np.ones((2, 1)), world.genres)
    affinities, shown = world.affinities(vectors), world.genres[3]
    np.testing.assert_allclose(affinities[:, shown], 0, atol=1e-12)
    np.testing.assert_allclose(affinities[:, ~shown], 0.5)
    assert world.affinities(world.user_vectors[:2]).tolist() == before.tolist()  # what it was given stays as it was


def test_tracking_into_files(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("tracking.py", monkeypatch, "--episodes", "3", "--dataset", "small.world")
    tracked, done = small / "output" / "tracking" / "tracked" / "reinforce-0", small / "output" / "tracking" / "run"
    params = json.loads((tracked / "params.json").read_text())
    assert params.items() >= {"agent": "reinforce", "episodes": 3, "discount_factor": 0.99}.items()
    *episodes, final = map(json.loads, (tracked / "metrics.jsonl").read_text().splitlines())
    returns = pd.read_csv(done / "metrics.csv").query("metric == 'episode_rewards'")["measurement"].astype(float)
    assert [line["episode_rewards"] for line in episodes] == pytest.approx(returns.tolist())
    assert all("loss" in line for line in episodes)
    assert final["final_return"] == pytest.approx(pd.read_csv(done / "evaluation.csv")["return"].mean())
    assert (tracked / "status.txt").read_text() == "FINISHED"


def test_tracking_by_mlflow(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = mock.create_autospec(MLflow)
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    run("tracking.py", monkeypatch, "--mlflow", "--episodes", "2", "--dataset", "small.world")
    names = [call[0] for call in mlflow.mock_calls]
    assert names == ["start_run", "log_params", *["log_metrics"] * 3, "end_run"]
    assert mlflow.start_run.call_args.kwargs == {"run_name": "reinforce-0"}
    assert [call.kwargs["step"] for call in mlflow.log_metrics.mock_calls] == [0, 1, 2]
    assert mlflow.end_run.call_args.kwargs == {"status": "FINISHED"}


@pytest.mark.slow
def test_comparison(small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run("comparison.py", monkeypatch, "--episodes", "3", "--dataset", "small.world")
    shown = capsys.readouterr().out
    metrics = pd.read_csv(small / "output" / "comparison" / "all_metrics.csv")
    moving = metrics[metrics["metric"] == "moving_rewards"]
    agents = ["actor-critic", "rainbow", "random", "reinforce"]
    assert moving.groupby("model").size().to_dict() == dict.fromkeys(agents, 3)
    assert all(agent in shown for agent in agents)
    assert (small / "output" / "comparison" / "learning_curves.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.slow
def test_the_same_as_commands(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", (EXAMPLES / "README.md").read_text(), re.S)
    commands = [shlex.split(block.replace("\\\n", "")) for block in blocks]
    assert [command[:2] for command in commands] == [["pydeeprecsys", verb] for verb in ("train", *["compare"] * 3)]
    for number, (_, *arguments) in enumerate(commands):
        with pytest.raises(SystemExit) as stopped:
            main([*arguments, "--episodes", "3", "--dataset", "small.world", "--out", str(number)])
        assert stopped.value.code == 0
    assert (small / "0" / "learning.png").exists()
    trained, compared = (pd.read_csv(small / name / "all_metrics.csv") for name in ("1", "2"))
    assert trained.groupby("model")["seed"].nunique().to_dict() == {"actor-critic": 3, "rainbow": 3, "reinforce": 3}
    # Every setting is the same in the script and the command, or the numbers would not be.
    run("comparison.py", monkeypatch, "--episodes", "3", "--dataset", "small.world")
    pd.testing.assert_frame_equal(compared, pd.read_csv(small / "output" / "comparison" / "all_metrics.csv"))
    run("slates.py", monkeypatch, "--episodes", "3", "--dataset", "small.world")
    for name in ("all_metrics.csv", "relevance_metrics.csv", "relevance_metrics_describe.csv"):
        assert (small / "3" / name).read_text() == (small / "output" / "slates" / name).read_text()


@pytest.fixture
def web_service(tmp_path: Path) -> Iterator[httpx.Client]:
    """The web service in a process of its own, with a policy of 8 items, a to h, a first; it explores every time."""
    folder, log = write_policy(tmp_path / "policy"), tmp_path / "slates.jsonl"
    command = [sys.executable, str(EXAMPLES / "web_service.py"), str(folder), "--epsilon", "1", "--port", "0"]
    with subprocess.Popen([*command, "--log", str(log)], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            lines = iter(process.stderr.readline, "")
            (address,) = next(found for line in lines if (found := re.findall(r"running on (\S+)", line)))
            with httpx.Client(base_url=address, timeout=30) as client:
                yield client
        finally:
            process.terminate()


@pytest.mark.slow
def test_web_service(web_service: httpx.Client, tmp_path: Path) -> None:
    asked = {
        "user": {"age": 35, "sex": "F"},
        "history": [["a", 4.0], [["b", None], ["c", 1.0]]],
        "candidates": ["a", "d", "e", "f"],
        "k": 2,
    }
    answer = web_service.post("/slates", json=asked).json()
    assert [set(item) for item in answer["items"]] == [{"item", "title", "score", "propensity"}] * 2
    scores = {item["item"]: (item["title"], item["score"]) for item in answer["items"]}
    assert len(scores) == 2
    assert scores.items() <= {"d": ("The d", 5.0), "e": ("The e", 4.0), "f": ("The f", 3.0)}.items()
    assert [item["propensity"] for item in answer["items"]] == pytest.approx([1 / 3, 1 / 2])
    new = web_service.post("/slates", json={"k": 8}).json()

    first, second = map(json.loads, (tmp_path / "slates.jsonl").read_text().splitlines())
    guide = (EXAMPLES.parent / "docs" / "serving.md").read_text().partition("## What to log")[2].partition("\n## ")[0]
    named = {name for row in re.findall(r"^\| (`.*?) \|", guide, re.M) for name in re.findall(r"\w+", row)}
    assert set(first) == named
    assert first.items() >= asked.items()
    assert first["slate"] == list(scores)
    assert first["propensities"] == pytest.approx([1 / 3, 1 / 2])
    assert first["request"] == answer["request"] != new["request"] == second["request"]
    assert first["policy"] == json.loads((tmp_path / "policy" / "contract.json").read_text())["checksum"]
    assert pd.Timestamp(first["time"]).tz is not None
    assert sorted(second["slate"]) == list("abcdefgh")
    assert (second["user"], second["history"], second["candidates"]) == (None, [], None)


@pytest.mark.slow
def test_web_service_refuses_bad_input_in_one_line(web_service: httpx.Client, tmp_path: Path) -> None:
    for body, reason in [
        ('{"k": 9}', "k is 9, but the catalogue has 8 items"),
        ('{"k": NaN}', "body.k: Input should be a valid integer"),
        ('{"k": true}', "body.k: Input should be a valid integer"),
        ('{"history": [["z", 4]], "k": 3}', "the item 'z' is not in the catalogue"),
        ('{"history": [["a", 6]], "k": 3}', "the rating 6 of the item 'a' is off the scale, 1 to 5"),
        ('{"history": [["a", NaN]], "k": 3}', "the rating nan of the item 'a' is off the scale"),
        ('{"history": [["a"]], "k": 3}', "an entry of a history is a pair"),
        ('{"user": {"age": "35"}, "k": 3}', "age must be in years"),
        ('{"candidates": ["z"], "k": 3}', "the item 'z' is not in the catalogue"),
        ('{"histories": [], "k": 3}', "body.histories: Extra inputs are not permitted"),
        ('{"k": 3', "body.7: JSON decode error"),
    ]:
        answer = web_service.post("/slates", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 422, body
        assert answer.json()["detail"].startswith(reason), body
        assert "\n" not in answer.json()["detail"]
    assert (tmp_path / "slates.jsonl").read_text() == ""
    assert web_service.post("/slates", json={"k": 3}).status_code == 200  # it still serves


@pytest.mark.slow
def test_web_service_of_no_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments, reason in [
        ((".",), "is not the folder of a policy"),
        ((str(write_policy(tmp_path / "policy")), "--epsilon", "2"), "epsilon must be"),
    ]:
        with pytest.raises(SystemExit) as stopped:
            run("web_service.py", monkeypatch, *arguments)
        assert stopped.value.code == 2
        assert reason in capsys.readouterr().err
    assert not (tmp_path / "output").exists()
