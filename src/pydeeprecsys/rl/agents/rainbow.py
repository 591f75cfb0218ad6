"""Rainbow: DQN with six improvements, each of which can be switched off."""

from __future__ import annotations

import warnings
from functools import partial, wraps
from typing import Annotated, Any, ClassVar, TypeVar

import numpy as np

from pydeeprecsys.arguments import Finite, NonNegative, Range, Seed, UnitInterval, checked
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl import arguments as arg
from pydeeprecsys.rl.agents.epsilon_greedy import DecayingEpsilonGreedy
from pydeeprecsys.rl.agents.q_learning import QLearningAgent
from pydeeprecsys.rl.cost_critic import cost_critic_of
from pydeeprecsys.rl.experience_replay.buffer_parameters import ExperienceReplayBufferParameters, PERBufferParameters
from pydeeprecsys.rl.experience_replay.experience_buffer import ExperienceReplayBuffer
from pydeeprecsys.rl.experience_replay.priority_replay_buffer import PrioritizedExperienceReplayBuffer
from pydeeprecsys.rl.experience_replay.replay_memory import ReplayMemory
from pydeeprecsys.rl.learning_statistics import LearningStatistics
from pydeeprecsys.rl.neural_networks.base_scores import VALUE_SCALE, base_of
from pydeeprecsys.rl.neural_networks.dueling import DuelingDDQN
from pydeeprecsys.rl.neural_networks.noisy_layer import NoiseKind
from pydeeprecsys.rl.neural_networks.state_encoders.encoding import StateEncoding
from pydeeprecsys.rl.ops.categorical import categorical_td_losses
from pydeeprecsys.rl.ops.values import td_losses
from pydeeprecsys.rl.search_space import Between, OneOf, SearchSpace

_Agent = TypeVar("_Agent", bound=type)


def _with_old_spelling(agent: _Agent) -> _Agent:
    """Class decorator: accept `priority_weigth_growth`, the notebook's spelling, for `priority_weight_growth`."""
    construct = agent.__init__  # type: ignore[misc]

    @wraps(construct)
    def respelled(self: Any, *args: Any, **kwargs: Any) -> None:
        if "priority_weigth_growth" in kwargs:
            warnings.warn(
                "priority_weigth_growth is spelled priority_weight_growth now", DeprecationWarning, stacklevel=2
            )
            if "priority_weight_growth" in kwargs:
                raise InputError("priority_weight_growth was given in both spellings; give it once")
            kwargs["priority_weight_growth"] = kwargs.pop("priority_weigth_growth")
        construct(self, *args, **kwargs)

    agent.__init__ = respelled  # type: ignore[misc]
    return agent


