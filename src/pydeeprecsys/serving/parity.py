"""Parity: whether a graph gives the scores and the slates of the agent that it was made of."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pydeeprecsys.arrays import Array, Flags, Ints, Singles
from pydeeprecsys.envs.observations import ShownItems
from pydeeprecsys.envs.vector import MovieLensFairnessVector
from pydeeprecsys.errors import InputError
from pydeeprecsys.history import HistoryLayout
from pydeeprecsys.rl.agents.agent import ReinforcementLearning
from pydeeprecsys.rl.ops.slates import ChoiceProblem, slate_values
from pydeeprecsys.serving.contract import Run
from pydeeprecsys.serving.graphs.agents import Scored
from pydeeprecsys.serving.graphs.policy import PolicyGraph

STATES = 256
TOLERANCE = 1e-5
"""Of scores, relative and absolute."""

_SESSIONS, _STEPS = 64, 200  # at most, if sessions are that long


class Inputs(NamedTuple):
    """Inputs of a policy's graph: n users, h slates of k items, the latest slate last."""

    demographics: Singles  # (n, 4)
    items: Ints  # (n, h, k) -1 for none
    chosen: Flags  # (n, h, k)
    ratings: Singles  # (n, h, k) in stars, 0 for none


def inputs_of(layout: HistoryLayout, observations: Array) -> Inputs:
    """The inputs in the observation "items", (n, size)."""
    history = layout.read(observations)
    n, h, k = history.slates.shape
    h = max(1, int(history.steps.max(initial=0)))
    chosen = history.choices[:, :h, None] == np.arange(k)
    ratings = history.ratings.reshape(n, -1, layout.n_rated)[:, :h]
    ratings = np.where(chosen, ratings, np.float32(0)) if layout.n_rated < k else ratings
    items, is_chosen, stars = (np.ascontiguousarray(each[:, ::-1]) for each in (history.slates[:, :h], chosen, ratings))
    return Inputs(history.demographics, items, is_chosen, stars)


class States(NamedTuple):
    """States of sessions, as the agent and as the graph are given them."""

    observations: Singles  # (n, size) of the agent
    masks: Flags | None  # (n, items) allowed items
    slates: Ints  # (n, k) the agent's greedy slates
    inputs: Inputs

    def take(self, rows: Flags) -> States:
        """Some of the states."""
        masks = None if self.masks is None else self.masks[rows]
        return States(
            self.observations[rows], masks, self.slates[rows], Inputs._make(each[rows] for each in self.inputs)
        )


class Parity(NamedTuple):
    """How far ONNX Runtime and the agent agree.

    Attributes:
        states: number of states compared: all but those in which the agent's own choice is between equals.
        scores: largest absolute difference of scores.
        slates: number of equal slates; the others differ in items whose scores do not, within the tolerance.
    """

    states: int
    scores: float
    slates: int


def real_states(agent: ReinforcementLearning, users: MovieLensFairnessVector) -> States:
    """States of sessions in which the agent acts greedily, drawn from the first slates of `_SESSIONS`.

    Args:
        agent: the agent.
        users: whose rules and observation the sessions have.
    """
    longest = max(users.simulator.longest_session, users.simulator.slates_held)
    simulator = replace(users.simulator, slates_held=longest)
    layout, shown = simulator.history_layout, ShownItems(simulator)
    assert layout is not None
    steps = max(min(users.simulator.longest_session, _STEPS), STATES // _SESSIONS)
    drawn = np.random.default_rng(0).choice(_SESSIONS * steps, STATES, replace=False)
    state, over = simulator.reset(np.arange(_SESSIONS)), np.ones(_SESSIONS, dtype=np.bool_)
    found = []
    for step in range(steps):
        if over.any():
            state = simulator.next_sessions(state, over) if step else state
            agent.begin_episodes(over)
        # The observation "items" begins with the latest slates, and that of the agent may hold fewer.
        observations = users.observation(state)[:, : users.observation.size]
        masks = None if simulator.repeats == "allow" else state.allowed
        slates = agent.top_k_actions_for_states(observations, simulator.slate_size, explore=False, action_masks=masks)
        rows = drawn[drawn // _SESSIONS == step] % _SESSIONS
        found.append((observations[rows], state.allowed[rows], slates[rows], shown(state)[rows]))
        state, response = simulator.step(state, slates)
        over = response.terminated | response.truncated
    observations, allowed, slates, histories = map(np.concatenate, zip(*found, strict=True))
    masks = None if simulator.repeats == "allow" else allowed
    return States(observations, masks, slates, inputs_of(layout, histories))


def check_parity(agent: ReinforcementLearning, graph: PolicyGraph, run: Run, states: States) -> Parity:
    """Compare what a graph's runtime gives in states with the agent.

    Args:
        agent: the agent.
        graph: by torch; where the agent scores otherwise than it ranks, its scores are those of the graph.
        run: by another runtime.
        states: to compare in.

    Raises:
        InputError: scores or slates differ by more than the tolerance.
    """
    scored = graph.scored(*map(torch.from_numpy, states.inputs))
    if scored.tied is not None and scored.tied.any():
        states = states.take(~scored.tied.numpy())
        if not len(states.slates):
            raise InputError(f"in all states {type(agent).__name__} chooses between equals; it has not learned enough")
        scored = graph.scored(*map(torch.from_numpy, states.inputs))
    outputs = run(states.inputs._asdict())
    expected = scored.scores.numpy()
    if graph.agent.scores_as_agent:
        expected = agent.scores(states.observations, states.masks)
    known = np.isfinite(expected)
    bounds = TOLERANCE * (1 + np.abs(np.where(known, expected, 0)))
    differences = np.abs(np.where(known, outputs["scores"], 0) - np.where(known, expected, 0))
    if (np.isfinite(outputs["scores"]) != known).any() or (differences > bounds).any():
        raise InputError(
            f"the exported scores of {type(agent).__name__} differ from the agent's by up to {differences.max():.2g}, "
            "so nothing was written: it computes with too little precision here"
        )
    equal = (outputs["slate"] == states.slates).all(axis=1)
    lost = _lost(scored, torch.from_numpy(states.slates), torch.from_numpy(outputs["slate"])).numpy()
    if (lost > 2 * bounds.max(axis=1)).any():
        raise InputError(
            f"{np.count_nonzero(~equal)} of {len(equal)} exported slates of {type(agent).__name__} differ from the "
            "agent's, so nothing was written; please report it"
        )
    return Parity(len(equal), float(differences.max()), int(np.count_nonzero(equal)))


def _lost(scored: Scored, slates: Tensor, others: Tensor) -> Tensor:
    """(n,) how much worse items of one slate are than the other's, at the first place where (n, k) slates differ."""
    if scored.choice is not None:
        weights, q_nothing, weight_nothing = scored.choice
        problem = ChoiceProblem(scored.scores, weights, q_nothing, weight_nothing)
        return (slate_values(problem, slates) - slate_values(problem, others)).abs()
    first = (slates != others).int().argmax(dim=1, keepdim=True)
    pair = torch.cat([slates.gather(1, first), others.gather(1, first)], dim=1)
    scores = scored.scores.double().gather(1, pair)
    if (discount := scored.discount) is not None:
        memories = discount.memories
        for place in range(slates.shape[1]):
            after = discount.after(memories, slates[:, place])
            memories = torch.where((place < first)[:, :, None], after, memories)
        scores = scores - discount.of(memories).double().gather(1, discount.kinds[pair])
    return (scores[:, 0] - scores[:, 1]).abs()
