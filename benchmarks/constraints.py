"""What constraints and group weights cost in training: each agent with and without one, in turn.

    python -m benchmarks.constraints

Users are those of MovieLens 1M. CPU seconds are counted, for other work on the machine takes none of them.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from reproductions.movielens_tuned import ACTOR_CRITIC, DQN, PPO, PPO_BASE, RAINBOW, REINFORCE

from benchmarks.timing import in_turn
from pydeeprecsys.experiments.registry import make_agent
from pydeeprecsys.experiments.task import Task

REPETITIONS = 5
_MEAN, _CVAR, _WORST = {"cost_limit": 0.36}, {"cost_limit": 0.43, "cvar_level": 0.67}, {"worst_group_rate": 0.2}
_ITEMS, _SEX = {"observation": "items"}, {"group": "sex"}
_CASES: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any], int, int]] = {
    # hyperparameters, those added, options of the environment, environments, steps
    "reinforce, CVaR": (REINFORCE, _CVAR, {}, 64, 25_600),
    "actor-critic, CVaR": (ACTOR_CRITIC, _CVAR, {}, 64, 25_600),
    "ppo, CVaR": (PPO, _CVAR, {}, 64, 9_600),
    "ppo, mean": (PPO, _MEAN, {}, 64, 9_600),
    "ppo, worst group": (PPO, _WORST, _SEX, 64, 9_600),
    "ppo with a base, CVaR": (PPO_BASE, _CVAR, _ITEMS, 64, 8_192),
    "dqn, mean": (DQN, _MEAN, {}, 16, 4_000),
    "rainbow, mean": (RAINBOW, _MEAN, {}, 16, 4_000),
}


def seconds(
    agent: str, hyperparameters: Mapping[str, Any], options: Mapping[str, Any], n_envs: int, steps: int
) -> float:
    """CPU seconds of a training."""
    task = Task(env_options={"repeats": "refuse", **options}, dataset="ml-1m")
    manager = task.manager(1, n_envs, "train")
    made = make_agent(agent, manager, 0, **hyperparameters)
    start = time.process_time()
    manager.train(made, max_episodes=steps, max_steps=steps, should_print=False)
    return time.process_time() - start


def main() -> None:
    """Print a table in Markdown."""
    torch.set_num_threads(1)
    print("| agent, constraint | CPU s without | CPU s with | ratio: median (lowest, highest) |")
    print("| --- | ---: | ---: | ---: |")
    for name, (plain, added, options, n_envs, steps) in _CASES.items():
        agent = name.split(",")[0].split()[0]
        works = {
            kind: partial(seconds, agent, hyperparameters, options, n_envs=n_envs, steps=steps)
            for kind, hyperparameters in (("without", plain), ("with", {**plain, **added}))
        }
        taken = in_turn(works, REPETITIONS)
        ratios = sorted(b / a for a, b in zip(taken["without"], taken["with"], strict=True))
        without, with_it = (statistics.median(taken[kind]) for kind in ("without", "with"))
        ratio = f"{statistics.median(ratios):.3f} ({ratios[0]:.3f}, {ratios[-1]:.3f})"
        print(f"| {name} | {without:.2f} | {with_it:.2f} | {ratio} |", flush=True)


if __name__ == "__main__":
    main()
