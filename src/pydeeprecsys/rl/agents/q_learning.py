"""Q-learning from replayed transitions: the update of DQN and Rainbow, and the base of SlateQ."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from gymnasium.spaces import Discrete

from pydeeprecsys.arrays import Array, Flags, Floats, Ints, Singles
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.agents.agent import RandomAgent, ReinforcementLearning, State
from pydeeprecsys.rl.agents.epsilon_greedy import DecayingEpsilonGreedy
from pydeeprecsys.rl.cost_critic import CostCritic
from pydeeprecsys.rl.experience_replay.replay_memory import ReplayMemory
from pydeeprecsys.rl.experience_replay.transition import Transition
from pydeeprecsys.rl.neural_networks.deep_q_network import DeepQNetwork
from pydeeprecsys.rl.neural_networks.networks import Networks, load_networks, save_networks
from pydeeprecsys.rl.ops.masks import masked
from pydeeprecsys.rl.ops.policies import top_k
from pydeeprecsys.rl.ops.values import TDLosses, greedy_actions, td_losses, weighted_mean
from pydeeprecsys.rl.ops.varied_policies import slates_of


class QLearningAgent(ReinforcementLearning):
    """Learns action values with a target network, and acts greedily on them.

    It acts at random until its memory is ready, unless the network has a base to begin with. From then on exploration
    draws new noise for the noisy layers, if any, and replaces whole slates by random ones where `exploration` says so.

    Args:
        n_actions: number of actions.
        state_size: size of an observation.
        network: the action values that are learned.
        target_network: a network of the same architecture, for the values of the next actions.
        memory: replay memory, whose transitions carry their discounts.
        network_sync_frequency: environment steps between copies to the target network, at least 1.
        exploration: when to act at random; None for never.
        random_state: seed of the random actions, at least 0.
        double: double Q-learning: the online network selects the next action, the target network evaluates it.
        td_losses: errors and losses of the values, or of the distributions, that the network gives.
        cost_critic: of a bound on the cost of sessions; none if None.

    Attributes:
        networks: all networks by name.
        statistics: logs "loss" at every update, "epsilon_values", the probability of exploration, at every end of
            an episode, with a cost critic "cost_loss" and "multiplier", λ, at every update, and "session_cost" where
            sessions end.
    """

    evaluation_changes_state = False
    save, load = save_networks, load_networks
    training_cost: ClassVar[float] = 800
    stored_columns: ClassVar[tuple[str, ...]] = ("next_action_masks",)
    """Optional columns of the transitions that it learns from."""

    def __init__(
        self,
        *,
        n_actions: int,
        state_size: int,
        network: DeepQNetwork,
        target_network: DeepQNetwork,
        memory: ReplayMemory,
        network_sync_frequency: int,
        exploration: DecayingEpsilonGreedy | None,
        random_state: int,
        double: bool = False,
        td_losses: TDLosses = td_losses,
        cost_critic: CostCritic | None = None,
    ) -> None:
        self.n_actions, self.state_size = n_actions, state_size
        self.network, self.target_network = network, target_network
        self.networks = Networks(network=network, target_network=target_network)
        self.memory = memory
        self.network_sync_frequency = network_sync_frequency
        self.exploration = exploration
        self.double = double
        self.td_losses, self.cost_critic = td_losses, cost_critic
        if cost_critic is not None:
            self.networks.update(cost_critic.networks)
        self.updates: int = 0
        self.random_agent = RandomAgent(Discrete(n_actions), random_state)
        target_network.load_state_dict(network.state_dict())
        target_network.disable_learning()

    @property
    def note(self) -> str:  # type: ignore[override]
        """That a constraint is not met, in one line; empty if it is, or if there is none."""
        return "" if self.cost_critic is None else self.cost_critic.constraint.note

    @property
    def first_update(self) -> str:
        """The hyperparameters that the first update waits for, with their values."""
        return self.memory.first_update

    def choose(self, states: Array, k: int, explore: bool, action_masks: Flags | None) -> Ints:
        """The k actions of the highest values, best first; in exploration, whole slates may be random ones."""
        if explore and self.network.base is None and not self.memory.buffer.ready_to_predict():
            return self.random_agent.top_k_actions_for_states(states, k, action_masks=action_masks)
        slates = self._best_slates(states, k, explore, action_masks)
        if explore and self.exploration is not None:
            rows = np.flatnonzero(self.exploration.explores(len(states)))
            if len(rows):
                masks = None if action_masks is None else action_masks[rows]
                slates[rows] = self.random_agent.top_k_actions_for_states(states[rows], k, action_masks=masks)
        return slates

    def _best_slates(self, states: Array, k: int, noisy: bool, masks: Flags | None) -> Ints:
        """The k actions of the highest values, with new noise or without noise: (n, state_size) to (n, k)."""
        if noisy:
            self.network.draw_noise()
        else:
            self.network.silence_noise()
        with torch.inference_mode():
            inputs = self.network.as_tensor(states)
            first, discount = self.network.preferences(inputs)
            if self.cost_critic is not None:
                first = first - self.cost_critic.charges(inputs)
            slates: Ints = slates_of(masked(first, masks), k, discount, top_k).cpu().numpy()
        return slates

    def score(self, states: Array, masks: Flags | None) -> Array:
        """Action values, without noise, less λ times those of costs: (n, state_size) to (n, actions)."""
        self.network.silence_noise()
        with torch.inference_mode():
            inputs = self.network.as_tensor(states)
            values = self.network.values(inputs)
            if self.cost_critic is not None:
                values = values - self.cost_critic.charges(inputs)
            scores: Singles = values.cpu().numpy()
        return scores

    def log_probability(self, states: Array, slates: Ints, masks: Flags | None) -> Array:
        """Log-probabilities of slates under ε-greedy exploration: (n, state_size) and (n, k) to (n,).

        Raises:
            NotImplementedError: it explores by the noise of its network, if at all.
        """
        random = self.random_agent.log_probability(states, slates, masks)
        if self.network.base is None and not self.memory.buffer.ready_to_predict():
            return random
        if self.exploration is None:
            return super().log_probability(states, slates, masks)
        best = self._best_slates(states, slates.shape[1], noisy=False, masks=masks)
        epsilon, greedy = self.exploration.epsilon, (best == slates).all(axis=1)
        with np.errstate(divide="ignore"):  # a slate that is never chosen
            logarithms: Floats = np.log(epsilon * np.exp(random) + (1 - epsilon) * greedy)
        return logarithms

    def store_experiences(self, transitions: Transition) -> None:
        """Store one step of every environment; once the memory is ready, make the updates that are due.

        Raises:
            FloatingPointError: a reward or the loss of an update is NaN or infinite; the networks are unchanged.
        """
        self._store(transitions)
        if self.exploration is not None and self.memory.buffer.ready_to_predict():
            for _ in range(np.count_nonzero(transitions.terminated | transitions.truncated)):
                self.exploration.decay()
                self.log("epsilon_values", self.exploration.epsilon)

    def _store(self, transitions: Transition) -> None:
        before, critic = self.memory.steps, self.cost_critic
        columns = [*self.stored_columns, *(["costs"] if critic else [])]
        for _ in range(self.memory.add(transitions.of_items().keep("began", *columns))):
            self._learn()
        if critic is not None:
            cost = critic.observe(transitions, learning=self.memory.buffer.ready_to_predict())
            if cost is not None:
                self.log("session_cost", cost)
        if self.memory.steps // self.network_sync_frequency > before // self.network_sync_frequency:
            self.target_network.soft_parameter_update(self.network, 1.0)
            if critic is not None:
                critic.sync()

    def _learn(self) -> None:
        """One update of DQN and of Rainbow."""
        sample, network, target_network = self.memory.sample(), self.network, self.target_network
        columns = {**sample.transitions.columns(), "weights": sample.weights}
        names = "observations", "rewards", "discounts", "next_observations", "weights"
        s_tm1, r_t, discount_t, s_t, weights = (network.as_tensor(columns[name]) for name in names)
        a_tm1 = torch.from_numpy(columns["actions"]).to(network.device)
        network.draw_noise()
        target_network.draw_noise()
        with torch.no_grad():
            selector = network if self.double else target_network
            preferences = selector.preferences(s_t).first
            if self.cost_critic is not None:
                preferences = preferences - self.cost_critic.charges(s_t, target=not self.double)
            a_t = greedy_actions(preferences, columns.get("next_action_masks"))
            q_t = target_network.of_actions(s_t, a_t)
        q_tm1 = network.of_actions(s_tm1, a_tm1)
        errors, losses = self.td_losses(q_tm1, r_t, discount_t, q_t)
        loss = network.run_backpropagation(weighted_mean(losses, weights))
        self.memory.buffer.update_priorities(sample.indices, errors.detach().cpu().numpy())
        if (critic := self.cost_critic) is not None:
            cost_t = network.as_tensor(columns["costs"])
            self.log("cost_loss", critic.learn(s_tm1, a_tm1, cost_t, discount_t, s_t=s_t, a_t=a_t, weights=weights))
            self.log("multiplier", critic.constraint.multiplier)
        self.updates += 1
        self.log("loss", loss)

    def state_dict(self) -> State:
        """The networks and their optimizers, the replay memory, exploration, counts and generators."""
        return {
            "networks": self.networks.state_dict(),
            "memory": self.memory.state_dict(),
            "exploration": {} if self.exploration is None else self.exploration.state_dict(),
            "generator": self.random_agent.state_dict(),
            **({} if self.cost_critic is None else {"cost_critic": self.cost_critic.state_dict()}),
            "updates": self.updates,
        }

    def load_state_dict(self, state: State) -> None:
        """Continue from where `state_dict` was taken.

        Raises:
            InputError: The state is that of an agent of other sizes, or that explores in another way.
        """
        if bool(state["exploration"]) != (self.exploration is not None):
            raise InputError("the state is that of an agent that explores in another way; give the same arguments")
        self.networks.load_state_dict(state["networks"])
        self.memory.load_state_dict(state["memory"])
        if self.exploration is not None:
            self.exploration.load_state_dict(state["exploration"])
        self.random_agent.load_state_dict(state["generator"])
        if self.cost_critic is not None:
            self.cost_critic.load_state_dict(state["cost_critic"])
        self.updates = int(state["updates"])
