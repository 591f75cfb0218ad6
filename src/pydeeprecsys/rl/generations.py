"""The loop between a policy search and its environments."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from pydeeprecsys.arrays import Floats
from pydeeprecsys.errors import DivergenceError
from pydeeprecsys.rl.agents.policy_search import PolicySearch
from pydeeprecsys.rl.learning_statistics import LearningStatistics
from pydeeprecsys.rl.rollout import Episode


class Played(NamedTuple):
    """The sessions of a candidate: its episodes, and all environment steps, those of unfinished episodes included."""

    episodes: list[Episode]
    steps: int


class Candidate(NamedTuple):
    """A candidate to be played: those of a generation have the same seed, and so meet the same users."""

    parameters: Floats  # (parameters,)
    seed: int  # of the environments' random streams
    episodes: int
    max_steps: float  # after which its sessions are broken off


Play = Callable[[list[Candidate]], Iterable[Played]]
"""Plays the sessions of the candidates of a generation, and gives them in the same order."""


class GenerationLoop(Iterator[Episode]):
    """Plays generation after generation, and gives the episodes, candidate by candidate.

    The agent learns from the mean returns with the last episode of a generation. If the budget does not cover a whole
    generation, the candidates within the budget are played, and the agent learns nothing from them.

    Args:
        agent: the policy search.
        play: plays the candidates.
        seed: of the users; those of a generation depend on it and on the number of the generation.
        max_episodes: the budget of episodes; no limit if not given.
        max_steps: the budget of environment steps; candidates whose sessions are not over by then do not count.
        statistics: gets the number of the last episode of a generation before the agent learns from it.

    Raises:
        DivergenceError: a return is NaN or infinite.

    Attributes:
        steps: environment steps of the candidates whose episodes were given.
        episodes: number of episodes given so far.
    """

    def __init__(
        self,
        agent: PolicySearch,
        play: Play,
        *,
        seed: int | None = None,
        max_episodes: float = math.inf,
        max_steps: float = math.inf,
        statistics: LearningStatistics | None = None,
    ) -> None:
        self.agent, self.play = agent, play
        self.max_episodes, self.max_steps, self.statistics = max_episodes, max_steps, statistics
        self.steps = self.episodes = 0
        self._entropy = np.random.SeedSequence(seed).entropy
        self._begin_generation()

    def _begin_generation(self) -> None:
        self._first_episode, self._first_step = self.episodes, self.steps
        self._played: Iterator[Played] | None = None
        self._returns: list[float] = []  # of the candidates that were played
        self._ended: deque[Episode] = deque()  # and not given yet

    def _candidates(self) -> list[Candidate]:
        agent, left = self.agent, self.max_episodes - self.episodes
        stream = np.random.SeedSequence(self._entropy, spawn_key=(agent.updates,))
        seed = int(stream.generate_state(1, np.uint64)[0] >> 1)
        candidates = agent.candidates
        within = candidates[: math.ceil(min(left / agent.sessions, len(candidates)))]
        return [Candidate(each, seed, agent.sessions, self.max_steps - self.steps) for each in within]

    def __next__(self) -> Episode:
        """Play until an episode has ended."""
        if self._played is None:
            self._played = iter(self.play(self._candidates()))
        if not self._ended:
            episodes, steps = next(self._played)
            self.steps += steps
            if self.steps > self.max_steps or len(episodes) < self.agent.sessions:
                raise StopIteration
            self._ended.extend(episodes)
            self._returns.append(float(np.mean([episode.output.reward_sum for episode in episodes])))
        episode = self._ended.popleft()
        self.episodes += 1
        if not self._ended and len(self._returns) == len(self.agent.candidates):
            self._learn(episode)
            self._begin_generation()
        return episode

    def _learn(self, last: Episode) -> None:
        if self.statistics is not None:
            self.statistics.episode, self.statistics.timestep = self.episodes - 1, len(last.rewards)
        try:
            self.agent.learn(np.array(self._returns))
        except FloatingPointError as error:
            name = type(self.agent).__name__
            raise DivergenceError(f"{name} stopped after generation {self.agent.updates}: {error}") from error

    def state_dict(self) -> dict[str, Any]:
        """The state of the loop without the agent: a generation in progress is played again from its seed."""
        return {
            "entropy": self._entropy,
            "steps": self._first_step,
            "episodes": self._first_episode,
            "given": self.episodes - self._first_episode,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from where `state_dict` was taken."""
        self._entropy, self.steps, self.episodes = state["entropy"], state["steps"], state["episodes"]
        self._begin_generation()
        for _ in range(state["given"]):
            next(self)
