"""Explore now and then, and less and less."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.agents.agent import State


class DecayingEpsilonGreedy:
    """Says which of the next actions explore: each with a probability that decays.

    An agent holds one, and asks it before it acts.

    Args:
        initial_exploration_probability: at first, in 0..1.
        decay_rate: what the probability is multiplied by at each decay, above 0, at most 1.
        minimum_exploration_probability: below which it does not decay, in 0..initial_exploration_probability.
        random_state: seed of its own generator, 0 or more.

    Attributes:
        epsilon: the present probability.

    Raises:
        InputError: for an argument out of its range.
    """

    def __init__(
        self,
        initial_exploration_probability: float = 0.2,
        decay_rate: float = 1,
        minimum_exploration_probability: float = 0.01,
        random_state: int = 42,
    ) -> None:
        if not 0 <= initial_exploration_probability <= 1:
            raise InputError(
                f"initial_exploration_probability must lie in 0..1, it is {initial_exploration_probability:g}"
            )
        if not 0 < decay_rate <= 1:
            raise InputError(f"decay_rate must be above 0 and at most 1, it is {decay_rate:g}")
        if not 0 <= minimum_exploration_probability <= initial_exploration_probability:
            raise InputError(
                f"minimum_exploration_probability must lie in 0..initial_exploration_probability, 0.."
                f"{initial_exploration_probability:g}, it is {minimum_exploration_probability:g}"
            )
        if random_state < 0:
            raise InputError(f"random_state must be 0 or more, it is {random_state}")
        self.epsilon = float(initial_exploration_probability)
        self.decay_rate = decay_rate
        self.minimum_exploration_probability = minimum_exploration_probability
        self.random = np.random.default_rng(random_state)

    def explores(self, n: int) -> NDArray[np.bool_]:
        """Draw which of n actions explore: (n,)."""
        return self.random.random(n) < self.epsilon

    def decay(self) -> None:
        """Lower the probability, at the end of an episode."""
        self.epsilon = max(self.epsilon * self.decay_rate, self.minimum_exploration_probability)

    def state_dict(self) -> State:
        """The probability and the state of the generator."""
        return {"epsilon": self.epsilon, "generator": self.random.bit_generator.state}

    def load_state_dict(self, state: State) -> None:
        """Go on from where `state_dict` was taken."""
        self.epsilon = float(state["epsilon"])
        self.random.bit_generator.state = state["generator"]
