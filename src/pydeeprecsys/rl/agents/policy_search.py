"""Direct policy search: a distribution over the parameters of a policy moves towards higher returns."""

from __future__ import annotations

import os

import numpy as np

from pydeeprecsys.arrays import Array, Flags, Floats, Ints
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.agents.agent import ReinforcementLearning, State
from pydeeprecsys.rl.parameters import check_parameters, read_parameters, write_parameters


class PolicySearch(ReinforcementLearning):
    """Maximizes the mean return of a base policy over its parameters, by whole sessions.

    Each generation is a set of candidates, drawn from the distribution. `GenerationLoop` plays the same sessions with
    each of them, and `learn` moves the distribution by their mean returns. The policy is that of the distribution's
    mean; before the first generation it is the base.

    A subclass implements `candidates`, `mean` and `update`.

    Args:
        base: the policy whose parameters are searched, see `ReinforcementLearning.get_parameters`.
        sessions: episodes per candidate and generation.

    Attributes:
        policy: the policy of the distribution's mean.
        updates: generations so far.

    Raises:
        InputError: the base has no parameters.
    """

    updates: int

    def __init__(self, base: ReinforcementLearning, sessions: int) -> None:
        if not len(base.get_parameters()):
            raise InputError(f"{type(base).__name__} has no parameters to search; give a base with a parameter_space")
        self.base, self.policy, self.sessions = base, base, sessions
        self._parameters = base.get_parameters()
        self.n_actions, self.updates = base.n_actions, 0

    @property
    def candidates(self) -> Floats:
        """(n, parameters) the candidates of this generation, the same at each call until `learn`."""
        raise NotImplementedError

    @property
    def mean(self) -> Floats:
        """(parameters,) the mean of the distribution."""
        raise NotImplementedError

    def update(self, returns: Floats) -> None:
        """Update the distribution by the mean returns (n,) of the candidates, which are finite."""
        raise NotImplementedError

    def learn(self, returns: Floats) -> None:
        """Update the distribution by the mean returns (n,) of the candidates; the next generation begins.

        Raises:
            FloatingPointError: a return is NaN or infinite; the distribution stays.
        """
        if not np.isfinite(returns).all():
            raise FloatingPointError("the return of a candidate is NaN or infinite")
        self.update(returns)
        self.updates += 1
        self._move_to(self.mean)
        self.log("generation_return", float(returns.mean()))
        for name, value in self.parameters.items():
            self.log(f"parameter_{name}", value)

    def _move_to(self, parameters: Floats) -> None:
        at_base = np.array_equal(parameters, self.base.get_parameters())  # not to the bit what its positions give
        self._parameters, self.policy = parameters, self.base if at_base else self.base.with_parameters(parameters)

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters of the policy by name; those of a network have none."""
        return {name: float(getattr(self.policy, name)) for name in self.policy.parameter_space}

    @property
    def first_update(self) -> str:
        """The first update waits for the sessions of a whole generation."""
        return f"a generation, {len(self.candidates)} candidates with sessions={self.sessions} each"

    def choose(self, states: Array, k: int, explore: bool, action_masks: Flags | None) -> Ints:
        """Choose as the policy: (n, size) states to (n, k)."""
        return self.policy.choose(states, k, explore, action_masks)

    def score(self, states: Array, masks: Flags | None) -> Array:
        """Score as the policy: (n, size) states to (n, actions)."""
        return self.policy.score(states, masks)

    def log_probability(self, states: Array, slates: Ints, masks: Flags | None) -> Array:
        """Log-probabilities of slates under the policy, if it is stochastic: (n,)."""
        return self.policy.log_probability(states, slates, masks)

    def begin_episodes(self, rows: Flags) -> None:
        """Tell the policy in which environments, (n,), an episode begins."""
        self.policy.begin_episodes(rows)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the parameters of the policy to one safetensors file, whole or not at all."""
        write_parameters(path, {"parameters": self._parameters})

    def load(self, path: str | os.PathLike[str]) -> None:
        """Read what `save` wrote; the distribution stays.

        Raises:
            InputError: there is no such file, or it does not fit the base.
        """
        parameters = read_parameters(path)
        check_parameters(parameters, {"parameters": self._parameters}, source=str(path), owner=self)
        self._move_to(parameters["parameters"])

    def state_dict(self) -> State:
        """The number of generations, and the parameters of the policy and its own state."""
        return {"updates": self.updates, "parameters": self._parameters.copy(), "policy": self.policy.state_dict()}

    def load_state_dict(self, state: State) -> None:
        """Continue from where `state_dict` was taken."""
        self.updates = int(state["updates"])
        self._move_to(np.array(state["parameters"]))
        self.policy.load_state_dict(state["policy"])
