"""The agents by name, and how one is made for an environment."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, cast, get_type_hints

import docstring_parser
from gymnasium.spaces import Discrete, MultiDiscrete, flatdim

from pydeeprecsys.data.world import World
from pydeeprecsys.envs.single import MovieLensFairness
from pydeeprecsys.errors import InputError, did_you_mean
from pydeeprecsys.evaluation.oracle import OracleAgent
from pydeeprecsys.rl.agents.agent import RandomAgent, ReinforcementLearning
from pydeeprecsys.rl.agents.baselines import BestRatedAgent, WinStayAgent
from pydeeprecsys.rl.agents.reinforce import ReinforceAgent
from pydeeprecsys.rl.manager import Manager

AGENTS: dict[str, type[ReinforcementLearning]] = {
    "random": RandomAgent,
    "best-rated": BestRatedAgent,
    "win-stay": WinStayAgent,
    "reinforce": ReinforceAgent,
    "oracle": OracleAgent,
}
"""Every agent that `train` and `compare` know."""


def _n_actions(manager: Manager) -> int:
    space = manager.env.action_space
    return int(space.n) if isinstance(space, Discrete) else int(cast("MultiDiscrete", space).nvec[0])


def _world(manager: Manager) -> World:
    return cast("MovieLensFairness", manager.env.unwrapped).simulator.world


# What an agent's constructor may ask for by these names is a fact of the environment, not an option of the agent.
_FACTS: dict[str, Callable[[Manager], Any]] = {
    "action_space": lambda manager: manager.env.action_space,
    "n_actions": _n_actions,
    "state_size": lambda manager: flatdim(manager.env.observation_space),
    "mean_ratings": lambda manager: _world(manager).mean_ratings,
    "env": lambda manager: manager.batch,
}


class Option(NamedTuple):
    """One option of an agent: a documented keyword argument of its constructor."""

    name: str
    annotation: Any
    default: Any
    help: str


def agent_class(name: str) -> type[ReinforcementLearning]:
    """The agent of that name.

    Raises:
        InputError: there is none; the message names the nearest.
    """
    if name not in AGENTS:
        raise InputError(f"there is no agent {name!r}; {did_you_mean(name, AGENTS)}")
    return AGENTS[name]


def agent_options(name: str) -> list[Option]:
    """The options of an agent, from its constructor's signature and docstring; the seed is not among them."""
    agent = agent_class(name)
    help_of = {
        parameter.arg_name: " ".join((parameter.description or "").split())
        for parameter in docstring_parser.parse(inspect.getdoc(agent) or "").params
    }
    types = get_type_hints(agent.__init__)
    return [
        Option(parameter.name, types[parameter.name], parameter.default, help_of[parameter.name])
        for parameter in inspect.signature(agent).parameters.values()
        if parameter.name not in _FACTS and parameter.name != "random_state"
    ]


def make_agent(name: str, manager: Manager, seed: int, **options: Any) -> ReinforcementLearning:
    """Make an agent for the manager's environment.

    Args:
        name: one of `AGENTS`.
        manager: whose environment the agent is for.
        seed: becomes the agent's `random_state`, where it has one.
        **options: of the agent.

    Raises:
        InputError: there is no such agent, or it has no such option; the message names the nearest.
    """
    agent = agent_class(name)
    known = [option.name for option in agent_options(name)]
    for option in options:
        if option not in known:
            raise InputError(f"the agent {name!r} has no option {option!r}; {did_you_mean(option, known)}")
    parameters = inspect.signature(agent).parameters
    facts = {fact: read(manager) for fact, read in _FACTS.items() if fact in parameters}
    if "random_state" in parameters:
        facts["random_state"] = seed
    return agent(**facts, **options)
