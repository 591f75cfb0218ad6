"""CMA-ES over the parameters of a policy."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar

import numpy as np

from pydeeprecsys.arguments import Count, Positive, Range, Seed, checked
from pydeeprecsys.arrays import Floats
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.agents.agent import ReinforcementLearning, State
from pydeeprecsys.rl.agents.policy_search import PolicySearch
from pydeeprecsys.rl.search_space import Between, SearchSpace


@checked
class CMAESAgent(PolicySearch):
    """CMA-ES: policy search by a normal distribution whose covariance adapts to the steps that paid.

    Hansen, The CMA Evolution Strategy: A Tutorial, 2016; by the library `cma`.

    Args:
        base: Base policy, whose parameters are searched.
        sessions: Episodes per candidate and generation; all candidates of a generation meet the same users.
        population: Candidates per generation; 4 + 3 ln(parameters), rounded down, if None.
        initial_step: Initial standard deviation σ, as a share of the range of each parameter.

    Raises:
        InputError: An argument is out of range, or the base has no parameters.
    """

    search_space: ClassVar[SearchSpace] = {"sessions": Between(10, 100, log=True), "initial_step": Between(0.05, 0.4)}

    def __init__(
        self,
        base: ReinforcementLearning,
        sessions: Count = 30,
        population: Annotated[int, Range(4)] | None = None,
        initial_step: Positive = 0.2,
        random_state: Seed = 42,
    ) -> None:
        super().__init__(base, sessions)
        self._population, self._initial_step, self._seed = population, initial_step, random_state
        self._begin()

    def _begin(self) -> None:
        import cma  # takes a second, for it imports matplotlib

        random = np.random.default_rng(self._seed)
        options: dict[str, Any] = {
            "popsize": self._population or 4 + int(3 * math.log(len(self.base.get_parameters()))),
            "randn": lambda *shape: random.standard_normal(shape),
            "seed": math.nan,  # numpy's global generator stays as it is
            "verbose": -10,  # neither prints, nor writes files, nor reads options from a file
        }
        self._strategy = cma.CMAEvolutionStrategy(self.base.get_parameters(), self._initial_step, options)
        self._candidates: list[Floats] = self._strategy.ask()
        self._returns: list[Floats] = []

    @property
    def candidates(self) -> Floats:
        """(population, parameters) the candidates of this generation."""
        return np.array(self._candidates)

    @property
    def mean(self) -> Floats:
        """(parameters,) the mean of the distribution."""
        return np.array(self._strategy.mean)

    def update(self, returns: Floats) -> None:
        """Move mean, step size and covariance by the returns (population,), and draw the next candidates."""
        self._strategy.tell(self._candidates, (-returns).tolist())  # it minimizes
        self._returns.append(returns)
        self._candidates = self._strategy.ask()

    def state_dict(self) -> State:
        """The returns of all generations: from the seed and these, the search repeats itself to the bit."""
        return super().state_dict() | {"returns": np.array(self._returns).reshape(self.updates, len(self._candidates))}

    def load_state_dict(self, state: State) -> None:
        """Continue from where `state_dict` was taken."""
        if len(state["returns"]) != state["updates"]:
            raise InputError(f"the state has returns of {len(state['returns'])} generations, not of {state['updates']}")
        self._begin()
        for returns in state["returns"]:
            self.update(np.array(returns))
        super().load_state_dict(state)
