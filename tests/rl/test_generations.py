import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from pydeeprecsys.errors import DivergenceError
from pydeeprecsys.rl.agents.agent import ReinforcementLearning
from pydeeprecsys.rl.agents.evolution_strategies import EvolutionStrategiesAgent
from pydeeprecsys.rl.generations import Candidate, GenerationLoop, Played
from pydeeprecsys.rl.learning_statistics import LearningStatistics
from pydeeprecsys.rl.manager import Manager
from pydeeprecsys.rl.rollout import Episode
from pydeeprecsys.rl.search_space import Between


class Steps(ReinforcementLearning):
    """Takes the action nearest to its target."""

    parameter_space: ClassVar[Mapping[str, Between]] = {"target": Between(0.0, 9.0)}
    n_actions = 10

    def __init__(self, target: float = 1.0) -> None:
        self.target = target

    def choose(self, states: NDArray[np.float32], k: int, explore: bool, action_masks: object) -> NDArray[np.int64]:
        assert not explore
        return np.full((len(states), k), round(self.target))


class Hill(gym.Env[NDArray[np.float32], int]):
    """Two steps, worth the less the further the action is from 7; a user's own level is added to both."""

    observation_space, action_space = Box(0, 1, (1,), np.float32), Discrete(10)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[NDArray[np.float32], dict[str, Any]]:
        super().reset(seed=seed)
        self.level, self.steps = float(self.np_random.random()), 0
        return np.zeros(1, dtype=np.float32), {}

    def step(self, action: int) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        self.steps += 1
        return np.zeros(1, dtype=np.float32), self.level - (action - 7) ** 2, self.steps == 2, False, {}


def search(**options: Any) -> EvolutionStrategiesAgent:
    return EvolutionStrategiesAgent(Steps(), **({"sessions": 3, "pairs": 2, "random_state": 0} | options))


class Log:
    """Plays each candidate: its return is its number in the generation, its episodes have two steps."""

    def __init__(self) -> None:
        self.generations: list[list[Candidate]] = []

    def __call__(self, candidates: list[Candidate]) -> Iterator[Played]:
        self.generations.append(candidates)
        for number, candidate in enumerate(candidates):
            yield Played([Episode([number, 0.0], {}) for _ in range(candidate.episodes)], steps=2 * candidate.episodes)


def test_candidates_of_a_generation_meet_the_same_users_and_those_of_the_next_others() -> None:
    agent, play = search(), Log()
    loop = GenerationLoop(agent, play, seed=5)
    episodes = [next(loop) for _ in range(24)]
    assert [episode.rewards[0] for episode in episodes] == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3 + episodes_of_next()
    assert [len(candidates) for candidates in play.generations] == [4, 4]
    assert [len({candidate.seed for candidate in candidates}) for candidates in play.generations] == [1, 1]
    assert play.generations[0][0].seed != play.generations[1][0].seed
    assert agent.updates == 2
    assert (loop.episodes, loop.steps) == (24, 48)
    again = GenerationLoop(search(), play, seed=5)
    next(again)
    assert play.generations[2][0].seed == play.generations[0][0].seed
    assert (play.generations[2][3].parameters == play.generations[0][3].parameters).all()


def episodes_of_next() -> list[int]:
    return [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3


def test_the_agent_learns_with_the_last_episode_of_a_generation() -> None:
    agent = search()
    statistics = LearningStatistics("es")
    agent.statistics = statistics
    loop = GenerationLoop(agent, Log(), statistics=statistics)
    updates = []
    for _ in range(13):
        next(loop)
        updates.append(agent.updates)
    assert updates == [0] * 11 + [1] * 2
    rows = {row["metric"]: (row["measurement"], row["episode"]) for row in statistics.collected_metrics}
    assert rows["generation_return"] == (1.5, 11)  # the mean of 0, 1, 2 and 3
    assert rows["parameter_target"] == (agent.policy.target, 11)


@pytest.mark.parametrize(("budget", "candidates"), [(1, 1), (3, 1), (4, 2), (12, 4), (14, 4)])
def test_no_more_candidates_are_played_than_the_budget_covers(budget: int, candidates: int) -> None:
    play = Log()
    next(GenerationLoop(search(), play, max_episodes=budget))
    assert len(play.generations[0]) == candidates


@pytest.mark.parametrize(
    ("max_steps", "episodes", "updates"), [(5, 0, 0), (6, 3, 0), (23, 9, 0), (24, 12, 1), (35, 15, 1)]
)
def test_candidates_beyond_the_budget_of_steps_do_not_count(max_steps: int, episodes: int, updates: int) -> None:
    agent = search()
    assert len(list(GenerationLoop(agent, Log(), max_steps=max_steps))) == episodes
    assert agent.updates == updates


def test_a_return_that_is_not_finite_ends_the_training_in_one_line() -> None:
    def play(candidates: list[Candidate]) -> Iterator[Played]:
        return (Played([Episode([math.nan], {})] * each.episodes, steps=1) for each in candidates)

    loop = GenerationLoop(search(), play)
    with pytest.raises(DivergenceError, match=r"^EvolutionStrategiesAgent stopped after generation 0: the return of a"):
        list(loop)


@pytest.mark.parametrize("given", [0, 1, 11, 12, 17])
def test_it_continues_from_its_state_to_the_same_episodes(given: int) -> None:
    def begun() -> tuple[EvolutionStrategiesAgent, GenerationLoop]:
        agent = search()
        manager = Manager(env=Hill())
        return agent, GenerationLoop(agent, lambda candidates: manager.play(agent, candidates), seed=2)

    agent, whole = begun()
    for _ in range(given):
        next(whole)
    state, learned = whole.state_dict(), agent.state_dict()
    other, restored = begun()
    other.load_state_dict(learned)
    restored.load_state_dict(state)
    assert [next(restored) for _ in range(20)] == [next(whole) for _ in range(20)]
    assert other.parameters == agent.parameters
    assert (restored.episodes, restored.steps) == (whole.episodes, whole.steps)


def test_a_manager_trains_it_as_any_agent() -> None:
    agent, statistics = search(pairs=4, learning_rate=0.1), LearningStatistics("es")
    Manager(env=Hill(), seed=0).train(agent, statistics, max_episodes=24 * 30, should_print=False)
    assert round(agent.parameters["target"]) == 7
    assert agent.updates == 30
    returns = statistics.episode_rewards
    assert returns is not None
    assert len(returns) == 24 * 30
    assert returns.iloc[-24:].mean() > returns.iloc[:24].mean() + 20  # from (1 - 7)² · 2 = 72 below the top


def test_all_candidates_are_paired_with_the_same_users() -> None:
    agent, levels = search(), []
    manager = Manager(env=Hill(), seed=0)

    def keep(number: int, episode: Episode) -> None:
        levels.append(episode.rewards[0] % 1)

    manager.train(agent, max_episodes=24, should_print=False, on_episode=keep)
    first, second = np.array(levels).reshape(2, 4, 3)
    np.testing.assert_allclose(first, first[[0, 0, 0, 0]])
    np.testing.assert_allclose(second, second[[0, 0, 0, 0]])
    assert len(set(np.round([*first[0], *second[0]], 9))) == 6
