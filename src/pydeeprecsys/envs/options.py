"""The options of the environment, the same for one user and for many."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict, Unpack

from pydeeprecsys.data.dataset import Dataset
from pydeeprecsys.data.library import open_world
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError, did_you_mean
from pydeeprecsys.simulation.choice import Choice, uniform_choice
from pydeeprecsys.simulation.dynamics import Dynamics, GenreReinforcement
from pydeeprecsys.simulation.rewards import EnjoymentAndCalm, Reward
from pydeeprecsys.simulation.simulator import Pool, Simulator, user_pool


class WorldOptions(TypedDict, total=False):
    """What may be set of the simulated world.

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
    """

    dataset: str | Path | Dataset | World
    delta: float
    threshold: float
    lambda_non_violent: float
    pool: Pool
    pool_seed: int
    session_length: int
    choice: Choice
    dynamics: Dynamics
    reward: Reward


def make_simulator(slate_size: int = 1, **options: Unpack[WorldOptions]) -> Simulator:
    """Build the simulator that the options describe.

    Raises:
        InputError: an option that cannot be.
    """
    for name in options:
        if name not in WorldOptions.__annotations__:
            known = did_you_mean(name, WorldOptions.__annotations__)
            raise InputError(f"there is no option {name!r} of the simulated world; {known}")
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
    )
