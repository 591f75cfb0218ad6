from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from pydeeprecsys.data.movielens_layouts import GENRES
from pydeeprecsys.data.world import World
from pydeeprecsys.envs.options import make_simulator
from pydeeprecsys.experiments.registry import make_agent
from pydeeprecsys.experiments.simulated_order import constant_returns, simulated_order
from pydeeprecsys.rl.manager import MovieLensFairnessManager
from pydeeprecsys.simulation.movielens.simulator import user_pool

DULL, SOLID, GROWING = range(3)


@pytest.fixture
def three() -> World:
    """Ten alike users and three items: of 1 star, of 4 whatever happens, and of 3 at first and more once liked."""
    users, latent = np.zeros((10, 1 + len(GENRES))), np.zeros((3, 1 + len(GENRES)))
    action = 1 + GENRES.index("Action")
    users[:, 0], users[:, action] = 4, 3
    latent[DULL, 0], latent[SOLID, 0], latent[GROWING, action] = 0.25, 1, 1
    genres = latent[:, 1:] > 0
    genres[:2, 0] = True
    pairs = np.array([(user, item) for user in range(10) for item in range(3)])
    return World(
        name="three",
        categories=GENRES,
        user_vectors=users,
        item_vectors=latent,
        genres=genres,
        genres_known=np.ones(3, np.bool_),
        violence=np.zeros(3, np.float32),
        violence_measured=np.ones(3, np.bool_),
        demographics=np.zeros((10, 4), np.float32),
        user_ids=np.arange(10).astype(str),
        item_ids=np.arange(3).astype(str),
        titles=np.array(["Dull", "Solid", "Growing"]),
        rating_users=pairs[:, 0].astype(np.int32),
        rating_items=pairs[:, 1].astype(np.int32),
        rating_stars=np.array([1, 4, 3], np.float32)[pairs[:, 1]],
        record={},
    )


def test_where_users_get_addicted_the_best_constant_is_not_the_best_rated(three: World) -> None:
    simulator = make_simulator(dataset=three, session_length=5)
    # 5 · 1 / 5; 5 · 4 / 5; and 3, 6, 12, ... stars, of which 5 at most are given: 0.6 + 4 · 1.
    returns = constant_returns(simulator, np.array([DULL, SOLID, GROWING]), simulator.users)
    assert returns.tolist() == pytest.approx([1.0, 4.0, 4.6])
    assert simulated_order(simulator).tolist() == [GROWING, SOLID, DULL]
    manager = MovieLensFairnessManager(0, dataset=three, session_length=5)
    shown = {
        name: make_agent(name, manager, 0).action_for_state(np.zeros(25)) for name in ("best-rated", "best-constant")
    }
    assert shown == {"best-rated": SOLID, "best-constant": GROWING}
    returns = manager.execute_episodes(make_agent("best-constant", manager, 0), 3)
    assert [output.reward_sum for output in returns] == pytest.approx([4.6] * 3)


@pytest.mark.parametrize("options", [{"slate_size": 2}, {"repeats": "bore"}])
def test_with_slates_or_masks_the_first_reward_decides(three: World, options: dict[str, object]) -> None:
    simulator = make_simulator(dataset=three, session_length=5, **options)  # type: ignore[arg-type]
    assert simulated_order(simulator).tolist() == [SOLID, GROWING, DULL]


def test_halving_finds_what_all_users_say(world: World) -> None:
    simulator = make_simulator(dataset=world, pool="train")
    returns = constant_returns(simulator, np.arange(world.n_items), simulator.users)
    order = simulated_order(simulator)
    assert sorted(order) == list(range(world.n_items))
    assert returns[order[0]] == pytest.approx(returns.max())


def test_it_is_computed_once_for_the_same_world_pool_and_options(world: World) -> None:
    first = simulated_order(make_simulator(dataset=world, pool="train"))
    assert simulated_order(make_simulator(dataset=world, pool="train")) is first
    for other in ({"pool": "test"}, {"pool": "train", "delta": 0.0}):
        assert simulated_order(make_simulator(dataset=world, **other)) is not first  # type: ignore[arg-type]


def test_it_meets_the_users_of_its_pool_alone(world: World) -> None:
    train = user_pool(world.n_users, "train")
    others = np.setdiff1d(np.arange(world.n_users), train)
    changed = world.user_vectors.copy()
    changed[others] *= -1
    other_world = replace(world, user_vectors=changed)
    for options in ({}, {"slate_size": 3}):
        orders = [simulated_order(make_simulator(dataset=w, pool="train", **options)) for w in (world, other_world)]
        assert orders[0].tolist() == orders[1].tolist()


@dataclass(frozen=True)
class Weighted:
    """A reward that holds an array."""

    weights: NDArray[np.float64]

    def __call__(self, ratings: NDArray[np.float64], violence: NDArray[np.float64]) -> NDArray[np.float64]:
        return (ratings * self.weights.sum()).mean(axis=1)


def test_parts_that_hold_arrays_are_told_apart(three: World) -> None:
    orders = [
        simulated_order(make_simulator(dataset=three, session_length=5, reward=Weighted(np.array(weights))))
        for weights in ([1.0, 0.0], [-1.0, 0.0])
    ]
    assert orders[0][0] == GROWING
    assert orders[1][0] == DULL
