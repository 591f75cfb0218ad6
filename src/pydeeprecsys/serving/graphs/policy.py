"""A whole policy as a graph: from a history to scores and the greedy slate."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pydeeprecsys.envs.vector import MovieLensFairnessVector
from pydeeprecsys.rl.agents.agent import ReinforcementLearning
from pydeeprecsys.rl.agents.slate_q import SlateQAgent
from pydeeprecsys.rl.ops.policies import top_k
from pydeeprecsys.rl.ops.slates import (
    ROUNDING,
    SLATE_OPTIMIZERS,
    ChoiceProblem,
    near_best,
    slate_values,
    slates_above,
)
from pydeeprecsys.rl.ops.varied_policies import slates_of
from pydeeprecsys.serving.graphs.agents import AgentGraph, Known, Scored, agent_graph
from pydeeprecsys.serving.graphs.context import Slates, in_time
from pydeeprecsys.serving.graphs.observations import observation_graph

_ROUNDS = 10  # of Dinkelbach's method, which converges superlinearly


def greedy_slates(scored: Scored, k: int, optimizer: str = "top-k") -> Tensor:
    """(n, k) the greedy slates; scores of items that are not allowed are minus infinity.

    Args:
        scored: of n users.
        k: items per slate.
        optimizer: of slates under a choice model, if there is one.
    """
    if scored.choice is None:
        return slates_of(scored.scores, k, scored.discount, top_k)
    weights, q_nothing, weight_nothing = scored.choice
    problem = ChoiceProblem(scored.scores, weights, q_nothing, weight_nothing)
    if optimizer != "optimal":
        return SLATE_OPTIMIZERS[optimizer](problem, k)
    slates = slates_above(near_best(problem, k), problem, k)
    value = slate_values(problem, slates)
    for _ in range(_ROUNDS):
        better = slates_above(value, problem, k)
        risen = slate_values(problem, better)
        slates = torch.where((risen >= value - ROUNDING * value.abs())[:, None], better, slates)
        value = torch.maximum(risen, value)
    return slates


def policy_graph(agent: ReinforcementLearning, users: MovieLensFairnessVector) -> PolicyGraph:
    """The graph of an agent that was trained on simulated users.

    Raises:
        InputError: there is none for such an agent, or for such an observation.
    """
    simulator, layout = users.simulator, users.history_layout
    world = Known(
        observation_graph(users.observation),
        simulator.world.n_items,
        simulator.slate_size,
        masks=simulator.repeats != "allow",
    )
    graph_of_agent = agent_graph(agent, world)
    observes_all = layout is None or layout.whole_session or graph_of_agent.remembers_session
    graph = PolicyGraph(
        graph_of_agent,
        world,
        whole_slates=simulator.consumption == "slate",
        window=None if layout is None or observes_all else layout.length,
        optimizer=agent.serving if isinstance(agent, SlateQAgent) else "top-k",
    )
    return graph.eval().requires_grad_(False)


class PolicyGraph(nn.Module):
    """A whole policy, from a history to scores and the greedy slate.

    Args:
        agent: graph of the agent.
        world: what it knows of the world.
        whole_slates: whether all rated items of a slate were consumed, not only the chosen one.
        window: slates that the agent observes; None for all. Those before say only what was consumed.
        optimizer: of slates under a choice model, if there is one.
    """

    def __init__(
        self,
        agent: AgentGraph,
        world: Known,
        *,
        whole_slates: bool,
        window: int | None = None,
        optimizer: str = "top-k",
    ) -> None:
        super().__init__()
        self.agent, self.world, self.whole_slates = agent, world, whole_slates
        self.window, self.optimizer = window, optimizer

    def scored(self, demographics: Tensor, items: Tensor, chosen: Tensor, ratings: Tensor) -> Scored:
        """Score all items: minus infinity for those that are not allowed."""
        slates = Slates(items, chosen, ratings)
        observed = slates if self.window is None else slates.last(self.window)
        context = in_time(demographics, observed, self.whole_slates)
        if not self.world.masks:
            scored: Scored = self.agent(context, None)
            return scored
        consumed = slates.consumed(self.whole_slates).items
        marks = torch.ones(consumed.shape[0], self.world.n_items + 1, device=consumed.device)
        allowed = marks.scatter(1, torch.where(consumed >= 0, consumed, self.world.n_items), 0.0)[:, :-1] > 0
        scored = self.agent(context, allowed)
        # Of few items, faster than where `allowed` is not, which the graphs of most agents do not compute then.
        barred = torch.where(consumed >= 0, -torch.inf, torch.inf).to(scored.scores.dtype)
        return scored._replace(scores=scored.scores.scatter_reduce(1, consumed.clamp(min=0), barred, "amin"))

    def forward(self, demographics: Tensor, items: Tensor, chosen: Tensor, ratings: Tensor) -> dict[str, Tensor]:
        """Score all items, and fill the greedy slate; see docs/serving.md for the inputs and the outputs."""
        scored = self.scored(demographics, items, chosen, ratings)
        outputs = {
            "scores": scored.scores.float(),
            "slate": greedy_slates(scored, self.world.slate_size, self.optimizer),
        }
        if scored.discount is not None:
            outputs |= {"weights": scored.discount.weights.float(), "memories": scored.discount.memories.float()}
        if scored.choice is not None:
            weights, q_nothing, weight_nothing = scored.choice
            outputs |= {"choice_weights": weights, "nothing": torch.stack([q_nothing, weight_nothing], dim=1)}
        return outputs
