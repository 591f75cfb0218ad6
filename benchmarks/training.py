"""Training steps per second with the hyperparameters of the notebook, beside the time of the bare matrix products."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import gymnasium as gym
import torch

from benchmarks.environments import MODE, OURS, STEPS, many_users, one_user
from benchmarks.report import Bar, Results, Row
from benchmarks.timing import Case, Effort, rates
from pydeeprecsys.experiments.registry import make_agent
from pydeeprecsys.rl.learning_statistics import LearningStatistics
from pydeeprecsys.rl.manager import MovieLensFairnessManager

_ALONE = "environment alone"
_ITEMS, _STATE, _SESSION = 3883, 25, 50
_BARS = {
    ("reinforce", 1): 3000,
    ("actor-critic", 1): 2500,
    ("rainbow", 1): 250,
    ("reinforce", 64): 7000,
    ("actor-critic", 64): 7000,
}
_NOTES = (
    "Products: the matrix products of the networks alone, as many and of the same sizes: forward for each choice; "
    "for each batch forward, backward and through the target networks.",
    "Cost over products: time of a step of training over that of its products. At 1, nothing else would cost anything.",
)

Layers = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Update:
    """What an agent computes to learn, and how often.

    Attributes:
        rows: of a batch.
        every: environment steps between updates.
        forward: layers of the networks that the batch passes, forward only.
        learned: layers of those that it also passes backward.
    """

    rows: int
    every: int
    forward: Layers
    learned: Layers


def _chain(*sizes: int) -> Layers:
    return list(itertools.pairwise(sizes))


def _products(agent: str, n_envs: int) -> tuple[Layers, Update]:
    """The layers an agent acts through, and its updates."""
    session = _SESSION * n_envs
    policy = _chain(_STATE, 2 * _STATE, 2 * _STATE, _ITEMS)
    critic = _chain(_STATE, 2 * _STATE, _STATE // 2, 1)
    q = _chain(_STATE, 128, 128, _ITEMS)
    dueling = [*_chain(_STATE, 256, 256, 64, _ITEMS), *_chain(256, 64, 1)]
    soft = _chain(_STATE, 256, 256, _ITEMS)
    return {
        "reinforce": (policy, Update(session, session, [], policy)),
        # The critic evaluates the observations and the next observations before it learns.
        "actor-critic": (policy, Update(session, session, [*critic, *critic], [*policy, *critic])),
        "dqn": (q, Update(32, 3, q, q)),
        # The network selects the actions that the target network evaluates.
        "rainbow": (dueling, Update(32, 5, [*dueling, *dueling], dueling)),
        # Two target critics and the actor evaluate the next observations; the actor and two critics learn.
        "sac": (soft, Update(256, 1, [*soft, *soft, *soft], [*soft, *soft, *soft])),
    }[agent]


def measure(effort: Effort) -> list[Results]:
    """One table for a user at a time, one for 64 at once; torch has one thread, as it has on the command line."""
    torch.set_num_threads(1)
    return [
        _with_users(1, ("reinforce", "actor-critic", "dqn", "rainbow", "sac"), effort),
        _with_users(64, ("reinforce", "actor-critic", "dqn", "rainbow"), effort),
        _with_base(effort),
    ]


def _with_base(effort: Effort) -> Results:
    """PPO that begins at a recommender, beside PPO from nothing, with the same state encoder and item features."""
    cases = [
        _ppo(f"slates of {slate_size}, {base or 'no base'}", slate_size, base=base)
        for slate_size in (1, 10)
        for base in (None, "fold-in,diversify=0.6")
    ]
    measured = rates(cases, effort)
    bars = [None, Bar(least=2000), None, None]
    rows = [Row(case.name, STEPS, measured[case.name], bar) for case, bar in zip(cases, bars, strict=True)]
    note = "Two epochs per update, on minibatches of 512 of 4,096 steps."
    return Results("Training PPO with state encoder fold-in on 64 users at once", rows, cases[0].name, [note])


def _ppo(name: str, slate_size: int, base: str | None) -> Case:
    manager = MovieLensFairnessManager(0, slate_size, 64, version=1, observation="items", pool="train")
    rollout = 4096
    options = {"state_encoder": "fold-in", "item_features": "ratings", "steps_per_update": rollout}
    agent = make_agent("ppo", manager, seed=0, base=base, epochs=2, minibatch_size=512, **options)

    def train() -> int:
        manager.train(agent, max_episodes=None, max_steps=rollout, should_print=False)
        return rollout

    return Case(name, train)


def _with_users(n_envs: int, agents: Sequence[str], effort: Effort) -> Results:
    alone = one_user(_ALONE, gym.make(OURS)) if n_envs == 1 else many_users(_ALONE, gym.make_vec(OURS, n_envs, MODE))
    pairs = [(_training(agent, n_envs), _bare(agent, n_envs)) for agent in agents]
    measured = rates([alone, _training("random", n_envs), *itertools.chain(*pairs)], effort)
    rows = [Row(name, STEPS, measured[name]) for name in (_ALONE, "random")]
    for case, bare in pairs:
        bar = _BARS.get((case.name, n_envs))
        costs = [most / steps for steps, most in zip(measured[case.name], measured[bare.name], strict=True)]
        rows += [
            Row(case.name, STEPS, measured[case.name], Bar(least=bar) if bar else None),
            Row(bare.name, STEPS, measured[bare.name]),
            Row(f"{case.name}, cost over products", "times", costs),
        ]
    notes = list(_NOTES)
    if n_envs > 1:
        notes.append("sac learns at every step of every user: as many steps per second as with one user.")
    users = "1 user" if n_envs == 1 else f"{n_envs} users at once"
    return Results(f"Training on {users}", rows, _ALONE, notes)


def _training(name: str, n_envs: int) -> Case:
    """A part of a training that continues; statistics are kept."""
    manager = MovieLensFairnessManager(seed=0, n_envs=n_envs)
    agent = make_agent(name, manager, seed=0)
    # Sessions of as many users as there are for those that learn from sessions, else some hundred milliseconds.
    steps = {"dqn": 60, "rainbow": 60, "sac": 4}.get(name, _SESSION) * n_envs

    def train() -> int:
        statistics = LearningStatistics(name, OURS)
        if hasattr(agent, "statistics"):
            agent.statistics = statistics
        manager.train(agent, statistics, max_episodes=None, max_steps=steps, should_print=False)
        return steps

    # Past the steps at random that come before learning.
    for _ in range({"dqn": 1100, "rainbow": 1100, "sac": 260}.get(name, 0) // steps + 1):
        train()
    return Case(name, train)


def _bare(name: str, n_envs: int) -> Case:
    """The matrix products of as many steps as lie between two updates, and of the update."""
    acting, update = _products(name, n_envs)
    act = _forward(acting, n_envs)
    learn = [_forward([*update.forward, *update.learned], update.rows), _backward(update.learned, update.rows)]
    # Of several users an update may be due within a step.
    repetitions = max(1, n_envs // update.every)

    def products() -> int:
        for _ in range(max(1, update.every // n_envs)):
            act()
        for _ in range(repetitions):
            for part in learn:
                part()
        return update.every * repetitions

    return Case(f"{name}, products", products)


def _forward(layers: Layers, rows: int) -> Callable[[], None]:
    pairs = [(torch.rand(rows, inputs), torch.rand(inputs, outputs)) for inputs, outputs in layers]
    return lambda: [torch.mm(*pair) for pair in pairs]  # type: ignore[return-value]


def _backward(layers: Layers, rows: int) -> Callable[[], None]:
    """The gradients of the weights and those of the inputs: twice the products of forward."""
    pairs = []
    for inputs, outputs in layers:
        gradient = torch.rand(rows, outputs)
        pairs += [(torch.rand(inputs, rows), gradient), (gradient, torch.rand(outputs, inputs))]
    return lambda: [torch.mm(*pair) for pair in pairs]  # type: ignore[return-value]
