"""`pydeeprecsys run FILE`: one file for a whole experiment."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from command_line import run
from pydeeprecsys.data.synthetic import synthetic_dataset
from pydeeprecsys.data.world import World
from pydeeprecsys.experiments.experiment_file import read_experiment

pytestmark = pytest.mark.usefixtures("small")

COMPARISON = """
kind: compare
env: MovieLensFairness-v1
env_options:
  slate_size: 2
  observe_time: true
dataset: small.world
agents: [random, reinforce]
episodes: 4
seeds: 2
evaluation_episodes: 5
hyperparameters:
  reinforce: {learning_rate: 1e-3, hidden_layers: [8]}
"""


def settings_in(folder: str) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(Path(folder, "config.json").read_text())
    del config["provenance"]
    return config


def refusal(capsys: pytest.CaptureFixture[str], text: str, *arguments: str, name: str = "file.yaml") -> str:
    """What is said of a file that is refused, in one line, before anything is written."""
    Path(name).write_text(text)
    before = sorted(Path().rglob("*"))
    capsys.readouterr()
    assert run("run", name, *arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert shown.err.count("\n") == 1
    assert sorted(Path().rglob("*")) == before
    return shown.err


@pytest.mark.slow
def test_a_comparison_in_yaml_is_that_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    Path("file.yaml").write_text(COMPARISON)
    assert run("run", "file.yaml") == 0
    assert "random" in capsys.readouterr().out
    options = "--world-version 1 --slate-size 2 --observe-time --dataset small.world --agents random,reinforce"
    options += " --episodes 4 --seeds 2 --evaluation-episodes 5 --set reinforce.learning_rate=0.001"
    assert run("compare", *options.split(), "--set", "reinforce.hidden_layers=[8]", "--out", "command") == 0
    assert settings_in("runs/compare-1") == settings_in("command")
    assert Path("runs/compare-1/all_metrics.csv").read_text() == Path("command/all_metrics.csv").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("agent", ["reinforce", "best-rated"])
def test_the_configuration_of_a_run_repeats_it_to_the_bit(agent: str) -> None:
    given = ("--dataset", "small.world", "--episodes", "6", "--evaluation-episodes", "5", "--threads", "1")
    assert run("train", agent, *given, "--seed", "3", "--evaluate-every", "2", "--out", "first") == 0
    assert run("run", "first/config.json", "--out", "second") == 0
    assert settings_in("first") == settings_in("second")
    weights = ("agent.safetensors",) if agent == "reinforce" else ()
    for name in ("metrics.csv", "evaluation.csv", "exposure.csv", "sessions.json", *weights):
        assert Path("first", name).read_bytes() == Path("second", name).read_bytes()


@pytest.mark.slow
def test_the_configuration_of_a_comparison_and_of_each_of_its_runs_repeats_it_to_the_bit() -> None:
    Path("file.yaml").write_text(COMPARISON)
    assert run("run", "file.yaml", "--out", "first") == 0
    assert run("run", "first/config.json", "--out", "second") == 0
    assert Path("first/all_metrics.csv").read_bytes() == Path("second/all_metrics.csv").read_bytes()
    for inner in ("reinforce-1", "oracle-0"):
        assert run("run", f"first/runs/{inner}/config.json", "--out", inner) == 0
        for name in ("metrics.csv", "evaluation.csv"):
            assert Path(inner, name).read_bytes() == Path("first/runs", inner, name).read_bytes()


@pytest.mark.slow
def test_the_configuration_of_a_search_repeats_it_to_the_bit() -> None:
    Path("file.yaml").write_text(
        "kind: tune\nagent: reinforce\ndataset: small.world\ntrials: 2\nepisodes: 3\nseeds: 1\nevaluation_episodes: 4"
    )
    assert run("run", "file.yaml") == 0
    assert run("run", "runs/tune-reinforce-1/config.json", "--out", "second") == 0
    assert Path("runs/tune-reinforce-1/trials.csv").read_text() == Path("second/trials.csv").read_text()


@pytest.mark.slow
def test_settings_are_changed_by_name() -> None:
    Path("file.yaml").write_text(COMPARISON)
    changes = ("seeds=1", "agents=[reinforce]", "env_options.slate_size=1")
    options = [f"--set={change}" for change in (*changes, "hyperparameters.reinforce.hidden_layers=[4, 4]")]
    assert run("run", "file.yaml", *options, "--out", "out") == 0
    config = settings_in("out")
    assert (config["seeds"], config["agents"], config["env_options"]["slate_size"]) == (1, ["reinforce"], 1)
    assert config["hyperparameters"]["reinforce"] == {"learning_rate": 1e-3, "hidden_layers": [4, 4]}


def test_the_file_of_the_documentation_is_read() -> None:
    page = Path(__file__).parents[2] / "docs" / "runs.md"
    (text,) = re.findall(r"```yaml\n(.*?)```", page.read_text(), re.S)
    Path("file.yaml").write_text(text)
    assert read_experiment("file.yaml")["hyperparameters"]["ppo"]["actor_learning_rate"] == 3e-4


def test_the_hyperparameters_of_an_agent_of_your_own_are_changed_by_name() -> None:
    Path("file.yaml").write_text("kind: compare\nagents: ['contracts.own:Right']")
    experiment = read_experiment("file.yaml", ["hyperparameters.contracts.own:Right.action=1"])
    assert experiment["hyperparameters"] == {"contracts.own:Right": {"action": 1}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("seeds", "--set takes NAME=VALUE, such as env_options.slate_size=3, not 'seeds'"),
        ("=3", "--set takes NAME=VALUE"),
        ("env_options..delta=3", "--set takes NAME=VALUE"),
        ("seeds.more=3", "--set seeds.more=3: seeds has no parts"),
        ("seeds=[", "--set seeds=[, line 1: "),
        ("sedes=3", "did you mean 'seeds'?"),
        ("seeds=no", "seeds must be an integer, it is 'no'"),
        ("hyperparameters.ppo.discount_factor=0.9", "ppo has hyperparameters and is not compared"),
    ],
)
def test_a_change_that_cannot_be_is_refused_in_one_line(
    change: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in refusal(capsys, COMPARISON, "--set", change)


def test_a_file_that_is_not_there_or_no_file_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    Path("folder").mkdir()
    Path("latin.yaml").write_bytes("kind: run # é".encode("latin-1"))
    for name, message in (
        ("none.yaml", "No such file or directory at none.yaml"),
        ("folder", "folder is a folder; give a file, such as its config.json"),
        ("latin.yaml", "latin.yaml is no text in UTF-8"),
    ):
        assert run("run", name) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


@pytest.mark.slow
def test_a_configuration_that_cannot_be_repeated_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "random", "--dataset", "small.world", "--episodes", "1", "--out", "first") == 0
    config = json.loads(Path("first/config.json").read_text())
    lacking = {name: value for name, value in config.items() if name != "train_pool"}
    assert "no setting of train_pool; add it" in refusal(capsys, json.dumps(lacking), name="a.json")
    assert "'kind' is given twice" in refusal(capsys, '{"kind": "run", "kind": "run"}', name="a.json")
    assert "of its own: continue with the same call" in refusal(
        capsys, json.dumps(config | {"dataset": None}), name="a.json"
    )
    World.from_dataset(synthetic_dataset(n_users=60, n_items=80, n_ratings=1500, seed=1)).save("small.world")
    assert run("run", "first/config.json") == 2
    assert "the ratings are not those that first/config.json was run with" in capsys.readouterr().err
    assert not Path("runs").exists()


@pytest.mark.slow
def test_the_number_of_threads_is_that_of_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[int] = []
    monkeypatch.setattr("torch.set_num_threads", used.append)
    assert run("train", "random", "--dataset", "small.world", "--episodes", "1", "--out", "first") == 0
    config = json.loads(Path("first/config.json").read_text())
    config["provenance"]["threads"] = 2
    Path("edited.json").write_text(json.dumps(config))
    used.clear()
    assert run("run", "edited.json") == run("run", "edited.json", "--threads", "3") == 0
    assert used == [2, 3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "file.yaml: it holds no settings; write NAME: VALUE, such as kind: compare"),
        ("- kind", "it holds no settings"),
        ("compare", "it holds no settings"),
        ("kind: [a", "file.yaml, line 1: "),
        ("kind: run\nagent: dqn\nkind: run", "file.yaml, line 3: 'kind' is given twice"),
        ("kind: run\nagent: !!python/object/apply:os.system [ls]", "line 2: the tag "),
        ("kind: run\nagent: &a [*a]", "found unconstructable recursive node"),
        ("agent: dqn", "the kind must be one of run, compare, tune, it is None"),
        ("kind: train\nagent: dqn", "the kind must be one of run, compare, tune, it is 'train'"),
        ("kind: run", "there is no setting of agent; add it"),
        ("kind: compare", "there is no setting of agents; add it"),
        ("kind: run\nagent: dqm", "did you mean 'dqn'?"),
        ("kind: run\nagent: dqn\nepisode: 3", "did you mean 'episodes'?"),
        ("kind: run\nagent: dqn\nslate_size: 3", "it is one of MovieLensFairness-v0: write it below env_options"),
        ("kind: run\nagent: dqn\nepisodes: ten", "episodes must be an integer, it is 'ten'"),
        ("kind: run\nagent: dqn\nepisodes: 1_000", "episodes must be an integer, it is '1_000'"),
        ("kind: run\nagent: dqn\nepisodes: -1", "episodes must be at least 0, it is -1"),
        ("kind: run\nagent: [dqn]", "agent must be text, it is ['dqn']"),
        ("kind: compare\nagents: dqn", "agents must be a list of texts, it is 'dqn'"),
        ("kind: compare\nagents: [1]", "agents must be a list of texts, it is [1]"),
        ("kind: run\nagent: dqn\nenv: 5", "env must be text, it is 5"),
        ("kind: run\nagent: dqn\nenv: MovieLensFairnes-v0", "did you mean 'MovieLensFairness-v0'?"),
        ("kind: run\nagent: dqn\nenv_options: 3", "env_options must be of the type Mapping, it is 3"),
        ("kind: run\nagent: dqn\nenv_options: {slate_sise: 3}", "did you mean 'slate_size'?"),
        ("kind: run\nagent: dqn\nenv_options: {observe_time: yes}", "observe_time must be True or False, it is 'yes'"),
        ("kind: run\nagent: dqn\nenv_options: {delta: no}", "delta must be a number, it is 'no'"),
        ("kind: run\nagent: dqn\nhyperparameters: [1]", "hyperparameters must be of the type Mapping, it is [1]"),
        ("kind: run\nagent: dqn\nhyperparameters: {learning_rat: 1}", "did you mean 'learning_rate'?"),
        ("kind: run\nagent: dqn\nhyperparameters: {learning_rate: fast}", "must be a number, it is 'fast'"),
        ("kind: compare\nagents: [dqn]\nhyperparameters: {dqn: }", "must be of the type Mapping, it is None"),
        ("kind: compare\nagents: [dqn]\nhyperparameters: {dqm: {}}", "did you mean 'dqn'?"),
        ("kind: run\nagent: dqn\nprovenance: today", "its provenance is not that of a config.json"),
        ("kind: run\nagent: dqn\nprovenance: {threads: 0, versions: {}}", "its provenance is not"),
        ("kind: run\nagent: dqn\nprovenance: {threads: 1, versions: {}}", "there is no setting of env, "),
        ("kind: run\nagent: dqn\ndataset: no", "no': give a path, or a name"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_is_refused_in_one_line(
    text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in refusal(capsys, text)
