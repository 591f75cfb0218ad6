"""What slates at the edges mean, in both worlds."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.agents.agent import RandomAgent
from pydeeprecsys.rl.manager import MovieLensFairnessManager
from pydeeprecsys.rl.rollout import Step

VERSIONS = pytest.mark.parametrize("version", [0, 1])


def make(world: World, version: int, slate_size: int = 1, **options: Any) -> gym.Env[Any, Any]:
    env = gym.make(f"MovieLensFairness-v{version}", slate_size=slate_size, dataset=world, **options)
    env.reset(seed=0)
    return env


@VERSIONS
@pytest.mark.parametrize("item", [5, np.int64(5), [5], np.array([5])])
def test_a_slate_of_one_item_may_be_a_number_or_a_list(world: World, version: int, item: Any) -> None:
    expected = make(world, version).step(5)
    found = make(world, version).unwrapped.step(item)
    np.testing.assert_array_equal(found[0], expected[0])
    assert found[1:4] == expected[1:4]


@VERSIONS
@pytest.mark.parametrize("slate", [[0, 1, -1], [0, 1, 10**6]])
def test_items_that_do_not_exist_are_refused(world: World, version: int, slate: list[int]) -> None:
    env = make(world, version, 3)
    with pytest.raises(ValueError, match="out of range; items are 0 to"):
        env.unwrapped.step(slate)


@VERSIONS
@pytest.mark.parametrize("slate", [[0, 1], [0, 1, 2, 3], 0])
def test_slates_of_another_size_are_refused(world: World, version: int, slate: Any) -> None:
    env = make(world, version, 3)
    with pytest.raises(ValueError, match="slates of 3"):
        env.unwrapped.step(slate)


def test_an_item_shown_twice_is_consumed_once_where_one_is_chosen(world: World) -> None:
    env = make(world, 1, 3)
    allowed = np.ones(world.n_items, dtype=np.bool_)
    for _ in range(20):
        item = int(np.argmax(allowed))
        _, _, over, _, info = env.step([item] * 3)
        if over:
            break
        allowed[item] &= info["chosen_action"] < 0
        np.testing.assert_array_equal(info["action_mask"], allowed)
    assert not allowed[0]


@VERSIONS
def test_a_slate_may_be_the_whole_catalogue(world: World, version: int) -> None:
    env = make(world, version, world.n_items)
    _, reward, terminated, _, info = env.step(np.arange(world.n_items))
    assert info["ratings"].shape == (world.n_items,)
    assert 0 <= reward <= 1
    # With all that was shown, or with one item less than a slate takes, there is no other such slate.
    assert terminated == (version == 0 or info["chosen_action"] >= 0)


@VERSIONS
def test_a_slate_larger_than_the_catalogue_is_refused(world: World, version: int) -> None:
    with pytest.raises(InputError, match=rf"slate_size must be in \[1, {world.n_items}\]"):
        make(world, version, world.n_items + 1)


def test_where_everything_is_masked_agents_say_so(world: World) -> None:
    agent = RandomAgent(gym.spaces.Discrete(5), 0)
    with pytest.raises(InputError, match="a mask allows 0 of 5 actions, a slate takes 1 of 5; allow at least 1"):
        agent.action_for_state(np.zeros(3), action_mask=np.zeros(5, dtype=np.bool_))


def test_the_world_never_masks_everything(world: World) -> None:
    manager = MovieLensFairnessManager(0, world.n_items - 2, 4, version=1, dataset=world)
    seen: list[int] = []
    agent = RandomAgent(manager.env.action_space, 0)

    def on_step(step: Step) -> None:
        seen.append(int(step.infos["action_mask"].sum(axis=1).min()))

    manager.train(agent, None, 12, False, on_step=on_step)
    assert min(seen) >= world.n_items - 2
