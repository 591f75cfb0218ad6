import ast
import json
from pathlib import Path

import pytest

import pydeeprecsys
from contracts.run_folders import config_of, write_run
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments import claimed_folder, run_folder
from pydeeprecsys.experiments.run_folder import RunFolder


def _texts(path: Path) -> set[str]:
    return {
        node.value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_no_other_module_names_a_file_of_a_run() -> None:
    homes = [Path(str(module.__file__)) for module in (run_folder, claimed_folder)]
    suffixes = (".csv", ".json", ".safetensors", ".txt", ".db", ".html", ".png", ".pdf", ".lock")
    texts = {text for home in homes for text in _texts(home)} - {*suffixes[:-1]}
    names = {text for text in texts if text.endswith(suffixes) and " " not in text}
    assert {"config.json", "metrics.csv", "result.json", "best.json", "report.html", ".lock"} <= names
    for path in Path(str(pydeeprecsys.__file__)).parent.rglob("*.py"):
        if path not in homes:
            assert not names & _texts(path), path


@pytest.mark.parametrize(("switch", "source"), [(True, "world"), (False, "none")])
def test_the_switch_of_item_features_of_earlier_versions_is_read_as_their_source(
    tmp_path: Path, switch: bool, source: str
) -> None:
    old, today = ({"learning_rate": 0.01, "item_features": value} for value in (switch, source))
    run = RunFolder(write_run(tmp_path / "run", config_of("dqn", 0, hyperparameters=old)))
    assert run.config == config_of("dqn", 0, hyperparameters=today)
    run.begin(config_of("dqn", 0, hyperparameters=today))  # the same run
    comparison = write_run(tmp_path / "compare", config_of("", 0, kind="compare", hyperparameters={"dqn": old}))
    assert RunFolder(comparison).config["hyperparameters"] == {"dqn": today}
    assert RunFolder(tmp_path / "run").features == ("features: world" if switch else "")


def test_bandits_of_comparisons_of_earlier_versions_have_the_features_of_the_world(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "old", config_of("", 0, kind="compare", hyperparameters={}))
    for agent, features in (("linucb", True), ("thompson", "ratings")):
        write_run(folder / "runs" / f"{agent}-0", config_of(agent, 0, hyperparameters={"item_features": features}))
    comparison = RunFolder(folder)
    assert comparison.config["hyperparameters"] == {"linucb": {"item_features": "world"}}


def test_a_folder_of_an_earlier_version_is_read_by_todays_names_and_not_gone_on_with(tmp_path: Path) -> None:
    config = config_of("dqn", 0)
    env_options = config.pop("env_options")
    old = {name: value for name, value in config.items() if name not in ("env", "hyperparameters", "provenance")}
    old |= {"options": config["hyperparameters"], "record": config["provenance"], "slate_size": 2}
    old |= {"world_options": {"version": 1, "delta": 1.0}}
    folder = RunFolder(write_run(tmp_path / "old", old, returns=[3.0, 5.0], curve=[1.0, 2.0]))
    assert folder.config == config | {"env": "MovieLensFairness-v1", "env_options": env_options}
    assert folder.measures is not None
    assert folder.measures["return"] == 4.0
    assert folder.curve[1].tolist() == [1.0, 2.0]
    with pytest.raises(InputError, match=r"was begun by pydeeprecsys 0.1.0, before there were settings for steps;"):
        folder.begin(config | {"steps": None})
    assert json.loads((folder.path / "config.json").read_text()) == old
    with pytest.raises(InputError, match=r"holds what is not proven to be of a run: config\.json, "):
        folder.claimed(overwrite=True).__enter__()
    assert "metrics.csv" in folder.files
