"""The interface of all agents, and the random policy."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy, deepcopy
from typing import TYPE_CHECKING, Any, ClassVar, Self

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Discrete, MultiDiscrete

from pydeeprecsys.arguments import Seed, checked
from pydeeprecsys.arrays import Array, Flags, Floats, Ints
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.experience_replay.transition import Transition
from pydeeprecsys.rl.ops.masks import check_slate_size
from pydeeprecsys.rl.search_space import Between, SearchSpace
from pydeeprecsys.rl.states import all_or_nothing

if TYPE_CHECKING:
    from pydeeprecsys.rl.learning_statistics import LearningStatistics


State = dict[str, Any]
"""Type of `state_dict`: plain numbers, strings, arrays, and dictionaries of them."""


class ReinforcementLearning:
    """An agent: recommends actions for a batch of observations, and learns from the transitions that follow.

    A subclass implements `choose` and, to learn, `store_experiences`. The batched methods do the work; the one-state
    methods of the notebook API are batches of one. Row i of every batch belongs to environment i, so an agent may keep
    a memory for each row. Acting never trains; only storing transitions does, so an evaluation, which stores nothing,
    changes no parameters.
    """

    search_space: ClassVar[SearchSpace] = {}
    """Search space of the hyperparameters, for `pydeeprecsys tune`; empty if there are no hyperparameters to tune."""

    parameter_space: ClassVar[Mapping[str, Between]] = {}
    """Bounds of the policy's parameters, numbers in attributes of the same names, that a policy search may change."""

    training_cost: ClassVar[float] = 1.0
    """About how long an episode of training takes, relative to other agents; the longest runs of many begin first."""

    evaluation_changes_state: ClassVar[bool] = True
    """Whether `begin_episodes`, or acting without exploration, changes the `state_dict`, which evaluation restores."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Let a state that does not fit change nothing, whatever the class's own `load_state_dict` does."""
        super().__init_subclass__(**options)
        if "load_state_dict" in vars(cls):
            cls.load_state_dict = all_or_nothing(cls.load_state_dict, same_names=False)  # type: ignore[assignment, method-assign]

    n_actions: int = 0
    """Number of actions; 0 if they cannot be counted."""

    statistics: LearningStatistics | None = None
    """Where learning is logged, if set."""

    updates: int | None = None
    """Parameter updates so far; None for policies that do not learn."""

    def log(self, name: str, value: float) -> None:
        """Append a value to a metric of `statistics`, if set."""
        if self.statistics is not None:
            self.statistics.append_metric(name, value)

    @property
    def first_update(self) -> str:
        """The hyperparameters that the first update waits for, with their values; empty where there are none."""
        return ""

    note: str = ""
    """What the agent has not reached that it is to reach, in one line; empty if nothing is known of it."""

    def top_k_actions_for_states(
        self,
        states: Array,
        k: int = 1,
        *,
        explore: bool = True,
        action_masks: Flags | None = None,
    ) -> Ints:
        """Choose k different actions for each state, best first.

        Args:
            states: (n, ...) one observation per row.
            k: number of actions per state.
            explore: act as in training; False is for evaluation: the best known actions, without exploration.
            action_masks: (n, actions) allowed actions, at least k per state; all if None.

        Returns:
            (n, k) actions, no action twice in a row.

        Raises:
            TypeError: the actions cannot be counted.
            InputError: fewer than k actions exist or are allowed.
        """
        self._check_slates(k, action_masks)
        return self.choose(np.reshape(states, (len(states), -1)), k, explore, action_masks)

    def choose(self, states: Array, k: int, explore: bool, action_masks: Flags | None) -> Ints:
        """Choose as `top_k_actions_for_states`, which has checked k and the masks: (n, size) states to (n, k)."""
        raise NotImplementedError(f"{type(self).__name__} implements neither choose nor top_k_actions_for_states")

    def scores(self, states: Array, masks: Flags | None = None) -> Array:
        """Score all actions in each state; without exploration, the agent ranks them by these scores.

        Args:
            states: (n, ...) one observation per row.
            masks: (n, actions) allowed actions; all if None.

        Returns:
            (n, actions) scores in the agent's own unit; minus infinity where an action is not allowed.

        Raises:
            TypeError: the actions cannot be counted.
            InputError: the masks do not fit, or allow nothing.
        """
        self._check_slates(1, masks)
        scores = self.score(np.reshape(states, (len(states), -1)), masks)
        return scores if masks is None else np.where(masks, scores, -np.inf)

    def score(self, states: Array, masks: Flags | None) -> Array:
        """Score as `scores`, which has checked the masks and applies them: (n, size) to (n, actions)."""
        raise NotImplementedError(f"{type(self).__name__} implements no score")

    def log_probabilities(self, states: Array, slates: Ints, masks: Flags | None = None) -> Array:
        """Log-probabilities of slates under the stochastic policy, that with exploration.

        Args:
            states: (n, ...) one observation per row.
            slates: (n, k) different actions per row, in their order.
            masks: (n, actions) allowed actions, at least k per state; all if None.

        Returns:
            (n,) logarithms of the probabilities of slates of k; minus infinity for slates that are never chosen.

        Raises:
            TypeError: the actions cannot be counted.
            NotImplementedError: the policy is deterministic, or its probabilities have no closed form.
            InputError: fewer than k actions exist or are allowed.
        """
        self._check_slates(slates.shape[1], masks)
        return self.log_probability(np.reshape(states, (len(states), -1)), slates, masks)

    def log_probability(self, states: Array, slates: Ints, masks: Flags | None) -> Array:
        """Compute `log_probabilities`, which has checked the slates and the masks: (n, size) and (n, k) to (n,)."""
        raise NotImplementedError(f"{type(self).__name__} has no probabilities of slates in closed form")

    def _check_slates(self, k: int, action_masks: Flags | None) -> None:
        if not self.n_actions:
            raise TypeError("the actions cannot be counted, so there is no slate of them; use actions_for_states")
        check_slate_size(k, self.n_actions, action_masks)

    def actions_for_states(self, states: Array, *, explore: bool = True, action_masks: Flags | None = None) -> Array:
        """Choose one action for each state: (n, ...) observations to (n, ...) actions."""
        return self.top_k_actions_for_states(states, 1, explore=explore, action_masks=action_masks)[:, 0]

    def begin_episodes(self, rows: Flags) -> None:
        """Take note that an episode begins in some environments, before the agent first acts in it.

        In training and in evaluation: an agent that remembers the running session clears its memory here. The default
        remembers no session.

        Args:
            rows: (n,) True for the environments where an episode begins, whether or not the last one there had ended.
        """

    def store_experiences(self, transitions: Transition) -> None:
        """Store one step of every environment, and learn when an update is due. The default learns nothing.

        Raises:
            FloatingPointError: a reward, or a result computed from it, is NaN or infinite; the parameters stay.
        """

    def action_for_state(self, state: Any, *, explore: bool = True, action_mask: Flags | None = None) -> Any:
        """Choose one action for one state, among those that a mask (actions,) allows."""
        masks = None if action_mask is None else action_mask[None]
        action = self.actions_for_states(np.asarray(state)[None], explore=explore, action_masks=masks)[0]
        return int(action) if np.ndim(action) == 0 and np.issubdtype(type(action), np.integer) else action

    def top_k_actions_for_state(
        self, state: Any, k: int = 1, *, explore: bool = True, action_mask: Flags | None = None
    ) -> Ints:
        """Choose k different actions for one state, among those that a mask (actions,) allows, best first: (k,)."""
        masks = None if action_mask is None else action_mask[None]
        states = np.asarray(state)[None]
        slate: Ints = self.top_k_actions_for_states(states, k, explore=explore, action_masks=masks)[0]
        return slate

    def store_experience(
        self, state: Any, action: Any, reward: float, done: bool, new_state: Any, truncated: bool = False
    ) -> None:
        """Store one step of one environment; `done` means that it terminated, `truncated` that it was cut off."""
        self.store_experiences(Transition.of_one(state, action, reward, done, new_state=new_state, truncated=truncated))

    def get_parameters(self) -> Floats:
        """(parameters,) the policy's parameters, each as its position between its bounds, see `parameter_space`."""
        return np.array([domain.position(getattr(self, name)) for name, domain in self.parameter_space.items()])

    def with_parameters(self, parameters: Floats) -> Self:
        """The policy with other parameters: (parameters,) positions; this one stays as it is.

        A policy whose parameters are not its `parameter_space`, such as the weights of a network, overrides both.
        """
        other = copy(self)
        for (name, domain), position in zip(self.parameter_space.items(), parameters.tolist(), strict=True):
            setattr(other, name, domain.at(position))
        return other

    @property
    def can_resume(self) -> bool:
        """Whether `state_dict` holds what the agent learns; not if it learns and has no `state_dict` of its own."""
        own, base = type(self), ReinforcementLearning
        return own.state_dict is not base.state_dict or own.store_experiences is base.store_experiences

    def state_dict(self) -> State:
        """Everything that the agent's future depends on, besides its constructor's arguments."""
        return {}

    def load_state_dict(self, state: State) -> None:
        """Continue from where `state_dict` was taken.

        Raises:
            InputError: the state is that of another agent, or damaged; the agent stays as it was.
        """
        is_empty = isinstance(state, Mapping) and not state
        if not is_empty and type(self).state_dict is ReinforcementLearning.state_dict:
            raise InputError(f"a {type(self).__name__} has no state, so this is that of another agent")


