"""Small exported policies, as real folders with ONNX graphs, for tests."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pydeeprecsys.serving.contract import CONTRACT_FILE, FORMAT, GRAPH_FILE, ITEMS_FILE, Item, checksum_of

ITEMS = [Item(id, f"The {id}", ("Drama",) if number % 2 else ("Comedy", "War")) for number, id in enumerate("abcdefgh")]
BASE = np.arange(len(ITEMS), 0, -1, dtype=np.float32)  # a is best, h is worst

DEMOGRAPHICS = {
    "sex": {"F": 0.0, "M": 1.0},
    "age": {"divisor": 56.0},
    "occupation": {"divisor": 20.0, "codes": {"other": 0, "writer": 20}},
    "zip_code": {"divisor": 99999.0},
    "unknown": 0.5,
}


def contract(**changes: Any) -> dict[str, Any]:
    """The contract of a policy of 8 items, slates of 3 and a history of 4 slates."""
    return {
        "format": FORMAT,
        "pydeeprecsys": "0.1.0",
        "agent": "ppo",
        "items": len(ITEMS),
        "slate_size": 3,
        "repeats": False,
        "consumption": "chosen",
        "history": 4,
        "rating_scale": [1, 5],
        "demographics": DEMOGRAPHICS,
        "categories": ["Comedy", "Drama", "War"],
        "slates": {"rule": "top-k"},
        "stochastic": True,
        "trained_on": {"dataset": None, "checksum": None, "pool": "train"},
    } | changes


def graph(slate_size: int = 3, base: Any = BASE, sex: float = 0.0) -> bytes:
    """Scores are the base, that of the last item raised by `sex` · the number of sex; consumed items are excluded."""
    n_items = len(base)
    weights = np.zeros((4, n_items), dtype=np.float32)
    weights[0, -1] = sex
    constants = {
        "base": np.asarray(base, dtype=np.float32),
        "of_demographics": weights,
        "one": np.array(1),
        "depth": np.array(n_items + 1),
        "off_on": np.array([0, 1], dtype=np.float32),
        "flat": np.array([0, -1]),
        "last": np.array([2]),
        "middle": np.array([1]),
        "first_item": np.array([1]),
        "end": np.array([n_items + 1]),
        "zero": np.array(0, dtype=np.float32),
        "never": np.array(-np.inf, dtype=np.float32),
        "k": np.array([slate_size]),
    }
    node = helper.make_node
    nodes = [
        node("MatMul", ["demographics", "of_demographics"], ["added"]),
        node("Add", ["base", "added"], ["all"]),
        node("Add", ["items", "one"], ["from_one"]),
        node("Reshape", ["from_one", "flat"], ["shown"]),
        node("OneHot", ["shown", "depth", "off_on"], ["hot"]),
        node("Reshape", ["ratings", "flat"], ["stars"]),
        node("Unsqueeze", ["stars", "last"], ["by_item"]),
        node("Mul", ["hot", "by_item"], ["rated"]),
        node("ReduceSum", ["rated", "middle"], ["sums"], keepdims=0),
        node("Slice", ["sums", "first_item", "end", "middle"], ["consumed"]),
        node("Greater", ["consumed", "zero"], ["excluded"]),
        node("Where", ["excluded", "never", "all"], ["scores"]),
        node("TopK", ["scores", "k"], ["best", "slate"]),
        node("Identity", ["chosen"], ["unused"]),
    ]
    floats, integers, axes = TensorProto.FLOAT, TensorProto.INT64, ["n", "h", "k"]
    inputs = [("demographics", floats, ["n", 4]), ("items", integers, axes)]
    inputs += [("chosen", TensorProto.BOOL, axes), ("ratings", floats, axes)]
    outputs = [("scores", floats, ["n", n_items]), ("slate", integers, ["n", slate_size])]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "policy",
            [helper.make_tensor_value_info(*each) for each in inputs],
            [helper.make_tensor_value_info(*each) for each in outputs],
            initializer=[numpy_helper.from_array(value, name) for name, value in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    )
    onnx.checker.check_model(model)
    written: bytes = model.SerializeToString()
    return written


def write_policy(folder: Path, *, items: list[Item] = ITEMS, model: bytes | None = None, **changes: Any) -> Path:
    """Write the folder of a policy, with its checksums."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(item._asdict()) + "\n" for item in items)
    files = {GRAPH_FILE: graph() if model is None else model, ITEMS_FILE: lines.encode()}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    checksums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    written = contract(items=len(items), checksums=checksums, **changes)
    (folder / CONTRACT_FILE).write_text(json.dumps(written | {"checksum": checksum_of(written)}))
    return folder
