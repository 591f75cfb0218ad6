"""Contextual bandits: linear models of the next reward, with exploration by their uncertainty."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from pydeeprecsys.arguments import Count, NonNegative, Positive, Seed, checked
from pydeeprecsys.arrays import Array, Flags, Floats, Ints
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl import arguments as arg
from pydeeprecsys.rl.agents.agent import ReinforcementLearning, State
from pydeeprecsys.rl.experience_replay.transition import Transition
from pydeeprecsys.rl.ops.ridge import Arrays, ItemRegression, JointRegression, Observations, Regression, item_vectors
from pydeeprecsys.rl.parameters import check_parameters, read_parameters, write_parameters
from pydeeprecsys.rl.search_space import Between, OneOf, SearchSpace


def observations(transitions: Transition) -> Observations:
    """Rewards of items in one step of every environment.

    Each consumed item of a slate has its own reward; if none was consumed, every item shown has the reward 0. The
    items beside consumed ones are left out.
    """
    states = transitions.observations.reshape(len(transitions.observations), -1).astype(np.float64)
    items, rewards = transitions.shown.astype(np.int64), transitions.rewards_of_shown.astype(np.float64)
    consumed = ~np.isnan(rewards)
    rows, refused = consumed.nonzero()[0], np.flatnonzero(~consumed.any(axis=1))
    return Observations(
        np.concatenate([states[rows], np.repeat(states[refused], items.shape[1], axis=0)]),
        np.concatenate([items[consumed], items[refused].ravel()]),
        np.concatenate([rewards[consumed], np.zeros(len(refused) * items.shape[1])]),
    )


class LinearBandit(ReinforcementLearning, ABC):
    """Base of linear contextual bandits: regression of the reward, updates, and choice by score.

    A bandit maximizes the next reward and ignores the effect of an item on later ones.

    With item features the regression is on the outer product of observation and features (`JointRegression`). Features
    are standardized, and reduced to their leading principal components if there are too many parameters; observations
    are not, and should be of about unit scale. Without features it is the mean reward of each item, whatever the
    observation (`ItemRegression`): disjoint models would need too many steps. For a few items,
    `item_features=numpy.eye(n_actions)` gives disjoint models.

    Args:
        state_size: Size of the observation vector; used with item features.
        exploration_scale: Scale of the exploration, in standard deviations.
        regularization: Regularization λ of the ridge regression: weight of the prior, in observations.
        update_frequency: Observations per update: one per consumed item, and one per item of a slate of which none was.
        update_growth: Observations per update, as a share of all observations so far; the larger number counts.
        max_parameters: Maximum number of regression parameters; with item features not less than twice 1 + state_size.
        item_features: (n_actions, features) item features; a mean reward per item if None.
    """

    evaluation_changes_state = False
    training_cost = 200

    search_space: ClassVar[SearchSpace] = {
        "item_features": OneOf("none", "ratings"),
        "max_parameters": Between(100, 1000, log=True),
        "exploration_scale": Between(0.001, 1.0, log=True),
        "regularization": Between(0.01, 100.0, log=True),
        "update_frequency": Between(10, 500, log=True),
        "update_growth": Between(0.0, 0.2),
    }

    def __init__(
        self,
        n_actions: arg.NActions,
        state_size: arg.StateSize,
        *,
        exploration_scale: NonNegative = 0.05,
        regularization: Positive = 1.0,
        update_frequency: Count = 50,
        update_growth: NonNegative = 0.05,
        max_parameters: Count = 500,
        item_features: arg.ItemFeatures = None,
        random_state: Seed = 42,
    ) -> None:
        self.n_actions, self.state_size = n_actions, state_size
        self.exploration_scale = exploration_scale
        self.update_frequency, self.update_growth = update_frequency, update_growth
        self.regression: Regression
        if item_features is None:
            self.regression = ItemRegression(n_actions, regularization)
        else:
            limit = max_parameters // (1 + state_size) - 1
            if limit < 1:
                raise InputError(
                    f"max_parameters {max_parameters} are too few for states of {state_size} numbers; "
                    f"give {2 * (1 + state_size)} or more, or no item_features"
                )
            vectors = item_vectors(item_features, n_actions, limit)
            self.regression = JointRegression(state_size, vectors, regularization)
        self.random = np.random.default_rng(random_state)
        self._learned = 0  # observations in the regression
        self.updates: int = 0
        self._waiting: list[Observations] = []
        self._n_waiting = 0

    @abstractmethod
    def _explore(self, states: Floats) -> Floats:
        """(n, items) scores to choose the highest of."""

    @property
    def first_update(self) -> str:
        """The hyperparameters that the first update waits for, with their values."""
        return f"update_frequency={self.update_frequency}"

    def choose(self, states: Array, k: int, explore: bool, action_masks: Flags | None) -> Ints:
        """The k items of the highest scores, best first; in exploration uncertainty counts, and ties are random."""
        rows = states.astype(np.float64)
        scores = self._explore(rows) if explore else self.regression.means(rows)
        if action_masks is not None:
            scores = np.where(action_masks, scores, -np.inf)
        if not explore:
            return _top_k(scores, k)
        order = self.random.permuted(np.tile(np.arange(self.n_actions), (len(scores), 1)), axis=1)
        slates: Ints = np.take_along_axis(order, _top_k(np.take_along_axis(scores, order, axis=1), k), axis=1)
        return slates

    def score(self, states: Array, masks: Flags | None) -> Array:
        """Expected rewards of the items by the regression: (n, items)."""
        return self.regression.means(states.astype(np.float64))

    def store_experiences(self, transitions: Transition) -> None:
        """Store the rewards of items in one step of every environment, and update the regression when it is due.

        Each consumed item of a slate has its own reward; if none was consumed, every item shown has the reward 0.

        Raises:
            FloatingPointError: a reward or an observation, or a result computed from them, is NaN or infinite; the
                parameters are unchanged.
        """
        transitions.of_items().check_rewards()
        seen = observations(transitions)
        if not np.isfinite(seen.states).all():
            raise FloatingPointError("states must be finite numbers, one is not")
        self._waiting.append(seen)
        self._n_waiting += len(seen.items)
        # One more observation hardly changes the posterior of many. Updating when its volume has changed by a constant
        # factor costs a constant factor of the regret only (Abbasi-Yadkori, Pál & Szepesvári, Improved Algorithms for
        # Linear Stochastic Bandits, 2011, section 5.1); the number of observations stands for the volume.
        if self._n_waiting >= max(self.update_frequency, self.update_growth * self._learned):
            seen, self._waiting, self._n_waiting = self._all_waiting(), [], 0
            self.regression.add(seen)
            self._learned += len(seen.items)
            self.updates += 1

    def _all_waiting(self) -> Observations:
        nothing = Observations(np.zeros((0, self.state_size)), np.zeros(0, dtype=np.int64), np.zeros(0))
        return Observations(*(np.concatenate(columns) for columns in zip(nothing, *self._waiting, strict=True)))

    def _arrays(self) -> Arrays:
        waiting = {f"waiting_{name}": column for name, column in self._all_waiting()._asdict().items()}
        return {**self.regression.arrays(), **waiting, "learned": np.array([self._learned])}

    def _load_arrays(self, arrays: Arrays, source: str) -> None:
        def without_rows(arrays: Arrays) -> Arrays:  # any number of observations may be waiting
            return {name: array[:0] if name.startswith("waiting_") else array for name, array in arrays.items()}

        check_parameters(without_rows(arrays), without_rows(self._arrays()), source=source, owner=self)
        self.regression.load(arrays)
        self._learned = int(arrays["learned"][0])
        self._waiting = [Observations(*(np.array(arrays[f"waiting_{name}"]) for name in Observations._fields))]
        self._n_waiting = len(self._waiting[0].items)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the regression and the waiting observations to one safetensors file, whole or not at all."""
        write_parameters(path, self._arrays())

    def load(self, path: str | os.PathLike[str]) -> None:
        """Read what `save` wrote, of any bandit of these sizes and features.

        Raises:
            InputError: there is no such file, or it does not fit this agent, which is unchanged.
        """
        self._load_arrays(read_parameters(path), str(path))

    def state_dict(self) -> State:
        """The regression, the waiting observations, the state of the generator and the number of updates."""
        return {
            "regression": self._arrays(),
            "generator": self.random.bit_generator.state,
            "updates": self.updates,
        }

    def load_state_dict(self, state: State) -> None:
        """Continue from where `state_dict` was taken.

        Raises:
            InputError: The state is that of an agent of other sizes.
        """
        self._load_arrays(state["regression"], "the saved state")
        self.random.bit_generator.state = state["generator"]
        self.updates = int(state["updates"])


