"""DQN: learn the values of actions by a network, and explore at random less and less."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import nn

from pydeeprecsys.rl.agents.epsilon_greedy import DecayingEpsilonGreedy
from pydeeprecsys.rl.agents.q_learning import QLearningAgent, check_arguments
from pydeeprecsys.rl.experience_replay.buffer_parameters import ExperienceReplayBufferParameters
from pydeeprecsys.rl.experience_replay.experience_buffer import ExperienceReplayBuffer
from pydeeprecsys.rl.experience_replay.replay_memory import ReplayMemory
from pydeeprecsys.rl.neural_networks.base_network import sequential_architecture
from pydeeprecsys.rl.neural_networks.deep_q_network import DeepQNetwork
from pydeeprecsys.rl.neural_networks.item_head import output_layer
from pydeeprecsys.rl.ops.values import Loss
from pydeeprecsys.rl.search_space import Between, OneOf, SearchSpace


class DQNAgent(QLearningAgent):
    """DQN (Mnih et al. 2015), optionally with double Q-learning (van Hasselt et al. 2016) and multi-step returns.

    It explores by epsilon: with a probability that decays at the end of each episode, once learning has begun, a whole
    slate is random. Learning begins when the buffer holds `buffer_burn_in` experiences; until then all actions are
    random.

    Args:
        input_size: numbers in a state, at least 1.
        output_size: number of actions, at least 1.
        hidden_layers: sizes of the hidden layers, at least 1 each; 128,128 when not given.
        network_update_frequency: environment steps between updates, at least 1.
        initial_exploration_probability: of a random slate, at first, in 0..1.
        decay_rate: what that probability is multiplied by after each episode, above 0, at most 1.
        minimum_exploration_probability: below which it does not decay, in 0..initial_exploration_probability.
        buffer_size: experiences that are kept, at least buffer_burn_in.
        buffer_burn_in: experiences to collect before learning begins, at least batch_size.
        batch_size: experiences in an update, at least 1.
        discount_factor: what a reward is worth one step earlier, in 0..1.
        learning_rate: step size of Adam, above 0.
        random_state: seed of everything that is random, 0 or more.
        double: let the network choose the actions that the target network judges.
        network_sync_frequency: environment steps between copies to the target network, at least 1.
        n_steps: steps whose rewards count before the rest is estimated, at least 1.
        loss: of a temporal-difference error, huber or squared. Huber's is biased where rewards or terminations are
            random, and may rank a worse action first: use squared there, huber where rare large errors destabilise
            training.
        item_features: (output_size, features) of the items that the actions stand for, to score them by; outputs are
            independent of one another when not given.
        device: cpu, cuda or cuda:N; CUDA where there is one, else the CPU, when not given.

    Raises:
        InputError: for an argument out of its range.
    """

    search_space: ClassVar[SearchSpace] = {
        "item_features": OneOf(False, True),
        "discount_factor": Between(0.0, 1.0),
        "learning_rate": Between(1e-5, 1e-2, log=True),
        "hidden_layers": OneOf(None, [64], [128, 64]),
        "batch_size": OneOf(32, 64, 128),
        "network_update_frequency": Between(1, 16, log=True),
        "network_sync_frequency": Between(50, 2000, log=True),
        "decay_rate": Between(0.9, 0.999),
        "minimum_exploration_probability": Between(0.0, 0.1),
        "double": OneOf(False, True),
        "n_steps": Between(1, 5),
    }

    def __init__(
        self,
        input_size: int,
        output_size: int,
        hidden_layers: list[int] | None = None,
        network_update_frequency: int = 3,
        initial_exploration_probability: float = 1.0,
        decay_rate: float = 0.99,
        minimum_exploration_probability: float = 0.05,
        buffer_size: int = 10000,
        buffer_burn_in: int = 1000,
        batch_size: int = 32,
        discount_factor: float = 0.99,
        learning_rate: float = 1e-3,
        random_state: int = 42,
        *,
        double: bool = False,
        network_sync_frequency: int = 200,
        n_steps: int = 1,
        loss: Loss = "huber",
        item_features: ArrayLike | None = None,
        device: str | None = None,
    ) -> None:
        layers = [128, 128] if hidden_layers is None else hidden_layers
        sizes = {
            "input_size": input_size,
            "output_size": output_size,
            "network_update_frequency": network_update_frequency,
            "network_sync_frequency": network_sync_frequency,
            "n_steps": n_steps,
        }
        check_arguments(
            sizes, layers, buffer_size, buffer_burn_in, batch_size, discount_factor, learning_rate, random_state
        )
        seeds = map(int, np.random.SeedSequence(random_state).generate_state(4))
        network_seed, buffer_seed, exploration_seed, random_seed = seeds

        def network() -> DeepQNetwork:
            generator = torch.Generator().manual_seed(network_seed)
            body = sequential_architecture([input_size, *layers], generator=generator)
            output = output_layer([input_size, *layers][-1], output_size, generator, item_features)
            architecture = nn.Sequential(*body, *([nn.ReLU()] if layers else []), output)
            # The discounts that the memory gives hold the discount factor already.
            return DeepQNetwork(learning_rate, architecture, discount_factor=1.0, loss=loss, device=device)

        parameters = ExperienceReplayBufferParameters(buffer_size, buffer_burn_in, batch_size, buffer_seed)
        buffer = ExperienceReplayBuffer(parameters, state_shape=(input_size,))
        super().__init__(
            input_size,
            output_size,
            network(),
            network(),
            ReplayMemory(buffer, n_steps, discount_factor, network_update_frequency),
            network_sync_frequency,
            double,
            DecayingEpsilonGreedy(
                initial_exploration_probability, decay_rate, minimum_exploration_probability, exploration_seed
            ),
            random_seed,
        )
