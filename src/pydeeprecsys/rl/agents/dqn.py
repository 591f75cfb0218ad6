"""DQN: Q-learning with a neural network, a replay buffer and ε-greedy exploration."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from pydeeprecsys.arguments import Seed, checked
from pydeeprecsys.rl import arguments as arg
from pydeeprecsys.rl.agents.epsilon_greedy import DecayingEpsilonGreedy
from pydeeprecsys.rl.agents.q_learning import QLearningAgent
from pydeeprecsys.rl.cost_critic import cost_critic_of
from pydeeprecsys.rl.experience_replay.buffer_parameters import ExperienceReplayBufferParameters
from pydeeprecsys.rl.experience_replay.experience_buffer import ExperienceReplayBuffer
from pydeeprecsys.rl.experience_replay.replay_memory import ReplayMemory
from pydeeprecsys.rl.neural_networks.base_network import sequential_architecture
from pydeeprecsys.rl.neural_networks.base_scores import VALUE_SCALE, BaseScores, base_of, zeroed
from pydeeprecsys.rl.neural_networks.deep_q_network import DeepQNetwork
from pydeeprecsys.rl.neural_networks.item_head import output_layer
from pydeeprecsys.rl.neural_networks.state_encoders.encoding import StateEncoding
from pydeeprecsys.rl.ops.values import td_losses
from pydeeprecsys.rl.search_space import Between, OneOf, SearchSpace


@checked
class DQNAgent(QLearningAgent):
    """DQN (Mnih et al. 2015), optionally with double Q-learning (van Hasselt et al. 2016) and n-step returns.

    Actions are random until the replay buffer holds `buffer_burn_in` transitions, when learning begins. From then on it
    is ε-greedy: a whole slate is random with probability ε, which decays at the end of each episode. With a base it is
    ε-greedy from the start, and a state value, the same for all actions, is added to the action values.

    Args:
        hidden_layers: Sizes of the hidden layers; [128, 128] if None.

    Raises:
        InputError: An argument is out of range, or does not fit the others.
    """

    search_space: ClassVar[SearchSpace] = {
        "item_features": OneOf("none", "ratings"),
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
        input_size: arg.StateSize,
        output_size: arg.NActions,
        hidden_layers: arg.HiddenLayers = None,
        network_update_frequency: arg.UpdateFrequency = 3,
        initial_exploration_probability: arg.InitialExploration = 1.0,
        decay_rate: arg.ExplorationDecay = 0.99,
        minimum_exploration_probability: arg.MinimumExploration = 0.05,
        buffer_size: arg.BufferSize = 10000,
        buffer_burn_in: arg.BufferBurnIn = 1000,
        batch_size: arg.BatchSize = 32,
        discount_factor: arg.DiscountFactor = 0.99,
        learning_rate: arg.LearningRate = 1e-3,
        random_state: Seed = 42,
        *,
        double: arg.DoubleQ = False,
        network_sync_frequency: arg.SyncFrequency = 200,
        n_steps: arg.NSteps = 1,
        loss: arg.TemporalDifferenceLoss = "huber",
        item_features: arg.ItemFeatures = None,
        state_encoder: arg.StateEncoder = "features",
        history: arg.History = None,
        item_estimates: arg.ItemEstimates = None,
        base: arg.Base = None,
        base_scale: arg.ValueScale = None,
        cost_limit: arg.CostLimit = None,
        multiplier_rate: arg.MultiplierRate = None,
        device: arg.Device = None,
    ) -> None:
        layers = [128, 128] if hidden_layers is None else hidden_layers
        encoding = StateEncoding(state_encoder, input_size, history, item_estimates)
        start = base_of(base, item_estimates, scale=base_scale, default=VALUE_SCALE)
        seeds = map(int, np.random.SeedSequence(random_state).generate_state(5))
        network_seed, buffer_seed, exploration_seed, random_seed, cost_seed = seeds

        def network() -> DeepQNetwork:
            generator = torch.Generator().manual_seed(network_seed)
            encoder = encoding.make(generator)
            sizes = [encoder.out_size, *layers]
            body = sequential_architecture(sizes, generator=generator)
            output = output_layer(sizes[-1], output_size, generator, item_features=item_features)
            scores = None if start is None else BaseScores(start, sizes[-1], with_value=True)
            architecture = nn.Sequential(
                *body, *([nn.ReLU()] if layers else []), output if scores is None else zeroed(output)
            )
            return DeepQNetwork(learning_rate, architecture, encoder=encoder, base=scores, device=device)

        parameters = ExperienceReplayBufferParameters(buffer_size, buffer_burn_in, batch_size, buffer_seed)
        buffer = ExperienceReplayBuffer(parameters, history)
        super().__init__(
            n_actions=output_size,
            state_size=input_size,
            network=network(),
            target_network=network(),
            memory=ReplayMemory(buffer, n_steps, discount_factor, network_update_frequency),
            network_sync_frequency=network_sync_frequency,
            exploration=DecayingEpsilonGreedy(
                initial_exploration_probability, decay_rate, minimum_exploration_probability, exploration_seed
            ),
            random_state=random_seed,
            double=double,
            td_losses=partial(td_losses, loss=loss),
            cost_critic=cost_critic_of(
                cost_limit,
                multiplier_rate,
                encoding,
                output_size,
                learning_rate=learning_rate,
                item_features=item_features,
                random_state=cost_seed,
                device=device,
            ),
        )
