"""The founding document's first cells, with its calls and with Gymnasium's names."""

import gymnasium as gym
import matplotlib as mpl
import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _no_windows() -> None:
    mpl.use("agg")


def test_the_environment_as_the_document_explores_it() -> None:
    from pydeeprecsys.movielens_fairness_env import MovieLensFairness

    env = gym.make("MovieLensFairness-v0", slate_size=3)
    assert isinstance(env.unwrapped, MovieLensFairness)
    assert env.observation_space == gym.spaces.Box(0.0, 1.0, (25,), np.float32)
    assert env.action_space == gym.spaces.MultiDiscrete([3883] * 3)

    state, _ = env.reset()
    assert (state[4:] == 0).all()  # nothing has been recommended yet
    state, reward, terminated, truncated, info = env.step(env.action_space.sample())
    assert env.observation_space.contains(state)
    assert state[4:23].any()
    assert 0 <= reward <= 1
    assert (terminated, truncated) == (False, False)
    assert info["chosen_action"] in range(3)
    assert len(env.unwrapped.dcg) == len(env.unwrapped.ndcg) == 1


def test_experiment_1_a_random_agent(capsys: pytest.CaptureFixture[str]) -> None:
    from pydeeprecsys.rl.agents.agent import RandomAgent
    from pydeeprecsys.rl.learning_statistics import LearningStatistics
    from pydeeprecsys.rl.manager import MovieLensFairnessManager

    manager = MovieLensFairnessManager(slate_size=1)
    manager.print_overview()
    assert "Discrete(3883)" in capsys.readouterr().out

    agent = RandomAgent(action_space=manager.env.action_space)
    stats = LearningStatistics()
    manager.train(agent, stats, max_episodes=200, should_print=True)
    assert "Episode 199 Mean Rewards" in capsys.readouterr().out
    assert stats.episode_rewards is not None
    assert stats.moving_rewards is not None
    assert len(stats.episode_rewards) == 200
    # Random recommendations earn about 35 of 50; the mean of 100 sessions has a standard deviation near 1.
    assert 31 < stats.moving_rewards.iloc[-1] < 39
    assert len(manager.env.unwrapped.ndcg) == 50  # of the last session

    figure = stats.plot_learning_stats()
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["Reward sum", "Reward moving average", "Loss", "Epsilon"]
    assert figure.axes[0].lines[0].get_ydata().tolist() == stats.episode_rewards.tolist()
