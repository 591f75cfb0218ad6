"""CPU milliseconds of a policy in use, on one thread: for one user, for many, from a million items; beside torch.

    OMP_NUM_THREADS=1 python -m benchmarks --only serving

The policies are hardly trained: training changes the numbers in the networks, not the work. CPU time is that of a call
on a core of its own: other work on the machine takes none of it.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.report import Bar, Results, Row
from benchmarks.timing import Effort, in_turn
from pydeeprecsys.arrays import Singles
from pydeeprecsys.data.download import fetched
from pydeeprecsys.envs.single import simulated_users
from pydeeprecsys.experiments.config import RunConfig
from pydeeprecsys.experiments.run import run
from pydeeprecsys.experiments.task import Task
from pydeeprecsys.experiments.trained import load_run
from pydeeprecsys.history import HistoryLayout
from pydeeprecsys.rl.agents.agent import ReinforcementLearning
from pydeeprecsys.rl.agents.ppo import PPOAgent
from pydeeprecsys.serving.contract import Item, run_by_onnxruntime
from pydeeprecsys.serving.conversion import run_by_torch, write_onnx
from pydeeprecsys.serving.export import export, policy_of
from pydeeprecsys.serving.graphs.agents import Known, agent_graph
from pydeeprecsys.serving.graphs.observations import ShownItemsGraph
from pydeeprecsys.serving.graphs.policy import PolicyGraph
from pydeeprecsys.serving.histories import History
from pydeeprecsys.serving.policy import Policy

_K, _HISTORY, _USERS = 10, 50, 1000
_MANY, _FACTORS = 1_000_000, 32
_TURNS = 3  # of up to 1,000 calls each
_USER = {"age": 35, "sex": "F"}
_ENCODERS: Mapping[str, Mapping[str, Any]] = {
    "features": {},
    "fold-in": {"state_encoder": "fold-in"},
    "gru": {"state_encoder": "gru"},
    "attention": {"state_encoder": "attention"},
    "fold-in and base fold-in": {"state_encoder": "fold-in", "base": "fold-in,diversify=0.6"},
}


class Served(NamedTuple):
    """A policy in use, and what it is compared with."""

    policy: Policy  # by ONNX Runtime
    by_torch: Policy  # the same graph
    agent: ReinforcementLearning
    state: Singles  # (1, size) of the agent


class Work(NamedTuple):
    """What is timed, call by call."""

    call: Callable[[int], object]  # by the number of the call
    calls: int
    p50: Bar | None = None
    p99: Bar | None = None


def measure(effort: Effort) -> list[Results]:
    """A table per state encoder, and one of a million items."""
    torch.set_num_threads(1)
    return [*(_of_encoder(name, effort) for name in _ENCODERS), _of_many_items(effort)]


def _of_encoder(name: str, effort: Effort) -> Results:
    dataset = "ml-1m" if "ml-1m" in fetched() else "synthetic"
    served = _trained(dataset, _ENCODERS[name])
    policy, users = served.policy, [_USER] * _USERS
    pairs, slates = (list(_histories(policy, size)) for size in (1, _K))
    bars = {"p50": Bar(most=1), "p99": Bar(most=5)}
    works = {
        "Policy.rank": Work(lambda i: policy.rank(_USER, pairs[i], k=_K), _USERS, **bars),
        "Policy.rank, slates of 10": Work(lambda i: policy.rank(_USER, slates[i], k=_K), _USERS, **bars),
        **_beside(served, _USERS),
    }
    batch = in_turn({"": partial(_milliseconds, lambda: policy.rank_batch(users, pairs))}, effort.repetitions)[""]
    rows = [
        *_rows(works, effort),
        Row("Policy.rank_batch, 1,000 users", "CPU ms", batch, Bar(most=100)),
    ]
    return Results(f"Two-tower PPO, {name}: {len(policy.items):,} items of {dataset}, history of {_HISTORY}", rows)


def _of_many_items(effort: Effort) -> Results:
    served = _untrained(_MANY // 100 if effort.quick else _MANY)
    policy, calls = served.policy, 200
    histories = list(_histories(policy, 1, calls))
    rank = Work(lambda i: policy.rank(_USER, histories[i], k=_K), calls, p99=Bar(most=50))
    rows = _rows({"Policy.rank": rank, **_beside(served, calls // 4)}, effort)
    return Results(f"Two-tower PPO, gru: {len(policy.items):,} items with random vectors, history of {_HISTORY}", rows)


def _trained(dataset: str, hyperparameters: Mapping[str, Any]) -> Served:
    """The policy of a run of one session, exported."""
    options = {"slate_size": _K, "history_length": _HISTORY, "observation": "items" if hyperparameters else "history"}
    config = RunConfig(
        task=Task(env="MovieLensFairness-v1", env_options=options, dataset=dataset),
        agent="ppo",
        hyperparameters={"item_features": "ratings", **hyperparameters},
        episodes=1,
        evaluation_episodes=1,
    )
    with tempfile.TemporaryDirectory() as folder:
        trained, exported = Path(folder) / "run", Path(folder) / "policy"
        run(config, trained)
        export(trained, exported)
        policy, by_torch, agent = Policy.load(exported), policy_of(trained), load_run(trained).agent
    batch = config.training_manager().batch
    layout = simulated_users(batch).history_layout
    return Served(policy, by_torch, agent, batch.reset(seed=0)[0][:1] if layout is None else _state(layout))


def _untrained(n_items: int) -> Served:
    """A policy of items with random vectors."""
    layout = HistoryLayout(n_items, slate_size=1, n_rated=1, length=_HISTORY)
    features = np.random.default_rng(0).normal(size=(n_items, _FACTORS)).astype(np.float32)
    agent = PPOAgent(n_items, layout.size, item_features=features, state_encoder="gru", history=layout)
    world = Known(ShownItemsGraph(layout), n_items, _K, masks=True)
    graph = PolicyGraph(agent_graph(agent, world), world, whole_slates=False).eval().requires_grad_(False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "policy.onnx"
        write_onnx(graph, path)
        by_onnx = run_by_onnxruntime(path.read_bytes(), 1)
    items = [Item(str(number), "", ()) for number in range(n_items)]
    contract = {
        "slate_size": _K,
        "repeats": False,
        "consumption": "chosen",
        "history": _HISTORY,
        "rating_scale": [1, 5],
        "demographics": {"sex": {"F": 0.0, "M": 1.0}, "age": {"divisor": 56.0}, "unknown": 0.5},
        "slates": {"rule": "top-k"},
    }
    policy, by_torch = (Policy(contract, items, each) for each in (by_onnx, run_by_torch(graph)))
    return Served(policy, by_torch, agent, _state(layout))


def _state(layout: HistoryLayout) -> Singles:
    """(1, size) an observation with a history of full length."""
    random = np.random.default_rng(0)
    shown = random.choice(layout.n_items, (layout.length, layout.slate_size), replace=False).tolist()
    stars = random.integers(1, 6, (layout.length, layout.n_rated)).tolist()
    return layout.row([0.5] * 4, shown, [0] * layout.length, ratings=stars)[None]


def _histories(policy: Policy, slate_size: int, n: int = _USERS) -> Iterator[History]:
    """Histories of slates that are drawn, whose first item was rated."""
    random, ids = np.random.default_rng(0), list(policy.items)
    for _ in range(n):
        shown = random.choice(len(ids), (_HISTORY, slate_size), replace=False).tolist()
        stars = random.integers(1, 6, _HISTORY).tolist()
        rated = [(ids[slate[0]], rating) for slate, rating in zip(shown, stars, strict=True)]
        refused = [[(ids[item], None) for item in slate[1:]] for slate in shown]
        yield rated if slate_size == 1 else [[first, *rest] for first, rest in zip(rated, refused, strict=True)]


def _beside(served: Served, calls: int) -> dict[str, Work]:
    """The graph alone, and torch."""
    (policy, by_torch, agent, state), n_items = served, len(served.policy.items)
    shape, masks = (1, _HISTORY, 1), np.ones((1, n_items), dtype=np.bool_)
    items = np.random.default_rng(0).choice(n_items, shape, replace=False)
    inputs = [np.full((1, 4), 0.5), items, np.ones(shape), np.full(shape, 4.0)]
    act = partial(agent.top_k_actions_for_states, state, _K, explore=False, action_masks=masks)
    return {
        "its graph, by ONNX Runtime": Work(lambda _: policy.outputs(*inputs), calls),
        "its graph, by torch": Work(lambda _: by_torch.outputs(*inputs), calls // 5),
        "the agent, by torch": Work(lambda _: act(), calls // 5),
    }


def _rows(works: Mapping[str, Work], effort: Effort) -> list[Row]:
    """Percentiles of the milliseconds of calls, of each turn."""
    measures = {name: partial(_percentiles, work, effort) for name, work in works.items()}
    turns = in_turn(measures, min(effort.repetitions, _TURNS))
    return [
        Row(f"{name}, {percentile}", "CPU ms", [turn[column] for turn in turns[name]], bar)
        for name, work in works.items()
        for column, (percentile, bar) in enumerate({"p50": work.p50, "p99": work.p99}.items())
    ]


def _percentiles(work: Work, effort: Effort) -> list[float]:
    calls = work.calls // 10 if effort.quick else work.calls
    percentiles: list[float] = np.percentile(
        [_milliseconds(partial(work.call, i)) for i in range(calls)], [50, 99]
    ).tolist()
    return percentiles


def _milliseconds(call: Callable[[], object]) -> float:
    """The CPU time of a call."""
    start = time.process_time_ns()
    call()
    return (time.process_time_ns() - start) / 1e6
