"""Milliseconds per step of 64 users for fold-in over 3,883 items, after histories of 40 ratings, on one thread."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.report import Bar, Results, Row
from benchmarks.timing import Case, Effort, in_turn, rate
from pydeeprecsys.arrays import Singles
from pydeeprecsys.experiments.registry import make_agent
from pydeeprecsys.history import HistoryLayout
from pydeeprecsys.rl.agents.fold_in import FoldInAgent
from pydeeprecsys.rl.manager import MovieLensFairnessManager

_USERS, _HISTORY, _SLATE = 64, 40, 10
_EVERYTHING = {name: (domain.low + 2 * domain.high) / 3 for name, domain in FoldInAgent.parameter_space.items()}


def measure(effort: Effort) -> list[Results]:
    """One table: predicted ratings alone, and slates of 10 with all parameters."""
    torch.set_num_threads(1)
    works = {
        "scores": _work(1, lambda agent, states: agent.scores(states)),
        "slates of 10, with variances and diversification": _work(
            _SLATE, lambda agent, states: agent.top_k_actions_for_states(states, _SLATE, explore=False), **_EVERYTHING
        ),
    }
    measured = in_turn({name: partial(_milliseconds, work, effort) for name, work in works.items()}, effort.repetitions)
    bars = (Bar(most=1), Bar(most=10))
    rows = [Row(name, "ms", values, bar) for (name, values), bar in zip(measured.items(), bars, strict=True)]
    return [Results(f"Fold-in, a step of {_USERS} users", rows)]


def _work(slate_size: int, act: Callable[[Any, Singles], Any], **options: Any) -> Callable[[], int]:
    manager = MovieLensFairnessManager(
        0, slate_size, version=1, observation="items", history_length=_HISTORY, pool="train"
    )
    agent: Any = make_agent("fold-in", manager, 0, **options)
    states = _histories(agent.layout)

    def step() -> int:
        act(agent, states)
        return 1

    return step


def _histories(layout: HistoryLayout) -> Singles:
    """(users, size) full histories of items and ratings that are drawn."""
    rng = np.random.default_rng(0)
    slates = rng.permuted(np.tile(np.arange(layout.n_items), (_USERS, 1)), axis=1)[:, : _HISTORY * layout.slate_size]
    stars = rng.integers(1, 6, (_USERS, _HISTORY, 1))
    demographics, choices = [0.5] * 4, [0] * _HISTORY
    rows = zip(slates.reshape(_USERS, _HISTORY, -1).tolist(), stars.tolist(), strict=True)
    return np.array([layout.row(demographics, slate, choices, ratings=rated) for slate, rated in rows])


def _milliseconds(work: Callable[[], int], effort: Effort) -> float:
    return 1000 / rate(Case("", work), effort.seconds)
