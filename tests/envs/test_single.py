import math
import random
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import data_equivalence

from pydeeprecsys.data.movielens_layouts import GENRES
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError
from pydeeprecsys.movielens_fairness_env import MovieLensFairness

Make = Callable[..., MovieLensFairness]


@pytest.fixture
def make(world: World) -> Make:
    return lambda slate_size=1, **options: MovieLensFairness(slate_size, **({"dataset": world} | options))


def actions(slate_size: int, n: int, seed: int = 0) -> list[Any]:
    shape = (n,) if slate_size == 1 else (n, slate_size)
    return list(np.random.default_rng(seed).integers(0, 80, shape))


def session(env: MovieLensFairness, slate_size: int, n: int, seed: int | None) -> list[Any]:
    trajectory: list[Any] = [env.reset(seed=seed)]
    for action in actions(slate_size, n):
        trajectory.append(env.step(action))
        if trajectory[-1][2]:
            trajectory.append(env.reset())
    return trajectory


@pytest.mark.parametrize("slate_size", [1, 3, 10])
def test_observation_holds_the_user_and_the_chosen_item(make: Make, world: World, slate_size: int) -> None:
    env = make(slate_size)
    for seed in range(5):
        observation, info = env.reset(seed=seed)
        demographics = world.demographics[info["user"]].tolist()
        assert observation.dtype == np.float32
        assert observation.tolist() == demographics + [0.0] * 21
        for action in actions(slate_size, 5, seed):
            observation, _, _, _, info = env.step(action)
            position = info.get("chosen_action", 0)
            item = np.atleast_1d(action)[position]
            assert observation[:4].tolist() == demographics
            assert observation[4:23].tolist() == world.genres[item].tolist()
            assert observation[23] == np.float32(info["ratings"][position] / 5)
            assert observation[24] == world.violence[item]
            assert env.observation_space.contains(observation)


def test_demographics_are_in_the_documented_order(make: Make, world: World) -> None:
    row = world.demographics[make().reset(seed=3)[1]["user"]]
    np.testing.assert_array_equal(make().reset(seed=3)[0][:4], row)
    assert row[0] in (0.0, 1.0)  # sex
    assert round(float(row[1]) * 56, 4) in (1, 18, 25, 35, 45, 50, 56)  # age
    assert round(float(row[2]) * 20, 4) in range(21)  # occupation


@pytest.mark.parametrize("slate_size", [1, 3, 10])
def test_what_info_and_the_lists_tell(make: Make, world: World, slate_size: int) -> None:
    env = make(slate_size)
    _, info = env.reset(seed=0)
    assert set(info) == {"user"}
    vector, dcgs, ndcgs = world.user_vectors[info["user"]], [], []
    for number, action in enumerate(actions(slate_size, math.ceil(50 / slate_size))):
        _, reward, terminated, truncated, info = env.step(action)
        items, ratings = np.atleast_1d(action), info["ratings"]
        if number == 0:
            np.testing.assert_allclose(ratings, (world.item_vectors[items] @ vector).clip(1, 5), rtol=1e-12)
        dcgs.append(sum(rating / math.log2(i + 2) for i, rating in enumerate(ratings)))
        ndcgs.append(dcgs[-1] / sum(5 / math.log2(i + 2) for i in range(slate_size)))
        assert reward == pytest.approx(ratings.mean() / 5, rel=1e-12)
        assert info["dcg"] == pytest.approx(dcgs[-1], rel=1e-12)
        assert info["ndcg"] == pytest.approx(ndcgs[-1], rel=1e-12)
        assert info["violence"] == pytest.approx(float(world.violence[items].astype(float).mean()), rel=1e-12)
        assert ("chosen_action" in info) == (slate_size > 1)
        assert info.get("chosen_action", 0) in range(slate_size)
        assert not truncated
    assert terminated
    assert env.unwrapped.dcg == pytest.approx(dcgs)
    assert env.unwrapped.ndcg == pytest.approx(ndcgs)
    env.reset()
    assert (env.dcg, env.ndcg) == ([], [])


@pytest.mark.parametrize("slate_size", [1, 3])
def test_the_same_seed_is_the_same_trajectory(make: Make, slate_size: int) -> None:
    for seed in (0, 1, 2**63):
        first, second = (session(make(slate_size), slate_size, 70, seed) for _ in range(2))
        assert data_equivalence(first, second, exact=True)
    assert not data_equivalence(session(make(), 1, 70, 0), session(make(), 1, 70, 1), exact=True)


