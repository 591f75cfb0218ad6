"""What agents share that learn action values from replayed experiences."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.spaces import Discrete
from numpy.typing import NDArray

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.agents.agent import RandomAgent, ReinforcementLearning, State, check_slate_size
from pydeeprecsys.rl.agents.epsilon_greedy import DecayingEpsilonGreedy
from pydeeprecsys.rl.experience_replay.replay_memory import ReplayMemory
from pydeeprecsys.rl.experience_replay.transition import Transition
from pydeeprecsys.rl.neural_networks.base_network import load_networks, save_networks
from pydeeprecsys.rl.neural_networks.deep_q_network import DeepQNetwork

if TYPE_CHECKING:
    from pydeeprecsys.rl.learning_statistics import LearningStatistics


class QLearningAgent(ReinforcementLearning):
    """Takes the actions of the highest values, and learns the values with a target network.

    It acts at random until its memory is ready to be learned from. From then on it takes the best actions that its
    network knows; in exploration with new noise where the network has noisy layers, and with whole slates at random
    where there is an `exploration` that says so.

    Args:
        input_size: numbers in a state.
        output_size: number of actions.
        network: the values.
        target_network: one like it, which judges new states; it becomes a copy of the network at once.
        memory: where experiences are kept; its discounts are all that discounts.
        network_sync_frequency: environment steps between copies of the network to the target network, at least 1.
        double: whether the network chooses the action that the target network judges.
        exploration: when to act at random; None for never.
        random_state: seed of the random actions, 0 or more.

    Attributes:
        statistics: when set, the loss of every update is appended to it as the metric "loss", and the probability of
            exploration as "epsilon_values" at the end of each episode.
    """

    evaluation_changes_state = False

    def __init__(
        self,
        input_size: int,
        output_size: int,
        network: DeepQNetwork,
        target_network: DeepQNetwork,
        memory: ReplayMemory,
        network_sync_frequency: int,
        double: bool,
        exploration: DecayingEpsilonGreedy | None,
        random_state: int,
    ) -> None:
        self.input_size, self.output_size = input_size, output_size
        self.network, self.target_network = network, target_network
        self.memory = memory
        self.network_sync_frequency = network_sync_frequency
        self.double = double
        self.exploration = exploration
        self._random = RandomAgent(Discrete(output_size), random_state)
        target_network.load_state_dict(network.state_dict())
        target_network.disable_learning()

    @property
    def statistics(self) -> LearningStatistics | None:
        """Where measurements go."""
        return self.network.statistics

    @statistics.setter
    def statistics(self, statistics: LearningStatistics | None) -> None:
        self.network.statistics = statistics

    @property
    def updates(self) -> int:
        """Parameter updates so far."""
        return self.memory.updates

    @property
    def first_update(self) -> str:
        """The hyperparameters that the first update waits for, with their values."""
        return self.memory.first_update

    def top_k_actions_for_states(
        self,
        states: NDArray[Any],
        k: int = 1,
        *,
        explore: bool = True,
        action_masks: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.int64]:
        """The k actions of the highest values for each state; in exploration, whole slates may be random ones.

        Args:
            states: (n, ...) one observation a row.
            k: how many actions for each state, in 1..output_size.
            explore: act as in training, at random as long as the memory is not ready; or take the best known actions.
            action_masks: (n, output_size) which actions are allowed, at least k for each state; all when not given.

        Returns:
            (n, k) actions, best first, no action twice in a row.

        Raises:
            InputError: where there are fewer than k actions, or fewer allowed.
        """
        check_slate_size(k, self.output_size, action_masks)
        if explore and not self.memory.buffer.ready_to_predict():
            return self._random.top_k_actions_for_states(states, k, action_masks=action_masks)
        slates = self.network.choose(states.reshape(len(states), -1), k, explore, action_masks)
        if explore and self.exploration is not None:
            rows = np.flatnonzero(self.exploration.explores(len(states)))
            if len(rows):
                masks = None if action_masks is None else action_masks[rows]
                slates[rows] = self._random.top_k_actions_for_states(states[rows], k, action_masks=masks)
        return slates

    def store_experiences(self, transitions: Transition) -> None:
        """Store one step of every environment; once the memory is ready, make the updates that are due.

        Raises:
            FloatingPointError: a reward or the loss of an update is NaN or infinite; the network stays as it was.
        """
        memory = self.memory
        before = memory.steps
        for _ in range(memory.add(transitions.keep("began", "next_action_masks"))):
            self._learn()
        if memory.steps // self.network_sync_frequency > before // self.network_sync_frequency:
            self.target_network.soft_parameter_update(self.network, 1.0)
        if self.exploration is not None and memory.buffer.ready_to_predict():
            self._decay(self.exploration, int(np.count_nonzero(transitions.terminated | transitions.truncated)))

    def _learn(self) -> None:
        sample = self.memory.sample()
        errors = self.network.learn_from(sample, self.target_network, double=self.double)
        self.memory.buffer.update_priorities(sample.indices, errors)

    def _decay(self, exploration: DecayingEpsilonGreedy, n_episodes: int) -> None:
        for _ in range(n_episodes):
            exploration.decay()
            if self.statistics is not None:
                self.statistics.append_metric("epsilon_values", exploration.epsilon)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the networks to one file, in the safetensors format."""
        save_networks(path, {"network": self.network, "target_network": self.target_network})

    def load(self, path: str | os.PathLike[str]) -> None:
        """Read networks that `save` wrote.

        Raises:
            InputError: where there is no such file, or it does not hold networks of these sizes.
        """
        load_networks(path, {"network": self.network, "target_network": self.target_network})

    def state_dict(self) -> State:
        """The networks, the optimizer's memory, all experiences, and the states of everything that is random."""
        exploration = {} if self.exploration is None else self.exploration.state_dict()
        return {
            "network": self.network.learning_state(),
            "target_network": self.target_network.learning_state(),
            "memory": self.memory.state_dict(),
            "exploration": exploration,
            "generator": self._random.state_dict(),
        }

    def load_state_dict(self, state: State) -> None:
        """Go on from where `state_dict` was taken.

        Raises:
            InputError: where it is the state of an agent of other sizes, or that explores in another way.
        """
        if bool(state["exploration"]) != (self.exploration is not None):
            raise InputError("the state is that of an agent that explores in another way; give the same arguments")
        self.network.load_learning_state(state["network"])
        self.target_network.load_learning_state(state["target_network"])
        self.memory.load_state_dict(state["memory"])
        if self.exploration is not None:
            self.exploration.load_state_dict(state["exploration"])
        self._random.load_state_dict(state["generator"])
