"""Users whose interests evolve with what they watch: RecSim's interest evolution, on batches.

The simulation of Ie et al., "SlateQ: A Tractable Decomposition for Reinforcement Learning with Recommendation Sets",
2019 (at length in arXiv 1905.12767), which RecSim (Ie et al., "RecSim: A Configurable Simulation Platform
for Recommender Systems", 2019) has as its environment `interest_evolution`. Written anew from what they describe.

A document is of one of 20 topics, 4 minutes long, and of a quality that is normal around the mean of its topic. A user
has an interest in each topic and 200 minutes of time. Each step, some candidates are drawn, the user is shown a slate
of them, chooses by interest, watches, and pays with time, of which good documents give most back; bad ones, of which
there are more, cost extra. So what is watched for long is not what is clicked most. The agent sees interests and
topics; of quality, it learns from what happens.

Where the sources differ from one another, or leave something open, the published returns decide. For 10 candidates and
slates of 3, Ie et al. publish a mean return of 159.2 and a quality of -0.593 of what is watched for random slates, and
166.3 and -0.543 for the myopic agent. As each document is watched for the same time, myopic is who shows the candidates
of the highest interest. With these rules they come out as 159.3 and -0.593, and as 166.8 and -0.545.
None of them is near what can be had: showing the topics of the highest mean quality returns about 266.

- Choice: a multinomial logit in which nothing has the score 1. RecSim's environment has, in place of it, probabilities
  in proportion to score + 1, with returns about 1 higher; any choice model may be given.
- Drift: on watching, the interest i in the topic moves by 0.3 (1 - |i|) (1 - i), upwards with probability (1 + i) / 2,
  else downwards, as RecSim does it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from pydeeprecsys.arguments import Count, Positive, Range, checked
from pydeeprecsys.errors import InputError
from pydeeprecsys.simulation.choice import Choice, MultinomialLogit, choose
from pydeeprecsys.simulation.streams import (
    CHOICE_LANE,
    DRIFT_LANE,
    INTEREST_LANE,
    QUALITY_LANE,
    TOPIC_LANE,
    uniform_pair,
    uniforms,
)

N_TOPICS = 20
TIME_BUDGET = 200.0
DOCUMENT_LENGTH = 4.0

TOPIC_QUALITIES: NDArray[np.float64] = np.concatenate([np.linspace(-3.0, 0.0, 14), np.linspace(0.0, 3.0, 6)])
"""(20,) mean quality of the documents of each topic: 70 % are bad, the rest good."""
TOPIC_QUALITIES.setflags(write=False)

_QUALITY_SPREAD = 0.1
_TIME_BACK = 0.9 / 3.4  # share of the time watched that a document of quality 1 gives back
_COST_OF_NOTHING = 0.5
_DRIFT = 0.3


class InterestState(NamedTuple):
    """A batch of n sessions, with c candidates each. Arrays are never changed in place."""

    seeds: NDArray[np.uint64]  # (n,) of each random stream
    episodes: NDArray[np.int64]  # (n,) sessions that the stream has begun before this one
    steps: NDArray[np.int64]  # (n,) slates shown in this session
    interests: NDArray[np.float64]  # (n, 20) in each topic, in [-1, 1]
    budgets: NDArray[np.float64]  # (n,) minutes of time left; the session is over at 0 or below
    topics: NDArray[np.int64]  # (n, c) of the candidates
    qualities: NDArray[np.float64]  # (n, c) of the candidates; about -3.4 to 3.4

    def where(self, mask: NDArray[np.bool_], other: InterestState) -> InterestState:
        """These sessions where `mask` (n,) is set, the others' elsewhere."""
        return InterestState(
            *(
                np.where(mask if mine.ndim == 1 else mask[:, None], mine, theirs)
                for mine, theirs in zip(self, other, strict=True)
            )
        )


class Watched(NamedTuple):
    """What n users do with their slates."""

    chosen: NDArray[np.int64]  # (n,) position of the chosen document in the slate, -1 for none
    qualities: NDArray[np.float64]  # (n,) of the chosen document, 0 for none
    rewards: NDArray[np.float64]  # (n,) minutes it was watched: 4, or what time was left
    terminated: NDArray[np.bool_]  # (n,) the user's time is used up


