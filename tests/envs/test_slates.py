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


def rewards_of(world: World, version: int, slate: Any, **options: Any) -> tuple[float, dict[str, Any]]:
    _, reward, _, _, info = make(world, version, len(slate), **options).step(slate if len(slate) > 1 else slate[0])
    return float(reward), info


def test_each_item_of_a_consumed_slate_has_a_reward_of_its_own(world: World) -> None:
    slate = [3, 1, 4, 1]
    reward, info = rewards_of(world, 0, slate, lambda_non_violent=0.25)
    expected = 0.75 * info["ratings"] / 5 + 0.25 * (1 - world.violence[slate].astype(float))
    np.testing.assert_allclose(info["rewards"], expected, rtol=1e-12)
    assert info["rewards"].mean() == pytest.approx(reward, rel=1e-12)


def test_an_item_has_the_reward_of_a_slate_of_that_item_alone(world: World) -> None:
    reward, info = rewards_of(world, 0, [3, 1, 4], reward=lambda ratings, violence: ratings.max(axis=1))
    assert info["rewards"].tolist() == info["ratings"].tolist()
    assert reward == info["ratings"].max()


@pytest.mark.parametrize("vector", [False, True])
def test_rewards_of_items_are_given_where_a_slate_of_several_is_consumed(world: World, vector: bool) -> None:
    for version, slate_size, given in ((0, 1, False), (0, 3, True), (1, 1, False), (1, 3, False)):
        slate = np.arange(slate_size) if slate_size > 1 else 0
        if vector:
            name, options = f"MovieLensFairness-v{version}", {"slate_size": slate_size, "dataset": world}
            envs = gym.make_vec(name, 2, vectorization_mode="vector_entry_point", **options)
            envs.reset(seed=0)
            info = envs.step(np.array([slate, slate]))[4]
            single = make(world, version, slate_size).step(slate)[4]
            assert not given or info["rewards"][0].tolist() == single["rewards"].tolist()
        else:
            info = make(world, version, slate_size).step(slate)[4]
        assert ("rewards" in info) == given
