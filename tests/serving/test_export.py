"""Exports: what the folder of a policy holds, and what cannot be exported."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pydeeprecsys as pdr
from contracts.quick import QUICK, quick_run
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.config import RunConfig
from pydeeprecsys.experiments.evaluate import evaluate
from pydeeprecsys.experiments.run import run
from pydeeprecsys.experiments.run_folder import RunFolder
from pydeeprecsys.experiments.task import Task
from pydeeprecsys.serving import export as exporting
from pydeeprecsys.serving.agent import PolicyAgent
from pydeeprecsys.serving.export import export, policy_of
from pydeeprecsys.serving.graphs.policy import PolicyGraph
from pydeeprecsys.serving.parity import STATES
from pydeeprecsys.serving.policy import Policy

NAMES = {"policy.onnx", "contract.json", "items.jsonl"}


def config_of(agent: str, dataset: Path, **changes: Any) -> RunConfig:
    """Settings of a short run in slates of 3, of which users consume one."""
    options = {"slate_size": 3, "observation": "items", **changes.pop("env_options", {})}
    task = Task(env="MovieLensFairness-v1", env_options=options, dataset=str(dataset))
    quick = {"hyperparameters": QUICK.get(agent, {}), "evaluation_episodes": 60, "episodes": 6, "n_envs": 3}
    return RunConfig(task=task, agent=agent, **quick | changes)


@pytest.fixture(scope="module")
def dataset(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The world in a file, so that a run can be opened by its folder alone."""
    path = tmp_path_factory.mktemp("worlds") / "small.world"
    world.save(path)
    return path


