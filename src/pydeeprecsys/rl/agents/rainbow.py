"""Rainbow: six improvements of DQN in one agent."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.agents.epsilon_greedy import DecayingEpsilonGreedy
from pydeeprecsys.rl.agents.q_learning import QLearningAgent, check_arguments
from pydeeprecsys.rl.experience_replay.buffer_parameters import ExperienceReplayBufferParameters, PERBufferParameters
from pydeeprecsys.rl.experience_replay.experience_buffer import ExperienceReplayBuffer
from pydeeprecsys.rl.experience_replay.priority_replay_buffer import PrioritizedExperienceReplayBuffer
from pydeeprecsys.rl.experience_replay.replay_memory import ReplayMemory
from pydeeprecsys.rl.learning_statistics import LearningStatistics
from pydeeprecsys.rl.neural_networks.dueling import DuelingDDQN
from pydeeprecsys.rl.neural_networks.noisy_layer import NoiseKind
from pydeeprecsys.rl.ops.values import Loss
from pydeeprecsys.rl.search_space import Between, OneOf, SearchSpace


def _with_old_spelling(construct: Callable[..., None]) -> Callable[..., None]:
    """Take `priority_weigth_growth`, the spelling of the founding document, for `priority_weight_growth`."""

    @functools.wraps(construct)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        if "priority_weigth_growth" in kwargs:
            warnings.warn(
                "priority_weigth_growth is spelled priority_weight_growth now", DeprecationWarning, stacklevel=2
            )
            if "priority_weight_growth" in kwargs:
                raise InputError("priority_weight_growth was given in both spellings; give it once")
            kwargs["priority_weight_growth"] = kwargs.pop("priority_weigth_growth")
        construct(*args, **kwargs)

    return wrapped


class RainbowDQNAgent(QLearningAgent):
    """Rainbow (Hessel et al., Rainbow: Combining Improvements in Deep Reinforcement Learning, 2018).

    Its six parts are double Q-learning, dueling streams, noisy layers, prioritized replay, multi-step returns
    (`n_steps` above 1) and distributions of returns (`categorical`), each of which can be on or off. By default those
    are on that the founding document has: all but the last two.

    It acts at random until the buffer holds `buffer_burn_in` experiences, which is also when learning begins. From then
    on it explores by the noise of its network, drawn anew whenever it acts and for every batch; without noisy layers,
    by epsilon, as DQN does.

    The deviation of factorised noise starts at noise_sigma / √(inputs of the layer), as in the paper, whose sigma is
    0.5. The default, 0.017, is what the paper takes for independent noise, and explores thirty times less: give 0.5
    where the rewards do not lead the way by themselves.

    The exponent of the importance weights starts at 0.01 and reaches 1 after 0.99 / priority_weight_growth updates. The
    priority of an experience is the size of its temporal-difference error, and with distributions the
    Kullback-Leibler divergence of the target from the prediction.

    Args:
        input_size: numbers in a state, at least 1.
        output_size: number of actions, at least 1.
        network_update_frequency: environment steps between updates, at least 1.
        network_sync_frequency: environment steps between copies to the target network, at least 1.
        priority_importance: how much priorities count when experiences are drawn, in 0 (not at all)..1.
        priority_weight_growth: what the exponent of the importance weights gains with each update, 0 or more.
        buffer_size: experiences that are kept, at least buffer_burn_in.
        buffer_burn_in: experiences to collect before learning begins, at least batch_size.
        batch_size: experiences in an update, at least 1.
        noise_sigma: initial deviation of the noise, 0 or more.
        discount_factor: what a reward is worth one step earlier, in 0..1.
        learning_rate: step size of Adam, above 0.
        hidden_layers: sizes of the two common layers, of the value's hidden layer and of the advantages', at least 1
            each; 256,256,64,64 when not given.
        random_state: seed of everything that is random, 0 or more.
        statistics: where losses are recorded; nowhere when not given.
        double: let the network choose the actions that the target network judges.
        dueling: split values into that of the state and the advantages of the actions.
        noisy: explore by noise in the network; by epsilon if not.
        prioritized: draw experiences by priority; all equally likely if not.
        n_steps: steps whose rewards count before the rest is estimated, at least 1.
        categorical: learn distributions of returns instead of their means.
        loss: of a temporal-difference error, huber or squared. Huber's is biased where rewards or terminations are
            random, and may rank a worse action first: use squared there, huber where rare large errors destabilise
            training. Leave it out with categorical, which has its own.
        n_atoms: returns that a distribution is over, at least 2; used with categorical.
        v_min: the lowest of these returns; used with categorical.
        v_max: the highest of these returns, above v_min; used with categorical.
        noise_kind: factorised, or independent for a number of its own for each weight.
        initial_exploration_probability: of a random slate, at first, in 0..1; used without noisy.
        decay_rate: what that probability is multiplied by after each episode, above 0, at most 1; used without noisy.
        minimum_exploration_probability: below which it does not decay, in 0..initial_exploration_probability; used
            without noisy.
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
        "hidden_layers": OneOf(None, [64, 64, 32, 32], [128, 128, 64, 64]),
        "batch_size": OneOf(32, 64, 128),
        "network_update_frequency": Between(2, 16, log=True),
        "network_sync_frequency": Between(50, 2000, log=True),
        "priority_importance": Between(0.0, 1.0),
        "priority_weight_growth": Between(1e-4, 1e-2, log=True),
        "noise_sigma": Between(0.01, 1.0, log=True),
        "n_steps": Between(1, 5),
    }

    @_with_old_spelling
    def __init__(
        self,
        input_size: int,
        output_size: int,
        network_update_frequency: int = 5,
        network_sync_frequency: int = 200,
        priority_importance: float = 0.6,
        priority_weight_growth: float = 0.001,
        buffer_size: int = 10000,
        buffer_burn_in: int = 1000,
        batch_size: int = 32,
        noise_sigma: float = 0.017,
        discount_factor: float = 0.99,
        learning_rate: float = 1e-4,
        hidden_layers: list[int] | None = None,
        random_state: int = 42,
        statistics: LearningStatistics | None = None,
        *,
        double: bool = True,
        dueling: bool = True,
        noisy: bool = True,
        prioritized: bool = True,
        n_steps: int = 1,
        categorical: bool = False,
        loss: Loss = "huber",
        n_atoms: int = 51,
        v_min: float = 0.0,
        v_max: float = 50.0,
        noise_kind: NoiseKind = "factorised",
        initial_exploration_probability: float = 1.0,
        decay_rate: float = 0.99,
        minimum_exploration_probability: float = 0.05,
        item_features: ArrayLike | None = None,
        device: str | None = None,
    ) -> None:
        sizes = {
            "input_size": input_size,
            "output_size": output_size,
            "network_update_frequency": network_update_frequency,
            "network_sync_frequency": network_sync_frequency,
            "n_steps": n_steps,
        }
        check_arguments(
            sizes,
            hidden_layers or [],
            buffer_size,
            buffer_burn_in,
            batch_size,
            discount_factor,
            learning_rate,
            random_state,
        )
        if not 0 <= priority_importance <= 1:
            raise InputError(f"priority_importance must lie in 0..1, it is {priority_importance:g}")
        if not 0 <= priority_weight_growth < np.inf:
            raise InputError(
                f"priority_weight_growth must be a finite number, 0 or more, it is {priority_weight_growth:g}"
            )
        if categorical and n_atoms < 2:
            raise InputError(f"n_atoms must be at least 2, it is {n_atoms}")
        seeds = map(int, np.random.SeedSequence(random_state).generate_state(5))
        network_seed, target_seed, buffer_seed, exploration_seed, random_seed = seeds

        def network(seed: int) -> DuelingDDQN:
            return DuelingDDQN(
                input_size,
                output_size,
                learning_rate,
                hidden_layers,
                noise_sigma,
                1.0,  # The discounts that the memory gives hold the discount factor already.
                dueling=dueling,
                noisy=noisy,
                noise_kind=noise_kind,
                n_atoms=n_atoms if categorical else 1,
                v_min=v_min,
                v_max=v_max,
                loss=loss,
                item_features=item_features,
                random_state=seed,
                device=device,
            )

        parameters = ExperienceReplayBufferParameters(buffer_size, buffer_burn_in, batch_size, buffer_seed)
        priorities = PERBufferParameters(alpha=priority_importance, beta_growth=priority_weight_growth)
        buffer = (
            PrioritizedExperienceReplayBuffer(parameters, priorities, state_shape=(input_size,))
            if prioritized
            else ExperienceReplayBuffer(parameters, state_shape=(input_size,))
        )
        exploration = DecayingEpsilonGreedy(
            initial_exploration_probability, decay_rate, minimum_exploration_probability, exploration_seed
        )
        super().__init__(
            input_size,
            output_size,
            network(network_seed),
            network(target_seed),
            ReplayMemory(buffer, n_steps, discount_factor, network_update_frequency),
            network_sync_frequency,
            double,
            None if noisy else exploration,
            random_seed,
        )
        self.statistics = statistics
