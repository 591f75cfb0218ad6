import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.checkpoint import load_checkpoint, save_checkpoint

STATE: dict[str, Any] = {
    "step": 3,
    "generator": {"state": 2**127 + 1},
    "tenth": 0.1 + 0.2,
    "nothing": None,
    "flag": True,
    "name": "ä",
    "list": [1.5, [2, 3]],
    "memories": {0: {"mean": np.array(3.0)}, 1: {}},
    "seeds": np.array([2**64 - 1], dtype=np.uint64),
    "mask": np.array([[True, False]]),
    "columns": np.arange(6, dtype=np.float32).reshape(2, 3).T,
    "empty": np.zeros((5, 0)),
}


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "state", STATE)
    loaded = load_checkpoint(tmp_path / "state")
    assert loaded.keys() == STATE.keys()
    for name, value in STATE.items():
        if isinstance(value, np.ndarray):
            assert loaded[name].dtype == value.dtype
            np.testing.assert_array_equal(loaded[name], value, strict=True)
        elif name != "memories":
            assert loaded[name] == value
            assert type(loaded[name]) is type(value)
    assert loaded["memories"].keys() == {0, 1}
    np.testing.assert_array_equal(loaded["memories"][0]["mean"], np.array(3.0), strict=True)


def test_numbers_that_are_not_finite_come_back(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "state", {"nan": float("nan"), "array": np.array([np.inf, np.nan])})
    loaded = load_checkpoint(tmp_path / "state")
    assert np.isnan(loaded["nan"])
    np.testing.assert_array_equal(loaded["array"], [np.inf, np.nan])


@pytest.mark.parametrize("value", [{1, 2}, object(), np.array(["text"]), np.array([None]), lambda: 0])
def test_what_is_no_state_is_refused_and_what_was_there_stays(tmp_path: Path, value: Any) -> None:
    save_checkpoint(tmp_path / "state", {"a": 1})
    with pytest.raises(TypeError, match="a checkpoint takes"):
        save_checkpoint(tmp_path / "state", {"a": [value]})
    assert load_checkpoint(tmp_path / "state") == {"a": 1}
    assert os.listdir(tmp_path) == ["state"]


@pytest.mark.parametrize("position", [0, 9, 60, -1])
def test_a_flipped_bit_anywhere_is_seen(tmp_path: Path, position: int) -> None:
    path = tmp_path / "state"
    save_checkpoint(path, STATE)
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"damaged|no checkpoint"):
        load_checkpoint(path)


def test_checkpoints_of_other_versions_are_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "state"
    header = json.dumps({"__metadata__": {"format": "pydeeprecsys checkpoint 1", "tree": "{}", "digest": ""}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(InputError, match="is a checkpoint of version 1, this pydeeprecsys reads version 3") as got:
        load_checkpoint(path)
    assert "\n" not in str(got.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "state"
    with pytest.raises(InputError, match="there is no checkpoint"):
        load_checkpoint(path)
    header = json.dumps({"__metadata__": {"format": "pt"}}).encode()
    for content in (b"", b"\x80\x04pickle", struct.pack("<Q", len(header)) + header):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"damaged or no checkpoint|no checkpoint of pydeeprecsys"):
            load_checkpoint(path)
