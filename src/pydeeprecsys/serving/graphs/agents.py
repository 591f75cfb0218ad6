"""Agents as graphs: a context to scores of all items, and to what else their slates are filled by."""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from pydeeprecsys.arrays import Ints
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.agents.agent import ReinforcementLearning
from pydeeprecsys.rl.agents.bandits import LinearBandit
from pydeeprecsys.rl.agents.baselines import FixedOrder, VariedAgent, WinStayAgent
from pydeeprecsys.rl.agents.policy_gradient import PolicyGradientAgent
from pydeeprecsys.rl.agents.policy_search import PolicySearch
from pydeeprecsys.rl.agents.ppo import PPOAgent
from pydeeprecsys.rl.agents.proto_action_policy import ProtoActionPolicy
from pydeeprecsys.rl.agents.q_learning import QLearningAgent
from pydeeprecsys.rl.agents.recommender import Recommender
from pydeeprecsys.rl.agents.slate_q import SlateQAgent
from pydeeprecsys.rl.agents.soft_actor_critic import SoftActorCritic
from pydeeprecsys.rl.agents.soft_policies import CategoricalPolicy
from pydeeprecsys.rl.neural_networks.policy_estimator import PolicyEstimator, Prepared
from pydeeprecsys.rl.ops.ridge import ItemRegression, JointRegression
from pydeeprecsys.rl.ops.slates import choice_weights
from pydeeprecsys.rl.ops.varied_policies import Discount
from pydeeprecsys.scale import MAX_RATING
from pydeeprecsys.serving.graphs.context import Context
from pydeeprecsys.serving.graphs.histories import MemoriesGraph
from pydeeprecsys.serving.graphs.networks import with_contexts
from pydeeprecsys.serving.graphs.recommenders import relevance_graph

_NEARNESS = 1e-4  # difference of squared distances that single precision may not see


class Scored(NamedTuple):
    """Scores of all items for n users, and what slates are filled by besides them."""

    scores: Tensor  # (n, items)
    discount: Discount | None = None  # what lowers them at later places of a slate
    choice: tuple[Tensor, Tensor, Tensor] | None = None  # weights (n, items); value and weight (n,) of nothing
    tied: Tensor | None = None  # (n,) whether scores depend on the order of equal numbers, which runtimes do not share


class Known(NamedTuple):
    """What the graph of an agent knows of the world besides the context.

    Attributes:
        observation: graph of the observation that the agent was trained on.
        n_items: number of items.
        slate_size: items per slate.
        masks: whether consumed items are not to be recommended again.
    """

    observation: nn.Module
    n_items: int
    slate_size: int
    masks: bool


class AgentGraph(nn.Module):
    """The graph of an agent: a `Context`, and the allowed items (n, items) or None if all are, to `Scored`."""

    scores_as_agent = True
    """Whether the scores are those of the agent's `scores`, which some agents do not rank by."""
    remembers_session = False
    """Whether the agent remembers the whole session, however many slates it observes."""


class LogitsGraph(AgentGraph):
    """Logits of a softmax policy."""

    def __init__(self, estimator: PolicyEstimator, world: Known) -> None:
        super().__init__()
        self.network = with_contexts(estimator, world.observation)

    def forward(self, context: Context, allowed: Tensor | None) -> Scored:
        """Score all items."""
        base = self.network.base
        read = None if base is None else base.read(context)
        return Scored(*self.network.logits(Prepared(self.network.read(context), read)))


class ValuesGraph(AgentGraph):
    """Action values, less those of costs if the agent has a cost critic."""

    def __init__(self, agent: QLearningAgent, world: Known) -> None:
        super().__init__()
        agent.network.silence_noise()
        self.network = with_contexts(agent.network, world.observation)
        critic = agent.cost_critic
        self.costs = None if critic is None else with_contexts(critic.network, world.observation)
        self.multiplier = 0.0 if critic is None else critic.constraint.multiplier

    def forward(self, context: Context, allowed: Tensor | None) -> Scored:
        """Score all items."""
        values = self.network.values(context)
        if self.costs is not None:
            values = values - self.multiplier * self.costs.values(context)
        return Scored(values, None if self.network.base is None else self.network.preferences(context).discount)


