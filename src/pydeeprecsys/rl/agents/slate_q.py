"""SlateQ: Q-learning over slates, decomposed into values of single items by a choice model."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from gymnasium.spaces import Discrete
from numpy.typing import NDArray
from torch import Tensor

from pydeeprecsys.arguments import Count, Seed, checked
from pydeeprecsys.rl import arguments as arg
from pydeeprecsys.rl.agents.agent import RandomAgent, ReinforcementLearning, State, check_slate_size
from pydeeprecsys.rl.agents.epsilon_greedy import DecayingEpsilonGreedy
from pydeeprecsys.rl.experience_replay.buffer_parameters import ExperienceReplayBufferParameters
from pydeeprecsys.rl.experience_replay.experience_buffer import ExperienceReplayBuffer
from pydeeprecsys.rl.experience_replay.replay_memory import ReplayMemory
from pydeeprecsys.rl.experience_replay.transition import Transition
from pydeeprecsys.rl.neural_networks.base_network import load_networks, save_networks
from pydeeprecsys.rl.neural_networks.item_scores import ItemScores
from pydeeprecsys.rl.ops.masks import masked
from pydeeprecsys.rl.ops.slates import greedy_slates, optimal_slates, slate_values, top_k_slates
from pydeeprecsys.rl.ops.values import squared_losses
from pydeeprecsys.rl.search_space import Between, OneOf, SearchSpace

if TYPE_CHECKING:
    from pydeeprecsys.rl.learning_statistics import LearningStatistics

ChoiceScores = Callable[[NDArray[np.float32]], NDArray[Any]]
"""(n, state_size) observations to (n, n_items + 1) choice logits, the last for choosing nothing."""

Way = Literal["top-k", "greedy", "optimal"]
Target = Literal[Way, "sarsa"]


@checked
class SlateQAgent(ReinforcementLearning):
    """SlateQ (Ie et al. 2019): Q-learning or SARSA over slates, decomposed into values of single items.

    The value of a slate is the expectation, over the choice model, of the values of its items and of choosing nothing,
    which has a learned value too. Only the value of what was chosen is updated, and whole slates need no values of
    their own. The choice model is given (`choice_scores`), or learned from the users' choices as a multinomial logit
    over the items of the slate and nothing.

    Exploration is ε-greedy, as in DQN: a whole slate is random with probability ε, which decays at the end of each
    episode, once learning has begun.

    Args:
        hidden_layers: Sizes of the hidden layers; [128, 64] if None.
        serving: Slate optimization when acting: top-k by choice weight · value, greedy by marginal gain, or optimal.
        target: Slate optimization in the target, as for serving; sarsa for the next slate that was shown.
        candidate_features: Features per candidate, at the end of the observation; None for a fixed catalogue.
        choice_scores: Choice model: (n, state_size) observations to (n, n_items + 1) logits; learned if None.

    Attributes:
        network: Item values.
        target_network: Item values for the targets.
        choice_network: Choice logits; trained if the choice model is learned.
        statistics: If set, every update logs its loss as the metric "loss" and, if the choice model is learned, its
            cross-entropy as "choice_loss"; every episode logs ε as "epsilon_values".

    Raises:
        InputError: An argument is out of range, or does not fit the others.
    """

    evaluation_changes_state = False

    search_space: ClassVar[SearchSpace] = {
        "item_features": OneOf(False, True),
        "discount_factor": Between(0.0, 1.0),
        "learning_rate": Between(1e-5, 1e-2, log=True),
        "hidden_layers": OneOf(None, [64], [64, 32]),
        "serving": OneOf("top-k", "greedy", "optimal"),
        "target": OneOf("top-k", "greedy", "optimal", "sarsa"),
        "batch_size": OneOf(32, 64, 128),
        "network_update_frequency": Between(2, 16, log=True),
        "network_sync_frequency": Between(50, 2000, log=True),
        "decay_rate": Between(0.9, 0.999),
        "minimum_exploration_probability": Between(0.0, 0.1),
    }

    def __init__(
        self,
        n_actions: arg.NActions,
        state_size: arg.StateSize,
        hidden_layers: arg.HiddenLayers = None,
        serving: Way = "optimal",
        target: Target = "optimal",
        network_update_frequency: arg.UpdateFrequency = 4,
        network_sync_frequency: arg.SyncFrequency = 1000,
        initial_exploration_probability: arg.InitialExploration = 1.0,
        decay_rate: arg.ExplorationDecay = 0.99,
        minimum_exploration_probability: arg.MinimumExploration = 0.05,
        buffer_size: arg.BufferSize = 50_000,
        buffer_burn_in: arg.BufferBurnIn = 1000,
        batch_size: arg.BatchSize = 64,
        discount_factor: arg.DiscountFactor = 0.99,
        learning_rate: arg.LearningRate = 1e-3,
        *,
        candidate_features: Count | None = None,
        item_features: arg.ItemFeatures = None,
        choice_scores: ChoiceScores | None = None,
        random_state: Seed = 42,
        device: arg.Device = None,
    ) -> None:
        layers = [128, 64] if hidden_layers is None else hidden_layers
        seeds = map(int, np.random.SeedSequence(random_state).generate_state(5))
        value_seed, choice_seed, buffer_seed, exploration_seed, random_seed = seeds

        def network(seed: int) -> ItemScores:
            return ItemScores(
                state_size,
                n_actions,
                layers,
                learning_rate,
                candidate_features=candidate_features,
                item_features=item_features,
                random_state=seed,
                device=device,
            )

        self.network, self.target_network = network(value_seed), network(value_seed)
        self.target_network.disable_learning()
        self.choice_network = network(choice_seed)
        self._networks = {
            "network": self.network,
            "target_network": self.target_network,
            "choice_network": self.choice_network,
        }
        self.statistics: LearningStatistics | None = None
        self.n_actions, self.state_size = n_actions, state_size
        self.serving, self.target = serving, target
        self.network_sync_frequency = network_sync_frequency
        self.discount_factor = discount_factor
        self._choice_scores = choice_scores
        self._random = RandomAgent(Discrete(n_actions), random_seed)
        self._exploration = DecayingEpsilonGreedy(
            initial_exploration_probability, decay_rate, minimum_exploration_probability, exploration_seed
        )
        parameters = ExperienceReplayBufferParameters(buffer_size, buffer_burn_in, batch_size, buffer_seed)
        self.memory = ReplayMemory(ExperienceReplayBuffer(parameters), 1, discount_factor, network_update_frequency)
        self._waiting: Transition | None = None  # for SARSA: the step whose next slate is not known yet

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
        """The best slate of k items for each state as `serving` finds it; in exploration, some are random.

        Raises:
            InputError: where there are fewer than k items, or fewer allowed.
        """
        check_slate_size(k, self.n_actions, action_masks)
        if explore and not self.memory.buffer.ready_to_predict():
            return self._random.top_k_actions_for_states(states, k, action_masks=action_masks)
        slates = self._best_slates(states.reshape(len(states), -1), k, action_masks)
        if explore:
            rows = np.flatnonzero(self._exploration.explores(len(states)))
            if len(rows):
                masks = None if action_masks is None else action_masks[rows]
                slates[rows] = self._random.top_k_actions_for_states(states[rows], k, action_masks=masks)
        return slates

    @torch.inference_mode()
    def _best_slates(self, states: NDArray[Any], k: int, masks: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        values = self.network(self.network.as_tensor(states))
        slates: NDArray[np.int64] = _WAYS[self.serving](*self._case(states, values, masks), k).cpu().numpy()
        return slates

    def _case(
        self, states: NDArray[Any], values: Tensor, masks: NDArray[np.bool_] | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Values and choice weights, of items and of nothing, as `ops.slates` takes them."""
        with torch.no_grad():
            logits = self._logits(states)
            # Only ratios count: the highest becomes 1, so that none overflows. What would vanish keeps its order.
            weights = (logits - logits.amax(dim=1, keepdim=True)).clamp_(min=-60).exp_()
        return masked(values[:, :-1], masks), weights[:, :-1], values[:, -1], weights[:, -1]

    def _logits(self, states: NDArray[Any]) -> Tensor:
        if self._choice_scores is None:
            logits: Tensor = self.choice_network(self.choice_network.as_tensor(states))
            return logits
        return self.network.as_tensor(self._choice_scores(np.asarray(states, dtype=np.float32)))

    def store_experiences(self, transitions: Transition) -> None:
        """Store one step of every environment; once the memory is ready, make the updates that are due.

        Raises:
            FloatingPointError: a reward or the loss of an update is NaN or infinite; the network stays as it was.
        """
        transitions.check_rewards()
        steps = transitions.keep("began", "next_action_masks", "slates", "choices")
        if steps.slates is None or steps.choices is None:
            steps = steps._replace(slates=steps.shown, choices=np.zeros(len(steps.rewards), dtype=np.int64))
        if self.target != "sarsa":
            self._remember(steps)
        else:
            before = self._waiting
            if before is not None and before.observations.shape == steps.observations.shape:
                self._remember(before._replace(next_slates=self._shown_next(before, steps)))
            self._waiting = steps.map(np.array)
        if self.memory.buffer.ready_to_predict():
            for _ in range(np.count_nonzero(steps.terminated | steps.truncated)):
                self._exploration.decay()
                if self.statistics is not None:
                    self.statistics.append_metric("epsilon_values", self._exploration.epsilon)

    def _shown_next(self, before: Transition, steps: Transition) -> NDArray[np.int64]:
        """(n, k) the present slates; the best known ones where no step of the same episode followed."""
        shown, left = steps.shown.copy(), steps.begins(before.next_observations)
        rows = np.flatnonzero((left | before.truncated) & ~before.terminated)
        if len(rows):
            ends = before.take(rows)
            states = ends.next_observations.reshape(len(rows), -1)
            shown[rows] = self._best_slates(states, shown.shape[1], ends.next_action_masks)
        return shown

    def _remember(self, steps: Transition) -> None:
        before = self.memory.steps
        for _ in range(self.memory.add(steps)):
            self._learn()
        if self.memory.steps // self.network_sync_frequency > before // self.network_sync_frequency:
            self.target_network.soft_parameter_update(self.network, 1.0)

    def _learn(self) -> None:
        batch = self.memory.sample().transitions
        states, new_states = batch.observations, batch.next_observations
        device, columns = self.network.device, batch.columns()
        choices, slates = (torch.from_numpy(columns[name]).to(device) for name in ("choices", "slates"))
        choices = choices.unsqueeze(1)
        chosen = torch.where(choices < 0, self.n_actions, slates.gather(1, choices.clamp(min=0)))
        with torch.no_grad():
            next_outputs = self.target_network(self.network.as_tensor(new_states))
            case = self._case(new_states, next_outputs, batch.next_action_masks)
            if self.target == "sarsa":
                next_slates = torch.from_numpy(columns["next_slates"]).to(device)
            else:
                next_slates = _WAYS[self.target](*case, slates.shape[1])
            next_values = slate_values(*case, next_slates)
            # What follows the end of an episode counts for nothing, and where nothing was allowed it is no number.
            discounts = self.network.as_tensor(columns["discounts"])
            targets = self.network.as_tensor(batch.rewards) + torch.where(discounts > 0, discounts * next_values, 0.0)
        values = self.network.chosen(self.network.as_tensor(states), chosen).squeeze(1)
        loss = self.network.run_backpropagation(squared_losses(targets - values).mean())
        if self.statistics is not None:
            self.statistics.append_metric("loss", loss)
        if self._choice_scores is None:
            self._learn_choice(states, slates, choices.squeeze(1))

    def _learn_choice(self, states: NDArray[np.float32], slates: Tensor, choices: Tensor) -> None:
        nothing = torch.full_like(choices, self.n_actions).unsqueeze(1)
        shown = self.choice_network.chosen(self.choice_network.as_tensor(states), torch.cat([nothing, slates], dim=1))
        loss = self.choice_network.run_backpropagation(torch.nn.functional.cross_entropy(shown, choices + 1))
        if self.statistics is not None:
            self.statistics.append_metric("choice_loss", loss)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the networks to one file, in the safetensors format."""
        save_networks(path, self._networks)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Read networks that `save` wrote.

        Raises:
            InputError: where there is no such file, or it does not hold networks of these sizes.
        """
        load_networks(path, self._networks)

    def state_dict(self) -> State:
        """The networks, the optimizers' memories, all experiences, and the states of everything that is random."""
        return {
            **{name: network.learning_state() for name, network in self._networks.items()},
            "memory": self.memory.state_dict(),
            "waiting": {} if self._waiting is None else self._waiting.map(np.array).columns(),
            "exploration": self._exploration.state_dict(),
            "generator": self._random.state_dict(),
        }

    def load_state_dict(self, state: State) -> None:
        """Go on from where `state_dict` was taken.

        Raises:
            InputError: where it is the state of an agent of other sizes.
        """
        for name, network in self._networks.items():
            network.load_learning_state(state[name])
        self.memory.load_state_dict(state["memory"])
        self._waiting = Transition(**state["waiting"]).map(np.array) if state["waiting"] else None
        self._exploration.load_state_dict(state["exploration"])
        self._random.load_state_dict(state["generator"])


def _top_k(q: Tensor, weights: Tensor, q_nothing: Tensor, weight_nothing: Tensor, k: int) -> Tensor:
    return top_k_slates(q, weights, k)


_WAYS: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor, int], Tensor]] = {
    "top-k": _top_k,
    "greedy": greedy_slates,
    "optimal": optimal_slates,
}
