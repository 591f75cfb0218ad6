"""Training steps per second of the agents, beside the environment they train on without any agent."""

from __future__ import annotations

import gymnasium as gym
import torch

from benchmarks.environments import MODE, OURS, STEPS, many_users, one_user
from benchmarks.report import Results, Row
from benchmarks.timing import Case, Effort, rates
from pydeeprecsys.experiments.registry import AGENTS, make_agent
from pydeeprecsys.rl.learning_statistics import LearningStatistics
from pydeeprecsys.rl.manager import Episode, MovieLensFairnessManager

_ALONE = "environment alone"


def measure(effort: Effort) -> list[Results]:
    """One table for a user at a time, one for 64 at once; torch has one thread, as it has on the command line."""
    torch.set_num_threads(1)
    return [_with_users(n_envs, effort) for n_envs in (1, 64)]


def _with_users(n_envs: int, effort: Effort) -> Results:
    alone = one_user(_ALONE, gym.make(OURS)) if n_envs == 1 else many_users(_ALONE, gym.make_vec(OURS, n_envs, MODE))
    measured = rates([alone, *(_training(agent, n_envs) for agent in AGENTS)], effort)
    users = "1 user" if n_envs == 1 else f"{n_envs} users at once"
    return Results(f"Training on {users}", [Row(name, STEPS, values) for name, values in measured.items()], _ALONE)


def _training(name: str, n_envs: int) -> Case:
    """As many episodes as there are users, each time, of an agent that goes on learning; statistics are kept."""
    manager = MovieLensFairnessManager(seed=0, n_envs=n_envs)
    agent = make_agent(name, manager, seed=0)

    def episodes() -> int:
        steps = 0

        def count(number: int, episode: Episode) -> None:
            nonlocal steps
            steps += episode.output.timesteps

        manager.train(agent, LearningStatistics(name, OURS), n_envs, should_print=False, on_episode=count)
        return steps

    return Case(name, episodes)