@pytest.fixture(scope="module")
def trained(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run of a policy with a recurrent state encoder."""
    options = QUICK["ppo"] | {"state_encoder": "gru", "item_features": "ratings"}
    return run(config_of("ppo", dataset, hyperparameters=options), tmp_path_factory.mktemp("runs") / "ppo")


@pytest.fixture(scope="module")
def exported(trained: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its exported policy."""
    folder = tmp_path_factory.mktemp("policies") / "ppo"
    export(trained.path, folder)
    return folder


def test_the_folder_of_a_policy_describes_it(world: World, trained: RunFolder, exported: Path) -> None:
    assert {path.name for path in exported.iterdir()} == NAMES
    contract = json.loads((exported / "contract.json").read_text())
    facts = ("agent", "items", "slate_size", "repeats", "consumption", "history", "stochastic", "rating_scale")
    assert [contract[name] for name in facts] == ["ppo", 80, 3, False, "chosen", 101, True, [1.0, 5.0]]
    assert contract["parity"]["states"] == STATES
    assert contract["parity"]["scores"] < 1e-4
    assert contract["measured"]["return"] == trained.evaluation["return"].mean()
    assert contract["trained_on"]["checksum"] == world.record["dataset_checksum"]
    assert contract["settings"]["hyperparameters"] == trained.config["hyperparameters"]
    lines = [json.loads(line) for line in (exported / "items.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == world.item_ids.tolist()
    assert lines[7]["title"] == world.titles[7]
    assert lines[7]["categories"] == world.genre_names(7)


def test_the_simulator_gets_the_same_sessions_from_an_exported_policy(trained: RunFolder, exported: Path) -> None:
    policy, config = Policy.load(exported), pdr.load_run(trained.path).config
    manager = config.evaluation_manager()
    agent = PolicyAgent(policy, manager.env.get_wrapper_attr("history_layout"))
    returns = evaluate(agent, manager, config.evaluation_episodes).episodes["return"]
    assert np.allclose(returns, trained.evaluation["return"], rtol=1e-6)


def test_torch_and_onnx_runtime_rank_alike(trained: RunFolder, exported: Path) -> None:
    by_torch, by_onnx = policy_of(trained.path), Policy.load(exported)
    ids = list(by_onnx.items)
    history = [(ids[3], 4.5), (ids[8], None), [(ids[1], 2.0), (ids[2], None), (ids[9], None)]]
    user = {"age": 35, "sex": "F"}
    expected, found = (policy.rank(user, history, k=7) for policy in (by_torch, by_onnx))
    assert [each.item for each in found] == [each.item for each in expected]
    assert [each.score for each in found] == pytest.approx([each.score for each in expected], abs=1e-5)
    assert not {ids[3], ids[1]} & {each.item for each in found}  # consumed


def test_a_run_can_be_gone_on_with_in_python(world: World, trained: RunFolder) -> None:
    loaded = pdr.load_run(trained.path)
    assert isinstance(loaded.agent, pdr.PPOAgent)
    assert loaded.world is not None
    assert loaded.world.item_ids.tolist() == world.item_ids.tolist()
    again = evaluate(loaded.agent, loaded.config.evaluation_manager(), loaded.config.evaluation_episodes)
    assert again.episodes["return"].tolist() == trained.evaluation["return"].tolist()


def test_a_run_in_an_environment_without_a_data_set_has_no_world(tmp_path: Path) -> None:
    config = RunConfig(task=Task(env="CartPole-v1"), agent="ppo", episodes=1, evaluation_episodes=1)
    run(config, tmp_path / "run")
    assert pdr.load_run(tmp_path / "run").world is None
    with pytest.raises(InputError, match="CartPole-v1 has no users of a data set"):
        export(tmp_path / "run", tmp_path / "policy")
    assert not (tmp_path / "policy").exists()


@pytest.mark.slow
def test_a_policy_replaces_a_policy_only_and_only_if_asked(trained: RunFolder, exported: Path, tmp_path: Path) -> None:
    out = tmp_path / "policy"
    out.mkdir()
    for name in NAMES:
        (out / name).write_bytes((exported / name).read_bytes())
    with pytest.raises(InputError, match="holds a policy; give --overwrite"):
        export(trained.path, out)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds something else than a policy; give another --out"):
        export(trained.path, out, overwrite=True)
    (out / "notes.txt").unlink()
    (out / "contract.json").write_text('{"mine": 1}')
    with pytest.raises(InputError, match="holds something else than a policy"):
        export(trained.path, out, overwrite=True)
    (out / "contract.json").write_bytes((exported / "contract.json").read_bytes())
    export(trained.path, out, overwrite=True)
    assert Policy.load(out).rank(k=3) == Policy.load(exported).rank(k=3)
    assert [path.name for path in tmp_path.iterdir()] == ["policy"]


@pytest.mark.parametrize("place", ["file", "link"])
def test_a_policy_is_not_written_over_a_file_or_through_a_link(
    trained: RunFolder, exported: Path, tmp_path: Path, place: str
) -> None:
    out = tmp_path / "out"
    if place == "file":
        out.write_text("mine")
    else:
        out.symlink_to(exported)
    with pytest.raises(InputError, match="holds something else than a policy"):
        export(trained.path, out, overwrite=True)
    assert {path.name for path in exported.iterdir()} == NAMES


@pytest.mark.slow
def test_an_export_that_does_not_agree_with_its_agent_writes_nothing(
    trained: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = exporting.write_onnx

    def write_another(graph: PolicyGraph, path: Path) -> None:
        first = next(iter(graph.parameters()))
        first.data += 0.01
        write(graph, path)
        first.data -= 0.01

    monkeypatch.setattr(exporting, "write_onnx", write_another)
    with pytest.raises(InputError, match="exported scores of PPOAgent differ from the agent's by up to"):
        export(trained.path, tmp_path / "policy")
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_not_done_is_not_exported(dataset: Path, tmp_path: Path) -> None:
    config = config_of("popular", dataset, episodes=0)
    run(config, tmp_path / "run")
    RunFolder(tmp_path / "run").reopen()
    for use in (pdr.load_run, policy_of, lambda path: export(path, tmp_path / "policy")):
        with pytest.raises(InputError, match="is not finished; continue it with 'pydeeprecsys resume"):
            use(tmp_path / "run")


@pytest.mark.parametrize(
    ("agent", "options", "message"),
    [
        ("random", {}, "there is no graph of RandomAgent"),
        ("oracle", {}, "there is no graph of OracleAgent"),
        ("popular", {"observation": "affinity"}, "observes Affinities, which only a simulator knows"),
        ("best-rated", {"observation": "last", "observe_time": True}, None),
    ],
)
def test_only_what_a_recommender_knows_is_exported(
    dataset: Path, tmp_path: Path, agent: str, options: dict[str, Any], message: str | None
) -> None:
    run(config_of(agent, dataset, episodes=0, env_options=options), tmp_path / "run")
    if message is None:
        assert len(policy_of(tmp_path / "run").rank(k=2)) == 2
        return
    with pytest.raises(InputError, match=message):
        export(tmp_path / "run", tmp_path / "policy")
    assert not (tmp_path / "policy").exists()


@pytest.mark.parametrize("place", [".", "..", "sub/.."])
def test_the_working_directory_is_not_replaced(
    trained: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(InputError, match="a folder of its own; give --out the name of a new one"):
        export(trained.path, place)


@pytest.mark.slow
def test_what_was_not_measured_is_not_in_the_contract(dataset: Path, tmp_path: Path) -> None:
    world = World.load(dataset)
    unknown = np.full(world.n_items, np.nan, dtype=np.float32)
    bare = replace(world, violence=unknown, violence_measured=np.zeros(world.n_items, dtype=np.bool_))
    bare.save(tmp_path / "bare.world")
    run(config_of("popular", tmp_path / "bare.world", episodes=0), tmp_path / "run")
    measured = export(tmp_path / "run", tmp_path / "policy")["measured"]
    assert "violence" not in measured
    assert "return" in measured
    assert "NaN" not in (tmp_path / "policy" / "contract.json").read_text()


def test_a_comparison_is_no_run(trained: RunFolder, tmp_path: Path) -> None:
    config = trained.config | {"kind": "compare"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"holds several runs; give one of the folders in .*runs"):
        pdr.load_run(tmp_path)
    with pytest.raises(InputError, match=r"has no config\.json of a run"):
        pdr.load_run(tmp_path / "nothing")


def test_policies_larger_than_a_file_of_onnx_are_refused(
    trained: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pydeeprecsys.serving.conversion._LARGEST", 1000)
    with pytest.raises(InputError, match=r"the policy has [\d,]+ bytes of parameters; one ONNX file holds 1,000"):
        export(trained.path, tmp_path / "policy")


SLOW_CASES: list[tuple[str, dict[str, Any]]] = [
    ("reinforce", {"state_encoder": "features", "base": "item-knn"}),
    ("actor-critic", {"state_encoder": "attention"}),
    ("ppo", {"state_encoder": "fold-in", "base": "fold-in,diversify=0.6"}),
    ("ppo", {"state_encoder": "gru", "vary_slates": True}),
    ("dqn", {"state_encoder": "fold-in", "base": "ease", "cost_limit": 0.3}),
    ("rainbow", {"categorical": True, "state_encoder": "gru", "item_features": "ratings"}),
    ("sac", {"item_features": "ratings", "state_encoder": "gru"}),
    ("slate-q", {"state_encoder": "gru"}),
    ("fold-in", {"diversify": 0.6, "uncertainty_early": 1.0, "satiation": 0.3}),
    ("item-knn", {"diversify": 0.6}),
    ("ease", {}),
    ("varied", {}),
    ("win-stay", {}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("agent", "options"), SLOW_CASES)
def test_policies_do_in_onnx_what_their_agents_do(
    dataset: Path, tmp_path: Path, agent: str, options: dict[str, Any]
) -> None:
    config = config_of(agent, dataset, hyperparameters=QUICK.get(agent, {}) | options)
    results = run(config, tmp_path / "run")
    export(tmp_path / "run", tmp_path / "policy")
    manager = config.evaluation_manager()
    policy = PolicyAgent(Policy.load(tmp_path / "policy"), manager.env.get_wrapper_attr("history_layout"))
    returns = evaluate(policy, manager, config.evaluation_episodes).episodes["return"]
    same = np.isclose(returns, results.evaluation["return"], rtol=1e-6)
    assert same.mean() > 0.95  # near-ties of scores may lead to other sessions


def test_quick_runs_are_in_memory_only(world: World, tmp_path: Path) -> None:
    results = run(quick_run("ppo", world), tmp_path / "run")
    with pytest.raises(InputError, match="names no dataset"):
        pdr.load_run(results.path)
