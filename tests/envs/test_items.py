"""The observation "items": the slates shown, the choices, and the ratings of what was consumed."""

import math
import warnings
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.env_checker import check_env as sb3_check_env

from contracts.agents import assert_same_state
from pydeeprecsys.data.world import World
from pydeeprecsys.envs.single import MovieLensFairness
from pydeeprecsys.envs.vector import MovieLensFairnessVector
from pydeeprecsys.errors import InputError
from pydeeprecsys.history import HistoryLayout
from pydeeprecsys.simulation.choice import MultinomialLogit
from pydeeprecsys.simulation.movielens.patience import Patience

NEVER = MultinomialLogit(1e6)


def vector(world: World, n: int = 3, slate_size: int = 1, **options: Any) -> MovieLensFairnessVector:
    return MovieLensFairnessVector(
        n, slate_size, **({"dataset": world, "version": 1, "observation": "items"} | options)
    )


def layout(env: Any) -> HistoryLayout:
    assert isinstance(env.unwrapped.history_layout, HistoryLayout)
    return env.unwrapped.history_layout


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("slate_size", [1, 3])
def test_environment_checkers_have_nothing_to_say(world: World, slate_size: int, version: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = gym.make(f"MovieLensFairness-v{version}", slate_size=slate_size, dataset=world, observation="items")
        check_env(made.unwrapped)
        sb3_check_env(made, warn=True)
    assert made.observation_space.dtype == np.float32
    np.testing.assert_array_equal(made.observation_space.high, layout(made).highest)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("version", "rated"), [(0, [0, 1]), (1, [1])])
def test_what_happened_is_told_the_latest_slate_first(world: World, version: int, rated: list[int]) -> None:
    env = vector(world, 2, 2, version=version)
    first, infos = env.reset(seed=0)
    demographics = world.demographics[infos["user"]]
    np.testing.assert_array_equal(first, [layout(env).row(row.tolist(), [], [], []) for row in demographics])
    slates, choices, ratings = [], [], []
    for items in ([5, 2], [0, 7], [11, 3]):
        observations, _, _, _, infos = env.step(np.array([items, items[::-1]]))
        choice, stars = int(infos["chosen_action"][0]), infos["ratings"][0]
        known = stars.tolist() if version == 0 else [stars[choice] if choice >= 0 else 0.0]
        slates, choices, ratings = [items, *slates], [choice, *choices], [known, *ratings]
        expected = layout(env).row(demographics[0].tolist(), slates, choices, ratings=ratings)
        np.testing.assert_array_equal(observations[0], expected)
    assert layout(env).n_rated == len(rated)


def test_ratings_of_what_was_not_consumed_are_not_told(world: World) -> None:
    env = vector(world, 50, 4)
    env.reset(seed=0)
    observations, _, _, _, infos = env.step(np.tile([1, 2, 3, 4], (50, 1)))
    chosen = infos["chosen_action"]
    assert set(chosen) == {-1, 0, 1, 2, 3}
    consumed = infos["ratings"][np.arange(50), chosen].astype(np.float32)
    told = layout(env).read(observations).ratings[:, 0]
    np.testing.assert_array_equal(told, np.where(chosen >= 0, consumed, 0))
    others = np.where(np.arange(4) == chosen[:, None], np.nan, infos["ratings"].astype(np.float32))
    assert not (observations[:, :, None] == others[:, None, :]).any()


def test_unknown_demographics_are_one_half(world: World) -> None:
    nobody_knows = replace(world, demographics=np.full_like(world.demographics, np.nan))
    assert (vector(nobody_knows).reset(seed=0)[0][:, :4] == 0.5).all()


def test_a_short_history_forgets_the_oldest_slates(world: World) -> None:
    long, short = vector(world, history_length=9), vector(world, history_length=2)
    for env in (long, short):
        env.reset(seed=0)
    for step in range(5):
        whole, last = (env.step(np.array([step, 9 + step, 20 + step]))[0] for env in (long, short))
        np.testing.assert_array_equal(last, whole[:, : 4 + 2 * 3])
    assert not layout(short).whole_session
    assert layout(vector(world)).whole_session


