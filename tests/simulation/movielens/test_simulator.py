import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError
from pydeeprecsys.simulation.movielens.dynamics import GenreReinforcement
from pydeeprecsys.simulation.movielens.rewards import EnjoymentAndCalm
from pydeeprecsys.simulation.movielens.simulator import Simulator, user_pool
from pydeeprecsys.simulation.movielens.state import State


class PlainUser:
    """The world as the design tells it, of one user and in plain Python: an independent reference."""

    def __init__(self, world: World, user: int, delta: float, weight: float) -> None:
        self.world, self.delta, self.weight = world, delta, weight
        self.vector = world.user_vectors[user].tolist()

    def rate(self, item: int) -> float:
        product = math.fsum(a * b for a, b in zip(self.vector, self.world.item_vectors[item].tolist(), strict=True))
        return min(5.0, max(1.0, product))

    def show(self, slate: list[int]) -> tuple[list[float], float]:
        ratings = [self.rate(item) for item in slate]
        for item, rating in zip(slate, ratings, strict=True):
            if rating >= 3.0:
                for genre in range(19):
                    if self.world.genres[item, genre]:
                        self.vector[len(self.vector) - 19 + genre] *= 1 + self.delta
        rewards = [
            (1 - self.weight) * rating / 5 + self.weight * (1 - float(self.world.violence[item]))
            for item, rating in zip(slate, ratings, strict=True)
        ]
        return ratings, sum(rewards) / len(rewards)


def slates_of(rng: np.random.Generator, simulator: Simulator, state: State) -> NDArray[np.int64]:
    """Slates that a user half likes: affinities move, and not in all directions at once."""
    n, k = len(state.users), simulator.slate_size
    liked = np.argsort(-simulator.scores(state), axis=1)[:, : 2 * k]
    slates = np.where(rng.random((n, k)) < 0.5, rng.permuted(liked, axis=1)[:, :k], 0)
    return np.where(slates == 0, rng.integers(0, simulator.world.n_items, (n, k)), slates)


@pytest.mark.slow
@pytest.mark.parametrize("slate_size", [1, 3, 10])
@pytest.mark.parametrize(("delta", "weight"), [(1.0, 0.0), (0.0, 0.3), (-0.4, 1.0), (0.35, 0.5)])
def test_sessions_are_those_of_the_plain_reference(world: World, slate_size: int, delta: float, weight: float) -> None:
    simulator = Simulator(world, slate_size, dynamics=GenreReinforcement(delta), reward=EnjoymentAndCalm(weight))
    rng = np.random.default_rng(slate_size)
    state, n = simulator.reset(range(6)), 6
    for _ in range(2):
        people = [PlainUser(world, int(user), delta, weight) for user in state.users]
        for step in range(1, math.ceil(50 / slate_size) + 1):
            slates = slates_of(rng, simulator, state)
            state, response = simulator.step(state, slates)
            for i in range(n):
                ratings, reward = people[i].show(slates[i].tolist())
                assert response.ratings[i].tolist() == pytest.approx(ratings, rel=1e-12)
                assert response.rewards[i] == pytest.approx(reward, rel=1e-12)
                assert state.vectors[i].tolist() == pytest.approx(people[i].vector, rel=1e-12)
                chosen = response.chosen[i]
                assert state.last_items[i] == slates[i, chosen]
                assert state.last_ratings[i] == response.ratings[i, chosen]
            assert response.violence.tolist() == world.violence[slates].tolist()
            assert response.terminated.tolist() == [step == math.ceil(50 / slate_size)] * n
        state = simulator.next_sessions(state, np.ones(n, dtype=np.bool_))


def hand_made(world: World) -> World:
    """Users who like action, and two action movies, at first worth 3 stars and 2 stars."""
    user_vectors, item_vectors = np.zeros((2, 20)), np.zeros((2, 20))
    user_vectors[:, :2] = 1.0, 0.0
    user_vectors[:, 2] = 1.0  # for action
    item_vectors[:, 0] = 2.0, 1.0
    item_vectors[:, 2] = 1.0
    genres = np.zeros((2, 19), dtype=np.bool_)
    genres[:, 1] = True
    return replace(
        world,
        user_vectors=user_vectors,
        item_vectors=item_vectors,
        genres=genres,
        violence=np.array([0.0, 0.5], dtype=np.float32),
    )


