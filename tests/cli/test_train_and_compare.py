import io
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
import numpy as np
import pandas as pd
import pytest
import safetensors.numpy

from command_line import run
from contracts.quick import FEW_SESSIONS, QUICK, world_options
from pydeeprecsys.data.world import World
from pydeeprecsys.evaluation.standings import SIMPLE_POLICIES
from pydeeprecsys.experiments.compare import Comparison
from pydeeprecsys.experiments.registry import AGENTS, agent_options, make_agent
from pydeeprecsys.rl.manager import MovieLensFairnessManager

SHORT = ("--episodes", "2", "--seeds", "1")
RUN = ("--episodes", "2", "--evaluation-episodes", "3")


@pytest.fixture
def saved(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The path of a small world, from a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    world.save(tmp_path / "small.world")
    return "small.world"


def as_arguments(options: dict[str, Any]) -> list[str]:
    texts = {
        name: ",".join(map(str, value)) if isinstance(value, list) else str(value) for name, value in options.items()
    }
    return [text for name, value in texts.items() for text in (f"--{name.replace('_', '-')}", value)]


@pytest.mark.slow
@pytest.mark.parametrize("agent", AGENTS)
def test_every_agent_trains_and_explains_itself(saved: str, agent: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", agent, "--help") == 0
    help_text = " ".join(capsys.readouterr().out.split())
    options = agent_options(agent)
    for name in ("dataset", *(option.name.replace("_", "-") for option in options)):
        assert f"--{name}" in help_text
    for option in options:
        # Lines are broken at hyphens too.
        assert option.help.replace(" ", "").replace("-", "") in help_text.replace(" ", "").replace("-", "")

    own = QUICK.get(agent, {})
    arguments = ("--dataset", saved, "--episodes", "3", "--slate-size", "2", "--out", "there", *as_arguments(own))
    arguments += ("--evaluation-episodes", "5", "--world-version", "1" if agent == "slate-q" else "0")
    arguments += tuple(f"--env-option={name}={value}" for name, value in world_options(agent).items())
    assert run("train", agent, *arguments) == 0
    assert "return" in capsys.readouterr().out
    metrics = pd.read_csv("there/metrics.csv")
    assert (metrics["metric"] == "episode_rewards").sum() == 3
    assert ("loss" in set(metrics["metric"])) == (agent in QUICK)
    assert Path("there/agent.safetensors").exists() == (agent in {*QUICK, *FEW_SESSIONS, "linucb", "thompson"})
    config = json.loads(Path("there/config.json").read_text())
    assert (config["agent"], config["env_options"], config["episodes"]) == (
        agent,
        {"slate_size": 2} | world_options(agent),
        3,
    )
    assert config["hyperparameters"] == {option.name: own.get(option.name, option.default) for option in options}
    assert config["provenance"]["held_out_rmse"] > 0
    assert config["provenance"]["versions"]["numpy"] == np.__version__
    judged = pd.read_csv("there/evaluation.csv")
    assert len(judged) == 5
    assert judged["return"].between(0, 25).all()


@pytest.mark.slow
@pytest.mark.parametrize("agent", QUICK)
def test_a_trained_agent_is_loaded_to_the_same_actions(saved: str, agent: str) -> None:
    switch = ["--item-features", "ratings"] if agent != "reinforce" else []
    arguments = ["--dataset", saved, "--episodes", "2", "--evaluation-episodes", "2"]
    arguments += [*as_arguments(QUICK[agent]), *switch]
    for out in ("a", "b"):
        assert run("train", agent, *arguments, "--out", out) == 0
    assert Path("a/agent.safetensors").read_bytes() == Path("b/agent.safetensors").read_bytes()
    manager = MovieLensFairnessManager(dataset=saved)
    loaded, fresh = (
        make_agent(agent, manager, seed, **QUICK[agent], item_features="ratings" if switch else "none")
        for seed in (0, 9)
    )
    states = np.random.default_rng(0).random((60, 25), dtype=np.float32)
    greedy = []
    for one in (loaded, fresh):
        one.load("a/agent.safetensors")
        greedy.append(one.top_k_actions_for_states(states, 3, explore=False).tolist())
    assert greedy[0] == greedy[1]


def test_options_of_an_agent_come_from_its_constructor(saved: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--hidden-layers", "8,4", "--learning-rate", "0.5", "--episodes", "2", "--out", "out", "--seed", "3")
    assert run("train", "reinforce", "--dataset", saved, *options) == 0
    config = json.loads(Path("out/config.json").read_text())
    assert config["hyperparameters"]["hidden_layers"] == [8, 4]
    assert config["hyperparameters"]["learning_rate"] == 0.5
    assert config["seed"] == 3
    assert Path("out/agent.safetensors").exists()
    metrics = pd.read_csv("out/metrics.csv")
    assert (metrics["metric"] == "loss").sum() == 2


DIVERGES = ("--dataset", "small.world", "--episodes", "9")


def test_numbers_that_are_not_finite_end_training_in_one_line(saved: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "reinforce", *DIVERGES, "--learning-rate", "3e36", "--out", "out") == 1
    shown = capsys.readouterr()
    assert re.fullmatch(
        r"error: ReinforceAgent stopped at environment step \d+, in episode \d+: the loss .*; results .* are in out\n",
        shown.err,
    )
    done = {path.name for path in Path("out").iterdir()}
    assert {"config.json", "metrics.csv", "log.txt", "agent.safetensors"} <= done
    assert "evaluation.csv" not in done
    assert "ReinforceAgent stopped at environment step" in Path("out/log.txt").read_text()
    metrics = pd.read_csv("out/metrics.csv")
    assert 1 <= (metrics["metric"] == "episode_rewards").sum() < 9
    parameters = safetensors.numpy.load_file("out/agent.safetensors")
    assert all(np.isfinite(array).all() for array in parameters.values())


@pytest.mark.slow
def test_numbers_that_are_not_finite_end_a_comparison_in_one_line(
    saved: str, capsys: pytest.CaptureFixture[str]
) -> None:
    setting = ("--set", "reinforce.learning_rate=3e36")
    assert run("compare", "--agents", "random,reinforce", *DIVERGES, "--seeds", "1", *setting, "--out", "out") == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ReinforceAgent stopped at environment step")
    assert error.count("\n") == 1
    metrics = {agent: pd.read_csv(f"out/runs/{agent}-0/metrics.csv") for agent in ("random", "reinforce")}
    episodes = {agent: (rows["metric"] == "episode_rewards").sum() for agent, rows in metrics.items()}
    assert episodes["random"] == 9
    assert 1 <= episodes["reinforce"] < 9
    assert pd.read_csv("out/summary.csv")["agent"].tolist() == ["oracle", "random", "reinforce"]


@pytest.mark.slow
def test_compare_prints_differences_and_chances_with_their_intervals(
    saved: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("compare", "--agents", "random,win-stay", "--dataset", saved, "--episodes", "3", "--seeds", "3")
    assert run(*arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("vs win-stay" in line and "beats next" in line for line in lines)
    random, best = (next(line for line in lines if line.startswith(agent)) for agent in ("random", "win-stay"))
    assert re.search(r" -\d+\.\d\d \(-\d+\.\d\d\.\.-?\d+\.\d\d\) ", random)
    assert "100% (29..100)" in best  # all of three seeds above all of three others


@pytest.mark.slow
@pytest.mark.slow
def test_commands_started_together_have_a_folder_each(saved: str) -> None:
    command = [sys.executable, "-m", "pydeeprecsys.cli", "train", "random", "--dataset", saved, *RUN]
    started = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(4)]
    assert [process.wait(timeout=120) for process in started] == [0] * 4
    assert {path.name for path in Path("runs").iterdir()} == {f"random-{n}" for n in range(1, 5)}
    assert all((path / "result.json").exists() for path in Path("runs").iterdir())


def test_compare_prints_the_table_and_numbers_its_folders(saved: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("compare", "--agents", "random,win-stay", "--dataset", saved, "--episodes", "3", "--seeds", "2")
    assert run(*arguments) == 0
    shown = capsys.readouterr().out
    for text in (
        "random",
        "win-stay",
        "oracle",
        "95 % interval",
        "not from 2 seeds",
        "score",
        "steps/s",
        "runs/compare-1",
        "RMSE",
    ):
        assert text in shown
    assert "%" not in shown.partition("95 % interval")[2].partition("return:")[0]  # 100 % of two seeds say nothing
    assert run(*arguments, "--set", "win-stay.candidates=2") == 0
    assert {path.name for path in Path("runs").iterdir()} == {"compare-1", "compare-2"}


@pytest.mark.slow
def test_an_agent_that_never_updated_is_marked_on_screen(saved: str, capsys: pytest.CaptureFixture[str]) -> None:
    common = ("--dataset", saved, "--episodes", "2", "--evaluation-episodes", "4")
    note = "never updated in 2 episodes (100 steps): the first update waits for steps_per_update=2048; train for more"
    assert run("train", "ppo", *common) == 0
    assert f"ppo {note} episodes or lower that" in " ".join(capsys.readouterr().out.split())
    assert run("compare", "--agents", "ppo,reinforce", *common, "--seeds", "2", "--out", "both") == 0
    shown = capsys.readouterr().out
    assert re.search(r"^ *ppo \(never\s.*?updated\)", shown, re.MULTILINE | re.DOTALL)  # in the table, on two lines
    assert f"ppo {note} episodes or lower that (seed 0; likewise seed 1)" in " ".join(shown.split())
    assert "reinforce (" not in shown
    summary = pd.read_csv("both/summary.csv").set_index("agent")
    assert summary["updates"][["ppo", "reinforce"]].tolist() == [0, 2]
    assert pd.isna(summary["updates"]["random"])
    assert summary["note"].notna().tolist() == (summary.index == "ppo").tolist()


def test_users_are_of_the_pools_asked_for_and_every_simple_is_compared(
    saved: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def keep(what: Any, *_: Any, **__: Any) -> None:
        asked.append(what)
        raise KeyboardInterrupt

    monkeypatch.setattr("pydeeprecsys.cli.compare.compare", keep)
    monkeypatch.setattr("pydeeprecsys.cli.train.run", keep)
    monkeypatch.setattr("pydeeprecsys.cli.tune.tune", keep)
    for verb in (("compare",), ("train", "random"), ("tune", "varied")):
        for pools in ((), ("--train-pool", "all", "--evaluation-pool", "train")):
            assert run(*verb, "--dataset", saved, *pools) == 130
    assert [what.train_pool for what in asked] == ["train", "all"] * 3
    assert [what.evaluation_pool for what in asked] == ["test", "train", "test", "train", "evaluation", "train"]
    assert set(SIMPLE_POLICIES) - set(asked[0].agents) == {"fold-in", "item-knn", "ease"}  # these need a history
    assert run("compare", "--dataset", saved, "--env-option", "observation=items") == 130
    assert set(SIMPLE_POLICIES) <= set(asked[-1].agents)


def test_settings_of_a_comparison_are_read_as_the_options_are(saved: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def keep(comparison: Comparison, *_: Any, **__: Any) -> pd.DataFrame:
        asked.append(comparison.hyperparameters)
        raise KeyboardInterrupt

    monkeypatch.setattr("pydeeprecsys.cli.compare.compare", keep)
    settings = (
        "rainbow.noisy=false",
        "rainbow.hidden-layers=8,4,2,2",
        "rainbow.n_steps=3",
        "rainbow.learning_rate=1e-3",
        "dqn.hidden_layers=[16]",
        "dqn.item_features=ratings",
        "dqn.device=cpu",
        "dqn.discount_factor=1",
    )
    assert run("compare", "--dataset", saved, *(part for text in settings for part in ("--set", text))) == 130
    assert asked == [
        {
            "rainbow": {"noisy": False, "hidden_layers": [8, 4, 2, 2], "n_steps": 3, "learning_rate": 0.001},
            "dqn": {"hidden_layers": [16], "item_features": "ratings", "device": "cpu", "discount_factor": 1.0},
        }
    ]
    assert type(asked[0]["dqn"]["discount_factor"]) is float


@pytest.mark.slow
def test_losses_of_all_agents_are_in_all_metrics(saved: str) -> None:
    settings = [f"dqn.{name}={value}" for name, value in {"buffer_burn_in": 40, "batch_size": 8}.items()]
    arguments = ("--agents", "random,reinforce,dqn", "--dataset", saved, *SHORT, "--out", "out")
    assert run("compare", *arguments, *(part for text in settings for part in ("--set", text))) == 0
    metrics = pd.read_csv("out/all_metrics.csv")
    assert metrics[metrics["metric"] == "loss"]["model"].unique().tolist() == ["reinforce", "dqn"]
    assert metrics[metrics["metric"] == "epsilon_values"]["model"].unique().tolist() == ["dqn"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pools", "met"),
    [((), False), (("--train-pool", "all"), True), (("--evaluation-pool", "train"), True)],
)
def test_it_is_said_where_evaluated_users_are_met_in_training(
    saved: str, pools: tuple[str, ...], met: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    for verb in (("train", "random"), ("compare", "--agents", "random", "--seeds", "1")):
        assert run(*verb, "--dataset", saved, *RUN, *pools) == 0
        assert ("that they may have met in training" in capsys.readouterr().out) == met


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


@pytest.mark.slow
def test_an_existing_run_is_resumed_or_overwritten(saved: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("compare", "--agents", "random", "--dataset", saved, *SHORT, "--out", "here")
    Path("here").mkdir()
    assert run(*arguments) == 0  # an empty folder is as good as none
    assert run("report", "here") == 0
    assert run(*arguments) == 2
    assert "continue its run with 'pydeeprecsys resume here'" in (error := capsys.readouterr().err)
    assert "overwrite" not in error
    assert run(*arguments, "--overwrite") == 0
    assert run("train", "random", "--dataset", saved, *RUN, "--out", "here", "--overwrite") == 0
    assert not Path("here/summary.csv").exists()


@pytest.mark.slow
@pytest.mark.parametrize("verb", [("train", "random"), ("compare", "--agents", "random"), ("tune", "reinforce")])
@pytest.mark.parametrize(
    "mine",
    [
        {"notes.txt": "mine"},
        {"config.json": '{"my": "settings"}', "log.txt": "mine", "metrics.csv": "a,b"},
        {"config.json": "no json"},
        {"log.txt": "mine"},
        {"runs/mine.txt": "mine"},
        {"runs/compare-1/notes.txt": "mine"},
        {"folder/metrics.csv": "a,b"},
    ],
    ids=lambda mine: ",".join(mine),
)
def test_overwriting_never_removes_the_users_own_files(
    saved: str, verb: tuple[str, ...], mine: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in mine.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    assert run("train", "random", "--dataset", saved, *RUN) == 0  # runs/random-1, an earlier result
    before = everything(Path())
    capsys.readouterr()
    assert run(*verb, "--dataset", saved, *RUN, "--out", ".", "--overwrite") == 2
    error = capsys.readouterr().err
    assert "holds what is not proven to be of a run" in error
    assert "nothing was removed" in error
    assert everything(Path()) == before
    assert not Path(".lock").exists()


@pytest.mark.slow
@pytest.mark.parametrize("inside", [True, False])
def test_overwriting_leaves_a_run_with_files_beside_it(saved: str, inside: bool) -> None:
    arguments = ("compare", "--agents", "random", "--dataset", saved, *SHORT, "--out", "here")
    assert run(*arguments) == 0
    Path("here/runs/random-0/notes.txt" if inside else "here/notes.txt").write_text("mine")
    before = everything(Path("here"))
    assert run(*arguments, "--overwrite") == 2
    assert everything(Path("here")) == before


@pytest.mark.slow
def test_overwriting_leaves_the_runs_of_others(saved: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("own").mkdir()
    monkeypatch.chdir("own")
    saved = f"../{saved}"
    train = ("train", "random", "--dataset", saved, *RUN, "--out", ".")
    assert run(*train) == 0
    assert run("train", "popular", "--dataset", saved, *RUN) == 0  # runs/popular-1
    before = everything(Path())
    assert run(*train, "--overwrite") == 2
    assert everything(Path()) == before
    compare = ("compare", "--agents", "random", "--dataset", saved, *SHORT, "--out", "here")
    assert run(*compare) == 0
    assert run("train", "popular", "--dataset", saved, *RUN, "--out", "here/runs/popular-1") == 0
    before = everything(Path("here"))
    assert run(*compare, "--overwrite") == 2
    assert everything(Path("here")) == before


@pytest.mark.slow
@pytest.mark.parametrize("at_work", ["here", "here/runs/random-0"])
def test_overwriting_leaves_what_another_process_is_at_work_in(
    saved: str, at_work: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("compare", "--agents", "random", "--dataset", saved, *SHORT, "--out", "here")
    assert run(*arguments) == 0
    before = everything(Path("here"))
    with filelock.FileLock(Path(at_work, ".lock")):
        assert run(*arguments, "--overwrite") == 2
    assert f"another process is using {at_work}" in capsys.readouterr().err
    assert everything(Path("here")) == before


@pytest.mark.slow
def test_overwriting_leaves_what_is_part_of_another_or_not_proven_to_be_ours(
    saved: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--dataset", saved, *RUN)
    assert run("compare", "--agents", "random", "--seeds", "1", *arguments, "--out", "here") == 0
    Path("mine").mkdir()  # a copied configuration beside files of one's own
    shutil.copy("here/runs/random-0/config.json", "mine/config.json")
    Path("mine/metrics.csv").write_text("a,b")
    assert run("train", "random", *arguments, "--out", "run") == 0
    assert run("evaluate", "run", "--sessions", "3") == 0
    Path("run/summary.csv").write_text("mine")  # a run writes none
    before = everything(Path())
    for out, match in (
        ("here/runs/random-0", "belongs to .*here; nothing was removed"),
        ("run/evaluations/test-3", "belongs to .*run; nothing was removed"),
        ("mine", "mine holds what is not proven to be of a run: config.json, metrics.csv; nothing was removed"),
        ("run", "run holds what is not proven to be of a run: summary.csv; nothing was removed"),
    ):
        capsys.readouterr()
        assert run("train", "random", *arguments, "--out", out, "--overwrite") == 2
        assert re.search(match, capsys.readouterr().err)
    Path("run/summary.csv").unlink()
    with filelock.FileLock(Path("run/evaluations/test-3/.lock")):
        assert run("train", "random", *arguments, "--out", "run", "--overwrite") == 2
    assert Path("run/evaluations/test-3/evaluation.csv").exists()
    assert all(everything(Path())[name] == content for name, content in before.items() if name != "run/summary.csv")
    assert run("train", "random", *arguments, "--out", "run", "--overwrite") == 0
    assert not Path("run/evaluations").exists()


@pytest.mark.parametrize("kind", ["run", "tune", "compare"])
def test_all_settings_of_a_run_are_no_hyperparameters(
    saved: str, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("config.json").write_text(json.dumps({"kind": kind, "agent": "dqn", "hyperparameters": {}, "episodes": 9}))
    for verb in (("train", "dqn"), ("compare", "--agents", "dqn")):
        assert run(*verb, "--config", "config.json", "--dataset", saved) == 2
        assert f"config.json holds all settings of a {kind}, of which this would take few; give the best.json" in (
            error := capsys.readouterr().err
        )
        assert error.count("\n") == 1


@pytest.mark.slow
def test_a_disk_that_is_full_under_a_checkpoint_is_one_line(saved: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("train", "dqn", "--dataset", saved, *RUN, "--checkpoint-every", "0", "--out", "out")
    import resource  # not on Windows

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, before[1]))
    try:
        assert run(*arguments) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    error = capsys.readouterr().err
    assert re.fullmatch(r"error: File too large.*; what was there before is untouched\n", error)
    assert run("resume", "out") == 0


@pytest.mark.slow
def test_two_files_for_one_agent_are_refused(saved: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("best.json").write_text(json.dumps({"agent": "dqn", "hyperparameters": {}}))
    assert run("compare", "--config", "best.json", "--config", "best.json", "--dataset", saved) == 2
    assert "the hyperparameters of dqn are given twice" in capsys.readouterr().err


def test_a_seed_that_diverges_does_not_stop_the_others(saved: str, capsys: pytest.CaptureFixture[str]) -> None:
    lost = ("--set", "dqn.learning_rate=3e36", "--set", "dqn.buffer_burn_in=40", "--set", "dqn.batch_size=8")
    arguments = ("--agents", "dqn,reinforce", "--seeds", "2", "--dataset", saved, *RUN, *lost, "--out", "out")
    assert run("compare", *arguments) == 1
    shown = capsys.readouterr()
    assert "the table leaves out dqn from seed 0, dqn from seed 1" in shown.err
    assert "dqn (2 failed)" in shown.out
    why = re.search(r"DQNAgent stopped at .* is .* \(seed 0; likewise seed 1\)", " ".join(shown.out.split()))
    assert why is not None
    summary = pd.read_csv("out/summary.csv").set_index("agent")
    assert summary["failed"].to_dict() == {"oracle": 0, "random": 0, "reinforce": 0, "dqn": 2}
    assert summary.loc["reinforce", "seeds"] == 2
    assert summary.loc["dqn", "seeds"] == 0
    assert pd.isna(summary.loc["dqn", "median"])
    assert run("resume", "out") == 1
    assert "the table leaves out dqn from seed 0, dqn from seed 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["trian"], "did you mean 'train'"),
        (["train", "reinforse"], "did you mean 'reinforce'"),
        (["train", "reinforce", "--learningrate", "1"], "[Dd]id you mean '--learning-rate'"),
        (["train", "reinforce", "--hidden-layers", "a,b"], "must be a list of integers, each at least 1, it is 'a,b'"),
        (["train", "dqn", "--discount-factor", "1.5"], r"'--discount-factor': .* in \[0, 1\], it is 1.5"),
        (["train", "dqn", "--learning-rate", "nan"], "learning_rate must be a number, it is nan"),
        (["train", "dqn", "--batch-size", "0"], "batch_size must be at least 1, it is 0"),
        (["train", "rainbow", "--priority-weigth-growth", "1"], "No such option .*priority-weight-growth"),
        (
            ["compare", "--set", "reinforce.hidden_layers=a", "--dataset", "small.world"],
            "hidden_layers=a: .* a list of integers",
        ),
        (
            ["compare", "--set", "dqn.double=maybe", "--dataset", "small.world"],
            "dqn.double=maybe: .* must be True or False",
        ),
        (
            ["compare", "--set", "dqn.learning_rate=x", "--dataset", "small.world"],
            "learning_rate must be a number, it is 'x'",
        ),
        (["train", "reinforce", "--dataset", "small.world", "--learning-rate", "-1"], "learning_rate"),
        (["compare", "--agents", "random,bestrated"], "did you mean 'best-rated'"),
        (["compare", "--agents", "random,random", "--dataset", "small.world"], "each once"),
        (["compare", "--set", "reinforce=3"], "AGENT.OPTION=VALUE"),
        (
            ["compare", "--set", "dqn.double=true", "--dataset", "small.world", "--agents", "reinforce"],
            "dqn has hyperparameters and is not compared; add it to the agents",
        ),
        (
            ["compare", "--set", "dqn.batch_size=8", "--set", "dqn.batch-size=9", "--dataset", "small.world"],
            "dqn.batch_size is given twice",
        ),
        (["compare", "--set", "reinforce.gamma=3", "--dataset", "small.world", "--agents", "reinforce"], "no option"),
        (["compare", "--dataset", "nowhere.csv"], "nowhere.csv"),
        (["compare", "--dataset", "ml-1m"], "data fetch ml-1m"),
        (["compare", "--dataset", "small.world", "--slate-size", "1000"], "slate_size must be .*, it is 1000"),
        (["compare", "--dataset", "small.world", "--delta", "-1"], "delta"),
        (["compare", "--dataset", "small.world", "--lambda-non-violent", "2"], "lambda_non_violent"),
        (["compare", "--episodes", "0"], "'--episodes': episodes must be at least 1, it is 0"),
        (["train", "slate-q", "--target", "sarsa", "--episodes", "-1"], "'--episodes'"),
        (["compare", "--pool", "test"], "'--pool'.* Did you mean '--train-pool'"),
        (
            ["compare", "--evaluation-pool", "tset"],
            "evaluation-pool.*'tset' is not one of 'all', 'train'",
        ),
        (["compare", "--seeds", "x"], "--seeds"),
        (["train", "contracts.own:Wrong"], "there is no agent 'contracts.own:Wrong'"),
        (["train", "contracts.own:Corridor"], "contracts.own:Corridor is no agent"),
        (["train", "contracts.own:Right", "--env", "contracts.own:OwnCorridor-v0"], "Missing option '--action'"),
        (["train", "dqn", "--env", "CartPol-v1"], "did you mean 'CartPole-v1'"),
        (["train", "dqn", "--env", "CartPole-v1", "--delta", "1"], "CartPole-v1 has no option 'delta'"),
        (["train", "dqn", "--env", "CartPole-v1", "--slate-size", "2"], "CartPole-v1 has no option 'slate_size'"),
        (["train", "dqn", "--env", "CartPole-v1", "--observe-time"], "CartPole-v1 has no option 'observe_time'"),
        (["train", "dqn", "--env", "CartPole-v1", "--dataset", "ml-1m"], "CartPole-v1 takes no data set"),
        (["train", "dqn", "--env", "CartPole-v1", "--train-pool", "all"], "CartPole-v1 has no pools of users"),
        (["train", "dqn", "--env", "CartPole-v1", "--world-version", "1"], "--world-version is without effect"),
        (["train", "dqn", "--env", "MovieLensFairness-v0", "--world-version", "1"], "without effect on MovieLens"),
        (["train", "dqn", "--env-option", "delt=1"], "did you mean 'delta'"),
        (["train", "dqn", "--env-option", "delta=1", "--delta", "1"], "delta is given twice"),
        (
            ["train", "popular", "--env", "CartPole-v1"],
            "'popular' cannot act here: .*CartPole-v1.* no simulated",
        ),
        (["train", "oracle", "--env", "CartPole-v1"], "CartPole-v1.* is no simulated world"),
        (["compare", "--agents", "dqn", "--env", "Pendulum-v1"], "the agent 'dqn' cannot act here: actions of Box"),
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
    assert not [path for path in Path("o").rglob("*") if path.suffix == ".csv" and path.name != "metrics.csv"]


@pytest.mark.slow
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
    assert "stopped; results so far are in out" in out
    assert not [path for path in (tmp_path / "out").rglob(".*") if path.name not in (".lock", ".begun.json")]
    assert (pd.read_csv(tmp_path / "out" / "all_metrics.csv")["metric"] == "episode_rewards").sum() >= 60
    assert len(pd.read_csv(tmp_path / "out" / "summary.csv")) >= 1


@pytest.mark.slow
@pytest.mark.parametrize("version", ["0", "1"])
def test_agents_are_told_the_time_if_asked(saved: str, version: str) -> None:
    common = ("--dataset", saved, "--episodes", "2", "--evaluation-episodes", "2", "--world-version", version)
    inputs = {}
    for out, more in (("without", ()), ("with", ("--observe-time",))):
        assert run("train", "reinforce", *common, *more, "--out", out) == 0
        settings = json.loads(Path(out, "config.json").read_text())["env_options"]
        assert settings.get("observe_time") == (True if more else None)
        weights = safetensors.numpy.load_file(Path(out, "agent.safetensors"))
        inputs[out] = weights["policy_estimator.model.0.weight"].shape[1]
    assert inputs["with"] == inputs["without"] + 1


@pytest.mark.slow
def test_both_worlds_can_be_asked_for(saved: str, capsys: pytest.CaptureFixture[str]) -> None:
    common = ("compare", "--dataset", saved, "--agents", "random", "--seeds", "1", "--episodes", "4")
    summaries = {}
    for version, more in (("0", ()), ("1", ()), ("1", ("--delta", "1.0"))):
        out = f"{version}{len(more)}"
        assert run(*common, "--evaluation-episodes", "20", "--world-version", version, *more, "--out", out) == 0
        summaries[out] = pd.read_csv(Path(out) / "summary.csv").set_index("agent")
    assert summaries["00"].loc["random", "session_length"] == 50
    assert 3 < summaries["10"].loc["random", "session_length"] < 50
    # A delta asks for the founding dynamics in the other world.
    assert summaries["12"].loc["oracle", "median"] != summaries["10"].loc["oracle", "median"]
    assert 0 < summaries["10"].loc["random", "gini"] < summaries["10"].loc["oracle", "gini"] < 1
    assert summaries["10"].loc["random", "coverage"] > summaries["10"].loc["oracle", "coverage"]


POLES = ("--env", "CartPole-v1", "--episodes", "3", "--evaluation-episodes", "2")


@pytest.mark.slow
def test_any_environment_of_gymnasium_can_be_asked_for(saved: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "dqn", *POLES, "--env-option", "sutton_barto_reward=true", "--out", "poles") == 0
    config = json.loads(Path("poles/config.json").read_text())
    assert (config["env"], config["env_options"]) == ("CartPole-v1", {"sutton_barto_reward": True})
    assert pd.read_csv("poles/evaluation.csv")["return"].eq(-1).all()
    # By default those agents are compared that can act there.
    assert run("compare", *POLES, "--seeds", "1", "--out", "compared") == 0
    agents = {"random", "reinforce", "actor-critic", "dqn", "rainbow"}
    assert set(pd.read_csv("compared/summary.csv")["agent"]) == agents
    assert "violence" not in capsys.readouterr().out
    watching = ("--env", "InterestEvolution-v0", "--slate-size", "2", "--agents", "random,slate-q")
    assert run("compare", *watching, *POLES[2:], "--seeds", "1", "--out", "watching") == 0
    assert "random" in pd.read_csv("watching/summary.csv")["agent"].tolist()


@pytest.mark.slow
def test_an_agent_and_an_environment_of_ones_own_are_run_resumed_and_evaluated(
    saved: str, capsys: pytest.CaptureFixture[str]
) -> None:
    own = ("--agents", "contracts.own:Right", "--set", "contracts.own:Right.action=1", "--seeds", "2")
    corridor = ("--env", "contracts.own:OwnCorridor-v0", "--env-option", "length=4", *POLES[2:])
    assert run("compare", *own, *corridor, "--jobs", "2", "--out", "out") == 0
    before = Path("out/summary.csv").read_text()
    folder = Path("out/runs/contracts.own.Right-1")
    (folder / "result.json").unlink()
    (folder / "checkpoint.safetensors").unlink()
    assert run("resume", "out", "--jobs", "2") == 0
    timed = [pd.read_csv(io.StringIO(text)) for text in (before, Path("out/summary.csv").read_text())]
    pd.testing.assert_frame_equal(*(table.drop(columns="steps_per_second") for table in timed), check_exact=True)
    capsys.readouterr()
    assert run("evaluate", "out", "--sessions", "3", "--env-option", "length=6") == 0
    assert "contracts.own:Right, seed 1: return 0.50 in 3 episodes" in capsys.readouterr().out
    assert (folder / "evaluations" / "3-length=6" / "evaluation.csv").exists()
    assert run("train", "contracts.own:Right", "--action", "0", *corridor) == 0
    assert Path("runs/contracts.own.Right-1/result.json").exists()


@pytest.mark.slow
def test_a_policy_is_evaluated_again(saved: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "random", "--dataset", saved, *RUN, "--evaluate-every", "1", "--out", "out") == 0
    assert run("evaluate", "out") == 0
    again = Path("out/evaluations/test-3")
    for name in ("evaluation.csv", "exposure.csv", "sessions.json"):
        assert (again / name).read_bytes() == Path("out", name).read_bytes()
    before = everything(Path("out"))
    assert run("evaluate", "out", "--pool", "train", "--sessions", "4", "--env-option", "delta=0") == 0
    assert "random, seed 0: return " in (shown := capsys.readouterr().out)
    assert "files in out/evaluations/train-4-delta=0.0" in shown
    assert everything(Path("out")) == before | everything(Path("out/evaluations/train-4-delta=0.0"))
    assert run("evaluate", "out/evaluations/test-3") == 2
    assert "give the folder that train, compare or tune wrote to" in capsys.readouterr().err
