"""Worlds of which not everything is known."""

import math
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from pydeeprecsys.data.world import World
from pydeeprecsys.envs.single import MovieLensFairness
from pydeeprecsys.envs.vector import MovieLensFairnessVector
from pydeeprecsys.errors import InputError
from pydeeprecsys.evaluation.oracle import OracleAgent
from pydeeprecsys.simulation.movielens.dynamics import SatiatingTaste


@pytest.fixture(scope="module")
def bare(world: World) -> World:
    """Nothing is known but the ratings."""
    return replace(
        world,
        violence=np.full_like(world.violence, np.nan),
        violence_measured=np.zeros(world.n_items, dtype=np.bool_),
        genres_known=np.zeros(world.n_items, dtype=np.bool_),
        demographics=np.full_like(world.demographics, np.nan),
    )


@pytest.fixture(scope="module")
def partly(world: World) -> World:
    """Every third item is measured, and every third has known genres."""
    third = np.arange(world.n_items) % 3 == 0
    return replace(world, violence_measured=third, genres_known=third)


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("slate_size", [1, 4])
def test_what_is_not_known_is_told_so_and_spoils_no_reward_or_observation(
    version: Literal[0, 1], slate_size: int, bare: World, world: World
) -> None:
    env, full = (MovieLensFairnessVector(5, slate_size, 0, dataset=w, version=version) for w in (bare, world))
    (observations, _), _ = env.reset(seed=0), full.reset(seed=0)
    assert (observations[:, :4] == 0.5).all()
    slates = np.arange(5 * slate_size).reshape(5, slate_size)
    observations, rewards, *_, infos = env.step(slates)
    np.testing.assert_array_equal(rewards, full.step(slates)[1])
    assert env.observation_space.contains(observations)
    assert "violence" not in infos
    assert infos["unmeasured"].tolist() == [1.0] * 5
    assert ("diversity" in infos) == (slate_size > 1)
    assert np.isnan(infos.get("diversity", np.nan)).all()
    if version == 0:
        assert (observations[:, 24] == 0.5).all()  # the violence of the item chosen last


def test_gymnasium_finds_no_fault_with_a_world_without_violence(bare: World) -> None:
    check_env(MovieLensFairness(dataset=bare), skip_render_check=True)


def test_the_affinity_observation_knows_no_demographics_either(bare: World) -> None:
    env = MovieLensFairnessVector(3, dataset=bare, dynamics=SatiatingTaste(), observation="affinity")
    observations, _ = env.reset(seed=0)
    assert (observations[:, :4] == 0.5).all()
    assert env.observation_space.contains(observations)


def test_the_share_of_shown_items_without_a_measurement_is_told(partly: World) -> None:
    env = MovieLensFairnessVector(2, 4, dataset=partly)
    env.reset(seed=0)
    infos = env.step(np.array([[0, 1, 2, 3], [1, 2, 4, 6]]))[4]
    assert infos["unmeasured"].tolist() == [0.5, 0.75]
    # The others are imputed, and count.
    assert infos["violence"][0] == pytest.approx(partly.violence[:4].mean(dtype=np.float64))
    # Of the pairs, one is of known genres: items 0 and 3. In the other slate there is none.
    flags = partly.genres[[0, 3]].astype(float)
    cosine = flags[0] @ flags[1] / np.sqrt(flags[0].sum() * flags[1].sum())
    np.testing.assert_allclose(infos["diversity"], [1 - cosine, np.nan], atol=1e-15)


@pytest.mark.parametrize(
    "options", [{"lambda_non_violent": 0.2}, {"reward": lambda _, violence: violence.mean(axis=1)}]
)
def test_a_reward_of_unknown_violence_is_refused(bare: World, partly: World, options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"is not known .* give --lambda-non-violent 0, or a table"):
        MovieLensFairness(dataset=bare, **options)
    MovieLensFairness(dataset=partly, **options)
    MovieLensFairness(dataset=bare, reward=lambda ratings, _: ratings.mean(axis=1))


def test_the_oracle_acts_where_no_violence_is_known(bare: World, world: World) -> None:
    shown = []
    for which in (bare, world):
        env = MovieLensFairnessVector(5, dataset=which)
        states, _ = env.reset(seed=0)
        shown.append(OracleAgent(env).top_k_actions_for_states(states, 3).tolist())
    assert shown[0] == shown[1]


def test_the_oracle_does_not_take_unmeasured_movies_for_calm_ones(ml_1m_world: World) -> None:
    env = MovieLensFairnessVector(50, dataset=ml_1m_world, lambda_non_violent=0.2)
    oracle = OracleAgent(env)
    states, _ = env.reset(seed=0)
    shares = []
    for _ in range(20):
        states, *_, infos = env.step(oracle.top_k_actions_for_states(states)[:, 0])
        shares.append(infos["unmeasured"].mean())
    assert np.mean(shares) < 0.1  # 0.88 where unmeasured counted as 0; by chance 0.1


def test_render_tells_what_is_imputed_and_what_is_not_known(bare: World, partly: World) -> None:
    for which, item, violence in ((bare, 3, "not known"), (partly, 3, ""), (partly, 4, " imputed")):
        env = MovieLensFairness(dataset=which)
        env.reset(seed=0)
        env.step(item)
        line = env.render().splitlines()[-1]
        value = f"{which.violence[item]:.2f}" if not math.isnan(which.violence[item]) else ""
        assert f"violence {value}{violence}: " in line
        assert ("(genres not known)" in line) == (not which.genres_known[item])
