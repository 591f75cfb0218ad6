"""Options of the MovieLens environments, the same for one user and for many."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack

from pydeeprecsys.arguments import Count, NonNegative, Seed, UnitInterval, check_arguments
from pydeeprecsys.data.dataset import Dataset
from pydeeprecsys.data.library import open_world
from pydeeprecsys.data.world import World
from pydeeprecsys.envs.observations import OBSERVATIONS, Observation, ShownItems, WithTime
from pydeeprecsys.errors import InputError, did_you_mean
from pydeeprecsys.simulation.choice import Choice, MultinomialLogit
from pydeeprecsys.simulation.movielens.dynamics import Delta, Dynamics, GenreReinforcement, SatiatingTaste, Taste
from pydeeprecsys.simulation.movielens.patience import Patience
from pydeeprecsys.simulation.movielens.rewards import EnjoymentAndCalm, Reward
from pydeeprecsys.simulation.movielens.simulator import Consumption, Pool, Repeats, Simulator, user_pool


class WorldOptions(TypedDict, total=False):
    """Options of the simulated world; `defaults` has their defaults, which 'pydeeprecsys env' prints.

    Attributes:
        version: 0 (default) or 1, which sets the defaults of the other options; v1 is `MovieLensFairness-v1`.
        dataset: "synthetic" (default), the name of a fetched data set, a path to ratings or to a saved world, a
            `Dataset`, or a `World`.
        delta: Relative change of the affinities for the categories of a liked item: addiction above 0, boredom below 0.
        threshold: Lowest rating in stars that changes affinities.
        lambda_non_violent: Weight λ in the reward of showing no violence.
        pool: Pool of users that sessions draw from: "all" (default), "train", "evaluation" or "test".
        pool_seed: Seed of the split into pools.
        session_length: Ratings per session.
        choice: Choice model.
        dynamics: Dynamics, in place of those that delta and threshold describe.
        reward: Reward function, in place of the one that lambda_non_violent describes.
        cost: Cost of a step, `info["cost"]`, which agents can bound: the mean violence of what is "shown" (default) or
            of what is "consumed", 0 if nothing is; the name of another number in `info`; or a function as of rewards.
        group: Demographic whose values are groups of users, `info["group"]`: "sex", "age" or "occupation"; none by
            default.
        consumption: "slate" if a user consumes the whole slate, "chosen" for the chosen item only, if any.
        choice_scale: Factor from ratings in stars to the scores of the choice model.
        repeats: Repeats of items consumed in the session: "allow", rated one star ("bore"), or an error ("refuse").
            Unless allowed, `info["action_mask"]` holds the items left.
        patience: Patience, which ends sessions in place of session_length.
        observation: "last" ("founding" is an alias), "history", "items" or "affinity".
        history_length: Number of slates in the observation "history"; or in "items", by default as many as a session
            can have.
        observe_time: Append to the observation, unless it is "items", the time within the session: the slates shown
            over the maximum of a session (its length, or the max_steps of its patience).
    """

    version: Literal[0, 1]
    dataset: str | Path | Dataset | World
    delta: Delta
    threshold: float
    lambda_non_violent: UnitInterval
    pool: Pool
    pool_seed: Seed
    session_length: Count
    choice: Choice
    dynamics: Dynamics | Taste
    reward: Reward
    cost: str | Reward
    group: Literal["sex", "age", "occupation"] | None
    consumption: Consumption
    choice_scale: NonNegative
    repeats: Repeats
    patience: Patience | None
    observation: Literal["last", "founding", "history", "items", "affinity"]
    history_length: Count
    observe_time: bool


FAITHFUL: WorldOptions = {
    "consumption": "chosen",
    # In logits of 2 per star, choosing nothing is worth as much as a movie of 2.5 stars.
    "choice": MultinomialLogit(no_choice_score=5.0),
    "choice_scale": 2.0,
    "dynamics": SatiatingTaste(),
    "repeats": "bore",
    "patience": Patience(),
    "observation": "history",
}
"""The defaults of v1 that differ from those of v0."""

_RULES = {"session_length", "choice", "consumption", "choice_scale", "repeats", "patience"}
"""Options that are attributes of a `Simulator`, which has their defaults."""

_DEFAULTS: dict[str, Any] = {
    **{each.name: each.default for each in fields(Simulator) if each.name in _RULES},
    "delta": 1.0,
    "threshold": 3.0,
    "lambda_non_violent": 0.0,
    "cost": "shown",
    "group": None,
    "pool_seed": 0,
    "observation": "last",
    "history_length": 10,
    "observe_time": False,
}
"""The defaults of v0."""

_DESCRIBED = {"dynamics": {"delta", "threshold"}, "patience": {"session_length"}, "reward": {"lambda_non_violent"}}
"""Parts, and the options that describe one where none is given."""


def _with_defaults(options: WorldOptions) -> WorldOptions:
    """The options with the defaults of their version; an option that describes a part replaces the default part."""
    defaults = FAITHFUL.items() if options.get("version") == 1 else ()
    kept = {name: part for name, part in defaults if not _DESCRIBED.get(name, set()) & options.keys()}
    merged: WorldOptions = {**kept, **options}  # type: ignore[typeddict-item]
    return merged


def defaults(version: int = 0) -> dict[str, Any]:
    """The defaults of the options of a version; none for options that describe a part, where it has another part."""
    whole = _DEFAULTS | (FAITHFUL if version == 1 else {})
    replaced = {name for part, names in _DESCRIBED.items() if whole.get(part) is not None for name in names}
    return {name: value for name, value in whole.items() if name not in replaced}


def make_simulator(slate_size: int = 1, **options: Unpack[WorldOptions]) -> Simulator:
    """Build the simulator from the options.

    Raises:
        InputError: An option is unknown or out of range, or does not fit the others.
    """
    for name in options:
        if name not in WorldOptions.__annotations__:
            known = did_you_mean(name, WorldOptions.__annotations__)
            raise InputError(f"there is no option {name!r} of the simulated world; {known}")
    options = _with_defaults(options)
    if options.get("patience") is not None and "session_length" in options:
        raise InputError("session_length and patience exclude each other: both end sessions; give one of them")
    check_arguments(WorldOptions, options)
    world = open_world(options.get("dataset", "synthetic"))
    given: dict[str, Any] = {**_DEFAULTS, **options}
    rules: dict[str, Any] = {name: value for name, value in options.items() if name in _RULES}
    simulator = Simulator(
        world,
        slate_size,
        pool=user_pool(world.n_users, options.get("pool", "all"), given["pool_seed"]),
        dynamics=options.get("dynamics") or GenreReinforcement(given["delta"], given["threshold"]),
        reward=options.get("reward") or EnjoymentAndCalm(given["lambda_non_violent"]),
        history_length=given["history_length"] if given["observation"] == "history" else 1,
        **rules,
    )
    if options.get("observation") == "items":
        return replace(simulator, slates_held=options.get("history_length", simulator.longest_session))
    return simulator


def make_observation(simulator: Simulator, **options: Unpack[WorldOptions]) -> Observation:
    """Build the observation from the options.

    Raises:
        InputError: The observation takes no time, or does not fit the dynamics.
    """
    given: dict[str, Any] = {**_DEFAULTS, **_with_defaults(options)}
    observation: Observation = OBSERVATIONS[given["observation"]](simulator)
    if not given["observe_time"]:
        return observation
    if isinstance(observation, ShownItems):
        raise InputError("the observation 'items' holds the time already, as the slates shown; leave out observe_time")
    return WithTime(observation, simulator.session_steps)