def test_every_seed_counts(make: Make) -> None:
    def users(env: MovieLensFairness, seed: int | None) -> tuple[int, ...]:
        return tuple(env.reset(seed=seed if i == 0 else None)[1]["user"] for i in range(8))

    of_seed = [users(make(), seed) for seed in range(20)]
    assert len(set(of_seed)) == 20
    assert users(make(seed=0), None) == of_seed[0]
    assert users(make(seed=7), None) == of_seed[7]
    assert users(make(seed=7), 3) == of_seed[3]
    assert len({users(make(), None) for _ in range(5)}) == 5
    assert all(len(set(users)) > 1 for users in of_seed)


def test_without_a_seed_a_reset_goes_on_in_the_stream(make: Make) -> None:
    env = make()
    env.reset(seed=4)
    next_users = [env.reset()[1]["user"] for _ in range(5)]
    env.reset(seed=4)
    for action in actions(1, 50):
        env.step(action)
    assert [env.reset()[1]["user"] for _ in range(5)] == next_users


@pytest.mark.parametrize("slate_size", [1, 3])
def test_resuming_in_the_middle_of_a_session(make: Make, slate_size: int) -> None:
    env = make(slate_size, session_length=20)
    env.reset(seed=5)
    shown = actions(slate_size, 60)

    def play(env: MovieLensFairness, shown: list[Any]) -> list[Any]:
        results: list[Any] = []
        for action in shown:
            results.append((env.step(action), list(env.dcg), list(env.ndcg)))
            if results[-1][0][2]:
                results.append(env.reset())
        return results

    play(env, shown[:4])
    saved = env.state_dict()
    expected = play(env, shown[4:])
    other = make(slate_size, session_length=20)
    other.reset(seed=99)
    other.load_state_dict(saved)
    assert data_equivalence(play(other, shown[4:]), expected, exact=True)
    fresh = make(slate_size, session_length=20)
    fresh.load_state_dict(saved)
    assert data_equivalence(play(fresh, shown[4:]), expected, exact=True)


def test_an_ended_session_is_still_ended_after_resuming(make: Make) -> None:
    env, other = make(session_length=1), make(session_length=1)
    env.reset(seed=0)
    env.step(0)
    other.load_state_dict(env.state_dict())
    with pytest.raises(ResetNeeded):
        other.step(0)
    assert other.reset()[1] == env.reset()[1]


def test_a_state_is_made_of_plain_arrays_and_numbers(make: Make) -> None:
    def plain(value: Any) -> bool:
        if isinstance(value, dict):
            return all(isinstance(name, str) and plain(inner) for name, inner in value.items())
        if isinstance(value, list):
            return all(map(plain, value))
        return isinstance(value, bool | int | float) or (isinstance(value, np.ndarray) and value.dtype != object)

    env = make(3)
    session(env, 3, 5, 0)
    assert plain(env.state_dict())


@pytest.mark.parametrize(
    ("slate_size", "action", "message"),
    [
        (1, 80, "item 80 .* is out of range; items are 0 to 79"),
        (1, -1, "item -1 .* is out of range; items are 0 to 79"),
        (1, 10**30, "whole numbers"),
        (1, 1.0, "whole numbers"),
        (1, math.nan, "whole numbers"),
        (1, None, "whole numbers"),
        (1, "7", "whole numbers"),
        (1, True, "whole numbers"),
        (1, [1, 2], "shape"),
        (1, [], "whole numbers"),
        (3, [0, 1, 80], "item 80 at position 2 .* is out of range; items are 0 to 79"),
        (3, [0, -5, 1], "item -5 at position 1 .* is out of range"),
        (3, [0.0, 1.0, 2.0], "whole numbers"),
        (3, [0, 1, math.nan], "whole numbers"),
        (3, [0, 1], "shape"),
        (3, [0, 1, 2, 3], "shape"),
        (3, 5, "shape"),
        (3, [[0, 1, 2]], "shape"),
    ],
)
def test_actions_that_cannot_be(make: Make, slate_size: int, action: Any, message: str) -> None:
    env = make(slate_size)
    before, _ = env.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        env.step(action)
    # The session is where it was.
    assert env.batch.observe()[0].tolist() == before.tolist()
    assert env.dcg == []
    env.step(0 if slate_size == 1 else [0, 1, 2])


def test_kinds_of_actions_that_mean_the_same(make: Make) -> None:
    def answer(slate_size: int, action: Any) -> Any:
        env = make(slate_size)
        env.reset(seed=0)
        return env.step(action)

    for action in (np.int64(7), np.uint8(7), np.array(7), [7], np.array([7])):
        assert data_equivalence(answer(1, action), answer(1, 7), exact=True)
    for slate in ((7, 8, 9), np.array([7, 8, 9], dtype=np.uint16)):
        assert data_equivalence(answer(3, slate), answer(3, [7, 8, 9]), exact=True)


