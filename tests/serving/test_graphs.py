"""The graph of a policy gives the scores and the slates of its agent."""

from typing import Any

import numpy as np
import pytest

from contracts.quick import FEW_SESSIONS, QUICK
from pydeeprecsys.data.world import World
from pydeeprecsys.envs.single import simulated_users
from pydeeprecsys.experiments.registry import make_agent
from pydeeprecsys.rl.agents.agent import ReinforcementLearning
from pydeeprecsys.rl.manager import MovieLensFairnessManager
from pydeeprecsys.rl.ops.slates import SLATE_OPTIMIZERS
from pydeeprecsys.serving.conversion import run_by_torch
from pydeeprecsys.serving.graphs.policy import policy_graph
from pydeeprecsys.serving.parity import STATES, check_parity, real_states

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
