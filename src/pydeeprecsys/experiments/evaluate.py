"""Evaluation of an agent: how it does without exploring or learning, and what it shows simulated users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pydeeprecsys.arrays import Floats, Ints
from pydeeprecsys.envs.single import MovieLensFairness, simulated_users
from pydeeprecsys.metrics.exposure import exposures
from pydeeprecsys.rl.agents.agent import ReinforcementLearning
from pydeeprecsys.rl.manager import Episode, Manager
from pydeeprecsys.rl.rollout import Step
from pydeeprecsys.simulation.movielens.state import State

_RECORDED = 10  # sessions that are kept step by step


@dataclass
class Evaluation:
    """What an agent did in the episodes of an evaluation.

    Attributes:
        episodes: one row per episode: `episode`, `return`, `steps`, the mean of each measure in `info`; and, if users
            of a data set are simulated, the `user` and the mean `rating` of the items shown, in stars.
        exposure: one row per item: `item_id`, and how often it was `shown`; None without simulated users.
        sessions: `genres`, the names of a user's affinities, and `sessions`, the first of each of some users step by
            step; None without simulated users.
    """

    episodes: pd.DataFrame
    exposure: pd.DataFrame | None = None
    sessions: dict[str, Any] | None = None


def evaluate(agent: ReinforcementLearning, manager: Manager, n_episodes: int) -> Evaluation:
    """Let an agent act without exploring or learning; afterwards it is as before.

    Args:
        agent: the agent.
        manager: of the environments, seeded and not begun.
        n_episodes: over all environments, the same number in each.
    """
    if not isinstance(manager.env.unwrapped, MovieLensFairness):
        outputs: list[dict[str, Any]] = []
        manager.execute_episodes(agent, n_episodes, on_episode=lambda i, episode: outputs.append(_row(i, episode)))
        return Evaluation(pd.DataFrame(outputs))
    rows: list[dict[str, Any]] = []
    recorder = _Recorder(manager, min(_RECORDED, n_episodes, manager.batch.num_envs))

    def on_episode(number: int, episode: Episode) -> None:
        user, rating = recorder.end(episode.environment)
        rows.append(_row(number, episode, user=user) | {"rating": rating})

    manager.execute_episodes(agent, n_episodes, on_episode=on_episode, on_step=recorder.add)
    exposure = pd.DataFrame({"item_id": recorder.world.item_ids, "shown": recorder.exposure})
    sessions = {"genres": list(recorder.world.categories), "sessions": recorder.sessions}
    return Evaluation(pd.DataFrame(rows), exposure, sessions)


def _row(number: int, episode: Episode, **more: str) -> dict[str, Any]:
    steps, reward_sum = episode.output
    return {"episode": number, **more, "return": reward_sum, "steps": steps, **episode.measures}


class _Recorder:
    """Counts what is shown to simulated users, and keeps the first session of each of some users step by step."""

    def __init__(self, manager: Manager, n_sessions: int) -> None:
        self.batch = simulated_users(manager.batch)
        self.world = self.batch.simulator.world
        self.sessions: list[dict[str, Any]] = [{"steps": []} for _ in range(n_sessions)]
        self.exposure = np.zeros(self.world.n_items, dtype=np.int64)  # in the sessions that `end` was called for
        self._running: list[list[Ints]] = [[] for _ in range(manager.batch.num_envs)]  # their slates
        self._ratings: list[list[float]] = [[] for _ in range(manager.batch.num_envs)]  # the mean of each slate
        self._before: Floats | None = None  # (sessions, categories) affinities before the step

    def end(self, row: int) -> tuple[str, float]:
        """Count the items shown in the session of a row that has just ended; give its user and their mean rating."""
        # Not every session is counted: some run on until the last of those that are evaluated has ended.
        self.exposure += exposures(np.array(self._running[row]), self.world.n_items)
        rating = float(np.mean(self._ratings[row]))
        self._running[row].clear()
        self._ratings[row].clear()
        assert self.batch.state is not None
        return str(self.world.user_ids[self.batch.state.users[row]]), rating

    def add(self, step: Step) -> None:
        """Keep a step; nothing is kept of a user's second session."""
        state = self.batch.state
        assert state is not None
        slates, infos = step.actions.reshape(len(step.actions), -1), step.infos
        ratings = infos["ratings"].mean(axis=1).tolist()
        for row, (slate, rating) in enumerate(zip(slates, ratings, strict=True)):
            self._running[row].append(slate)
            self._ratings[row].append(rating)
        if self._before is None:
            # Sessions depend on their streams alone: a reset gives the state before the first step.
            self._before = self._affinities(self.batch.simulator.reset(state.seeds))
        for row, session in enumerate(self.sessions):
            if state.episodes[row] > 0:
                continue
            session["user"] = str(self.world.user_ids[state.users[row]])
            session["steps"].append(
                {
                    "shown": list(map(self._shown, slates[row], infos["ratings"][row])),
                    "chosen": int(infos["chosen_action"][row]) if "chosen_action" in infos else 0,
                    "reward": float(step.rewards[row]),
                    "affinities": self._before[row].round(4).tolist(),
                }
            )
        self._before = self._affinities(state)

    def _affinities(self, state: State) -> Floats:
        return self.world.affinities(self.batch.simulator.taste.effective_vectors(state))

    def _shown(self, item: int, rating: float) -> dict[str, Any]:
        world = self.world
        violence = float(world.violence[item])
        return {
            "item": str(world.item_ids[item]),
            "title": str(world.titles[item]),
            "genres": world.genre_names(item),
            "rating": round(float(rating), 3),
            "violence": None if np.isnan(violence) else round(violence, 3),
            "measured": bool(world.violence_measured[item]),
        }
