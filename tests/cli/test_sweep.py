"""`pydeeprecsys compare --sweep`: made, resumed, overwritten, evaluated again and reported as a comparison is."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from command_line import run

pytestmark = pytest.mark.usefixtures("small")

SHORT = ("--dataset", "small.world", "--evaluation-episodes", "8", "--seeds", "1", "--episodes", "3")
SWEEP = ("compare", *SHORT, "--agents", "best-rated", "--sweep", "lambda_non_violent=0:1:0.5")
EXPERIMENT = """
kind: compare
dataset: small.world
agents: [best-rated]
episodes: 3
seeds: 1
evaluation_episodes: 8
sweep: lambda_non_violent=0:1:0.5
"""


@pytest.mark.slow
def test_a_sweep_prints_its_front_and_is_repeated_from_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*SWEEP, "--out", "out") == 0
    shown = capsys.readouterr().out
    assert re.search(r"agent +lambda_non_violent +rating +violence +CVaR +return +dominated", shown)
    # What best-rated shows does not depend on the weight; what the oracle shows does.
    assert (
        len(re.findall(r"^best-rated +any +\d\.\d{3} .* \d+\.\d\d\.\.\d+\.\d\d +(?:yes|no)$", shown, re.MULTILINE)) == 1
    )
    assert len(re.findall(r"^oracle +(?:0|0\.5|1) +\d\.\d{3} .* -$", shown, re.MULTILINE)) == 3
    assert "front.csv, front.png" in shown
    Path("file.yaml").write_text(EXPERIMENT)
    for number, file in enumerate(["file.yaml", "out/config.json"], start=1):
        assert run("run", file) == 0
        again = Path(f"runs/compare-{number}")
        assert (again / "front.csv").read_text() == Path("out/front.csv").read_text()
        assert (again / "all_metrics.csv").read_text() == Path("out/all_metrics.csv").read_text()


@pytest.mark.slow
def test_a_sweep_is_resumed_and_trained_for_longer_as_a_comparison(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*SWEEP, "--out", "out") == 0
    before = Path("out/front.csv").read_text()
    stopped = Path("out/runs/best-rated@lambda_non_violent=0.5-0/result.json")
    stopped.unlink()
    Path("out/front.csv").unlink()
    assert run("report", "out") == 0
    page = Path("out/report.html").read_text()
    assert "best-rated@lambda_non_violent=0.5 in out: seed 0 at episode 3 of 3, not evaluated" in page
    assert run("resume", "out") == 0
    assert Path("out/front.csv").read_text() == before
    assert run("resume", "out", "--episodes", "5") == 0
    assert json.loads(Path("out/runs/best-rated@lambda_non_violent=1-0/config.json").read_text())["episodes"] == 5
    assert run("resume", str(stopped.parent), "--episodes", "9") == 2
    assert re.search(r"belongs to .*out; resume that with more episodes", capsys.readouterr().err)
    assert run("evaluate", "out", "--sessions", "4") == 0
    assert "best-rated@lambda_non_violent=1, seed 0: return " in capsys.readouterr().out
    assert len(list(Path("out").glob("runs/*/evaluations/test-4"))) == 9


@pytest.mark.slow
def test_a_sweep_is_overwritten_unless_it_holds_another_run(capsys: pytest.CaptureFixture[str]) -> None:
    agent = ("--sweep", "cma-es.sessions=1,2", "--agents", "cma-es", "--set", "cma-es.base=varied")
    assert run("compare", *SHORT, *agent, "--out", "out") == 0
    assert {path.name for path in Path("out/runs").iterdir()} == {
        *("cma-es@sessions=1-0", "cma-es@sessions=2-0", "random-0", "oracle-0"),
    }
    assert run(*SWEEP, "--out", "out", "--overwrite") == 0
    assert {path.name.partition("@")[0] for path in Path("out/runs").iterdir()} == {"best-rated", "random", "oracle"}
    inside = Path("out/runs/best-rated@lambda_non_violent=1-0")
    inside.rename(inside.with_name("best-rated@lambda_non_violent=2-0"))
    capsys.readouterr()
    assert run(*SWEEP, "--out", "out", "--overwrite") == 2
    assert "what is not proven to be of a run: runs/best-rated@lambda_non_violent=2-0" in capsys.readouterr().err


@pytest.mark.slow
def test_comparisons_of_versions_without_sweeps_are_resumed_and_repeated() -> None:
    assert run("compare", *SHORT, "--agents", "best-rated", "--out", "out") == 0
    for name in ("config.json", ".begun.json"):
        config = json.loads(Path("out", name).read_text())
        assert config.pop("sweep") is None
        Path("out", name).write_text(json.dumps(config))
    Path("out/runs/best-rated-0/result.json").unlink()
    assert run("resume", "out") == 0
    assert run("run", "out/config.json", "--out", "again") == 0
    first, again = (pd.read_csv(f"{out}/summary.csv").drop(columns="steps_per_second") for out in ("out", "again"))
    pd.testing.assert_frame_equal(first, again, check_exact=True)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["delta=0:1:0"], "the step 0 of a sweep does not lead from 0 to 1"),
        (["lambda_non_violent=0:1.5:0.5"], r"must be in \[0, 1\], it is 1.5"),
        (["lambda=0,1"], "has no option 'lambda'"),
        (["dqn.batch_size=8,16", "--agents", "random"], "dqn.batch_size is swept, and dqn is not compared"),
        (["slate_size=1,2", "--slate-size", "3"], "slate_size is swept, and set to 3; leave one of both out"),
        (["slate_size=1,1000", "--agents", "random"], "slate_size must be .*, it is 1000"),
        (["length=1,2", "--env", "CartPole-v1"], "CartPole-v1 has no option 'length'"),
        (["dqn.batch_size=8,16", "--env", "CartPole-v1", "--agents", "dqn"], "shows no items with violence"),
    ],
)
def test_a_sweep_that_cannot_be_is_one_line(
    arguments: list[str], match: str, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = [] if "CartPole-v1" in arguments else ["--dataset", "small.world"]
    assert run("compare", *dataset, "--sweep", *arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert re.search(match, error), error
    assert not Path("runs").exists()


def test_a_file_with_a_sweep_that_cannot_be_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    Path("file.yaml").write_text(EXPERIMENT.replace("0:1:0.5", "0:1:2"))
    assert run("run", "file.yaml") == 2
    assert "file.yaml: the sweep 'lambda_non_violent=0:1:2' has one value" in capsys.readouterr().err
    Path("file.yaml").write_text(EXPERIMENT.replace("lambda_non_violent=0:1:0.5", "[1, 2]"))
    assert run("run", "file.yaml") == 2
    assert "sweep must be text" in capsys.readouterr().err