class ChoicesGraph(AgentGraph):
    """Values of items, and weights of a choice model, of which SlateQ makes slates."""

    def __init__(self, agent: SlateQAgent, world: Known) -> None:
        super().__init__()
        if agent.choice_scores is not None:
            raise InputError("the choice model is the environment's, and no part of the policy; it cannot be exported")
        self.network, self.choices = (
            with_contexts(each, world.observation) for each in (agent.network, agent.choice_network)
        )

    def forward(self, context: Context, allowed: Tensor | None) -> Scored:
        """Score all items."""
        values, weights = self.network(context), choice_weights(self.choices(context))
        return Scored(values[:, :-1], choice=(weights[:, :-1], values[:, -1], weights[:, -1]))


class ProtoActionGraph(AgentGraph):
    """Values of the items near a point, and below them all others, the nearest first; see `ProtoActionPolicy`."""

    vectors: Tensor
    minus_squares: Tensor

    def __init__(self, policy: ProtoActionPolicy, world: Known) -> None:
        super().__init__()
        self.actor, self.critic = (with_contexts(each, world.observation) for each in (policy.actor, policy.critic))
        self.register_buffer("vectors", policy.vectors.cpu().double())
        self.register_buffer("minus_squares", policy.minus_squares.cpu().double())
        self.n_candidates = min(max(policy.n_candidates, world.slate_size), len(policy.vectors))
        self.scores_as_agent = policy.n_candidates >= world.slate_size

    def forward(self, context: Context, allowed: Tensor | None) -> Scored:
        """Score all items."""
        point = self.actor(context)[0].tanh().double()
        nearness = torch.addmm(self.minus_squares, point, self.vectors.T, alpha=2)
        if allowed is not None:
            nearness = nearness.masked_fill(~allowed, -torch.inf)
        nearest, candidates = nearness.topk(self.n_candidates, dim=1)
        encoded = self.critic.encoded(context)[:, None].expand(-1, self.n_candidates, -1)
        pairs = torch.cat([encoded, self.vectors[candidates].float()], dim=2).flatten(0, 1)
        q = self.critic.model(pairs.expand(2, -1, -1)).amin(dim=0).view(-1, self.n_candidates)
        farthest = nearest.masked_fill(nearest.isneginf(), torch.inf).amin(dim=1, keepdim=True)
        others = (q.amin(dim=1, keepdim=True) + (nearness - farthest)).float()
        # The agent computes in single precision, in which more items may be as near as the farthest candidate.
        tied = (nearness >= farthest - _NEARNESS).sum(dim=1) > self.n_candidates
        return Scored(others.scatter(1, candidates, q.masked_fill(nearest.isneginf(), -torch.inf)), tied=tied)


class BanditGraph(AgentGraph):
    """Expected rewards of a linear bandit."""

    weights: Tensor
    items: Tensor

    def __init__(self, agent: LinearBandit, world: Known) -> None:
        super().__init__()
        self.observation, regression = world.observation, agent.regression
        if isinstance(regression, JointRegression):
            weights, items = regression.weights, regression.items.T
        else:  # the same for all states
            assert isinstance(regression, ItemRegression)
            weights = np.zeros((1 + agent.state_size, 1))
            weights[0], items = 1, regression.means(np.zeros((1, agent.state_size)))
        self.register_buffer("weights", torch.from_numpy(weights.copy()))
        self.register_buffer("items", torch.from_numpy(items.copy()))

    def forward(self, context: Context, allowed: Tensor | None) -> Scored:
        """Score all items."""
        states = self.observation(context).double()
        return Scored((states @ self.weights[1:] + self.weights[0]) @ self.items)


class RecommenderGraph(AgentGraph):
    """Relevance minus the penalty for overlap with the categories just consumed."""

    units: Tensor
    kinds: Tensor
    weights: Tensor

    def __init__(self, agent: Recommender, world: Known) -> None:
        super().__init__()
        self.relevance = relevance_graph(agent)
        penalty, kinds = agent.penalty, agent.kinds
        self.memories = MemoriesGraph(kinds, penalty.decays) if penalty.weights.any() else None
        arrays = {"units": kinds.units.T, "kinds": kinds.of, "weights": penalty.weights}
        for name, array in arrays.items():
            self.register_buffer(name, torch.from_numpy(array.copy()))

    def forward(self, context: Context, allowed: Tensor | None) -> Scored:
        """Score all items."""
        scores = self.relevance(context)
        if self.memories is None:
            return Scored(scores)
        memories = self.memories(context.consumed)
        weights = self.weights.expand(memories.shape[0], -1)
        discount = Discount(weights, memories, self.memories.decays, units=self.units, kinds=self.kinds)
        less = discount._replace(memories=torch.zeros_like(memories)).of(memories)
        return Scored(scores - less[:, self.kinds], discount)


