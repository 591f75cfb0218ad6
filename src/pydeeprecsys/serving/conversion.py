"""A policy's graph by torch, and as ONNX."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from pydeeprecsys.arrays import Array
from pydeeprecsys.envs.observations import UNKNOWN
from pydeeprecsys.errors import InputError
from pydeeprecsys.serving.contract import Run
from pydeeprecsys.serving.graphs.policy import PolicyGraph

OPSET = 20
_LARGEST = 2**31 - 2**24  # bytes: an ONNX file is one protobuf message

INPUTS = {
    "demographics": "float32 (n, 4): sex, age, occupation and zip code, see demographics",
    "items": "int64 (n, h, k): numbers of the items shown, lines of items.jsonl from 0; the latest slate last; -1 for "
    "none: shorter histories begin, shorter slates end with it",
    "chosen": "bool (n, h, k): whether the user chose the item; at most one of a slate",
    "ratings": "float32 (n, h, k): rating in stars, 1 to 5; 0 for an item that was not consumed",
}
OUTPUTS = {
    "scores": "float32 (n, items): score of each item, minus infinity for consumed ones that are not repeated",
    "slate": "int64 (n, slate_size): numbers of the items of the greedy slate, best first",
    "weights": "float32 (n, s): weights of the overlaps with memories of categories, see slates",
    "memories": "float32 (n, s, categories): the memories before the slate",
    "choice_weights": "float32 (n, items): weights of the items in the choice model",
    "nothing": "float32 (n, 2): value and weight of choosing nothing",
}


def write_onnx(graph: PolicyGraph, path: Path) -> None:
    """Write a graph as ONNX, with any number of users, slates and items per slate.

    Raises:
        InputError: it is larger than one file of ONNX can be, or for some numbers of them only.
    """
    size = sum(each.nbytes for each in (*graph.parameters(), *graph.buffers()))
    if size > _LARGEST:
        raise InputError(f"the policy has {size:,} bytes of parameters; one ONNX file holds {_LARGEST:,}")
    n, h, k = (torch.export.Dim(name) for name in ("n", "h", "k"))
    shapes = {name: {0: n} if name == "demographics" else {0: n, 1: h, 2: k} for name in INPUTS}
    examples = {name: torch.from_numpy(np.repeat(array, 3, axis=0)) for name, array in nobody(5, 7).items()}
    with _quiet():
        program = torch.onnx.export(
            graph,
            kwargs=examples,
            dynamo=True,
            verbose=False,
            dynamic_shapes=shapes,
            opset_version=OPSET,
            output_names=list(run_by_torch(graph)(nobody(1))),
        )
    assert program is not None
    for value in program.model.graph.inputs:  # torch fixes their sizes without a word where operations need it
        sizes = [] if value.shape is None else [value.shape[axis] for axis in shapes[str(value.name)]]
        if any(isinstance(size, int) for size in sizes):
            raise InputError(f"the graph takes {value.name} of the shape {value.shape} only; it must take any n, h, k")
    program.save(path, external_data=False)


def run_by_torch(graph: PolicyGraph) -> Run:
    """Let torch compute a graph."""

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        with torch.no_grad():
            outputs = graph(*(torch.from_numpy(np.ascontiguousarray(inputs[name])) for name in INPUTS))
        return {name: output.numpy() for name, output in outputs.items()}

    return run


def nobody(k: int, h: int = 1) -> dict[str, Array]:
    """Inputs of one user who is not known and was shown nothing, as h slates of k."""
    shape = 1, h, k
    return {
        "demographics": np.full((1, 4), UNKNOWN, dtype=np.float32),
        "items": np.full(shape, -1),
        "chosen": np.zeros(shape, dtype=np.bool_),
        "ratings": np.zeros(shape, dtype=np.float32),
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's notes about itself from the screen."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
