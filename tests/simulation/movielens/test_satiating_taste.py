import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError
from pydeeprecsys.simulation.movielens.dynamics import GenreReinforcement, Memoryless, SatiatingTaste
from pydeeprecsys.simulation.movielens.simulator import Simulator
from pydeeprecsys.simulation.movielens.state import State

ACTION, COMEDY = 1, 5


def begun(world: World, taste: SatiatingTaste, users: list[int]) -> State:
    simulator = Simulator(world, dynamics=taste)
    return simulator.with_users(simulator.reset(range(len(users))), np.array(users))


def with_action_and_comedy(world: World) -> World:
    """One user of affinities 0.5 and -0.2; item 0 is action, item 1 both."""
    user, genres = np.zeros((1, 20)), np.zeros((2, 19), dtype=np.bool_)
    user[0, 1 + ACTION], user[0, 1 + COMEDY] = 0.5, -0.2
    genres[:, ACTION], genres[1, COMEDY] = True, True
    return replace(world, user_vectors=user, genres=genres)


def test_three_steps_by_hand(world: World) -> None:
    world = with_action_and_comedy(world)
    taste = SatiatingTaste(growth=0.1, bound=2.0, recovery=0.5, persistence=0.8, penalty=0.25)
    state = begun(world, taste, [0])
    columns = [1 + ACTION, 1 + COMEDY]

    def consume(item: int, rating: float) -> tuple[list[float], list[float]]:
        nonlocal state
        vectors, satiations = taste.move(state, np.array([[item]]), np.array([[rating]]), world)
        state = state._replace(vectors=vectors, satiations=satiations)
        return vectors[0, columns].tolist(), satiations[0, [ACTION, COMEDY]].tolist()

    # Liked: 0.5 + 0.1 · (2 - 0.5). An exposure of 1, of which 0.8 is left.
    affinities, satiations = consume(0, 3.0)
    assert affinities == pytest.approx([0.65, -0.2], rel=1e-15)
    assert satiations == pytest.approx([0.8, 0.0], rel=1e-15)
    assert taste.effective_vectors(state)[0, columns].tolist() == pytest.approx([0.65 - 0.25 * 0.8, -0.2], rel=1e-15)
    # Not liked: half of the way back to 0.5. The exposure is shared by two genres, liked or not.
    affinities, satiations = consume(1, 2.9)
    assert affinities == pytest.approx([0.575, -0.2], rel=1e-15)
    assert satiations == pytest.approx([0.8 * (0.8 + 1 / math.sqrt(2)), 0.8 / math.sqrt(2)], rel=1e-15)
    # Nothing: both recover.
    affinities, after = consume(-1, 0.0)
    assert affinities == pytest.approx([0.5375, -0.2], rel=1e-15)
    assert after == pytest.approx([0.8 * s for s in satiations], rel=1e-15)


def test_satiation_recovers_exponentially_and_affinity_outlasts_it(world: World) -> None:
    world = with_action_and_comedy(world)
    taste = SatiatingTaste()
    state = begun(world, taste, [0])
    for item in [0] * 10 + [-1] * 30:
        vectors, satiations = taste.move(state, np.array([[item]]), np.array([[5.0]]), world)
        state = state._replace(vectors=vectors, satiations=satiations)
    # Ten exposures of 1, then 30 steps: 0.9^31 + ... + 0.9^40.
    assert state.satiations[0, ACTION] == pytest.approx(sum(0.9**t for t in range(31, 41)), rel=1e-12)
    assert (
        taste.effective_vectors(state)[0, 1 + ACTION] > 0.55
    )  # the user likes action more than before, and is no longer tired


@given(st.integers(0, 2**32), st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.95), st.floats(0.1, 3))
def test_everything_stays_bounded_in_any_session(
    world: World, seed: int, growth: float, recovery: float, persistence: float, bound: float
) -> None:
    rng = np.random.default_rng(seed)
    taste = SatiatingTaste(growth, bound, recovery, persistence)
    state = begun(world, taste, [3, 7])
    for _ in range(40):
        items, ratings = rng.integers(-1, world.n_items, (2, 2)), rng.uniform(1, 5, (2, 2))
        vectors, satiations = taste.move(state, items, ratings, world)
        state = state._replace(vectors=vectors, satiations=satiations)
    assert np.abs(state.vectors[:, -19:]).max() <= bound * (1 + 1e-12)
    assert 0 <= state.satiations.min() <= state.satiations.max() <= taste.most_satiation(2) + 1e-9
    assert (state.vectors[:, :-19] == world.user_vectors[[3, 7], :-19]).all()


def test_nothing_moves_where_growth_and_penalty_are_0(world: World) -> None:
    taste = SatiatingTaste(growth=0.0, penalty=0.0, bound=100.0)
    state = begun(world, taste, [1])
    vectors, satiations = taste.move(state, np.array([[4]]), np.array([[5.0]]), world)
    after = state._replace(vectors=vectors, satiations=satiations)
    assert taste.effective_vectors(after).tolist() == world.user_vectors[[1]].tolist()


def test_own_affinities_beyond_the_bound_count_as_the_bound(world: World) -> None:
    vectors, _ = SatiatingTaste(bound=0.01).begin(world, np.arange(world.n_users))
    assert vectors[:, -19:].tolist() == world.user_vectors[:, -19:].clip(-0.01, 0.01).tolist()
    assert vectors[:, :-19].tolist() == world.user_vectors[:, :-19].tolist()


def test_a_dynamic_without_memory_moves_those_only_who_consumed(world: World) -> None:
    state = Simulator(world).reset([0, 1])
    items, ratings = np.array([[-1], [6]]), np.array([[0.0], [5.0]])
    vectors, satiations = Memoryless(GenreReinforcement(threshold=-np.inf)).move(state, items, ratings, world)
    assert vectors[0].tolist() == state.vectors[0].tolist()
    genres = world.genres[6]
    assert vectors[1, -19:].tolist() == np.where(genres, 2 * state.vectors[1, -19:], state.vectors[1, -19:]).tolist()
    assert satiations.shape == (2, 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("growth", 1.1),
        ("growth", -0.1),
        ("recovery", np.nan),
        ("bound", 0.0),
        ("bound", np.inf),
        ("persistence", 1.0),
        ("penalty", -1.0),
    ],
)
def test_numbers_that_cannot_be(name: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{name} must be .*, it is {value}"):
        SatiatingTaste(**{name: value})


def test_a_threshold_that_is_no_number() -> None:
    with pytest.raises(InputError, match="threshold must be a number, it is nan"):
        SatiatingTaste(threshold=math.nan)
