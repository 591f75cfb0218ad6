"""Choice models: which item of a slate the user chooses, if any.

A choice model maps the scores of the items shown to the probability of each position and, last, of choosing nothing.
Agents and evaluation may ask it as the simulator does; `draw_choice` draws from its probabilities. Scores are logits:
in a multinomial logit one more makes a choice e times as likely.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numba import njit

from pydeeprecsys.arguments import NonNegative, UnitInterval, checked
from pydeeprecsys.arrays import Floats, Ints, Seeds
from pydeeprecsys.errors import InputError
from pydeeprecsys.simulation.streams import CHOICE_LANE, uniform_pair


@runtime_checkable
class Choice(Protocol):
    """A choice model."""

    def __call__(self, scores: Floats) -> Floats:
        """Map (n, k) scores of the items shown to (n, k + 1) probabilities, the last of choosing nothing."""


@njit(cache=True)
def draw_choice(probabilities: Floats, seeds: Seeds, episodes: Ints, steps: Ints) -> Ints:
    """Draw a position for each random stream: (n, k + 1) probabilities to (n,) positions, -1 for nothing."""
    positions = np.empty(len(probabilities), dtype=np.int64)
    for i in range(len(positions)):
        uniform, _ = uniform_pair(seeds[i], episodes[i], steps[i], CHOICE_LANE)
        positions[i] = position(probabilities[i], uniform)
    return positions


@njit(cache=True)
def position(probabilities: Floats, uniform: np.float64) -> int:
    """Invert the cumulative distribution of (k + 1,) probabilities: [0, 1) to a position, -1 for nothing."""
    k = len(probabilities) - 1
    below = 0.0
    for j in range(k):
        below += probabilities[j]
        if uniform < below:
            return j
    if probabilities[k] > 0.0:
        return -1
    # Rounding left the sum short of 1: the last position of positive probability takes the rest.
    last = k - 1
    while last > 0 and probabilities[last] <= 0.0:
        last -= 1
    return last


def uniform_choice(scores: Floats) -> Floats:
    """Uniform choice: every item of the slate is equally likely, whatever its score."""
    n, k = scores.shape
    probabilities = np.full((n, k + 1), 1 / k)
    probabilities[:, k] = 0.0
    return probabilities


@checked
@dataclass(frozen=True)
class MultinomialLogit:
    """Multinomial logit: P(i) = exp(score_i) / (exp(no_choice_score) + Σ_j exp(score_j)).

    The conditional logit of McFadden, Conditional Logit Analysis of Qualitative Choice Behavior, 1974, with the option
    of choosing nothing as in Ie et al., SlateQ, 2019, section 4.1.

    Attributes:
        no_choice_score: Score of choosing nothing; minus infinity if an item is always chosen.

    Raises:
        InputError: The score is not a number, or plus infinity.
    """

    no_choice_score: float = 0.0

    def __post_init__(self) -> None:
        _check_no_choice_score(self.no_choice_score)

    def __call__(self, scores: Floats) -> Floats:
        """Map (n, k) scores to (n, k + 1) probabilities."""
        return _softmax_with(scores, self.no_choice_score)


@checked
@dataclass(frozen=True)
class PositionBiasedLogit:
    """A multinomial logit with position bias: P(i) ∝ exp(score_i) / (position_i + 1)^decay.

    The position, counted from 0, is an attribute of the alternative in the conditional logit of McFadden (1974), with
    the utility -decay · ln(position + 1). At most one item is chosen.

    It is not an examination model (Craswell et al. 2008), in which the click probability is examination times
    attraction: the bias multiplies odds, not probabilities. With decay 1, an item of score 4 at the second position
    below an item that nobody wants is chosen in 96.5 % of cases; examination of 1/2 times an attraction of
    e⁴ / (1 + e⁴) would give 49.1 %. `Cascade` is an examination model.

    Attributes:
        decay: Exponent of the position bias; 0 for none.
        no_choice_score: Score of choosing nothing, as in `MultinomialLogit`.

    Raises:
        InputError: An argument is out of range; the score may be minus infinity, but not plus infinity.
    """

    decay: NonNegative = 1.0
    no_choice_score: float = 0.0

    def __post_init__(self) -> None:
        _check_no_choice_score(self.no_choice_score)

    def __call__(self, scores: Floats) -> Floats:
        """Map (n, k) scores to (n, k + 1) probabilities."""
        bias = -self.decay * np.log(np.arange(1, scores.shape[1] + 1))
        return _softmax_with(scores + bias, self.no_choice_score)


@checked
@dataclass(frozen=True)
class Cascade:
    """Cascade model: the user goes down the slate and chooses the first item that attracts.

    Craswell et al., An Experimental Comparison of Click Position-Bias Models, 2008. An item is examined with
    probability `attention`, and then chosen with probability `scale` · score, clipped to [0, 1]: together p_i. So
    P(i) = p_i · Π_{j<i} (1 - p_j).

    Attributes:
        attention: Probability that an item is examined when its turn comes.
        scale: Factor of the scores.

    Raises:
        InputError: An argument is out of range.
    """

    attention: UnitInterval = 1.0
    scale: NonNegative = 0.2

    def __call__(self, scores: Floats) -> Floats:
        """Map (n, k) scores to (n, k + 1) probabilities."""
        return _first_taken(self.attention * np.clip(self.scale * scores, 0.0, 1.0))


@checked
@dataclass(frozen=True)
class ExponentialCascade(Cascade):
    """A cascade model in which an examined item is chosen with probability `scale` · exp(score), at most 1.

    Attributes:
        attention: Probability that an item is examined when its turn comes.
        scale: Factor of the exponentials of the scores.

    Raises:
        InputError: An argument is out of range.
    """

    def __call__(self, scores: Floats) -> Floats:
        """Map (n, k) scores to (n, k + 1) probabilities."""
        with np.errstate(over="ignore"):  # infinity is cut to 1 as well
            return _first_taken(self.attention * np.clip(self.scale * np.exp(scores), 0.0, 1.0))


# Compiled, because it would dominate a step of few users.
@njit(cache=True)
def _softmax_with(scores: Floats, nothing: float) -> Floats:
    """(n, k + 1) softmax of the (n, k) scores and the score of choosing nothing."""
    n, k = scores.shape
    probabilities = np.empty((n, k + 1))
    for i in range(n):
        highest = nothing
        for j in range(k):
            highest = max(highest, scores[i, j])
        total = 0.0
        for j in range(k + 1):
            probabilities[i, j] = math.exp((scores[i, j] if j < k else nothing) - highest)
            total += probabilities[i, j]
        for j in range(k + 1):
            probabilities[i, j] /= total
    return probabilities


def _first_taken(taken: Floats) -> Floats:
    """(n, k) probabilities of each item when its turn comes, to (n, k + 1) that it is the first to be chosen."""
    left = np.cumprod(1 - taken, axis=1)
    before = np.column_stack([np.ones(len(taken)), left[:, :-1]])
    return np.column_stack([taken * before, left[:, -1]])


def _check_no_choice_score(score: float) -> None:
    if score == np.inf:
        raise InputError("no_choice_score must be finite or minus infinity, it is inf")
