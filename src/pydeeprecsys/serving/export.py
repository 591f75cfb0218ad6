"""Export: the policy of a run as an ONNX graph, a contract that describes it, and the items."""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import shutil
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import pydeeprecsys
from pydeeprecsys.data.movielens_layouts import OCCUPATIONS
from pydeeprecsys.envs.observations import UNKNOWN
from pydeeprecsys.envs.single import simulated_users
from pydeeprecsys.envs.vector import MovieLensFairnessVector
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.config import RunConfig
from pydeeprecsys.experiments.run_folder import RunFolder
from pydeeprecsys.experiments.trained import load_run
from pydeeprecsys.extras import need
from pydeeprecsys.files import UNFINISHED, read_object
from pydeeprecsys.rl.agents.agent import ReinforcementLearning
from pydeeprecsys.serving.contract import (
    CONTRACT_FILE,
    FORMAT,
    GRAPH_FILE,
    ITEMS_FILE,
    Item,
    checksum_of,
    run_by_onnxruntime,
)
from pydeeprecsys.serving.conversion import INPUTS, OPSET, OUTPUTS, nobody, run_by_torch, write_onnx
from pydeeprecsys.serving.graphs.agents import LogitsGraph
from pydeeprecsys.serving.graphs.policy import PolicyGraph, policy_graph
from pydeeprecsys.serving.parity import check_parity, real_states
from pydeeprecsys.serving.policy import Policy


@dataclass(frozen=True)
class _Trained:
    """The policy of a run, and what it was trained on."""

    config: RunConfig
    agent: ReinforcementLearning
    users: MovieLensFairnessVector
    graph: PolicyGraph

    @classmethod
    def of(cls, folder: RunFolder) -> _Trained:
        """The policy of a run that is done.

        Raises:
            InputError: it is not done, or not of a policy that can be exported.
        """
        agent, _, config = load_run(folder.path)
        if not config.task.has_users:
            raise InputError(f"{config.task.env} has no users of a data set, so there is nobody to recommend to")
        users = simulated_users(config.training_manager().batch)
        return cls(config, agent, users, policy_graph(agent, users))

    @property
    def slates(self) -> dict[str, Any]:
        """The rule by which slates are filled."""
        scored = self.graph.scored(*map(torch.from_numpy, nobody(1).values()))
        if scored.choice is not None:
            return {"rule": "choice", "optimizer": self.graph.optimizer}
        if scored.discount is not None:
            return {"rule": "varied", "decays": scored.discount.decays.tolist()}
        return {"rule": "top-k"}

    @property
    def items(self) -> list[Item]:
        """The items, in the order of their numbers."""
        world = self.users.simulator.world
        facts = zip(world.item_ids.tolist(), world.titles.tolist(), range(world.n_items), strict=True)
        return [Item(each, title, tuple(world.genre_names(row))) for each, title, row in facts]

    def contract(self, folder: RunFolder) -> dict[str, Any]:
        """What describes the policy, without parity and checksums."""
        config, simulator = self.config, self.users.simulator
        world = simulator.world
        outputs = run_by_torch(self.graph)(nobody(1))
        return {
            "format": FORMAT,
            "pydeeprecsys": pydeeprecsys.__version__,
            "agent": config.agent,
            "settings": config.as_json(),
            "items": world.n_items,
            "slate_size": simulator.slate_size,
            "repeats": simulator.repeats == "allow",
            "consumption": simulator.consumption,
            "history": max(simulator.longest_session, simulator.slates_held),
            "rating_scale": world.record["scale"],
            "demographics": {
                "sex": {"F": 0.0, "M": 1.0},
                "age": {"divisor": 56.0},
                "occupation": {"divisor": 20.0, "codes": OCCUPATIONS},
                "zip_code": {"divisor": 99999.0},
                "unknown": UNKNOWN,
            },
            "categories": list(world.categories),
            "slates": self.slates,
            "stochastic": isinstance(self.graph.agent, LogitsGraph),
            "inputs": INPUTS,
            "outputs": {name: OUTPUTS[name] for name in outputs},
            "measured": {
                "pool": config.evaluation_pool,
                "episodes": config.evaluation_episodes,
                **{name: value for name, value in (folder.measures or {}).items() if not math.isnan(value)},
            },
            "trained_on": {
                "dataset": config.task.dataset,
                "name": world.name,
                "checksum": world.record["dataset_checksum"],
                "pool": config.train_pool,
            },
        }


