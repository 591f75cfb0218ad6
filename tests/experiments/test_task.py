from typing import Any

import gymnasium as gym
import pytest

from pydeeprecsys.data.world import World
from pydeeprecsys.envs.single import MovieLensFairness
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.config import RunConfig
from pydeeprecsys.experiments.environments import described, read_env_option
from pydeeprecsys.experiments.task import Task

CORRIDOR = "contracts.own:OwnCorridor-v0"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("length=7", 7),
        ("start=middle", "middle"),
        ("bonus=0.5", 0.5),
        ("bonus=2", 2.0),
        ("bonus=none", None),
        ("walls=[1,2]", [1, 2]),
        ("walls=3", [3]),
        ("walls=none", None),
        ("name=none", None),
        ("name=none at all", "none at all"),
        ("fast=true", True),
        ('anything={"a": [1]}', {"a": [1]}),
        ("anything=text=1", "text=1"),
    ],
)
def test_options_are_read_as_the_constructor_declares_them(text: str, value: Any) -> None:
    name, read = read_env_option(CORRIDOR, text)
    assert name == text.partition("=")[0]
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("env", "text", "match"),
    [
        (CORRIDOR, "length=7.5", "length must be an integer, it is '7.5'"),
        (CORRIDOR, "start=right", "start must be one of left, middle, it is 'right'"),
        (CORRIDOR, "fast=maybe", "fast must be True or False, it is 'maybe'"),
        (CORRIDOR, "walls=1,x", "walls must be a list of integers, .*it is '1,x'"),
        (CORRIDOR, "lenght=7", "has no option 'lenght'; .* did you mean 'length'"),
        (CORRIDOR, "render_mode=human", "has no option 'render_mode'"),
        (CORRIDOR, "length", "NAME=VALUE"),
        ("CartPole-v1", "delta=1", "CartPole-v1 has no option 'delta'; there are: sutton_barto_reward"),
        ("MovieLensFairness-v0", "choice=x", "choice must be of the type Choice, it is 'x'"),
        ("MovieLensFairness-v0", "pool=all", "give train_pool and evaluation_pool"),
        ("MovieLensFairness-v0", "dataset=x", "has no option 'dataset'"),
        ("MovieLensFairness-v0", "seed=1", "has no option 'seed'"),
        ("InterestEvolution-v0", "slate_sice=1", "did you mean 'slate_size'"),
        ("CartPol-v1", "a=1", "there is no environment 'CartPol-v1'; .* did you mean 'CartPole-v1'"),
        ("nowhere:X-v0", "a=1", "the module of the environment 'nowhere:X-v0' cannot be imported"),
    ],
)
def test_options_that_cannot_be(env: str, text: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        read_env_option(env, text)


def test_options_of_the_simulated_world_are_those_of_its_constructor() -> None:
    options = described("MovieLensFairness-v1").arguments
    assert {"slate_size", "delta", "observe_time", "session_length", "repeats"} <= options.keys()
    assert options["delta"].type is float


def test_a_manager_has_the_users_of_a_pool_and_the_options(world: World) -> None:
    task = Task(world=world, env_options={"slate_size": 3, "delta": 0.0})
    manager = task.manager(5, 2, "test")
    env = manager.env.unwrapped
    assert isinstance(env, MovieLensFairness)
    assert env.slate_size == 3
    assert len(env.simulator.users) < world.n_users
    assert manager.batch.num_envs == 2
    assert Task(env="CartPole-v1").manager(0).reward_threshold == float("inf")  # not the environment's 475
    assert len(Task(env=CORRIDOR, env_options={"length": 9}).manager(0, 3).batch.reset()[0]) == 3


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"env": "CartPole-v1", "dataset": "synthetic"}, "CartPole-v1 takes no data set; leave it out"),
        ({"env": "CartPole-v1", "env_options": {"slate_size": 2}}, "has no option 'slate_size'"),
        ({"env_options": {"pool": "all"}}, "give train_pool and evaluation_pool"),
    ],
)
def test_tasks_that_cannot_be(settings: dict[str, Any], match: str) -> None:
    with pytest.raises(InputError, match=match):
        Task(**settings)


def test_settings_without_effect_are_refused() -> None:
    with pytest.raises(InputError, match="CartPole-v1 has no pools of users; leave train_pool out"):
        RunConfig(task=Task(env="CartPole-v1"), agent="dqn", seed=0, train_pool="train")


def test_a_configuration_is_read_back(world: World) -> None:
    config = RunConfig(task=Task(env=CORRIDOR, env_options={"length": 3}), agent="random", seed=4, episodes=2)
    assert RunConfig.from_json(config.as_json()) == config
    own = RunConfig(task=Task(world=world), agent="random", seed=4)
    with pytest.raises(InputError, match="started from Python, with a world of its own"):
        RunConfig.from_json(own.as_json())


@pytest.mark.parametrize(("length", "reason"), [(0, "a corridor has a length"), (3.0, "cannot be interpreted")])
def test_an_option_that_the_environment_itself_refuses_is_one_line(length: Any, reason: str) -> None:
    def make(length: Any) -> gym.Env[Any, Any]:
        assert range(length), "a corridor\nhas a length"
        return gym.make("CartPole-v1")

    gym.register("Refusing-v0", entry_point=make)
    try:
        with pytest.raises(InputError, match=f"^Refusing-v0 cannot be made: .*{reason}"):
            Task(env="Refusing-v0", env_options={"length": length}).manager(0)
    finally:
        del gym.registry["Refusing-v0"]
