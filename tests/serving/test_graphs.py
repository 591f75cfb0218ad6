"""The graph of a policy gives the scores and the slates of its agent."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from contracts.quick import FEW_SESSIONS, QUICK
from pydeeprecsys.arrays import Array, Flags, Ints
from pydeeprecsys.data.world import World
from pydeeprecsys.envs.single import simulated_users
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.registry import make_agent
from pydeeprecsys.rl.agents.agent import ReinforcementLearning
from pydeeprecsys.rl.manager import MovieLensFairnessManager
from pydeeprecsys.rl.ops.slates import SLATE_OPTIMIZERS
from pydeeprecsys.serving.conversion import run_by_torch, write_onnx
from pydeeprecsys.serving.graphs.agents import AgentGraph, Known, Scored, agent_graph
from pydeeprecsys.serving.graphs.context import Context
from pydeeprecsys.serving.graphs.policy import policy_graph
from pydeeprecsys.serving.parity import STATES, Inputs, check_parity, real_states

LEARNERS = ("reinforce", "actor-critic", "ppo", "dqn", "rainbow", "sac", "slate-q")
ITEMS = {"observation": "items"}
# By the name of the world: its version, its slates and its options.
WORLDS: dict[str, dict[str, Any]] = {
    "v0": {"version": 0, **ITEMS},
    "v0 last": {"version": 0},
    "v0 slates": {"version": 0, "slate_size": 4, **ITEMS},
    "v0 history": {"version": 0, "slate_size": 4, "observation": "history", "history_length": 3, "observe_time": True},
    "v1": {"version": 1, **ITEMS},
    "v1 slates": {"version": 1, "slate_size": 4, **ITEMS},
    "v1 short": {"version": 1, "slate_size": 4, "history_length": 5, **ITEMS},
    "v0 window": {"version": 0, "session_length": 60, "history_length": 55, **ITEMS},
    "v0 beyond": {"version": 0, "slate_size": 2, "session_length": 20, "history_length": 30, **ITEMS},
    "v1 history": {"version": 1, "slate_size": 4, "history_length": 3},
}
VARIED = {"diversify": 0.6, "diversify_fast": 0.2, "diversify_slow": -0.1}
EXPLORING = {"uncertainty_early": 1.0, "uncertainty_late": -0.5, "popularity": 0.2, "noise": 0.5, "satiation": 0.3}

CASES: list[tuple[str, str, dict[str, Any]]] = [
    *((agent, world, {}) for agent in LEARNERS for world in ("v0 last", "v1", "v1 history")),
    *((agent, "v0 history", {}) for agent in LEARNERS if agent != "slate-q"),
    *(
        (agent, world, {"state_encoder": encoder})
        for agent in LEARNERS
        for encoder in ("fold-in", "gru", "attention")
        for world in ("v0", "v1 slates", "v1 short")
    ),
    *(("ppo", "v0 slates", {"state_encoder": encoder}) for encoder in ("features", "fold-in", "gru", "attention")),
    *(
        (agent, world, {"state_encoder": "fold-in", "base": base})
        for agent in LEARNERS[:-1]
        for base, world in (("fold-in,diversify=0.6", "v1 slates"), ("item-knn", "v0"), ("ease", "v0 slates"))
    ),
    ("ppo", "v1 slates", {"base": "ease,diversify=0.3"}),
    ("ppo", "v1 slates", {"state_encoder": "gru", "item_features": "ratings", "vary_slates": True}),
    ("ppo", "v0 last", {"item_features": "world", "standardize_states": True}),
    ("ppo", "v1 slates", {"state_encoder": "fold-in", "standardize_states": True}),
    ("dqn", "v0 last", {"item_features": "ratings", "cost_limit": 0.3}),
    ("rainbow", "v0 last", {"categorical": True, "item_features": "ratings"}),
    ("rainbow", "v0 last", {"dueling": False, "noisy": False}),
    ("rainbow", "v1", {"cost_limit": 0.3}),
    *(("sac", world, {"item_features": "ratings"}) for world in ("v0 last", "v1 slates")),
    ("sac", "v1 slates", {"item_features": "ratings", "n_candidates": 2}),
    *(("slate-q", "v1 history", {"serving": way, "item_features": "ratings"}) for way in SLATE_OPTIMIZERS),
    *((agent, "v0 last", {"item_features": each}) for agent in ("linucb", "thompson") for each in ("none", "ratings")),
    *((agent, world, {}) for agent in ("cma-es", "es") for world in ("v0", "v1 slates")),
    ("es", "v1", {"base": "varied"}),
    *(("fold-in", world, options) for world in ("v0", "v1 short") for options in ({}, VARIED, EXPLORING)),
    *((agent, world, {"diversify": 0.6}) for agent in ("item-knn", "ease") for world in ("v0 slates", "v1 short")),
    *((agent, world, {}) for agent in ("item-knn", "ease") for world in ("v0", "v1")),
    ("ease", "v0 slates", {"feedback": "likes"}),
    *(
        (agent, world, {})
        for agent in ("popular", "best-rated", "varied", "win-stay")
        for world in ("v0", "v0 slates", "v0 last", "v1 slates")
    ),
    ("best-constant", "v0", {}),
    *((agent, world, {}) for agent in ("varied", "win-stay", "ppo") for world in ("v0 window", "v0 beyond")),
]

# One of each kind of graph, trained in no time; the others are slow.
QUICKEST = [
    ("reinforce", "v0 last", {}),
    ("ppo", "v1 short", {"state_encoder": "gru"}),
    ("actor-critic", "v1 slates", {"state_encoder": "attention"}),
    ("dqn", "v0 slates", {"state_encoder": "fold-in", "base": "ease"}),
    ("ppo", "v1 slates", {"state_encoder": "gru", "item_features": "ratings", "vary_slates": True}),
    ("slate-q", "v1 history", {"serving": "optimal", "item_features": "ratings"}),
    ("linucb", "v0 last", {"item_features": "ratings"}),
    ("fold-in", "v1 short", EXPLORING),
    ("item-knn", "v0 slates", {"diversify": 0.6}),
    ("varied", "v0 slates", {}),
    ("win-stay", "v0 last", {}),
    ("win-stay", "v0 window", {}),
    ("varied", "v0 beyond", {}),
]


def trained(name: str, world: World, where: str, options: dict[str, Any]) -> tuple[ReinforcementLearning, Any]:
    manager = MovieLensFairnessManager(0, n_envs=4, dataset=world, **WORLDS[where])
    agent = make_agent(name, manager, 0, **{**QUICK.get(name, {}), **FEW_SESSIONS.get(name, {}), **options})
    if agent.updates is not None:
        manager.train(agent, max_episodes=8, should_print=False)
    return agent, simulated_users(manager.batch)


def test_the_quickest_cases_are_among_all() -> None:
    assert [case for case in QUICKEST if case not in CASES] == []


@pytest.mark.parametrize(
    ("agent", "where", "options"),
    [pytest.param(*case, marks=[] if case in QUICKEST else pytest.mark.slow) for case in CASES],
)
def test_a_graph_agrees_with_its_agent(world: World, agent: str, where: str, options: dict[str, Any]) -> None:
    policy, users = trained(agent, world, where, options)
    graph, states = policy_graph(policy, users), real_states(policy, users)
    parity = check_parity(policy, graph, run_by_torch(graph), states)
    assert parity.states >= STATES // 2  # states in which the agent chooses between equals are left out
    assert parity.slates >= 0.9 * parity.states
    assert len(np.unique(states.inputs.ratings, axis=0)) > STATES // 4


class Cautious(ReinforcementLearning):
    """Recommends the last items of the catalogue to women, and the first to all others."""

    def __init__(self, n_items: int) -> None:
        self.n_actions = n_items

    def score(self, states: Array, masks: Flags | None) -> Array:
        return np.where(states[:, :1] < 0.5, 1, -1) * np.arange(self.n_actions, dtype=np.float32)

    def choose(self, states: Array, k: int, explore: bool, action_masks: Flags | None) -> Ints:
        return np.argsort(-self.scores(states, action_masks), axis=1, kind="stable")[:, :k]


class CautiousGraph(AgentGraph):
    def __init__(self, agent: Cautious, world: Known) -> None:
        super().__init__()
        self.n_items = agent.n_actions

    def forward(self, context: Context, allowed: Tensor | None) -> Scored:
        sign = torch.where(context.demographics[:, :1] < 0.5, 1.0, -1.0)
        return Scored(sign * torch.arange(self.n_items))


class FixedGraph(CautiousGraph):
    """Works for the number of users that the export tries, and for no other."""

    def forward(self, context: Context, allowed: Tensor | None) -> Scored:
        return Scored(super().forward(context, allowed).scores + torch.zeros(3, 1))


def test_an_agent_of_ones_own_is_exported_by_a_registered_graph(world: World, tmp_path: Path) -> None:
    users = simulated_users(MovieLensFairnessManager(0, 4, 4, version=1, dataset=world).batch)
    agent = Cautious(world.n_items)
    with pytest.raises(InputError, match=r"there is no graph of Cautious, .*; register one by"):
        policy_graph(agent, users)
    agent_graph.register(Cautious, CautiousGraph)
    graph = policy_graph(agent, users)
    assert check_parity(agent, graph, run_by_torch(graph), real_states(agent, users)).slates == STATES
    graph.agent = FixedGraph(agent, graph.world)
    with pytest.raises(InputError, match=r"the graph takes demographics of the shape .* only; it must take any n"):
        write_onnx(graph, tmp_path / "policy.onnx")
    assert not (tmp_path / "policy.onnx").exists()


def test_a_graph_of_another_agent_does_not_agree(world: World) -> None:
    (agent, users), (other, _) = (trained("fold-in", world, "v1", options) for options in ({}, {"diversify": 0.1}))
    graph, states = policy_graph(other, users), real_states(agent, users)
    with pytest.raises(InputError, match="exported scores of FoldInAgent differ from the agent's by up to 0"):
        check_parity(agent, graph, run_by_torch(graph), states)
    run = run_by_torch(policy_graph(agent, users))

    def reversed_slates(inputs: Mapping[str, Array]) -> dict[str, Array]:
        outputs = run(inputs)
        return {**outputs, "slate": outputs["scores"].argmin(axis=1, keepdims=True)}

    with pytest.raises(InputError, match=r"2\d\d of 256 exported slates of FoldInAgent differ"):
        check_parity(agent, policy_graph(agent, users), reversed_slates, states)


def test_longer_histories_than_are_observed_count_as_consumed(world: World) -> None:
    agent, users = trained("popular", world, "v1 short", {})
    graph = policy_graph(agent, users)
    assert graph.window == 5
    n_items = world.n_items
    shown = np.arange(n_items - 1)[None, :, None]  # all but the last item, one after the other
    inputs = Inputs(
        np.full((1, 4), 0.5, dtype=np.float32),
        items=shown,
        chosen=np.ones(shown.shape, dtype=np.bool_),
        ratings=np.full(shown.shape, 3, dtype=np.float32),
    )
    scores = run_by_torch(graph)(inputs._asdict())["scores"]
    assert np.flatnonzero(np.isfinite(scores[0])).tolist() == [n_items - 1]


def test_few_items_are_left_to_a_policy_that_chooses_among_near_ones(world: World) -> None:
    agent, users = trained("sac", world, "v1", {"item_features": "ratings"})
    shown = np.arange(world.n_items - 2)[None, :, None]  # 2 are left, fewer than candidates
    chosen, ratings = np.ones(shown.shape, dtype=np.bool_), np.full(shown.shape, 3, dtype=np.float32)
    inputs = Inputs(np.full((1, 4), 0.5, dtype=np.float32), shown, chosen, ratings)
    scores = run_by_torch(policy_graph(agent, users))(inputs._asdict())["scores"]
    assert np.isneginf(scores[0, :-2]).all()
    assert np.isfinite(scores[0, -2:]).all()