@pytest.mark.parametrize(
    ("slate_size", "options", "length"),
    [
        (1, {"version": 0}, 50),
        (4, {"version": 0}, 13),
        (1, {}, 101),  # 20 - 100 · (1 - 0.8) is a little more than 0 in floating point
        (1, {"patience": Patience(budget=20, gain=0.5)}, 40),
        (1, {"patience": Patience(budget=20, gain=0.5, max_steps=8)}, 8),
        (1, {"patience": Patience(budget=20, gain=0.0, refusal_cost=0.5)}, 40),
        (1, {"session_length": 7}, 7),
    ],
)
def test_by_default_it_holds_the_longest_session(
    world: World, slate_size: int, options: dict[str, Any], length: int
) -> None:
    env = vector(world, 1, slate_size, **options)
    assert layout(env).length == length == env.simulator.longest_session


def test_no_session_is_longer_than_its_history(world: World) -> None:
    """Who is pleased by anything stays the longest."""
    always = MultinomialLogit(-math.inf)
    env = vector(world, 1, choice=always, patience=Patience(budget=2, gain=0.8, neutral=-1e18), repeats="allow")
    env.reset(seed=0)
    for step in range(1, 100):
        if env.step(np.array([step % 20]))[2][0]:
            break
    assert step == layout(env).length == 11


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize(("version", "slate_size"), [(0, 1), (0, 3), (1, 1), (1, 3)])
def test_the_masks_follow_from_it(world: World, version: int, slate_size: int, mode: AutoresetMode) -> None:
    env = vector(
        world, 6, slate_size, version=version, repeats="bore", patience=Patience(budget=4), autoreset_mode=mode
    )
    rng, ended = np.random.default_rng(0), 0
    observations, infos = env.reset(seed=0)
    for _ in range(30):
        np.testing.assert_array_equal(layout(env).allowed(observations), infos["action_mask"])
        order = np.argsort(-np.where(infos["action_mask"], rng.random(infos["action_mask"].shape), -1), axis=1)
        slates = order[:, 0] if slate_size == 1 else order[:, :slate_size]
        observations, _, terminated, _, infos = env.step(slates)
        ended += terminated.sum()
        if mode == AutoresetMode.SAME_STEP and terminated.any():
            final = infos["final_obs"][terminated]
            assert (layout(env).read(final).slates[:, 0] == slates[terminated].reshape(-1, slate_size)).all()
            assert not observations[terminated, 4:].any()
        elif mode == AutoresetMode.DISABLED and terminated.any():
            fresh, infos = env.reset(options={"reset_mask": terminated})
            np.testing.assert_array_equal(fresh[~terminated], observations[~terminated])
            observations = fresh
            assert not observations[terminated, 4:].any()
    assert ended > 3


def test_one_user_sees_what_a_batch_sees_and_goes_on_from_a_state(world: World) -> None:
    options: dict[str, Any] = {"dataset": world, "version": 1, "observation": "items"}
    single, restored = MovieLensFairness(2, **options), MovieLensFairness(2, **options)
    batch = vector(world, 1, 2, autoreset_mode=AutoresetMode.DISABLED)
    assert single.history_layout == batch.history_layout
    assert single.reset(seed=3)[0].tolist() == batch.reset(seed=3)[0][0].tolist()
    for step in range(3):
        slate = [step, step + 9]
        assert single.step(slate)[0].tolist() == batch.step([slate])[0][0].tolist()
    restored.load_state_dict(single.state_dict())
    assert restored.step([30, 31])[0].tolist() == single.step([30, 31])[0].tolist()
    assert_same_state(restored.state_dict()["batch"], single.state_dict()["batch"])


def test_observing_leaves_the_sessions_alone(world: World) -> None:
    plain, spoilt = vector(world), vector(world)
    plain.reset(seed=0)
    spoilt.reset(seed=0)[0][:] = 7
    for step in range(3):
        kept = plain.step(np.arange(3) + step)[0]
        seen = spoilt.step(np.arange(3) + step)[0]
        np.testing.assert_array_equal(seen, kept)
        seen[:] = 7


def test_other_observations_have_no_layout_and_their_states_hold_nothing_of_it(world: World) -> None:
    env = vector(world, observation="history")
    env.reset(seed=0)
    assert env.history_layout is None
    assert env.state is not None
    assert env.state.shown.shape == (3, 0)


def test_the_time_is_observed_already(world: World) -> None:
    with pytest.raises(InputError, match="'items' holds the time already, as the slates shown; leave out observe_time"):
        vector(world, observe_time=True)
