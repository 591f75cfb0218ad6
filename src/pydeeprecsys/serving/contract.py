"""The folder of an exported policy: `policy.onnx`, `contract.json` and `items.jsonl`, verified by their checksums."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydeeprecsys.arrays import Array
from pydeeprecsys.errors import InputError
from pydeeprecsys.extras import naming_extras

FORMAT = "pydeeprecsys policy 1"
GRAPH_FILE, CONTRACT_FILE, ITEMS_FILE = "policy.onnx", "contract.json", "items.jsonl"

Run = Callable[[Mapping[str, Array]], Mapping[str, Array]]
"""From the graph's inputs to its outputs, by name."""


class Item(NamedTuple):
    """An item of the catalogue; the fields of a line of `items.jsonl`."""

    id: str
    title: str
    categories: tuple[str, ...]  # empty if unknown


class Exported(NamedTuple):
    """What the folder of a policy holds."""

    contract: dict[str, Any]
    items: list[Item]  # in the order of the graph's item numbers
    graph: bytes


def checksum_of(contract: Mapping[str, Any]) -> str:
    """SHA-256 of a contract without its key "checksum"."""
    content = {name: value for name, value in contract.items() if name != "checksum"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_policy(folder: Path) -> Exported:
    """Read the folder of a policy.

    Raises:
        InputError: it is not the folder of a policy, or that of a policy of another format; or a file is missing,
            damaged, or not the one that was exported.
    """
    contract = _read_contract(folder)
    graph, lines = (_verified(folder / name, contract["checksums"][name]) for name in (GRAPH_FILE, ITEMS_FILE))
    rows = map(json.loads, lines.splitlines())
    items = [Item(row["id"], row["title"], tuple(row["categories"])) for row in rows]
    return Exported(contract, items, graph)


def _read_contract(folder: Path) -> dict[str, Any]:
    path = folder / CONTRACT_FILE
    try:
        contract = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(
            f"{folder} is not the folder of a policy: it has no {CONTRACT_FILE}; write one with "
            "'pydeeprecsys export RUN --out FOLDER'"
        ) from error
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}); export the run again") from error
    found = contract.get("format") if isinstance(contract, dict) else None
    if found != FORMAT:
        version = contract.get("pydeeprecsys", "unknown") if isinstance(contract, dict) else "unknown"
        raise InputError(
            f"{path} is of the format {found!r}, not {FORMAT!r}, and of the version {version} of pydeeprecsys; "
            "install that version, or export the run again"
        )
    if contract.get("checksum") != checksum_of(contract):
        raise InputError(f"{path} was changed after the export: its checksum is wrong; export the run again")
    return dict(contract)


def _verified(path: Path, checksum: str) -> bytes:
    """The content of a file, once its checksum is right: what is used is what was verified."""
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing; export the run again") from error
    if hashlib.sha256(content).hexdigest() != checksum:
        raise InputError(f"{path} was changed after the export: its checksum is wrong; export the run again")
    return content


def run_by_onnxruntime(graph: bytes, threads: int) -> Run:
    """Let ONNX Runtime compute a graph on the CPU.

    Raises:
        InputError: ONNX Runtime is missing, or cannot read the graph.
    """
    with naming_extras():
        import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no base class of their own
        raise InputError(
            f"onnxruntime {onnxruntime.__version__} cannot read the policy ({error}); install a newer one"
        ) from error
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, dict(inputs)), strict=True))
