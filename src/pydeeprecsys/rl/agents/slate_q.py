"""SlateQ: Q-learning over slates, decomposed into values of single items by a choice model."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

import numpy as np
import torch

from pydeeprecsys.arguments import Count, Seed, checked
from pydeeprecsys.arrays import Array, Flags, Ints, Singles
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl import arguments as arg
from pydeeprecsys.rl.agents.agent import State
from pydeeprecsys.rl.agents.epsilon_greedy import DecayingEpsilonGreedy
from pydeeprecsys.rl.agents.q_learning import QLearningAgent
from pydeeprecsys.rl.experience_replay.buffer_parameters import ExperienceReplayBufferParameters
from pydeeprecsys.rl.experience_replay.experience_buffer import ExperienceReplayBuffer
from pydeeprecsys.rl.experience_replay.replay_memory import ReplayMemory
from pydeeprecsys.rl.experience_replay.transition import Transition
from pydeeprecsys.rl.neural_networks.deep_q_network import DeepQNetwork
from pydeeprecsys.rl.neural_networks.item_scores import ItemScores
from pydeeprecsys.rl.neural_networks.state_encoders.encoding import StateEncoding
from pydeeprecsys.rl.ops.masks import masked
from pydeeprecsys.rl.ops.slates import SLATE_OPTIMIZERS, ChoiceProblem, choice_weights, decomposed_target
from pydeeprecsys.rl.ops.values import squared_losses
from pydeeprecsys.rl.search_space import Between, OneOf, SearchSpace

ChoiceScores = Callable[[Singles], Array]
"""(n, state_size) observations to (n, n_items + 1) choice logits, the last for choosing nothing."""

Way = Literal["top-k", "greedy", "optimal"]
Target = Literal[Way, "sarsa"]


@checked
class SlateQAgent(QLearningAgent):
    """SlateQ (Ie et al. 2019): Q-learning or SARSA over slates, decomposed into values of single items.

    The value of a slate is the expectation, over the choice model, of the values of its items and of choosing nothing,
    which has a learned value too. Only the value of what was chosen is updated, and whole slates need no values of
    their own. The choice model is given (`choice_scores`), or learned from the users' choices as a multinomial logit
    over the items of the slate and nothing.

    At most one item of a slate is consumed. An environment where several are, such as `MovieLensFairness-v0` with
    slates of several items, is refused at the first step of training.

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

    stored_columns = ("next_action_masks", "slates", "choices", "next_slates")
    training_cost = 3000

    search_space: ClassVar[SearchSpace] = {
        "item_features": OneOf("none", "ratings"),
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
        state_encoder: arg.StateEncoder = "features",
        history: arg.History = None,
        item_estimates: arg.ItemEstimates = None,
        choice_scores: ChoiceScores | None = None,
        random_state: Seed = 42,
        device: arg.Device = None,
    ) -> None:
        layers = [128, 64] if hidden_layers is None else hidden_layers
        encoding = StateEncoding(state_encoder, state_size, history, item_estimates)
        seeds = map(int, np.random.SeedSequence(random_state).generate_state(5))
        value_seed, choice_seed, buffer_seed, exploration_seed, random_seed = seeds

        def network(seed: int) -> ItemScores:
            return ItemScores(
                encoding,
                n_actions,
                layers,
                learning_rate,
                candidate_features=candidate_features,
                item_features=item_features,
                random_state=seed,
                device=device,
            )

        parameters = ExperienceReplayBufferParameters(buffer_size, buffer_burn_in, batch_size, buffer_seed)
        # The sizes of masks and slates are known at the first step.
        buffer = ExperienceReplayBuffer(parameters, history)
        super().__init__(
            n_actions=n_actions,
            state_size=state_size,
            network=network(value_seed),
            target_network=network(value_seed),
            memory=ReplayMemory(buffer, 1, discount_factor, network_update_frequency),
            network_sync_frequency=network_sync_frequency,
            exploration=DecayingEpsilonGreedy(
                initial_exploration_probability, decay_rate, minimum_exploration_probability, exploration_seed
            ),
            random_state=random_seed,
        )
        self.choice_network = self.networks["choice_network"] = network(choice_seed)
        self.serving, self.target = serving, target
        self.choice_scores = choice_scores
        self._waiting: Transition | None = None  # for SARSA: the step whose next slate is not known yet

    def _best_slates(self, states: Array, k: int, noisy: bool, masks: Flags | None) -> Ints:
        """The best slates as `serving` finds them: (n, state_size) to (n, k)."""
        with torch.inference_mode():
            problem = self._choice_problem(states, self.network, masks)
            slates: Ints = SLATE_OPTIMIZERS[self.serving](problem, k).cpu().numpy()
        return slates

    def score(self, states: Array, masks: Flags | None) -> Array:
        """Values of the items when they are chosen, from which slates are optimized: (n, state_size) to (n, items).

        A slate is not their top k: it depends on how probably each item is chosen, too.
        """
        return super().score(states, masks)[:, :-1]

    @torch.no_grad()
    def _choice_problem(self, states: Array, network: DeepQNetwork, masks: Flags | None) -> ChoiceProblem:
        """Values of a network and choice weights of all items: (n, state_size) states, (n, n_actions) masks."""
        inputs = network.as_tensor(states)
        values = network(inputs)
        if self.choice_scores is None:
            logits = self.choice_network(inputs)
        else:
            logits = network.as_tensor(self.choice_scores(np.asarray(states, dtype=np.float32)))
        weights = choice_weights(logits)
        return ChoiceProblem(masked(values[:, :-1], masks), weights[:, :-1], values[:, -1], weights[:, -1])

    def _store(self, transitions: Transition) -> None:
        transitions.check_rewards()
        own = transitions.item_rewards
        if own is not None and (np.count_nonzero(~np.isnan(own), axis=1) > 1).any():
            raise InputError(
                "several items of a slate are consumed in this environment, and SlateQ models the choice of one; use "
                "ppo, which learns from the slate's reward, or an agent that learns from each item's own, such as dqn "
                "or linucb"
            )
        if transitions.slates is None or transitions.choices is None:
            choices = np.zeros(len(transitions.rewards), dtype=np.int64)
            transitions = transitions._replace(slates=transitions.shown, choices=choices)
        transitions = transitions._replace(item_rewards=None)
        if self.target != "sarsa":
            super()._store(transitions)
            return
        waiting, self._waiting = self._waiting, transitions.keep("began", *self.stored_columns).map(np.array)
        if waiting is not None and waiting.observations.shape == transitions.observations.shape:
            super()._store(waiting._replace(next_slates=self._next_slates(waiting, transitions)))

    def _next_slates(self, before: Transition, transitions: Transition) -> Ints:
        """(n, k) the slates shown now; the best known ones where no step of the same episode followed."""
        slates, left = transitions.shown.copy(), transitions.begins(before.next_observations)
        rows = np.flatnonzero((left | before.truncated) & ~before.terminated)
        if len(rows):
            ends = before.take(rows)
            states = ends.next_observations.reshape(len(rows), -1)
            slates[rows] = self._best_slates(states, slates.shape[1], noisy=False, masks=ends.next_action_masks)
        return slates

    def _learn(self) -> None:
        """One update of the values, by the decomposed target, and of the choice model if it is learned."""
        batch, network = self.memory.sample().transitions, self.network
        columns = batch.columns()
        s_tm1, r_t, discount_t = (network.as_tensor(columns[name]) for name in ("observations", "rewards", "discounts"))
        choices, slates = (torch.from_numpy(columns[name]).to(network.device) for name in ("choices", "slates"))
        choices = choices.unsqueeze(1)
        problem = self._choice_problem(batch.next_observations, self.target_network, batch.next_action_masks)
        if self.target == "sarsa":
            slates_t = torch.from_numpy(columns["next_slates"]).to(network.device)
        else:
            slates_t = SLATE_OPTIMIZERS[self.target](problem, slates.shape[1])
        target = decomposed_target(r_t, discount_t, problem, slates_t)
        chosen = torch.where(choices < 0, self.n_actions, slates.gather(1, choices.clamp(min=0))).squeeze(1)
        losses = squared_losses(target - network.of_actions(s_tm1, chosen))
        loss = network.run_backpropagation(losses.mean())
        self.updates += 1
        self.log("loss", loss)
        if self.choice_scores is None:
            nothing = torch.full_like(choices, self.n_actions)
            logits = self.choice_network.of_actions(s_tm1, torch.cat([nothing, slates], dim=1))
            choice_loss = torch.nn.functional.cross_entropy(logits, choices.squeeze(1) + 1)
            self.log("choice_loss", self.choice_network.run_backpropagation(choice_loss))

    def state_dict(self) -> State:
        """The state of every Q-learning agent, and the step that waits for its next slate."""
        waiting = {} if self._waiting is None else self._waiting.map(np.array).columns()
        return {**super().state_dict(), "waiting": waiting}

    def load_state_dict(self, state: State) -> None:
        """Continue from where `state_dict` was taken.

        Raises:
            InputError: The state is that of an agent of other sizes.
        """
        super().load_state_dict(state)
        waiting = {name: np.array(column) for name, column in state["waiting"].items()}
        self._waiting = Transition(**waiting) if waiting else None
