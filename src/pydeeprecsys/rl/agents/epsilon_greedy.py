"""ε-greedy exploration with a decaying ε."""

from __future__ import annotations

import numpy as np

from pydeeprecsys.arguments import Seed, checked
from pydeeprecsys.arrays import Flags
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl import arguments as arg
from pydeeprecsys.rl.agents.agent import State


@checked
class DecayingEpsilonGreedy:
    """ε-greedy exploration: draws which actions are random, with a probability ε that decays.

    An agent holds one and asks it before acting.

    Args:
        initial_exploration_probability: Initial probability ε of a random action.
        decay_rate: Factor of ε at each decay.

    Attributes:
        epsilon: The current probability ε.

    Raises:
        InputError: An argument is out of range, or the minimum probability is above the initial one.
    """

    def __init__(
        self,
        initial_exploration_probability: arg.InitialExploration = 0.2,
        decay_rate: arg.ExplorationDecay = 1,
        minimum_exploration_probability: arg.MinimumExploration = 0.01,
        random_state: Seed = 42,
    ) -> None:
        if minimum_exploration_probability > initial_exploration_probability:
            raise InputError(
                f"minimum_exploration_probability must be at most initial_exploration_probability, "
                f"{initial_exploration_probability}, it is {minimum_exploration_probability}"
            )
        self.epsilon = float(initial_exploration_probability)
        self.decay_rate = decay_rate
        self.minimum_exploration_probability = minimum_exploration_probability
        self.random = np.random.default_rng(random_state)

    def explores(self, n: int) -> Flags:
        """Draw which of n actions are random: (n,)."""
        return self.random.random(n) < self.epsilon

    def decay(self) -> None:
        """Multiply ε by the decay rate, at the end of an episode; it does not fall below the minimum."""
        self.epsilon = max(self.epsilon * self.decay_rate, self.minimum_exploration_probability)

    def state_dict(self) -> State:
        """ε and the state of the generator."""
        return {"epsilon": self.epsilon, "generator": self.random.bit_generator.state}

    def load_state_dict(self, state: State) -> None:
        """Continue from where `state_dict` was taken."""
        self.epsilon = float(state["epsilon"])
        self.random.bit_generator.state = state["generator"]
