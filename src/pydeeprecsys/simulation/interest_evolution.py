"""Interest evolution: users whose interests evolve with what they watch, as in RecSim, on batches.

The simulation of Ie et al., "SlateQ: A Tractable Decomposition for Reinforcement Learning with Recommendation Sets",
2019 (at length in arXiv 1905.12767), which is the environment `interest_evolution` of RecSim (Ie et al., "RecSim: A
Configurable Simulation Platform for Recommender Systems", 2019). Implemented from these descriptions.

A document has one of 20 topics, a length of 4 minutes, and a quality that is normal around the mean of its topic. A
user has an interest in each topic and a budget of 200 minutes. Each step, candidates are drawn, and the user is shown a
slate of them, chooses by interest, watches, and pays with time, of which good documents refund most; bad ones, which
are more frequent, cost extra. The most clicked documents are therefore not those that keep a user longest. The agent
observes interests and topics; it learns of quality from rewards.

Where the sources differ or leave something open, the published returns decide. For 10 candidates and slates of 3, Ie et
al. publish a mean return of 159.2 and a mean quality of -0.593 of the watched documents for random slates, and 166.3
and -0.543 for the myopic agent. All documents have the same length, so the myopic agent shows the candidates of the
highest interest. These rules give 159.3 and -0.593, and 166.8 and -0.545. Neither is close to the optimum: showing the
topics of the highest mean quality returns about 266.

- Choice: a multinomial logit in which nothing has the score 1. RecSim's environment has probabilities proportional to
  score + 1 instead, with returns about 1 higher; any choice model may be given.
- Drift: after watching, the interest i in the topic moves by 0.3 (1 - |i|) (1 - i), upwards with probability
  (1 + i) / 2, else downwards, as in RecSim.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from pydeeprecsys.arguments import Count, Positive, Range, checked
from pydeeprecsys.arrays import Flags, Floats, Ints, Seeds
from pydeeprecsys.errors import InputError
from pydeeprecsys.simulation.choice import Choice, MultinomialLogit, draw_choice
from pydeeprecsys.simulation.streams import DRIFT_LANE, INTEREST_LANE, QUALITY_LANE, TOPIC_LANE, uniform_pair, uniforms

N_TOPICS = 20
TIME_BUDGET = 200.0
DOCUMENT_LENGTH = 4.0
CHOICE = MultinomialLogit(no_choice_score=1.0)

TOPIC_QUALITIES: Floats = np.concatenate([np.linspace(-3.0, 0.0, 14), np.linspace(0.0, 3.0, 6)])
"""(20,) mean quality of the documents of each topic: 70 % are bad, the rest good."""
TOPIC_QUALITIES.setflags(write=False)

_QUALITY_SPREAD = 0.1
_TIME_BACK = 0.9 / 3.4  # share of the watched time that a document of quality 1 refunds
_COST_OF_NOTHING = 0.5
_DRIFT = 0.3


class InterestState(NamedTuple):
    """A batch of n sessions, with c candidates each. Arrays are never changed in place."""

    seeds: Seeds  # (n,) of each random stream
    episodes: Ints  # (n,) sessions that the stream began before this one
    steps: Ints  # (n,) slates shown in this session
    interests: Floats  # (n, 20) in each topic, in [-1, 1]
    budgets: Floats  # (n,) minutes of time left; the session is over at 0 or below
    topics: Ints  # (n, c) of the candidates
    qualities: Floats  # (n, c) of the candidates; about -3.4 to 3.4


class Watched(NamedTuple):
    """Responses of n users to their slates."""

    chosen: Ints  # (n,) position of the chosen document in the slate, -1 for none
    qualities: Floats  # (n,) of the chosen document, 0 for none
    rewards: Floats  # (n,) minutes it was watched: 4, or the time that was left
    terminated: Flags  # (n,) the user's time is used up
    truncated: Flags  # (n,) never


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
    choice: Choice = CHOICE
    time_budget: Positive = TIME_BUDGET

    def __post_init__(self) -> None:
        if self.slate_size not in (sizes := Range(1, self.n_candidates)):
            raise InputError(f"slate_size must be {sizes}, the number of candidates, it is {self.slate_size}")

    def reset(self, seeds: ArrayLike) -> InterestState:
        """Begin the first session of each random stream: (n,) seeds in 0..2**64 - 1."""
        streams = np.asarray(seeds, dtype=np.uint64)
        return self._begin(streams, np.zeros(len(streams), dtype=np.int64))

    def next_sessions(self, state: InterestState, over: Flags) -> InterestState:
        """Begin the next session of the streams where `over` (n,) is set; the others continue unchanged."""
        fresh = self._begin(state.seeds, state.episodes + 1)
        pairs = zip(fresh, state, strict=True)
        return InterestState._make(np.where(over if a.ndim == 1 else over[:, None], a, b) for a, b in pairs)

    def _begin(self, seeds: Seeds, episodes: Ints) -> InterestState:
        steps = np.zeros(len(seeds), dtype=np.int64)
        topics, qualities = _documents(seeds, episodes, steps, self.n_candidates)
        budgets = np.full(len(seeds), self.time_budget)
        interests = _interests(seeds, episodes)
        return InterestState(seeds, episodes, steps, interests, budgets=budgets, topics=topics, qualities=qualities)

    def step(self, state: InterestState, slates: Ints) -> tuple[InterestState, Watched]:
        """Show each user a slate.

        Args:
            state: n sessions.
            slates: (n, k) positions among the candidates, 0..n_candidates-1, checked by the caller. A repeated document
                is repeated among the user's alternatives.

        Returns:
            The sessions after it, with new candidates, and the responses.
        """
        shown = np.take_along_axis(state.topics, slates, axis=1)
        scores = np.take_along_axis(state.interests, shown, axis=1)
        chosen = draw_choice(self.choice(scores), state.seeds, state.episodes, state.steps)
        flips = uniforms(state.seeds, state.episodes, state.steps, DRIFT_LANE)
        interests, budgets, watched, minutes = _watch(state, slates, chosen, flips)
        steps = state.steps + 1
        topics, qualities = _documents(state.seeds, state.episodes, steps, self.n_candidates)
        after = state._replace(steps=steps, interests=interests, budgets=budgets, topics=topics, qualities=qualities)
        return after, Watched(chosen, watched, minutes, budgets <= 0, truncated=np.zeros(len(steps), dtype=np.bool_))


@njit(cache=True)
def _interests(seeds: Seeds, episodes: Ints) -> Floats:
    """(n, 20) interests at the start of a session, uniform in [-1, 1)."""
    interests = np.empty((len(seeds), N_TOPICS))
    for i in range(len(seeds)):
        for topic in range(N_TOPICS):
            number, _ = uniform_pair(seeds[i], episodes[i], np.int64(0), INTEREST_LANE, number=topic)
            interests[i, topic] = 2 * number - 1
    return interests


@njit(cache=True)
def _documents(seeds: Seeds, episodes: Ints, steps: Ints, n_candidates: int) -> tuple[Ints, Floats]:
    """(n, c) topics, uniformly drawn, and qualities of the candidates of a step."""
    topics = np.empty((len(seeds), n_candidates), dtype=np.int64)
    qualities = np.empty((len(seeds), n_candidates))
    for i in range(len(seeds)):
        for j in range(n_candidates):
            number, _ = uniform_pair(seeds[i], episodes[i], steps[i], TOPIC_LANE, number=j)
            topics[i, j] = np.int64(number * N_TOPICS)
            radius, angle = uniform_pair(seeds[i], episodes[i], steps[i], QUALITY_LANE, number=j)
            # The transform of Box and Muller, 1958: from two uniform numbers, a normal one.
            normal = math.sqrt(-2 * math.log(1 - radius)) * math.cos(2 * math.pi * angle)
            qualities[i, j] = TOPIC_QUALITIES[topics[i, j]] + _QUALITY_SPREAD * normal
    return topics, qualities


@njit(cache=True)
def _watch(state: InterestState, slates: Ints, chosen: Ints, flips: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Interests (n, 20) and budgets (n,) after watching, and quality (n,) and minutes (n,) of what was watched."""
    n = len(chosen)
    interests, budgets = state.interests.copy(), state.budgets.copy()
    watched_qualities, minutes = np.zeros(n), np.zeros(n)
    for i in range(n):
        if chosen[i] < 0:
            budgets[i] -= _COST_OF_NOTHING
            continue
        document = slates[i, chosen[i]]
        quality, topic = state.qualities[i, document], state.topics[i, document]
        watched = min(budgets[i], DOCUMENT_LENGTH)
        budgets[i] -= watched * (1 - _TIME_BACK * quality)
        interest = interests[i, topic]
        drift = _DRIFT * (1 - abs(interest)) * (1 - interest)
        # Either way it stays in [-1, 1]: it moves by 0.6 of the distance to the bound at most.
        interests[i, topic] += drift if flips[i] < (1 + interest) / 2 else -drift
        watched_qualities[i], minutes[i] = quality, watched
    return interests, budgets, watched_qualities, minutes
