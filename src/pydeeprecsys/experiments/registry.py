"""The agents by name, and how one is made for an environment."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any, Literal

import numpy as np
from gymnasium.spaces import Discrete, MultiDiscrete, flatdim

from pydeeprecsys.arguments import Argument, arguments_of
from pydeeprecsys.arrays import Floats, Ints
from pydeeprecsys.envs.interest_evolution import InterestEvolution
from pydeeprecsys.envs.single import MovieLensFairness, simulated_users
from pydeeprecsys.errors import InputError, did_you_mean
from pydeeprecsys.evaluation.oracle import OracleAgent
from pydeeprecsys.experiments.catalogue import agent_option
from pydeeprecsys.experiments.item_estimates import item_estimates, world_features
from pydeeprecsys.experiments.simulated_order import simulated_order
from pydeeprecsys.history import HistoryLayout
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
from pydeeprecsys.rl.agents.ease import EASEAgent
from pydeeprecsys.rl.agents.evolution_strategies import EvolutionStrategiesAgent
from pydeeprecsys.rl.agents.fold_in import FoldInAgent
from pydeeprecsys.rl.agents.item_knn import ItemKNNAgent
from pydeeprecsys.rl.agents.policy_search import PolicySearch
from pydeeprecsys.rl.agents.ppo import PPOAgent
from pydeeprecsys.rl.agents.rainbow import RainbowDQNAgent
from pydeeprecsys.rl.agents.reinforce import ReinforceAgent
from pydeeprecsys.rl.agents.slate_q import ChoiceScores, SlateQAgent
from pydeeprecsys.rl.agents.soft_actor_critic import SoftActorCritic
from pydeeprecsys.rl.item_estimates import ItemEstimates
from pydeeprecsys.rl.learning_statistics import LearningStatistics
from pydeeprecsys.rl.manager import Manager
from pydeeprecsys.rl.ratings import Ratings
from pydeeprecsys.simulation.choice import MultinomialLogit
from pydeeprecsys.simulation.movielens.simulator import Simulator

AGENTS: dict[str, type[ReinforcementLearning]] = {
    "random": RandomAgent,
    "popular": PopularAgent,
    "best-rated": BestRatedAgent,
    "varied": VariedAgent,
    "best-constant": BestConstantAgent,
    "win-stay": WinStayAgent,
    "fold-in": FoldInAgent,
    "item-knn": ItemKNNAgent,
    "ease": EASEAgent,
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


def _n_actions(manager: Manager) -> int:
    space = manager.env.action_space
    if isinstance(space, Discrete):
        return int(space.n)
    if isinstance(space, MultiDiscrete) and space.nvec.tolist() == [space.nvec[0]] * manager.slate_size:
        return int(space.nvec[0])
    raise InputError(
        f"actions of {space} are neither numbered nor slates of {manager.slate_size}, the slate_size; sac takes a Box, "
        "random any"
    )


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


def _history(manager: Manager) -> HistoryLayout | None:
    layout: HistoryLayout | None = getattr(manager.env.unwrapped, "history_layout", None)
    return layout


def _rating_index(manager: Manager) -> int | None:
    _simulator(manager)
    index = simulated_users(manager.env).observation.rating_index
    if index is None and _history(manager) is None:
        raise InputError("this agent reads the last rating, which the observation lacks; give observation='last'")
    return index


def _ratings(manager: Manager) -> Ratings:
    simulator = _simulator(manager)
    world = simulator.world
    theirs = np.isin(world.rating_users, simulator.users)
    users, items, stars = world.rating_users[theirs], world.rating_items[theirs], world.rating_stars[theirs]
    return Ratings(users, items, stars, mean_ratings=world.observed_means(simulator.users))


def _item_estimates(manager: Manager) -> ItemEstimates:
    simulator = _simulator(manager)
    return item_estimates(simulator.world, simulator.users)


def _has_users(manager: Manager) -> bool:
    return isinstance(manager.env.unwrapped, MovieLensFairness)


def _has_item_features(manager: Manager) -> bool:
    return manager.env.has_wrapper_attr(_ITEM_FEATURES) or _has_users(manager)


def _item_features(manager: Manager, source: str) -> Floats | None:
    """(items, features) of a source, see `_SOURCES`; those of the environment, if it has some of its own."""
    if source == "none":
        return None
    if manager.env.has_wrapper_attr(_ITEM_FEATURES):
        told: Floats = manager.env.get_wrapper_attr(_ITEM_FEATURES)
        return told
    simulator = _simulator(manager)
    return world_features(simulator.world, simulator.users) if source == "world" else _item_estimates(manager).features


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
    "ratings": _ratings,
    "categories": lambda manager: _simulator(manager).world.known_genres,
    "rating_index": _rating_index,
    "history": _history,
    "simulated_order": lambda manager: simulated_order(_simulator(manager)),
    "env": lambda manager: manager.batch,
    "item_estimates": _item_estimates,
    "candidate_features": _candidate_features,
    "choice_scores": _choice_scores,
}

# Objects and the seed, which are set in other ways.
_NO_OPTIONS = {"random_state", "statistics", "buffer_parameters", "per_parameters"}

_BASE, DEFAULT_BASE = "base", "fold-in"
_RECOMMENDERS = ("fold-in", "item-knn", "ease")
_SETTINGS = "its options follow after commas, as in fold-in,diversify=0.6"

_ITEM_FEATURES = "item_features"
_Source = Literal["none", "ratings", "world"]
_SOURCES = (
    "One of: none; ratings, categories, mean ratings, counts and vectors estimated from the ratings of the training "
    "pool; world, an upper bound, with the simulator's own vectors, which no recommender knows. In an environment that "
    "has item features of its own, they are these."
)
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


def bases() -> list[str]:
    """The agents that declare parameters which a policy search may change."""
    return [name for name, agent in AGENTS.items() if agent.parameter_space]


def agent_options(name: str) -> list[Argument]:
    """The hyperparameters of an agent: its constructor's arguments, without the seed and facts of the environment.

    The argument `item_features` becomes the choice where the features come from: "none", "ratings" or "world"; the
    argument `base`, the name of an agent.

    Raises:
        InputError: There is no such agent; the message names the nearest.
    """
    known = _FACTS.keys() | _NO_OPTIONS
    agent: type = agent_class(name)
    options = [option for option in arguments_of(agent).values() if option.name not in known]
    changes: dict[str, tuple[Any, str | None, str]] = {  # type, default, help
        _ITEM_FEATURES: (_Source, "ratings" if name in _FEATURES_BY_DEFAULT else "none", _SOURCES),
        _BASE: (
            (str, DEFAULT_BASE, f"An agent that has some: {', '.join(bases())}, or package.module:Class; {_SETTINGS}.")
            if issubclass(agent, PolicySearch)
            else (str, None, f"{', '.join(_RECOMMENDERS)}, or package.module:Class; {_SETTINGS}.")
        ),
    }
    for i, option in enumerate(options):
        if option.name in changes:
            kind, default, text = changes[option.name]
            changed = {"type": kind, "optional": default is None, "default": default}
            options[i] = option._replace(**changed, help=f"{option.help} {text}")
    return options


def read_base(text: str) -> tuple[str, dict[str, Any]]:
    """Name and hyperparameters of the agent that another one begins with, as in "fold-in,diversify=0.6".

    Raises:
        InputError: there is no such agent, it has no such option, or no value is given.
    """
    name, *settings = text.split(",")
    options = {}
    for setting in settings:
        option, equals, value = setting.partition("=")
        if not equals:
            raise InputError(f"the base {text!r} has an option without a value; write name,option=value")
        options[option] = agent_option(name, option).read(value)
    return name, options


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
    of_histories = options.get("state_encoder", "features") != "features" or options.get(_BASE) is not None
    facts: dict[str, Any] = {}
    try:
        if issubclass(agent, SoftActorCritic) and isinstance(manager.env.action_space, MultiDiscrete):
            _n_actions(manager)  # raises unless actions are slates
        for fact in (fact for fact in _FACTS if fact in parameters):
            required = parameters[fact].default is inspect.Parameter.empty
            # Of use to a learned agent only for an encoder of histories or a base, and long to estimate.
            estimated = of_histories and facts.get("history") is not None and _has_users(manager)
            if fact == "item_estimates" and not required and not estimated:
                continue
            facts[fact] = _FACTS[fact](manager)
            if fact == "history" and required and facts[fact] is None:
                raise InputError(
                    "it reads the items shown in the session: give MovieLensFairness with observation='items'"
                )
    except InputError as error:
        raise InputError(f"the agent {name!r} cannot act here: {error}") from error
    if "random_state" in parameters:
        facts["random_state"] = seed
    if (base := options.pop(_BASE, agent_option(name, _BASE).default if _BASE in parameters else None)) is not None:
        base_name, base_options = read_base(base)
        facts[_BASE] = make_agent(base_name, manager, seed, **base_options)
    if _ITEM_FEATURES in options:
        agent_option(name, _ITEM_FEATURES).check(options[_ITEM_FEATURES])
        facts[_ITEM_FEATURES] = _item_features(manager, options.pop(_ITEM_FEATURES))
    elif name in _FEATURES_BY_DEFAULT and _has_item_features(manager):
        facts[_ITEM_FEATURES] = _item_features(manager, "ratings")
    for option in agent_options(name):
        if option.default is inspect.Parameter.empty and option.name not in options:
            raise InputError(f"the agent {name!r} has no default for {option.name}; set it")
    made = agent(**facts, **options)
    if hasattr(made, "statistics"):
        made.statistics = statistics
    return made
