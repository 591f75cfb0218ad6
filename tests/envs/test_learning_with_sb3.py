from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from gymnasium import make
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor

from pydeeprecsys.data.world import World


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def ppo(env: object, **options: object) -> PPO:
    return PPO("MlpPolicy", env, n_steps=256, batch_size=64, seed=0, device="cpu", **options)


@pytest.fixture(scope="module")
def easy_world(world: World) -> World:
    """Six movies; everybody loves the fourth and can do without the others."""
    user_vectors, item_vectors = np.zeros((60, 20)), np.zeros((6, 20))
    user_vectors[:, 0] = 1.0
    item_vectors[:, 0] = 1.0, 1.5, 1.0, 5.0, 1.5, 1.0
    return replace(
        world,
        user_vectors=user_vectors,
        item_vectors=item_vectors,
        genres=world.genres[:6],
        genres_known=world.genres_known[:6],
        violence=world.violence[:6],
        violence_measured=world.violence_measured[:6],
        titles=world.titles[:6],
        item_ids=world.item_ids[:6],
        rating_users=world.rating_users[world.rating_items < 6],
        rating_items=world.rating_items[world.rating_items < 6],
        rating_stars=world.rating_stars[world.rating_items < 6],
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("slate_size", [1, 3])
def test_ppo_trains(world: World, slate_size: int) -> None:
    env = make("MovieLensFairness-v0", slate_size=slate_size, dataset=world)
    model = ppo(env, n_epochs=2).learn(2048)
    assert model.num_timesteps == 2048
    parameters = torch.cat([parameter.flatten() for parameter in model.policy.parameters()])
    assert torch.isfinite(parameters).all()
    steps = 50 if slate_size == 1 else 17
    assert {episode["l"] for episode in model.ep_info_buffer} == {steps}
    assert all(0.2 * steps <= episode["r"] <= steps for episode in model.ep_info_buffer)


@pytest.mark.slow
@pytest.mark.parametrize("slate_size", [1, 3])
def test_ppo_learns_what_is_best_in_an_easy_world(easy_world: World, slate_size: int) -> None:
    env = make("MovieLensFairness-v0", slate_size=slate_size, dataset=easy_world, session_length=10 * slate_size)
    env.reset(seed=0)
    model = ppo(env, learning_rate=3e-3, gamma=0.0, n_epochs=5).learn(2048)
    mean, _ = evaluate_policy(model, Monitor(env), n_eval_episodes=20)
    # At random, 10 slates bring 10 * (1 + 1.5 + 1 + 5 + 1.5 + 1) / 6 / 5 = 3.7; the best movie brings 10.
    assert mean > 9
