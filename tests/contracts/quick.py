"""Options with which the learning agents are small, and learn within some dozens of steps."""

import inspect
from typing import Any

from pydeeprecsys.data.world import World
from pydeeprecsys.experiments.config import RunConfig
from pydeeprecsys.experiments.registry import agent_class
from pydeeprecsys.experiments.task import Task

QUICK: dict[str, dict[str, Any]] = {
    "reinforce": {"hidden_layers": [8]},
    "actor-critic": {"actor_hidden_layers": [8], "critic_hidden_layers": [8]},
    "dqn": {"hidden_layers": [8], "buffer_burn_in": 20, "batch_size": 8},
    "rainbow": {"hidden_layers": [8, 8, 8, 8], "buffer_burn_in": 20, "batch_size": 8},
    "ppo": {
        "actor_hidden_layers": [8],
        "critic_hidden_layers": [8],
        "steps_per_update": 20,
        "epochs": 2,
        "minibatch_size": 10,
    },
    "slate-q": {"hidden_layers": [8], "buffer_burn_in": 20, "batch_size": 8},
    "sac": {"hidden_layers": [8], "batch_size": 8, "timesteps_to_start_predicting": 20},
}
# A generation of six sessions, and of four.
FEW_SESSIONS: dict[str, dict[str, Any]] = {"cma-es": {"sessions": 1}, "es": {"sessions": 2, "pairs": 1}}


def world_options(agent: str) -> dict[str, Any]:
    """Options of the world that an agent needs: recommenders, and agents based on one, read the session's history."""
    arguments = inspect.signature(agent_class(agent)).parameters
    needed = {name for name, argument in arguments.items() if argument.default is inspect.Parameter.empty}
    return {"observation": "items"} if needed & {"history", "base"} else {}


def quick_run(agent: str, world: World, slate_size: int = 5, version: int | None = None, **changes: Any) -> RunConfig:
    """A run of some 200 steps with a checkpoint after each episode: in v0, and for SlateQ, which refuses it, in v1."""
    version = int(agent == "slate-q") if version is None else version
    options = {"slate_size": slate_size} | world_options(agent)
    task = Task(env=f"MovieLensFairness-v{version}", env_options=options, world=world)
    quick = {
        "hyperparameters": QUICK.get(agent, FEW_SESSIONS.get(agent, {})),
        "evaluation_episodes": 7,
        "checkpoint_every": 0.0,
    }
    return RunConfig(**({"task": task, "agent": agent, "seed": 1, "episodes": 8, "n_envs": 3} | quick | changes))
