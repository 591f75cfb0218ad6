"""Which item of a slate the user chooses, if any.

A choice model maps the scores of the items shown to probabilities: of each position, and last of choosing nothing.
Agents and evaluation may ask it as the simulator does; `choose` draws from what it says. Scores are on the scale of
logits: what is 1 higher is chosen e times as often where a model goes by scores at all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pydeeprecsys.errors import InputError


class Choice(Protocol):
    """A choice model."""

    def __call__(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map (n, k) scores of the items shown to (n, k + 1) probabilities, the last of choosing nothing."""
        ...


def choose(probabilities: NDArray[np.float64], uniforms: NDArray[np.float64]) -> NDArray[np.int64]:
    """Draw a position for each row by inverting the cumulative distribution.

    Args:
        probabilities: (n, k + 1) of each position and of nothing, as a choice model gives them.
        uniforms: (n,) numbers in [0, 1).

    Returns:
        (n,) positions in 0..k-1; -1 where nothing was chosen.
    """
    positions: NDArray[np.int64] = _choose(probabilities, uniforms)
    return positions


@njit(cache=True)
def _choose(probabilities: NDArray[np.float64], uniforms: NDArray[np.float64]) -> NDArray[np.int64]:
    positions = np.empty(len(uniforms), dtype=np.int64)
    for i in range(len(uniforms)):
        positions[i] = position(probabilities[i], uniforms[i])
    return positions


@njit(cache=True)
def position(probabilities: NDArray[np.float64], uniform: np.float64) -> int:
    """`choose` of (k + 1,) probabilities and one number in [0, 1), for compiled code."""
    k = len(probabilities) - 1
    below = 0.0
    for j in range(k):
        below += probabilities[j]
        if uniform < below:
            return j
    if probabilities[k] > 0.0:
        return -1
    # Rounding left the sum short of 1: what can be chosen last takes the rest.
    last = k - 1
    while last > 0 and probabilities[last] <= 0.0:
        last -= 1
    return last


def uniform_choice(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Every item of the slate is equally likely, whatever its score: the founding environment's."""
    n, k = scores.shape
    probabilities = np.full((n, k + 1), 1 / k)
    probabilities[:, k] = 0.0
    return probabilities


@dataclass(frozen=True)
class MultinomialLogit:
    """P(i) = exp(score_i) / (exp(no_choice_score) + Σ_j exp(score_j)).

    The conditional logit of McFadden, Conditional Logit Analysis of Qualitative Choice Behavior, 1974; with an option
    to choose nothing as in Ie et al., SlateQ, 2019, section 4.1.

    Attributes:
        no_choice_score: score of choosing nothing; minus infinity where one item is always chosen.

    Raises:
        InputError: the score is not a number, or plus infinity.
    """

    no_choice_score: float = 0.0

    def __post_init__(self) -> None:
        if not self.no_choice_score < np.inf:
            raise InputError(f"no_choice_score is {self.no_choice_score}; give a finite number, or minus infinity")

    def __call__(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map (n, k) scores to (n, k + 1) probabilities."""
        return _softmax_with(scores, self.no_choice_score)


@dataclass(frozen=True)
class PositionBiasedLogit:
    """A multinomial logit with a position bias added to the scores: P(i) ∝ exp(score_i) / (position_i + 1)^decay.

    The position is an attribute of the alternative, positions from 0, in the conditional logit of McFadden (1974), and
    the bias is -decay · ln(position + 1). At most one item is chosen.

    It is not an examination model (Craswell et al. 2008), where the probability of a click is that of examination times
    that of attraction: the bias multiplies odds, not probabilities. An item of score 4, decay 1, at the second position
    below one that nobody wants, is chosen in 96.5 % of cases; examination of 1/2 times an attraction of e⁴ / (1 + e⁴)
    would give 49.1 %. `Cascade` is a model with examination.

    Attributes:
        decay: 0 for no bias, above for positions that are looked at less and less.
        no_choice_score: score of choosing nothing, as in `MultinomialLogit`.

    Raises:
        InputError: the decay is below 0 or not finite, or the score is not a number or plus infinity.
    """

    decay: float = 1.0
    no_choice_score: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.decay < np.inf:
            raise InputError(f"decay is {self.decay}; give a finite number, 0 or more")
        if not self.no_choice_score < np.inf:
            raise InputError(f"no_choice_score is {self.no_choice_score}; give a finite number, or minus infinity")

    def __call__(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map (n, k) scores to (n, k + 1) probabilities."""
        bias = -self.decay * np.log(np.arange(1, scores.shape[1] + 1))
        return _softmax_with(scores + bias, self.no_choice_score)


@dataclass(frozen=True)
class Cascade:
    """From the top of the slate down, each item is chosen with a probability of its own, until one is.

    Craswell et al., An Experimental Comparison of Click Position-Bias Models, 2008. An item is looked at with
    `attention`, and then chosen with probability `scale` · score, within 0..1. P(i) = p_i · Π_{j<i} (1 - p_j).

    Attributes:
        attention: probability that an item is looked at when its turn comes, in 0..1.
        scale: what scores are multiplied by, 0 or more.

    Raises:
        InputError: for numbers out of their range.
    """

    attention: float = 1.0
    scale: float = 0.2

    def __post_init__(self) -> None:
        if not 0 <= self.attention <= 1:
            raise InputError(f"attention is {self.attention}; give a number from 0 to 1")
        if not 0 <= self.scale < np.inf:
            raise InputError(f"scale is {self.scale}; give a finite number, 0 or more")

    def __call__(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map (n, k) scores to (n, k + 1) probabilities."""
        return _first_taken(self.attention * np.clip(self.scale * scores, 0.0, 1.0))


@dataclass(frozen=True)
class ExponentialCascade(Cascade):
    """A cascade in which an item that is looked at is chosen with probability `scale` · exp(score), at most 1."""

    def __call__(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map (n, k) scores to (n, k + 1) probabilities."""
        with np.errstate(over="ignore"):  # infinity is cut to 1 as well
            return _first_taken(self.attention * np.clip(self.scale * np.exp(scores), 0.0, 1.0))


# Compiled, for it is what a step of few users spends most on otherwise.
@njit(cache=True)
def _softmax_with(scores: NDArray[np.float64], nothing: float) -> NDArray[np.float64]:
    """(n, k + 1) the softmax of the scores and one of choosing nothing."""
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


def _first_taken(taken: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, k) probabilities that an item is taken when its turn comes, to (n, k + 1) that it is the first."""
    left = np.cumprod(1 - taken, axis=1)
    before = np.column_stack([np.ones(len(taken)), left[:, :-1]])
    return np.column_stack([taken * before, left[:, -1]])