def policy_of(run: str | Path) -> Policy:
    """The policy of a run that is done, computed by torch, without an export.

    Raises:
        InputError: the run is not done, or its agent or its environment is not one whose policy can be exported.
    """
    folder = RunFolder(run)
    trained = _Trained.of(folder)
    return Policy(trained.contract(folder), trained.items, run_by_torch(trained.graph))


def export(run: str | Path, out: str | Path, *, overwrite: bool = False) -> dict[str, Any]:
    """Export the policy of a run that is done: a folder with `policy.onnx`, `contract.json` and `items.jsonl`.

    It fails unless ONNX Runtime and the agent agree in `parity.STATES` states of real sessions.

    Args:
        run: folder of the run.
        out: the folder to write, whole or not at all.
        overwrite: replace the policy in that folder.

    Returns:
        The contract.

    Raises:
        InputError: the run is not done, or its policy cannot be exported; or there is something else than a policy at
            `out`; or ONNX Runtime and the agent do not agree.
        MissingExtraError: the packages of the extra `onnx` are not installed.
    """
    need("onnx", "onnxscript", "onnxruntime")
    folder, out = RunFolder(run), Path(os.path.abspath(out))
    _check_free(out, overwrite)
    trained = _Trained.of(folder)
    out.parent.mkdir(parents=True, exist_ok=True)
    workshop = Path(tempfile.mkdtemp(dir=out.parent, prefix=UNFINISHED))
    temporary = workshop / "policy"
    temporary.mkdir()
    try:
        write_onnx(trained.graph, temporary / GRAPH_FILE)
        lines = (json.dumps(item._asdict(), ensure_ascii=False) for item in trained.items)
        (temporary / ITEMS_FILE).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        content = {name: (temporary / name).read_bytes() for name in (GRAPH_FILE, ITEMS_FILE)}
        states = real_states(trained.agent, trained.users)
        parity = check_parity(trained.agent, trained.graph, run_by_onnxruntime(content[GRAPH_FILE], 1), states)
        contract = trained.contract(folder) | {
            "parity": parity._asdict(),
            "versions": {"python": platform.python_version(), "opset": OPSET}
            | {package: version(package) for package in ("torch", "onnx", "onnxscript", "onnxruntime", "numpy")},
            "checksums": {name: hashlib.sha256(each).hexdigest() for name, each in content.items()},
        }
        contract["checksum"] = checksum_of(contract)
        text = json.dumps(contract, indent=2, ensure_ascii=False, allow_nan=False)
        (temporary / CONTRACT_FILE).write_text(text, encoding="utf-8")
        _check_free(out, overwrite)
        if out.exists():
            out.rename(workshop / "before")
        temporary.rename(out)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
    return contract


def _check_free(out: Path, overwrite: bool) -> None:
    """Raise an InputError unless there is nothing at `out`, or a policy alone, which is to be overwritten."""
    if out == Path.cwd() or out in Path.cwd().parents:
        raise InputError("the policy is a folder of its own; give --out the name of a new one")
    if not out.exists():
        return
    names = {path.name for path in out.iterdir()} if out.is_dir() and not out.is_symlink() else {""}
    if not names:
        return
    is_policy = names == {GRAPH_FILE, CONTRACT_FILE, ITEMS_FILE}
    if not is_policy or read_object(out / CONTRACT_FILE).get("format") is None:
        raise InputError(f"{out} holds something else than a policy; give another --out")
    if not overwrite:
        raise InputError(f"{out} holds a policy; give --overwrite to replace it, or another --out")
