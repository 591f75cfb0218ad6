"""Evolution strategies over the parameters of a policy."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from pydeeprecsys.arguments import Count, Positive, Seed, checked
from pydeeprecsys.arrays import Floats
from pydeeprecsys.rl.agents.agent import ReinforcementLearning, State
from pydeeprecsys.rl.agents.policy_search import PolicySearch
from pydeeprecsys.rl.ops.evolution import AdamState, adam, antithetic_noise, centered_ranks, smoothed_gradient
from pydeeprecsys.rl.search_space import Between, SearchSpace


@checked
class EvolutionStrategiesAgent(PolicySearch):
    """Evolution strategies: gradient ascent on the return of a policy whose parameters are perturbed by normal noise.

    Salimans, Ho, Chen, Sidor & Sutskever, Evolution Strategies as a Scalable Alternative to Reinforcement Learning,
    2017: antithetic perturbations, rank shaping, Adam; without weight decay.

    Args:
        base: Base policy, whose parameters are searched.
        sessions: Episodes per candidate and generation; all candidates of a generation meet the same users.
        pairs: Antithetic pairs of candidates per generation.
        noise_scale: Standard deviation σ of the perturbations, as a share of the range of each parameter.
        learning_rate: Learning rate of Adam, likewise.

    Raises:
        InputError: An argument is out of range, or the base has no parameters.
    """

    search_space: ClassVar[SearchSpace] = {
        "noise_scale": Between(0.02, 0.3, log=True),
        "learning_rate": Between(0.005, 0.1, log=True),
    }

    def __init__(
        self,
        base: ReinforcementLearning,
        sessions: Count = 30,
        pairs: Count = 5,
        noise_scale: Positive = 0.1,
        learning_rate: Positive = 0.05,
        random_state: Seed = 42,
    ) -> None:
        super().__init__(base, sessions)
        self._pairs, self._scale, self._learning_rate, self._seed = pairs, noise_scale, learning_rate, random_state
        self._mean = base.get_parameters()
        self._adam = AdamState(np.zeros_like(self._mean), np.zeros_like(self._mean), steps=0)

    def _noise(self) -> Floats:
        """(2 · pairs, parameters) of this generation."""
        return antithetic_noise(self._pairs, len(self._mean), np.random.default_rng([self._seed, self.updates]))

    @property
    def candidates(self) -> Floats:
        """(2 · pairs, parameters) the candidates of this generation."""
        return self._mean + self._scale * self._noise()

    @property
    def mean(self) -> Floats:
        """(parameters,) the mean of the distribution."""
        return self._mean.copy()

    def update(self, returns: Floats) -> None:
        """Move the mean along the estimated gradient of the shaped returns (2 · pairs,)."""
        gradient = smoothed_gradient(self._noise(), centered_ranks(returns), self._scale)
        step, self._adam = adam(gradient, self._adam, self._learning_rate)
        self._mean = self._mean + step

    def state_dict(self) -> State:
        """The mean of the distribution, the state of Adam and the number of generations."""
        adam_state = {"gradient_mean": self._adam.mean.copy(), "gradient_square": self._adam.square.copy()}
        return super().state_dict() | {"mean": self.mean} | adam_state

    def load_state_dict(self, state: State) -> None:
        """Continue from where `state_dict` was taken."""
        self._mean = np.array(state["mean"])
        moments = np.array(state["gradient_mean"]), np.array(state["gradient_square"])
        self._adam = AdamState(*moments, steps=int(state["updates"]))
        super().load_state_dict(state)