@checked
class LinUCBAgent(LinearBandit):
    """LinUCB: optimism in the face of uncertainty, by the expected reward plus a multiple of its standard deviation.

    Li, Chu, Langford & Schapire, A Contextual-Bandit Approach to Personalized News Article Recommendation, 2010,
    with parameters shared by all items: disjoint models would need many more observations. Parallel environments act on
    the same parameters, so similar states get similar items.

    Args:
        exploration_scale: Multiple α of the standard deviation in the score.

    Raises:
        InputError: An argument is out of range, or does not fit the others.
    """

    def _explore(self, states: Floats) -> Floats:
        return self.regression.means(states) + self.exploration_scale * self.regression.deviations(states)


@checked
class ThompsonSamplingAgent(LinearBandit):
    """Thompson sampling: the best items under parameters sampled from the posterior.

    Agrawal & Goyal, Thompson Sampling for Contextual Bandits with Linear Payoffs, 2013. Each state has its own sample
    at each step, so parallel environments explore different items; a slate is the best k items of one sample.

    Args:
        exploration_scale: Scale v of the posterior's standard deviation; that of the reward noise is correct.

    Raises:
        InputError: An argument is out of range, or does not fit the others.
    """

    def _explore(self, states: Floats) -> Floats:
        return self.regression.samples(states, self.exploration_scale, self.random)


def _top_k(scores: Floats, k: int) -> Ints:
    """Indices of the k highest scores, the highest first: (n, items) to (n, k)."""
    if k == 1:
        best_one: Ints = scores.argmax(axis=1)[:, None]
        return best_one
    best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    slates: Ints = np.take_along_axis(best, np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1), axis=1)
    return slates