@_with_old_spelling
@checked
class RainbowDQNAgent(QLearningAgent):
    """Rainbow (Hessel et al., Rainbow: Combining Improvements in Deep Reinforcement Learning, 2018).

    Its six parts are double Q-learning, dueling streams, noisy layers, prioritized replay, n-step returns (`n_steps`
    above 1) and categorical distributions of returns (`categorical`). By default all but the last two are on, as in the
    notebook API.

    Actions are random until the replay buffer holds `buffer_burn_in` transitions, when learning begins. From then on it
    explores by the noise of its network, resampled for every action and every batch; without noisy layers it is
    ε-greedy, as DQN.

    The initial standard deviation of factorised noise is noise_sigma / √(inputs of the layer), as in the paper, whose
    sigma is 0.5. The default of 0.017, which the paper uses for independent noise, explores thirty times less: use 0.5
    if rewards are sparse.

    The importance-sampling exponent β starts at 0.01 and reaches 1 after 0.99 / priority_weight_growth updates. The
    priority of a transition is its absolute temporal-difference error, or for distributions the Kullback-Leibler
    divergence of the prediction from the target.

    Args:
        priority_importance: Priority exponent α; 0 for uniform sampling.
        priority_weight_growth: Increase of the importance-sampling exponent β per update.
        noise_sigma: Initial standard deviation of the noise.
        hidden_layers: Sizes of the hidden layers: two shared ones, one of the value stream, one of the advantage
            stream; [256, 256, 64, 64] if None.
        statistics: Where losses are logged; nowhere if None.
        dueling: Dueling streams: state value plus advantages of the actions.
        noisy: Noisy layers; ε-greedy exploration if off.
        prioritized: Prioritized experience replay; uniform sampling if off.
        categorical: Learn the distribution of returns; its loss is the cross-entropy, so leave `loss` out.
        n_atoms: Number of atoms of the distribution; used if categorical.
        v_min: Lowest return of the distribution; used if categorical.
        v_max: Highest return of the distribution; used if categorical, and above v_min.
        noise_kind: Kind of noise: factorised, or independent for each weight.
        initial_exploration_probability: Initial probability ε of a random slate; used without noisy layers.
        decay_rate: Factor of ε after each episode; used without noisy layers.
        minimum_exploration_probability: Lower bound of ε; used without noisy layers, at most the initial probability.

    Raises:
        InputError: An argument is out of range, or does not fit the others.
    """

    search_space: ClassVar[SearchSpace] = {
        "item_features": OneOf("none", "ratings"),
        "discount_factor": Between(0.0, 1.0),
        "learning_rate": Between(1e-5, 1e-2, log=True),
        "hidden_layers": OneOf(None, [64, 64, 32, 32], [128, 128, 64, 64]),
        "batch_size": OneOf(32, 64, 128),
        "network_update_frequency": Between(2, 16, log=True),
        "network_sync_frequency": Between(50, 2000, log=True),
        "priority_importance": Between(0.0, 1.0),
        "priority_weight_growth": Between(1e-4, 1e-2, log=True),
        "noise_sigma": Between(0.01, 1.0, log=True),
        "n_steps": Between(1, 5),
    }

    def __init__(
        self,
        input_size: arg.StateSize,
        output_size: arg.NActions,
        network_update_frequency: arg.UpdateFrequency = 5,
        network_sync_frequency: arg.SyncFrequency = 200,
        priority_importance: UnitInterval = 0.6,
        priority_weight_growth: NonNegative = 0.001,
        buffer_size: arg.BufferSize = 10000,
        buffer_burn_in: arg.BufferBurnIn = 1000,
        batch_size: arg.BatchSize = 32,
        noise_sigma: NonNegative = 0.017,
        discount_factor: arg.DiscountFactor = 0.99,
        learning_rate: arg.LearningRate = 1e-4,
        hidden_layers: arg.HiddenLayers = None,
        random_state: Seed = 42,
        statistics: LearningStatistics | None = None,
        *,
        double: arg.DoubleQ = True,
        dueling: bool = True,
        noisy: bool = True,
        prioritized: bool = True,
        n_steps: arg.NSteps = 1,
        categorical: bool = False,
        loss: arg.TemporalDifferenceLoss = "huber",
        n_atoms: Annotated[int, Range(2)] = 51,
        v_min: Finite = 0.0,
        v_max: Finite = 50.0,
        noise_kind: NoiseKind = "factorised",
        initial_exploration_probability: arg.InitialExploration = 1.0,
        decay_rate: arg.ExplorationDecay = 0.99,
        minimum_exploration_probability: arg.MinimumExploration = 0.05,
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
        if categorical and loss != "huber":
            raise InputError(f"distributions of returns (categorical) have their own loss; leave out loss={loss!r}")
        encoding = StateEncoding(state_encoder, input_size, history, item_estimates)
        start = base_of(base, item_estimates, scale=base_scale, default=VALUE_SCALE)
        seeds = map(int, np.random.SeedSequence(random_state).generate_state(6))
        network_seed, target_seed, buffer_seed, exploration_seed, random_seed, cost_seed = seeds

        def network(seed: int) -> DuelingDDQN:
            return DuelingDDQN(
                n_input=encoding,
                n_output=output_size,
                learning_rate=learning_rate,
                hidden_layers=hidden_layers,
                noise_sigma=noise_sigma,
                dueling=dueling,
                noisy=noisy,
                noise_kind=noise_kind,
                n_atoms=n_atoms if categorical else 1,
                v_min=v_min,
                v_max=v_max,
                item_features=item_features,
                base=start,
                random_state=seed,
                device=device,
            )

        parameters = ExperienceReplayBufferParameters(buffer_size, buffer_burn_in, batch_size, buffer_seed)
        priorities = PERBufferParameters(alpha=priority_importance, beta_growth=priority_weight_growth)
        buffer = (
            PrioritizedExperienceReplayBuffer(parameters, priorities, history)
            if prioritized
            else ExperienceReplayBuffer(parameters, history)
        )
        exploration = DecayingEpsilonGreedy(
            initial_exploration_probability, decay_rate, minimum_exploration_probability, exploration_seed
        )
        online = network(network_seed)
        super().__init__(
            n_actions=output_size,
            state_size=input_size,
            network=online,
            target_network=network(target_seed),
            memory=ReplayMemory(buffer, n_steps, discount_factor, network_update_frequency),
            network_sync_frequency=network_sync_frequency,
            exploration=None if noisy else exploration,
            random_state=random_seed,
            double=double,
            td_losses=(
                partial(categorical_td_losses, support=online.support) if categorical else partial(td_losses, loss=loss)
            ),
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
        self.statistics = statistics
