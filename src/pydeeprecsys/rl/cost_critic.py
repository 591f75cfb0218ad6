"""The cost critic of constrained Q-learning."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from pydeeprecsys.arrays import Floats
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.constraint import WITHOUT_COSTS, Constraint, constraint_of
from pydeeprecsys.rl.experience_replay.transition import Transition
from pydeeprecsys.rl.neural_networks.base_network import sequential_architecture
from pydeeprecsys.rl.neural_networks.deep_q_network import DeepQNetwork
from pydeeprecsys.rl.neural_networks.item_head import output_layer
from pydeeprecsys.rl.neural_networks.networks import Networks
from pydeeprecsys.rl.neural_networks.state_encoders.encoding import StateEncoding
from pydeeprecsys.rl.ops.constraints import session_sums
from pydeeprecsys.rl.ops.values import squared_losses, weighted_mean
from pydeeprecsys.rl.states import all_or_nothing

_HIDDEN_LAYERS = [64]


class CostCritic:
    """Action values of the costs Q_c, by which a multiplier λ lowers those of the rewards: Q(s, a) − λ · Q_c(s, a).

    Q_c is learned from the transitions of the rewards, with the actions that are greedy in the difference. λ moves by
    the mean cost of the sessions that end in a step.

    Args:
        constraint: on the expected cost of a session.
        encoding: how observations are encoded.
        n_actions: number of actions.
        learning_rate: step size of Adam, above 0.
        item_features: (n_actions, features) of the items; independent outputs if None.
        random_state: seed of the initial parameters.
        device: of the parameters; if None, CUDA if available, else the CPU.

    Attributes:
        networks: the critic and its target network.
    """

    def __init__(
        self,
        constraint: Constraint,
        encoding: StateEncoding,
        n_actions: int,
        *,
        learning_rate: float,
        item_features: ArrayLike | None,
        random_state: int,
        device: str | torch.device | None,
    ) -> None:
        def network() -> DeepQNetwork:
            generator = torch.Generator().manual_seed(random_state)
            encoder = encoding.make(generator)
            sizes = [encoder.out_size, *_HIDDEN_LAYERS]
            body = sequential_architecture(sizes, generator=generator)
            output = output_layer(sizes[-1], n_actions, generator, item_features=item_features)
            return DeepQNetwork(learning_rate, nn.Sequential(*body, nn.ReLU(), output), encoder=encoder, device=device)

        self.constraint = constraint
        self.network, self.target_network = network(), network()
        self.target_network.disable_learning()
        self.networks = Networks(cost_network=self.network, target_cost_network=self.target_network)
        self._running: Floats = np.zeros((2, 0))  # (2, n) costs and steps of running sessions

    def charges(self, inputs: Tensor, *, target: bool = False) -> Tensor:
        """λ · Q_c(s, a) of all actions, by the target network if asked: (n, state_size) to (n, actions)."""
        network = self.target_network if target else self.network
        return self.constraint.multiplier * network.values(inputs)

    def observe(self, transitions: Transition, *, learning: bool) -> float | None:
        """Take note of the costs of a step, and move λ by those of sessions that end, once there are updates.

        Returns:
            The mean cost of these sessions; None if there are none.

        Raises:
            InputError: there are no costs.
        """
        if transitions.costs is None:
            raise InputError(WITHOUT_COSTS)
        n = len(transitions.rewards)
        if self._running.shape[1] != n:
            self._running = np.zeros((2, n))
        ended = (transitions.terminated | transitions.truncated)[None]
        began = np.zeros(n, dtype=np.bool_) if transitions.began is None else transitions.began
        costs, steps = (
            session_sums(x_t[None], began[None], ended, running)
            for x_t, running in zip((transitions.costs, np.ones(n)), self._running, strict=True)
        )
        return self.constraint.update((costs / steps)[ended]) if learning and np.count_nonzero(ended) else None

    def learn(
        self,
        s_tm1: Tensor,
        a_tm1: Tensor,
        cost_t: Tensor,
        discount_t: Tensor,
        *,
        s_t: Tensor,
        a_t: Tensor,
        weights: Tensor,
    ) -> float:
        """One update towards cost_t + discount_t · Q_c(s_t, a_t), (n,) each; gives the loss.

        Raises:
            FloatingPointError: the loss is NaN or infinite; the parameters are unchanged.
        """
        with torch.no_grad():
            targets = cost_t + discount_t * self.target_network.of_actions(s_t, a_t)
        errors = targets - self.network.of_actions(s_tm1, a_tm1)
        return self.network.run_backpropagation(weighted_mean(squared_losses(errors), weights))

    def sync(self) -> None:
        """Copy the critic to its target network."""
        self.target_network.soft_parameter_update(self.network, 1.0)

    def state_dict(self) -> dict[str, Any]:
        """The constraint and the running sessions, without the networks."""
        return {"constraint": self.constraint.state_dict(), "running": self._running.copy()}

    @all_or_nothing
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from where `state_dict` was taken."""
        self.constraint.load_state_dict(state["constraint"])
        self._running = np.array(state["running"])


def cost_critic_of(
    cost_limit: float | None, multiplier_rate: float | None, encoding: StateEncoding, n_actions: int, **options: Any
) -> CostCritic | None:
    """The cost critic that arguments of an agent describe, see `CostCritic`; None without a limit.

    Raises:
        InputError: a multiplier_rate is given without a limit.
    """
    constraint = constraint_of(cost_limit, None, multiplier_rate, None)
    return None if constraint is None else CostCritic(constraint, encoding, n_actions, **options)
