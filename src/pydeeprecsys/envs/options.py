"""The options of the environment, the same for one user and for many."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypedDict, Unpack

from pydeeprecsys.data.dataset import Dataset
from pydeeprecsys.data.library import open_world
from pydeeprecsys.data.world import World
from pydeeprecsys.envs.observations import OBSERVATIONS, Observation, WithTime, check_observation
from pydeeprecsys.errors import InputError, did_you_mean
from pydeeprecsys.simulation.choice import Choice, uniform_choice
from pydeeprecsys.simulation.dynamics import Dynamics, GenreReinforcement, Taste
from pydeeprecsys.simulation.patience import Patience
from pydeeprecsys.simulation.rewards import EnjoymentAndCalm, Reward
from pydeeprecsys.simulation.simulator import Consumption, Pool, Repeats, Simulator, user_pool


class WorldOptions(TypedDict, total=False):
    """What may be set of the simulated world. The defaults are those of v0; for v1's see docs/worlds.md.

    Attributes:
        dataset: "synthetic" (default), the name of a fetched data set, a path to ratings or to a saved world, a
            `Dataset`, or a `World`.
        delta: how liking an item moves the affinities for its genres: 1.0 by default, above 0 addiction, below boredom.
        threshold: the lowest rating that moves them, 3.0 stars by default.
        lambda_non_violent: weight of showing no violence in the reward, in [0, 1], 0 by default.
        pool: the users that sessions draw from: "all" (default), "train", "evaluation" or "test".
        pool_seed: of the split into pools, 0 by default.
        session_length: ratings in a session, 50 by default.
        choice: which item of a slate is the chosen one, uniform by default.
        dynamics: in place of the one that delta and threshold describe.
        reward: in place of the one that lambda_non_violent describes.
        consumption: "slate" (default), a user consumes all of it, or "chosen", the chosen item alone, if any.
        choice_scale: what ratings in stars are multiplied by to be the scores of the choice, 1.0 by default.
        repeats: what was consumed already may be shown again: "allow" (default); or is rated one star, "bore"; or is an
            error, "refuse". Unless allowed, `info["action_mask"]` tells what is.
        patience: in place of session_length, what ends the session.
        observation: "founding" (default), "history" or "affinity".
        history_length: slates that "history" goes back, 10 by default.
        observe_time: whether the observation ends with one number more, the slates shown so far over the most that a
            session can have (its length, or the max_steps of its patience), in [0, 1]; False by default.
    """

    dataset: str | Path | Dataset | World
    delta: float
    threshold: float
    lambda_non_violent: float
    pool: Pool
    pool_seed: int
    session_length: int
    choice: Choice
    dynamics: Dynamics | Taste
    reward: Reward
    consumption: Consumption
    choice_scale: float
    repeats: Repeats
    patience: Patience | None
    observation: Literal["founding", "history", "affinity"]
    history_length: int
    observe_time: bool


_DESCRIBED = {"dynamics": {"delta", "threshold"}, "patience": {"session_length"}, "reward": {"lambda_non_violent"}}
"""Parts, and the options that describe the one to have where none is given."""


def with_defaults(defaults: WorldOptions, options: WorldOptions) -> WorldOptions:
    """The options, and the defaults of those that are not given.

    Who describes a part, as by `delta`, gets the part described: the default in its place is left out.
    """
    kept = {name: part for name, part in defaults.items() if not _DESCRIBED.get(name, set()) & options.keys()}
    merged: WorldOptions = {**kept, **options}  # type: ignore[typeddict-item]
    return merged


def make_simulator(slate_size: int = 1, **options: Unpack[WorldOptions]) -> Simulator:
    """Build the simulator that the options describe.

    Raises:
        InputError: an option that cannot be.
    """
    for name in options:
        if name not in WorldOptions.__annotations__:
            known = did_you_mean(name, WorldOptions.__annotations__)
            raise InputError(f"there is no option {name!r} of the simulated world; {known}")
    if options.get("patience") is not None and "session_length" in options:
        raise InputError("session_length and patience both say when a session ends; give one of them")
    check_observation(options.get("observation", "founding"))
    world = open_world(options.get("dataset", "synthetic"))
    return Simulator(
        world,
        slate_size=slate_size,
        session_length=options.get("session_length", 50),
        pool=user_pool(world.n_users, options.get("pool", "all"), options.get("pool_seed", 0)),
        choice=options.get("choice", uniform_choice),
        dynamics=options.get("dynamics")
        or GenreReinforcement(options.get("delta", 1.0), options.get("threshold", 3.0)),
        reward=options.get("reward") or EnjoymentAndCalm(options.get("lambda_non_violent", 0.0)),
        consumption=options.get("consumption", "slate"),
        choice_scale=options.get("choice_scale", 1.0),
        repeats=options.get("repeats", "allow"),
        patience=options.get("patience"),
        remembered=options.get("history_length", 10) if options.get("observation") == "history" else 1,
    )


def make_observation(simulator: Simulator, **options: Unpack[WorldOptions]) -> Observation:
    """Build the observation of the simulator's users that the options describe."""
    observation: Observation = OBSERVATIONS[options.get("observation", "founding")](simulator)
    return WithTime(observation, simulator.session_steps) if options.get("observe_time", False) else observation