def test_a_session_by_hand(world: World) -> None:
    simulator = Simulator(hand_made(world))
    state = simulator.reset([0])
    answers = []
    for item in (1, 0, 1, 0, 1):
        state, response = simulator.step(state, np.array([[item]]))
        answers.append((response.ratings[0, 0], state.vectors[0, 2]))
    # Not liked, liked, then the affinity of 2 has lifted the other movie to 3 stars as well, and so on up to 5.
    assert answers == [(2.0, 1.0), (3.0, 2.0), (3.0, 4.0), (5.0, 8.0), (5.0, 16.0)]


def test_all_ratings_of_a_slate_are_given_before_any_affinity_moves(world: World) -> None:
    simulator = Simulator(hand_made(world), slate_size=2)
    state, response = simulator.step(simulator.reset([0, 1]), np.array([[0, 1], [1, 0]]))
    assert response.ratings.tolist() == [[3.0, 2.0], [2.0, 3.0]]
    assert state.vectors[:, 2].tolist() == [2.0, 2.0]
    state, response = simulator.step(state, np.array([[0, 0], [1, 0]]))
    assert response.ratings.tolist() == [[4.0, 4.0], [3.0, 4.0]]
    assert state.vectors[:, 2].tolist() == [8.0, 8.0]


def test_effects_come_in_the_order_of_the_slate(world: World) -> None:
    class Order:
        """A dynamic that lets each item shown overwrite what the one before it did."""

        def __call__(self, vectors: Any, slates: Any, ratings: Any, genres: Any) -> Any:
            after = vectors.copy()
            for item, rating in zip(slates.T, ratings.T, strict=True):
                after[:, 0], after[:, 1] = item, rating
            return after

    simulator = Simulator(world, 3, dynamics=Order())
    slates = np.array([[5, 9, 2], [2, 9, 5]])
    state, response = simulator.step(simulator.reset([4, 4]), slates)
    assert state.vectors[:, 0].tolist() == [2.0, 5.0]
    assert state.vectors[:, 1].tolist() == [response.ratings[0, 2], response.ratings[1, 2]]
    assert response.ratings[0].tolist() == response.ratings[1, ::-1].tolist()


@pytest.mark.parametrize(("slate_size", "session_length"), [(1, 50), (3, 50), (7, 50), (10, 50), (50, 50), (60, 50)])
def test_a_session_lasts_until_50_ratings_are_given(world: World, slate_size: int, session_length: int) -> None:
    simulator = Simulator(world, slate_size, session_length)
    state, steps, over = simulator.reset([0]), 0, False
    while not over:
        state, response = simulator.step(state, np.zeros((1, slate_size), dtype=np.int64))
        steps, over = steps + 1, bool(response.terminated[0])
    assert steps == math.ceil(session_length / slate_size) == simulator.session_steps


