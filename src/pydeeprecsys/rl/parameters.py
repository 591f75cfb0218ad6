"""Learned parameters in safetensors files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from pydeeprecsys.arrays import Array
from pydeeprecsys.errors import InputError
from pydeeprecsys.files import whole_file

Arrays = Mapping[str, Array]


def write_parameters(path: str | os.PathLike[str], parameters: Arrays, **header: str) -> None:
    """Write arrays to one safetensors file, whole or not at all, with text in its header."""
    contiguous = {name: np.array(array, order="C") for name, array in parameters.items()}
    with whole_file(path) as temporary:
        temporary.write_bytes(safetensors.numpy.save(contiguous, header or None))


def read_parameters(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Read what `write_parameters` wrote.

    Raises:
        InputError: there is no such file, or it is damaged.
    """
    try:
        parameters: dict[str, Array] = safetensors.numpy.load(Path(path).read_bytes())
    except OSError as error:
        raise InputError(f"cannot read parameters from {path}: {error.strerror}") from error
    except (TypeError, ValueError) as error:
        raise InputError(f"{path!r} is no path of a file ({error})") from error
    except SafetensorError as error:
        raise InputError(f"{path} is not a file of parameters, or it is damaged: {error}") from error
    return parameters


def check_parameters(parameters: Arrays, own: Arrays, *, source: str, owner: object) -> None:
    """Raise an InputError unless parameters from a source have the names and shapes of the owner's own."""
    shapes, expected = ({name: array.shape for name, array in arrays.items()} for arrays in (parameters, own))
    for name in sorted(shapes.keys() | expected.keys()):
        if shapes.get(name) != expected.get(name):
            raise InputError(
                f"{source} does not fit this {type(owner).__name__}: {name} is of shape {shapes.get(name, 'none')} "
                f"there and {expected.get(name, 'none')} here; use the arguments it was saved with"
            )