def test_an_item_that_stands_twice_is_rated_twice_and_moves_twice(make: Make, world: World) -> None:
    env = make(2, threshold=1.0)
    _, info = env.reset(seed=0)
    _, _, _, _, shown = env.step([6, 6])
    assert shown["ratings"][0] == shown["ratings"][1]
    before, after = world.user_vectors[info["user"], -19:], env.batch.state.vectors[0, -19:]
    assert after.tolist() == np.where(world.genres[6], before * 4, before).tolist()


def test_a_slate_may_be_the_whole_catalogue(make: Make) -> None:
    env = make(80)
    env.reset(seed=0)
    _, _, terminated, _, info = env.step(np.arange(80)[::-1])
    assert terminated
    assert info["ratings"].shape == (80,)


def test_order_of_calls(make: Make) -> None:
    for env in (make(), gym.make("MovieLensFairness-v0", dataset=make().simulator.world)):
        with pytest.raises(ResetNeeded):
            env.step(0)
    env = make(session_length=2)
    env.reset(seed=0)
    env.step(0)
    assert env.step(0)[2]
    for _ in range(2):
        with pytest.raises(ResetNeeded, match="call reset"):
            env.step(0)
    env.reset()
    env.step(0)


def test_render(make: Make, world: World) -> None:
    env = make(2)
    assert env.render() == "no session has begun"
    _, info = env.reset(seed=0)
    first = env.render()
    assert f"user {world.user_ids[info['user']]} after 0 slates" in first
    assert len(first.splitlines()) == 1
    favourite = GENRES[int(world.user_vectors[info["user"], -19:].argmax())]
    assert f"likes {favourite} +" in first
    _, _, _, _, info = env.step([3, 4])
    head, *lines = env.render().splitlines()
    assert "after 1 slates" in head
    assert [line[0] for line in lines] == ["*" if i == info["chosen_action"] else " " for i in range(2)]
    for line, item, rating in zip(lines, (3, 4), info["ratings"], strict=True):
        assert f"{rating:.1f} stars" in line
        assert world.titles[item] in line
        assert "|".join(name for name, has in zip(GENRES, world.genres[item], strict=True) if has) in line


def test_the_global_generators_are_left_alone(make: Make) -> None:
    numpy_state, python_state = np.random.get_state(), random.getstate()
    for slate_size in (1, 3):
        env = make(slate_size, pool="train")
        session(env, slate_size, 60, None)
        session(env, slate_size, 60, 0)
    assert data_equivalence(np.random.get_state(), numpy_state)
    assert random.getstate() == python_state


def test_a_reset_may_choose_the_user() -> None:
    env = MovieLensFairness(seed=0, pool="test")
    users = env.simulator.users
    for user in (users[3], users[-1], users[3]):
        observation, info = env.reset(options={"user": int(user)})
        assert info["user"] == user
        vectors = env.simulator.world.user_vectors[user]
        np.testing.assert_array_equal(env.batch.state.vectors[0], vectors)
    twin = MovieLensFairness(seed=5, pool="test")
    np.testing.assert_array_equal(twin.reset(options={"user": int(users[3])})[0], observation)


def test_a_reset_refuses_what_it_cannot_do() -> None:
    env = MovieLensFairness(seed=0, pool="test")
    trained = np.setdiff1d(np.arange(env.simulator.world.n_users), env.simulator.users)[0]
    with pytest.raises(InputError, match=f"^user {trained} is not of the 906 users that are simulated here$"):
        env.reset(options={"user": int(trained)})
    with pytest.raises(InputError, match=r"users are rows of the world, one per session of 1; they are \['Ann'\]"):
        env.reset(options={"user": "Ann"})
    with pytest.raises(InputError, match=r"^reset takes no option 'usr'; there are: user; did you mean 'user'"):
        env.reset(options={"usr": 1})


@pytest.mark.parametrize("slate_size", [1, 3])
def test_action_masks_are_those_of_every_place(slate_size: int) -> None:
    env = MovieLensFairness(slate_size, seed=0, version=1)
    _, info = env.reset()
    for _ in range(5):
        assert env.action_masks().tolist() == info["action_mask"].tolist() * slate_size
        _, _, over, _, info = env.step(np.flatnonzero(info["action_mask"])[:slate_size])
        assert not over
    assert not env.action_masks().all()
    free = MovieLensFairness(slate_size, seed=0)
    free.reset()
    assert free.action_masks().shape == (slate_size * free.simulator.world.n_items,)
    assert free.action_masks().all()
