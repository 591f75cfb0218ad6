import subprocess
import sys
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from stable_baselines3.common.env_checker import check_env as sb3_check_env

from pydeeprecsys.data.world import World
from pydeeprecsys.envs.vector import MovieLensFairnessVector
from pydeeprecsys.errors import InputError
from pydeeprecsys.movielens_fairness_env import MovieLensFairness

ENV = "MovieLensFairness-v0"


@pytest.mark.slow
@pytest.mark.parametrize("module", ["pydeeprecsys", "pydeeprecsys.movielens_fairness_env"])
def test_importing_registers_the_environment(module: str) -> None:
    code = f"import {module}, gymnasium; assert {ENV!r} in gymnasium.registry"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=120)


@pytest.mark.filterwarnings("error")
def test_make(world: World) -> None:
    for slate_size, actions in ((1, Discrete(80)), (3, MultiDiscrete([80] * 3))):
        env = gym.make(ENV, slate_size=slate_size, dataset=world)
        assert isinstance(env.unwrapped, MovieLensFairness)
        assert env.action_space == actions
        assert env.observation_space == Box(0.0, 1.0, (25,), np.float32)


@pytest.mark.filterwarnings("error")
def test_make_vec(world: World) -> None:
    for slate_size, actions in ((1, Discrete(80)), (3, MultiDiscrete([80] * 3))):
        envs = gym.make_vec(
            ENV, num_envs=4, vectorization_mode="vector_entry_point", slate_size=slate_size, dataset=world
        )
        assert isinstance(envs.unwrapped, MovieLensFairnessVector)
        assert envs.single_action_space == actions
        assert envs.action_space == batch_space(actions, 4)
        assert envs.observation_space == Box(0.0, 1.0, (4, 25), np.float32)
        assert envs.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP
        observations, _ = envs.reset(seed=0)
        assert observations.shape == (4, 25)
        assert envs.step(envs.action_space.sample())[1].shape == (4,)
        envs.close()


@pytest.mark.parametrize("slate_size", [1, 3])
def test_environment_checkers_have_nothing_to_say(world: World, slate_size: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = gym.make(ENV, slate_size=slate_size, dataset=world)
        check_env(made.unwrapped)
        sb3_check_env(made, warn=True)
        sb3_check_env(MovieLensFairness(slate_size, dataset=world), warn=True)


def test_no_limit_cuts_a_session_that_is_longer_than_50(world: World) -> None:
    env = gym.make(ENV, dataset=world, session_length=70)
    env.reset(seed=0)
    ends = [env.step(0)[2:4] for _ in range(70)]
    assert ends == [(False, False)] * 69 + [(True, False)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"slate_size": 81}, r"slate_size must be in \[1, 80\], it is 81: synthetic has 80 items"),
        ({"slate_size": 0}, r"slate_size must be in \[1, 80\], it is 0"),
        ({"delta": -1.0}, r"delta must be in \(-1, 99\], it is -1.0"),
        ({"lambda_non_violent": 1.5}, r"lambda_non_violent must be in \[0, 1\], it is 1.5"),
        ({"threshold": float("nan")}, "threshold must be a number, it is nan"),
        ({"pool": "trian"}, "pool must be one of all, train, evaluation, test, it is 'trian'; did you mean 'train'"),
        ({"session_length": 0}, "session_length must be at least 1, it is 0"),
        ({"dataset": "movielens-1z"}, "no data set 'movielens-1z'"),
        ({"dataset": "no/such/folder"}, "no data set 'no/such/folder'"),
        ({"dataset": "no/such/file.world"}, "no world at no/such/file.world"),
    ],
)
def test_options_that_cannot_be(world: World, options: dict[str, object], message: str) -> None:
    options = {"dataset": world, **options}
    with pytest.raises(InputError, match=message):
        gym.make(ENV, **options)
    with pytest.raises(InputError, match=message):
        gym.make_vec(ENV, num_envs=2, vectorization_mode="vector_entry_point", **options)


@pytest.mark.parametrize("make", [MovieLensFairness, MovieLensFairnessVector])
def test_a_misspelt_option_is_not_passed_over(world: World, make: type) -> None:
    with pytest.raises((InputError, TypeError), match="lambda_nonviolent"):
        make(dataset=world, lambda_nonviolent=0.5)


def test_options_reach_the_world(world: World) -> None:
    env = gym.make(ENV, dataset=world, lambda_non_violent=1.0, pool="test", delta=3.0, threshold=-1.0).unwrapped
    users = set()
    for seed in range(40):
        _, info = env.reset(seed=seed)
        users.add(info["user"])
        before = env.batch.state.vectors[0]
        _, reward, *_ = env.step(5)
        assert reward == pytest.approx(1 - world.violence[5])
        genres = np.r_[np.zeros(before.size - 19, dtype=bool), world.genres[5]]
        assert env.batch.state.vectors[0].tolist() == np.where(genres, before * 4, before).tolist()
    assert users <= set(env.simulator.pool.tolist())
    assert len(env.simulator.pool) == 9
    other_split = gym.make(ENV, dataset=world, pool="test", pool_seed=1).unwrapped.simulator.pool
    assert other_split.tolist() != env.simulator.pool.tolist()