class OrderGraph(AgentGraph):
    """Minus the rank of each item in an order; in a walk through it, from the position of the next slate.

    Args:
        order: (items,) all items, best first.
        world: with the positions per slate.
        candidates: items at the front of the order that the walk goes round; all if None.
        step: graph of the number of slates, (n,), that the walk has moved by; None if it stays at the front.
    """

    ranks: Tensor

    def __init__(self, order: Ints, world: Known, candidates: int | None = None, step: nn.Module | None = None) -> None:
        super().__init__()
        self.register_buffer("ranks", torch.from_numpy(np.argsort(order)))
        self.candidates, self.step, self.slate_size = candidates or len(order), step, world.slate_size
        self.scores_as_agent, self.remembers_session = step is None, step is not None

    def forward(self, context: Context, allowed: Tensor | None) -> Scored:
        """Score all items."""
        ranks = self.ranks.expand(context.steps.shape[0], -1)
        if self.step is None:
            return Scored(-ranks.float())
        ahead = torch.remainder(ranks - self.slate_size * self.step(context)[:, None], self.candidates)
        return Scored(-torch.where(ranks < self.candidates, ahead, ranks).float())


class _AllSlates(nn.Module):
    """(n,) the slates shown."""

    def forward(self, context: Context) -> Tensor:
        return context.steps


class _LostSlates(nn.Module):
    """(n,) the slates whose chosen item was rated below a threshold, or of which none was chosen.

    Args:
        threshold: in the units of the observation that the agent reads ratings from.
        unit: stars per unit.
    """

    def __init__(self, threshold: float, unit: float) -> None:
        super().__init__()
        self.threshold, self.unit = threshold, unit

    def forward(self, context: Context) -> Tensor:
        ratings = context.slates.chosen_ratings / self.unit
        shown = torch.arange(ratings.shape[1], device=ratings.device) < context.steps[:, None]
        return (shown & (ratings < torch.tensor(self.threshold, dtype=torch.float32))).sum(dim=1)


@singledispatch
def agent_graph(agent: ReinforcementLearning, world: Known) -> AgentGraph:
    """The graph of an agent: a `Context`, and the allowed items (n, items) or None, to `Scored`; register your own.

    Raises:
        InputError: there is none for such an agent.
    """
    raise InputError(
        f"there is no graph of {type(agent).__name__}, which scores no items from what a recommender knows; register "
        "one by pydeeprecsys.serving.graphs.agents.agent_graph"
    )


@agent_graph.register
def _of_soft_actor_critic(agent: SoftActorCritic, world: Known) -> AgentGraph:
    policy = agent.policy
    if isinstance(policy, CategoricalPolicy):
        return LogitsGraph(policy.actor, world)
    assert isinstance(policy, ProtoActionPolicy)  # of items
    return ProtoActionGraph(policy, world)


@agent_graph.register
def _of_win_stay(agent: WinStayAgent, world: Known) -> AgentGraph:
    unit = MAX_RATING if agent.history is None else 1.0
    return OrderGraph(agent.order, world, len(agent.candidates), _LostSlates(agent.threshold / unit, unit))


_GRAPHS: dict[type, Callable[..., AgentGraph]] = {
    PolicyGradientAgent: lambda agent, world: LogitsGraph(agent.policy_estimator, world),
    PPOAgent: lambda agent, world: LogitsGraph(agent.policy_estimator, world),
    PolicySearch: lambda agent, world: agent_graph(agent.policy, world),
    Recommender: RecommenderGraph,
    LinearBandit: BanditGraph,
    QLearningAgent: ValuesGraph,
    SlateQAgent: ChoicesGraph,
    FixedOrder: lambda agent, world: OrderGraph(agent.order, world),
    VariedAgent: lambda agent, world: OrderGraph(agent.order, world, step=None if world.masks else _AllSlates()),
}
for _agent, _graph in _GRAPHS.items():
    agent_graph.register(_agent, _graph)