@checked
@dataclass(frozen=True)
class EvolvingInterests:
    """The rules; what changes is in an `InterestState`.

    Attributes:
        n_candidates: Candidate documents per step, drawn anew each step.
        slate_size: Documents per slate, from 1 to n_candidates.
        choice: Choice model, given the user's interests in the documents' topics.
        time_budget: Time budget of a session, in minutes.

    Raises:
        InputError: An argument is out of range.
    """

    n_candidates: Count = 10
    slate_size: int = 3
    choice: Choice = field(default_factory=lambda: MultinomialLogit(no_choice_score=1.0))
    time_budget: Positive = TIME_BUDGET

    def __post_init__(self) -> None:
        if self.slate_size not in (sizes := Range(1, self.n_candidates)):
            raise InputError(f"slate_size must be {sizes}, the number of candidates, it is {self.slate_size}")

    def reset(self, seeds: ArrayLike) -> InterestState:
        """Begin the first session of each random stream: (n,) seeds in 0..2**64 - 1."""
        streams = np.asarray(seeds, dtype=np.uint64)
        return self._begin(streams, np.zeros(len(streams), dtype=np.int64))

    def next_sessions(self, state: InterestState, over: NDArray[np.bool_]) -> InterestState:
        """Begin the next session of the streams where `over` (n,) is set; the others go on as they are."""
        fresh = self._begin(state.seeds, state.episodes + 1)
        return fresh if over.all() else fresh.where(over, state)

    def _begin(self, seeds: NDArray[np.uint64], episodes: NDArray[np.int64]) -> InterestState:
        steps = np.zeros(len(seeds), dtype=np.int64)
        topics, qualities = _documents(seeds, episodes, steps, self.n_candidates)
        budgets = np.full(len(seeds), self.time_budget)
        return InterestState(seeds, episodes, steps, _interests(seeds, episodes), budgets, topics, qualities)

    def step(self, state: InterestState, slates: NDArray[np.int64]) -> tuple[InterestState, Watched]:
        """Show each user a slate.

        Args:
            state: n sessions.
            slates: (n, k) positions among the candidates, 0..n_candidates-1, which the caller has checked. A document
                that stands twice is twice among what the user chooses from.

        Returns:
            The sessions after it, with new candidates, and what the users did.
        """
        shown = np.take_along_axis(state.topics, slates, axis=1)
        scores = np.take_along_axis(state.interests, shown, axis=1)
        chosen = choose(self.choice(scores), uniforms(state.seeds, state.episodes, state.steps, CHOICE_LANE))
        flips = uniforms(state.seeds, state.episodes, state.steps, DRIFT_LANE)
        interests, budgets, qualities, minutes = _watch(
            state.interests, state.budgets, state.topics, state.qualities, slates, chosen, flips
        )
        steps = state.steps + 1
        candidates = _documents(state.seeds, state.episodes, steps, self.n_candidates)
        after = InterestState(state.seeds, state.episodes, steps, interests, budgets, *candidates)
        return after, Watched(chosen, qualities, minutes, budgets <= 0)


@njit(cache=True)
def _interests(seeds: NDArray[np.uint64], episodes: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n, 20) interests at the start of a session, uniform in [-1, 1)."""
    interests = np.empty((len(seeds), N_TOPICS))
    for i in range(len(seeds)):
        for topic in range(N_TOPICS):
            number, _ = uniform_pair(seeds[i], episodes[i], np.int64(0), INTEREST_LANE, topic)
            interests[i, topic] = 2 * number - 1
    return interests


@njit(cache=True)
def _documents(
    seeds: NDArray[np.uint64], episodes: NDArray[np.int64], steps: NDArray[np.int64], n_candidates: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(n, c) topics, each as likely as the others, and qualities of the candidates of a step."""
    topics = np.empty((len(seeds), n_candidates), dtype=np.int64)
    qualities = np.empty((len(seeds), n_candidates))
    for i in range(len(seeds)):
        for j in range(n_candidates):
            number, _ = uniform_pair(seeds[i], episodes[i], steps[i], TOPIC_LANE, j)
            topics[i, j] = np.int64(number * N_TOPICS)
            radius, angle = uniform_pair(seeds[i], episodes[i], steps[i], QUALITY_LANE, j)
            # The transform of Box and Muller, 1958: from two uniform numbers, a normal one.
            normal = math.sqrt(-2 * math.log(1 - radius)) * math.cos(2 * math.pi * angle)
            qualities[i, j] = TOPIC_QUALITIES[topics[i, j]] + _QUALITY_SPREAD * normal
    return topics, qualities


@njit(cache=True)
def _watch(
    interests: NDArray[np.float64],
    budgets: NDArray[np.float64],
    topics: NDArray[np.int64],
    qualities: NDArray[np.float64],
    slates: NDArray[np.int64],
    chosen: NDArray[np.int64],
    flips: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Interests (n, 20) and budgets (n,) after watching, and the quality (n,) and minutes (n,) of what was watched."""
    n = len(budgets)
    interests, budgets = interests.copy(), budgets.copy()
    watched_qualities, minutes = np.zeros(n), np.zeros(n)
    for i in range(n):
        if chosen[i] < 0:
            budgets[i] -= _COST_OF_NOTHING
            continue
        document = slates[i, chosen[i]]
        quality, topic = qualities[i, document], topics[i, document]
        watched = min(budgets[i], DOCUMENT_LENGTH)
        budgets[i] -= watched * (1 - _TIME_BACK * quality)
        interest = interests[i, topic]
        drift = _DRIFT * (1 - abs(interest)) * (1 - interest)
        # Either way it stays in [-1, 1]: what moves is 0.6 of the distance to the bound at most.
        interests[i, topic] += drift if flips[i] < (1 + interest) / 2 else -drift
        watched_qualities[i], minutes[i] = quality, watched
    return interests, budgets, watched_qualities, minutes
