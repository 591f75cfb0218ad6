"""The agents by name, and how one is made for an environment."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from gymnasium.spaces import Discrete, MultiDiscrete, flatdim

from pydeeprecsys.arguments import Argument, arguments_of
from pydeeprecsys.arrays import Floats, Ints
from pydeeprecsys.data.world import World
from pydeeprecsys.envs.interest_evolution import InterestEvolution
from pydeeprecsys.envs.single import MovieLensFairness, simulated_users
from pydeeprecsys.errors import InputError, did_you_mean
from pydeeprecsys.evaluation.oracle import OracleAgent
from pydeeprecsys.experiments.simulated_order import simulated_order
from pydeeprecsys.rl.agents.actor_critic import ActorCriticAgent
from pydeeprecsys.rl.agents.agent import RandomAgent, ReinforcementLearning
from pydeeprecsys.rl.agents.bandits import LinUCBAgent, ThompsonSamplingAgent
from pydeeprecsys.rl.agents.baselines import (
    BestConstantAgent,
    BestRatedAgent,
    PopularAgent,
    VariedAgent,
    WinStayAgent,
)
from pydeeprecsys.rl.agents.cma_es import CMAESAgent
from pydeeprecsys.rl.agents.dqn import DQNAgent
from pydeeprecsys.rl.agents.evolution_strategies import EvolutionStrategiesAgent
from pydeeprecsys.rl.agents.ppo import PPOAgent
from pydeeprecsys.rl.agents.rainbow import RainbowDQNAgent
from pydeeprecsys.rl.agents.reinforce import ReinforceAgent
from pydeeprecsys.rl.agents.slate_q import ChoiceScores, SlateQAgent
from pydeeprecsys.rl.agents.soft_actor_critic import SoftActorCritic
from pydeeprecsys.rl.learning_statistics import LearningStatistics
from pydeeprecsys.rl.manager import Manager
from pydeeprecsys.simulation.choice import MultinomialLogit
from pydeeprecsys.simulation.movielens.simulator import Simulator

AGENTS: dict[str, type[ReinforcementLearning]] = {
    "random": RandomAgent,
    "popular": PopularAgent,
    "best-rated": BestRatedAgent,
    "varied": VariedAgent,
    "best-constant": BestConstantAgent,
    "win-stay": WinStayAgent,
    "reinforce": ReinforceAgent,
    "actor-critic": ActorCriticAgent,
    "dqn": DQNAgent,
    "rainbow": RainbowDQNAgent,
    "sac": SoftActorCritic,
    "ppo": PPOAgent,
    "linucb": LinUCBAgent,
    "thompson": ThompsonSamplingAgent,
    "slate-q": SlateQAgent,
    "cma-es": CMAESAgent,
    "es": EvolutionStrategiesAgent,
    "oracle": OracleAgent,
}
"""Every agent that `train` and `compare` know."""


def item_features(world: World, users: Ints) -> Floats:
    """Features of items for agents: categories, mean rating and vector.

    Args:
        world: of the items.
        users: (m,) whose ratings the mean is of, see `World.observed_means`. The vectors are the simulator's own: more
            than any recommender knows.

    Returns:
        (items, features) the category flags, the mean rating, the item's vector.
    """
    return np.column_stack([world.genres, world.observed_means(users), world.item_vectors]).astype(np.float64)


def _n_actions(manager: Manager) -> int:
    space = manager.env.action_space
    if isinstance(space, Discrete):
        return int(space.n)
    if isinstance(space, MultiDiscrete):
        return int(space.nvec[0])
    raise InputError(f"actions of {space} cannot be counted; take an agent for such actions, sac or random")


def _state_size(manager: Manager) -> int:
    return flatdim(manager.env.observation_space)


def _simulator(manager: Manager) -> Simulator:
    return simulated_users(manager.batch).simulator


def _observed_means(manager: Manager) -> Floats:
    simulator = _simulator(manager)
    return simulator.world.observed_means(simulator.users)


def _observed_counts(manager: Manager) -> Ints:
    simulator = _simulator(manager)
    return simulator.world.observed_counts(simulator.users)


def _rating_index(manager: Manager) -> int:
    _simulator(manager)
    index = simulated_users(manager.env).observation.rating_index
    if index is None:
        raise InputError("this agent reads the last rating, which the observation lacks; give observation='last'")
    return index


def _has_item_features(manager: Manager) -> bool:
    return manager.env.has_wrapper_attr(_ITEM_FEATURES) or isinstance(manager.env.unwrapped, MovieLensFairness)


def _item_features(manager: Manager) -> Floats:
    if manager.env.has_wrapper_attr(_ITEM_FEATURES):
        told: Floats = manager.env.get_wrapper_attr(_ITEM_FEATURES)
        return told
    simulator = _simulator(manager)
    return item_features(simulator.world, simulator.users)


def _candidate_features(manager: Manager) -> int | None:
    """Numbers that describe each item on offer, where these change from state to state."""
    shape: tuple[int, int] | None = getattr(manager.env.unwrapped, "candidate_shape", None)
    return None if shape is None else shape[1]


def _choice_scores(manager: Manager) -> ChoiceScores | None:
    """The choice model, if the environment has one: a multinomial logit of the observation."""
    env = manager.env.unwrapped
    if not isinstance(env, InterestEvolution) or not isinstance(env.choice, MultinomialLogit):
        return None
    nothing = env.choice.no_choice_score
    return lambda states: np.column_stack([env.choice_scores(states), np.full(len(states), nothing)])


# What an agent's constructor may ask for by these names is a fact of the environment, not an option of the agent.
_FACTS: dict[str, Callable[[Manager], Any]] = {
    "action_space": lambda manager: manager.env.action_space,
    "n_actions": _n_actions,
    "output_size": _n_actions,
    "state_size": _state_size,
    "input_size": _state_size,
    "mean_ratings": _observed_means,
    "rating_counts": _observed_counts,
    "genres": lambda manager: _simulator(manager).world.known_genres,
    "rating_index": _rating_index,
    "simulated_order": lambda manager: simulated_order(_simulator(manager)),
    "env": lambda manager: manager.batch,
    "candidate_features": _candidate_features,
    "choice_scores": _choice_scores,
}

# Objects and the seed, which are set in other ways.
_NO_OPTIONS = {"random_state", "statistics", "buffer_parameters", "per_parameters"}

_BASE, DEFAULT_BASE = "base", "varied"

_ITEM_FEATURES = "item_features"
_FEATURES_BY_DEFAULT = {"linucb", "thompson"}  # without features these ignore the user


def agent_class(name: str) -> type[ReinforcementLearning]:
    """The agent of a name in `AGENTS`, or of `package.module:Class`, for an agent of your own.

    Raises:
        InputError: there is none; the message names the nearest.
    """
    if ":" in name:
        module, _, attribute = name.partition(":")
        try:
            found = getattr(import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise InputError(f"there is no agent {name!r}: {error}") from error
        if not (isinstance(found, type) and issubclass(found, ReinforcementLearning)):
            raise InputError(f"{name} is no agent; give a class that derives from ReinforcementLearning")
        return found
    if name not in AGENTS:
        raise InputError(f"there is no agent {name!r}; {did_you_mean(name, AGENTS)}")
    return AGENTS[name]


def learners() -> list[str]:
    """The agents that declare a search space of hyperparameters."""
    return [name for name, agent in AGENTS.items() if agent.search_space]


def bases() -> list[str]:
    """The agents that declare parameters which a policy search may change."""
    return [name for name, agent in AGENTS.items() if agent.parameter_space]


def agent_options(name: str) -> list[Argument]:
    """The hyperparameters of an agent: its constructor's arguments, without the seed and facts of the environment.

    The argument `item_features` becomes a switch, with the features that the environment has; the argument `base`, the
    name of an agent.

    Raises:
        InputError: There is no such agent; the message names the nearest.
    """
    known = _FACTS.keys() | _NO_OPTIONS
    agent: type = agent_class(name)
    options = [option for option in arguments_of(agent).values() if option.name not in known]
    switch = "A switch: in simulation the features are the genres, the mean rating and the vector of each item."
    changes: dict[str, dict[str, Any]] = {
        _ITEM_FEATURES: {"type": bool, "optional": False, "default": name in _FEATURES_BY_DEFAULT},
        _BASE: {"type": str, "default": DEFAULT_BASE},
    }
    helps = {_ITEM_FEATURES: switch, _BASE: f"An agent that has some: {', '.join(bases())}, or package.module:Class."}
    return [
        option._replace(**changes[option.name], help=f"{option.help} {helps[option.name]}")
        if option.name in changes
        else option
        for option in options
    ]


def agent_option(agent: str, name: str) -> Argument:
    """One hyperparameter of an agent.

    Raises:
        InputError: There is no such agent, or it has no such hyperparameter; the message names the nearest.
    """
    options = {option.name: option for option in agent_options(agent)}
    if name not in options:
        raise InputError(f"the agent {agent!r} has no option {name!r}; {did_you_mean(name, options)}")
    return options[name]


def make_agent(
    name: str, manager: Manager, seed: int, *, statistics: LearningStatistics | None = None, **options: Any
) -> ReinforcementLearning:
    """Make an agent for the manager's environment.

    Args:
        name: one of `AGENTS`, or `package.module:Class`.
        manager: of the environment.
        seed: the agent's `random_state`, if it has one.
        statistics: receives the agent's metrics, such as its loss, if it logs any.
        **options: hyperparameters of the agent.

    Raises:
        InputError: there is no such agent, or it has no such option; the message names the nearest. Or the agent is not
            for such an environment.
    """
    agent = agent_class(name)
    for given in options:
        agent_option(name, given)
    parameters = inspect.signature(agent).parameters
    try:
        facts = {fact: read(manager) for fact, read in _FACTS.items() if fact in parameters}
    except InputError as error:
        raise InputError(f"the agent {name!r} cannot act here: {error}") from error
    if "random_state" in parameters:
        facts["random_state"] = seed
    if _BASE in parameters:
        facts[_BASE] = make_agent(options.pop(_BASE, DEFAULT_BASE), manager, seed)
    if options.pop(_ITEM_FEATURES, name in _FEATURES_BY_DEFAULT and _has_item_features(manager)):
        facts[_ITEM_FEATURES] = _item_features(manager)
    for option in agent_options(name):
        if option.default is inspect.Parameter.empty and option.name not in options:
            raise InputError(f"the agent {name!r} has no default for {option.name}; set it")
    made = agent(**facts, **options)
    if hasattr(made, "statistics"):
        made.statistics = statistics
    return made
