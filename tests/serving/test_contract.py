"""The folder of a policy: what is wrong with it is one line."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts.policies import ITEMS, contract, graph, write_policy
from pydeeprecsys.errors import InputError
from pydeeprecsys.serving.contract import checksum_of, read_policy
from pydeeprecsys.serving.policy import Policy


def complaint(path: str | Path) -> str:
    """The line about a folder."""
    with pytest.raises(InputError) as caught:
        Policy.load(path)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_a_folder_is_read_as_it_was_written(folder: Path) -> None:
    read = read_policy(folder)
    assert read.items == ITEMS
    assert read.graph == graph()
    assert read.contract.items() >= contract().items()
    assert set(Policy.load(str(folder)).items) == set("abcdefgh")


@pytest.mark.parametrize("name", ["policy.onnx", "items.jsonl", "contract.json"])
def test_a_file_that_is_missing_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert name in complaint(folder)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("policy.onnx", lambda content: content[:-1]),
        ("policy.onnx", lambda content: b""),
        ("items.jsonl", lambda content: content.replace(b"The a", b"The A")),
        ("contract.json", lambda content: content.replace(b'"slate_size": 3', b'"slate_size": 4')),
        ("contract.json", lambda content: content.replace(b"ppo", b"dqn")),
    ],
)
def test_a_file_that_was_changed_by_hand_is_named(folder: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    before = (folder / name).read_bytes()
    (folder / name).write_bytes(change(before))
    assert (folder / name).read_bytes() != before
    assert complaint(folder) == (
        f"{folder / name} was changed after the export: its checksum is wrong; export the run again"
    )


def test_files_of_another_policy_do_not_fit(folder: Path, tmp_path: Path) -> None:
    other = write_policy(tmp_path / "other", model=graph(sex=1.0))
    (folder / "policy.onnx").write_bytes((other / "policy.onnx").read_bytes())
    assert "policy.onnx was changed after the export" in complaint(folder)


@pytest.mark.parametrize("content", ["{", "\xff", ""])
def test_a_damaged_contract_is_named(folder: Path, content: str) -> None:
    (folder / "contract.json").write_text(content, encoding="latin-1")
    assert complaint(folder).startswith(f"{folder / 'contract.json'} is damaged (")


@pytest.mark.parametrize("written", [[], {"a": 1}, 3])
def test_a_json_that_is_no_contract_is_named(folder: Path, written: Any) -> None:
    (folder / "contract.json").write_text(json.dumps(written))
    assert "is of the format None, not 'pydeeprecsys policy 1'" in complaint(folder)


def test_a_policy_of_another_version_names_that_version(tmp_path: Path) -> None:
    folder = write_policy(tmp_path / "policy", format="pydeeprecsys policy 2", pydeeprecsys="0.9.0")
    assert complaint(folder) == (
        f"{folder / 'contract.json'} is of the format 'pydeeprecsys policy 2', not 'pydeeprecsys policy 1', and of the "
        "version 0.9.0 of pydeeprecsys; install that version, or export the run again"
    )


def test_a_place_that_is_no_policy_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "file"):
        assert complaint(path).startswith(f"{path} is not the folder of a policy: it has no contract.json;")


def test_a_graph_that_onnxruntime_cannot_read_is_one_line(tmp_path: Path) -> None:
    folder = write_policy(tmp_path / "policy", model=b"no graph")
    assert "cannot read the policy" in complaint(folder)


def test_a_missing_onnxruntime_names_its_extra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert "pip install 'pydeeprecsys[serve]'" in complaint(folder)


def test_threads_must_be_a_count(folder: Path) -> None:
    with pytest.raises(InputError, match=r"^threads must be at least 1, it is 0$"):
        Policy.load(folder, threads=0)
    assert Policy.load(folder, threads=2).rank(k=1)[0].item == "a"


def test_the_checksum_of_a_contract_is_that_of_all_else() -> None:
    assert checksum_of(contract()) == checksum_of(contract(checksum="x"))
    assert checksum_of(contract()) != checksum_of(contract(history=5))
