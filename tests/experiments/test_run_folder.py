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
    with folder.claimed(overwrite=True):
        assert folder.files == []
