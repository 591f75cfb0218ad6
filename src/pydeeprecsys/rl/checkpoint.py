"""The state of a training in one file, from which it resumes to the same bits."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from pydeeprecsys.arrays import Array
from pydeeprecsys.errors import InputError
from pydeeprecsys.files import whole_file

_NAME, _VERSION = "pydeeprecsys checkpoint", "3"
"""The version changes with the states of agents, memories and environments; files of another version are refused."""

_ARRAY, _ITEMS = "array ", "items "  # mark what JSON cannot express: arrays, and dictionaries whose keys are no text


def save_checkpoint(path: str | os.PathLike[str], state: Mapping[str, Any]) -> None:
    """Write a `state_dict` to one file, which appears whole or not at all.

    The file has the safetensors format: arrays as they are, all else as JSON in its header. It contains no code.

    Args:
        path: of the file.
        state: None, numbers, text, arrays of numbers, and lists and dictionaries of these.

    Raises:
        TypeError: something else is in it.
        OSError: it cannot be written, such as on a full disk.
    """
    arrays: dict[str, Array] = {}
    tree = json.dumps(_taken_apart(state, arrays))
    header = {"format": f"{_NAME} {_VERSION}", "tree": tree, "digest": _digest(tree, arrays)}
    with whole_file(path) as temporary:
        try:
            safetensors.numpy.save_file(arrays, temporary, metadata=header)
        except SafetensorError as error:  # the library's text has the system's number
            found = re.search(r"os error (\d+)", str(error))
            number = int(found[1]) if found else errno.EIO
            raise OSError(number, os.strerror(number), str(path)) from error


def load_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote; reading never runs code.

    Raises:
        InputError: there is no such file, or it is damaged or no checkpoint.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            name, _, version = header.get("format", "").rpartition(" ")
            if name != _NAME:
                raise InputError(f"{path} is no checkpoint of pydeeprecsys; give the folder of a run")
            if version != _VERSION:
                raise InputError(
                    f"{path} is a checkpoint of version {version}, this pydeeprecsys reads version {_VERSION}; resume "
                    "with the release that wrote it, or delete it to train anew"
                )
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dictionary
        if header["digest"] != _digest(header["tree"], arrays):
            raise InputError(f"{path} is damaged: its content is not what was written; delete it to begin anew")
        state: dict[str, Any] = _put_together(json.loads(header["tree"]), arrays)
    except FileNotFoundError as error:
        raise InputError(f"there is no checkpoint at {path}") from error
    except (SafetensorError, KeyError, OSError) as error:
        raise InputError(f"{path} is damaged or no checkpoint; delete it to begin anew") from error
    return state


def _taken_apart(value: Any, arrays: dict[str, Array]) -> Any:
    """The value as JSON has it, with its arrays put aside by numbers."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biuf":
            raise TypeError(f"a checkpoint takes arrays of numbers, not of {value.dtype}")
        name = str(len(arrays))
        arrays[name] = np.array(value, order="C")  # the format knows no strides
        return {_ARRAY: name}
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value) and not {_ARRAY, _ITEMS} & value.keys():
            return {key: _taken_apart(item, arrays) for key, item in value.items()}
        return {_ITEMS: [[key, _taken_apart(item, arrays)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [_taken_apart(item, arrays) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a checkpoint takes numbers, text, arrays, lists and dictionaries, not {type(value).__name__}")


def _put_together(value: Any, arrays: Mapping[str, Array]) -> Any:
    if isinstance(value, list):
        return [_put_together(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    if _ARRAY in value:
        return arrays[value[_ARRAY]]
    if _ITEMS in value:
        return {key: _put_together(item, arrays) for key, item in value[_ITEMS]}
    return {key: _put_together(item, arrays) for key, item in value.items()}


def _digest(tree: str, arrays: Mapping[str, Array]) -> str:
    """Checksum of the tree, and of each array with its name, shape and type."""
    digest = hashlib.blake2b(tree.encode(), digest_size=16)
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.data if array.size else b"")
    return digest.hexdigest()
