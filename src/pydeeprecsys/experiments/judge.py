"""How a trained agent does with users it has not met, and what it showed them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pydeeprecsys.data.world import World
from pydeeprecsys.envs.single import simulated_users
from pydeeprecsys.envs.vector import MovieLensFairnessVector
from pydeeprecsys.files import whole_file
from pydeeprecsys.metrics.exposure import exposures
from pydeeprecsys.rl.agents.agent import ReinforcementLearning
from pydeeprecsys.rl.manager import Episode, Manager
from pydeeprecsys.rl.rollout import Step
from pydeeprecsys.simulation.movielens.state import State

_RECORDED = 10  # sessions that are kept step by step


@dataclass
class Judgement:
    """What came of the sessions an agent was judged in."""

    evaluation: pd.DataFrame  # one row per session: episode, user, return, steps, and the mean of each measure
    exposure: NDArray[np.int64]  # (items,) how often each was shown in these sessions
    item_ids: NDArray[np.str_]  # (items,)
    sessions: list[dict[str, Any]]  # the first of each of some users, step by step
    categories: tuple[str, ...]  # names of the affinities in `sessions`

    def write(self, folder: Path) -> None:
        """Write `evaluation.csv`, `exposure.csv` and `sessions.json`."""
        with whole_file(folder / "evaluation.csv") as path:
            self.evaluation.to_csv(path, index=False)
        with whole_file(folder / "exposure.csv") as path:
            exposure = pd.DataFrame({"item_id": self.item_ids, "shown": self.exposure})
            exposure.to_csv(path, index_label="item")
        with whole_file(folder / "sessions.json") as path:
            path.write_text(json.dumps({"genres": self.categories, "sessions": self.sessions}))


def judge(agent: ReinforcementLearning, manager: Manager, world: World, n_episodes: int) -> Judgement:
    """Let an agent act without exploring or learning; afterwards it is what it was before.

    Args:
        agent: whom to judge.
        manager: of many simulated users of the world, seeded and not begun.
        world: the users and items.
        n_episodes: sessions, as many of each user as of the others.
    """
    rows: list[dict[str, Any]] = []
    batch = simulated_users(manager.batch)
    recorder = _Recorder(batch, world, min(_RECORDED, n_episodes, manager.batch.num_envs))
    exposure = np.zeros(world.n_items, dtype=np.int64)
    running: list[list[NDArray[np.int64]]] = [[] for _ in range(manager.batch.num_envs)]  # slates of each session

    def on_step(step: Step) -> None:
        slates = step.actions.reshape(len(step.actions), -1)
        for session, slate in zip(running, slates, strict=True):
            session.append(slate)
        recorder.take(slates, step.rewards, step.infos)

    def on_episode(number: int, episode: Episode) -> None:
        # Only of sessions that are judged: others may run on until the longest of these has ended.
        exposure[:] += exposures(np.array(running[episode.environment]), world.n_items)
        running[episode.environment].clear()
        assert batch.state is not None
        user = str(world.user_ids[batch.state.users[episode.environment]])
        steps, reward_sum = episode.output
        rows.append({"episode": number, "user": user, "return": reward_sum, "steps": steps, **episode.measures})

    manager.execute_episodes(agent, n_episodes, on_episode=on_episode, on_step=on_step)
    return Judgement(pd.DataFrame(rows), exposure, world.item_ids, recorder.sessions, categories=world.categories)


class _Recorder:
    """Keeps the first session of each of some users, step by step."""

    def __init__(self, batch: MovieLensFairnessVector, world: World, n_sessions: int) -> None:
        self.batch, self.world = batch, world
        self.sessions: list[dict[str, Any]] = [{"steps": []} for _ in range(n_sessions)]
        self._before: NDArray[np.float64] | None = None  # (sessions, categories) affinities before the step

    def take(self, slates: NDArray[np.int64], rewards: NDArray[np.float64], infos: dict[str, Any]) -> None:
        """Note down a step; of a user's second session nothing is."""
        state = self.batch.state
        assert state is not None
        if self._before is None:
            # The sessions follow from their streams: begun again, they are what they were before the first step.
            simulator = self.batch.simulator
            self._before = self._affinities(simulator.reset(state.seeds))
        for row, session in enumerate(self.sessions):
            if state.episodes[row] > 0:
                continue
            session["user"] = str(self.world.user_ids[state.users[row]])
            session["steps"].append(
                {
                    "shown": [
                        self._shown(item, rating)
                        for item, rating in zip(slates[row], infos["ratings"][row], strict=True)
                    ],
                    "chosen": int(infos["chosen_action"][row]) if "chosen_action" in infos else 0,
                    "reward": float(rewards[row]),
                    "affinities": self._before[row].round(4).tolist(),
                }
            )
        self._before = self._affinities(state)

    def _affinities(self, state: State) -> NDArray[np.float64]:
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
