"""Evolution strategies: the mathematics (Salimans et al., Evolution Strategies as a Scalable Alternative, 2017)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from pydeeprecsys.arrays import Floats


class AdamState(NamedTuple):
    """State of Adam: the running means of the gradient and of its square, and the number of steps."""

    mean: Floats  # (parameters,)
    square: Floats  # (parameters,)
    steps: int


def antithetic_noise(pairs: int, size: int, random: np.random.Generator) -> Floats:
    """(2 · pairs, size) standard normal noise: the second half is the first, negated."""
    half = random.standard_normal((pairs, size))
    return np.concatenate([half, -half])


def centered_ranks(returns: Floats) -> Floats:
    """Rank shaping: (n,) returns to (n,) ranks from -0.5, the lowest, to 0.5; equal returns share their mean rank."""
    return (rankdata(returns) - 1.0) / (len(returns) - 1.0) - 0.5


def smoothed_gradient(noise: Floats, fitness: Floats, scale: float) -> Floats:
    """Estimate of the gradient of E[fitness(mean + scale · noise)] with respect to the mean.

    Args:
        noise: (n, parameters) standard normal.
        fitness: (n,) of mean + scale · noise.
        scale: standard deviation of the perturbations, above 0.

    Returns:
        (parameters,) the mean of fitness · noise / scale.
    """
    # Not a product of BLAS, whose last bits may depend on the number of threads.
    gradient: Floats = (fitness[:, None] * noise).mean(axis=0) / scale
    return gradient


def adam(gradient: Floats, state: AdamState, learning_rate: float) -> tuple[Floats, AdamState]:
    """A step of ascent by Adam (Kingma & Ba 2015), with β₁ = 0.9, β₂ = 0.999, ε = 1e-8.

    Args:
        gradient: (parameters,).
        state: after the step before.
        learning_rate: about the length of the step in each parameter.

    Returns:
        (parameters,) what to add to the parameters, and the state after the step.
    """
    steps = state.steps + 1
    mean = 0.9 * state.mean + 0.1 * gradient
    square = 0.999 * state.square + 0.001 * gradient**2
    corrected = mean / (1.0 - 0.9**steps), square / (1.0 - 0.999**steps)
    return learning_rate * corrected[0] / (np.sqrt(corrected[1]) + 1e-8), AdamState(mean, square, steps)