@checked
class RandomAgent(ReinforcementLearning):
    """Random policy: uniform over all actions, or over all slates of different items.

    Args:
        action_space: Discrete, MultiDiscrete for slates, or any other space for single actions.
    """

    def __init__(self, action_space: gym.Space[Any], random_state: Seed = 42) -> None:
        # A copy: seeding the space itself would seed it for everybody who holds it.
        self.action_space = deepcopy(action_space)
        self.random = np.random.default_rng(random_state)
        self.action_space.seed(random_state)
        self._first = 0
        if isinstance(action_space, Discrete):
            self._first, self.n_actions = int(action_space.start), int(action_space.n)
        elif isinstance(action_space, MultiDiscrete):
            self.n_actions = int(action_space.nvec[0])

    def choose(self, states: Array, k: int, explore: bool, action_masks: Flags | None) -> Ints:
        """Draw k different actions for each state, every set and every order equally likely."""
        first, n_actions = self._first, self.n_actions
        if action_masks is not None:
            keys = np.where(action_masks, self.random.random(action_masks.shape), -1.0)
            drawn = np.argpartition(-keys, k - 1, axis=1)[:, :k]  # a tenth of the time of sorting all
            order = np.argsort(-np.take_along_axis(keys, drawn, axis=1), axis=1)
            return np.take_along_axis(drawn, order, axis=1) + first
        if k == 1:
            return self.random.integers(first, first + n_actions, size=(len(states), 1))
        # Floyd's sampling (Bentley and Floyd 1987): k draws, however many actions there are to choose from.
        chosen = np.full((len(states), k), -1, dtype=np.int64)
        for j in range(k):
            last = n_actions - k + j
            draw = self.random.integers(0, last + 1, size=len(states))
            chosen[:, j] = np.where((chosen == draw[:, None]).any(axis=1), last, draw)
        return self.random.permuted(chosen, axis=1) + first

    def score(self, states: Array, masks: Flags | None) -> Array:
        """Equal scores of all actions: (n, actions) zeros."""
        return np.zeros((len(states), self.n_actions))

    def log_probability(self, states: Array, slates: Ints, masks: Flags | None) -> Array:
        """Log-probabilities of the uniform distribution over slates of different allowed actions: (n,)."""
        masks = np.ones((len(slates), self.n_actions), dtype=np.bool_) if masks is None else masks
        left = np.count_nonzero(masks, axis=1)[:, None] - np.arange(slates.shape[1])
        possible = np.take_along_axis(masks, slates - self._first, axis=1).all(axis=1)
        return np.where(possible, -np.log(left).sum(axis=1), -np.inf)

    def actions_for_states(self, states: Array, *, explore: bool = True, action_masks: Flags | None = None) -> Array:
        """Draw one action for each state: (n, ...) observations to (n, ...) actions."""
        if isinstance(self.action_space, Discrete):
            return super().actions_for_states(states, explore=explore, action_masks=action_masks)
        return np.stack([self.action_space.sample() for _ in range(len(states))])

    def state_dict(self) -> State:
        """The states of its generators."""
        return {
            "random": self.random.bit_generator.state,
            "space": self.action_space.np_random.bit_generator.state,
        }

    def load_state_dict(self, state: State) -> None:
        """Continue from where `state_dict` was taken."""
        self.random.bit_generator.state = state["random"]
        self.action_space.np_random.bit_generator.state = state["space"]