@pytest.mark.slow
@pytest.mark.parametrize(("slate_size", "delta"), [(1, 99.0), (10, 1.0), (10, -0.9)])
def test_100_000_ratings_stay_finite(world: World, slate_size: int, delta: float) -> None:
    # Every item has every genre and moves all affinities: nowhere is a score larger.
    item_vectors = world.item_vectors.copy()
    item_vectors[:, -19:] = 1.0
    crowded = replace(world, item_vectors=item_vectors, genres=np.ones_like(world.genres))
    simulator = Simulator(crowded, slate_size, 100_000, dynamics=GenreReinforcement(delta, threshold=1.0))
    slates = np.random.default_rng(0).integers(0, world.n_items, (100_000 // slate_size, 1, slate_size))
    state = simulator.reset([0])
    for slate in slates:
        state, response = simulator.step(state, slate)
        assert 0.2 - 1e-12 <= response.rewards[0] <= 1 + 1e-12
    assert response.terminated[0]
    assert np.isfinite(state.vectors).all()
    assert np.isfinite(simulator.scores(state)).all()


def test_injected_parts_are_the_ones_that_work(world: World) -> None:
    simulator = Simulator(
        world,
        slate_size=4,
        choice=lambda ratings: np.eye(5)[ratings.argmax(axis=1)],
        dynamics=lambda vectors, slates, ratings, genres: vectors + slates.sum(axis=1)[:, None] + genres.shape[1],
        reward=lambda ratings, violence: ratings.sum(axis=1) + 100 * violence.sum(axis=1),
    )
    before = simulator.reset([1, 2])
    slates = np.array([[3, 1, 4, 15], [9, 2, 6, 5]])
    after, response = simulator.step(before, slates)
    assert response.chosen.tolist() == response.ratings.argmax(axis=1).tolist()
    assert after.last_items.tolist() == [slates[i, response.ratings[i].argmax()] for i in range(2)]
    assert after.vectors.tolist() == (before.vectors + np.array([[23], [22]]) + 19).tolist()
    expected = response.ratings.sum(axis=1) + 100 * world.violence.astype(np.float64)[slates].sum(axis=1)
    assert response.rewards.tolist() == pytest.approx(expected.tolist(), rel=1e-12)


def test_the_chosen_position_is_uniform_and_follows_the_stream(world: World) -> None:
    simulator = Simulator(world, slate_size=5)
    slates = np.tile(np.arange(5), (4000, 1))
    state, first = simulator.step(simulator.reset(range(4000)), slates)
    _, second = simulator.step(state, slates)
    for chosen in (first.chosen, second.chosen):
        assert stats.chisquare(np.bincount(chosen, minlength=5)).pvalue > 1e-3
    # Neither the choice before nor who the user is says anything of it.
    for known, chosen in ((first.chosen, second.chosen), (state.users, first.chosen), (state.users, second.chosen)):
        assert stats.chi2_contingency(np.histogram2d(known, chosen, 5)[0]).pvalue > 1e-3
    _, alone = simulator.step(simulator.reset([17]), slates[:1])
    assert alone.chosen[0] == first.chosen[17]


@pytest.mark.slow
def test_states_are_never_changed_in_place(world: World) -> None:
    simulator = Simulator(world, slate_size=2)
    state = simulator.reset(range(4))
    for array in state:
        array.setflags(write=False)
    kept = [array.copy() for array in state]
    after, _ = simulator.step(state, np.array([[0, 1]] * 4))
    simulator.next_sessions(after, np.array([True, False, True, False]))
    assert [array.tolist() for array in state] == [array.tolist() for array in kept]
    assert not np.shares_memory(after.vectors, state.vectors)
    assert not np.shares_memory(state.vectors, world.user_vectors)


def test_a_session_starts_with_the_users_own_vector_and_nothing_shown(world: World) -> None:
    state = Simulator(world).reset([11, 12, 13])
    assert state.vectors.tolist() == world.user_vectors[state.users].tolist()
    assert (state.steps.tolist(), state.episodes.tolist()) == ([0] * 3, [0] * 3)
    assert (state.last_items.tolist(), state.last_ratings.tolist()) == ([-1] * 3, [0.0] * 3)


def test_only_the_sessions_that_are_over_are_begun_anew(world: World) -> None:
    simulator = Simulator(world)
    before, _ = simulator.step(simulator.reset(range(4)), np.zeros((4, 1), dtype=np.int64))
    over = np.array([False, True, False, True])
    after = simulator.next_sessions(before, over)
    for was, now in zip(before, after, strict=True):
        assert was[~over].tolist() == now[~over].tolist()
    assert after.episodes.tolist() == [0, 1, 0, 1]
    assert after.steps.tolist() == [1, 0, 1, 0]
    assert after.vectors[over].tolist() == world.user_vectors[after.users[over]].tolist()


def test_a_batch_of_streams_goes_where_each_goes_alone(world: World) -> None:
    simulator = Simulator(world, slate_size=3, session_length=6)
    seeds, rng = [5, 0, 2**64 - 1, 5], np.random.default_rng(0)
    shown = rng.integers(0, world.n_items, (10, 4, 3))

    def trajectory(rows: list[int]) -> list[list[Any]]:
        state, states = simulator.reset(np.array([seeds[row] for row in rows], dtype=np.uint64)), []
        for slates in shown:
            state, response = simulator.step(state, slates[rows])
            state = simulator.next_sessions(state, response.terminated)
            states.append([array.tolist() for array in (*state, *response)])
        return states

    together = trajectory([0, 1, 2, 3])
    for row in range(4):
        alone = trajectory([row])
        assert alone == [[[values[row]] for values in step] for step in together]


@pytest.mark.parametrize("seed", [0, 1, 20])
def test_pools_split_all_users_70_15_15(seed: int) -> None:
    parts = [user_pool(6040, pool, seed) for pool in ("train", "evaluation", "test")]
    assert [len(part) for part in parts] == [4228, 906, 906]
    assert sorted(np.concatenate(parts).tolist()) == list(range(6040))
    assert user_pool(6040, "all", seed).tolist() == list(range(6040))


@pytest.mark.parametrize("n_users", [2, 3, 7, 10, 61, 943])
def test_pools_of_few_users_are_still_a_split(n_users: int) -> None:
    in_train, in_both = round(0.7 * n_users), round(0.85 * n_users)
    sizes = {"train": in_train, "evaluation": in_both - in_train, "test": n_users - in_both}
    users: list[int] = []
    for pool, size in sizes.items():
        if size:
            assert len(user_pool(n_users, pool)) == size
            users += user_pool(n_users, pool).tolist()
        else:
            with pytest.raises(InputError, match=f"with {n_users} users nobody is left for the pool {pool!r}"):
                user_pool(n_users, pool)
    assert sorted(users) == list(range(n_users))


def test_the_seed_decides_the_split() -> None:
    assert user_pool(100, "test", 3).tolist() == user_pool(100, "test", 3).tolist()
    assert user_pool(100, "test", 3).tolist() != user_pool(100, "test", 4).tolist()
    assert user_pool(100, "test", 0).tolist() != list(range(85, 100))


def test_a_pool_that_does_not_exist() -> None:
    with pytest.raises(InputError, match="no user pool 'tset'; the pools are all, train, evaluation, test"):
        user_pool(100, "tset")  # type: ignore[arg-type]


@pytest.mark.parametrize("pool", ["all", "train", "evaluation", "test"])
def test_users_are_drawn_uniformly_from_the_pool(world: World, pool: Any) -> None:
    rows = user_pool(world.n_users, pool)
    simulator = Simulator(world, pool=rows)
    state = simulator.reset(range(6000))
    following = simulator.next_sessions(state, np.ones(6000, dtype=np.bool_))
    for users in (state.users, following.users):
        assert set(users.tolist()) == set(rows.tolist())
        assert stats.chisquare(np.bincount(users, minlength=world.n_users)[rows]).pvalue > 1e-3
    assert (state.users == following.users).mean() == pytest.approx(1 / len(rows), abs=0.03)


def test_scores_are_the_ratings_before_they_are_clipped(world: World) -> None:
    simulator = Simulator(world, slate_size=world.n_items)
    state = simulator.reset([3, 4])
    everything = np.tile(np.arange(world.n_items), (2, 1))
    _, response = simulator.step(state, everything)
    np.testing.assert_allclose(simulator.scores(state).clip(1, 5), response.ratings, rtol=1e-12)


@pytest.mark.parametrize("slate_size", [0, -1, 81])
def test_a_slate_size_that_cannot_be(world: World, slate_size: int) -> None:
    with pytest.raises(
        InputError, match=rf"slate_size must be in \[1, 80\], it is {slate_size}: synthetic has 80 items"
    ):
        Simulator(world, slate_size)


def test_a_session_of_no_ratings(world: World) -> None:
    with pytest.raises(InputError, match="session_length must be at least 1, it is 0"):
        Simulator(world, session_length=0)
