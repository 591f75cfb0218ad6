"""REINFORCE: learn from whole episodes by the policy gradient."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.agents.agent import ReinforcementLearning, State
from pydeeprecsys.rl.neural_networks.policy_estimator import PolicyEstimator
from pydeeprecsys.rl.ops.policies import standardize, time_step_baseline
from pydeeprecsys.rl.ops.returns import discounted_returns

if TYPE_CHECKING:
    from pydeeprecsys.rl.learning_statistics import LearningStatistics


class ReinforceAgent(ReinforcementLearning):
    """REINFORCE with a baseline (Williams 1992), for discrete actions and environments whose episodes end.

    When enough episodes are complete, one update learns from all of them and forgets them. Unfinished episodes wait for
    their end. An episode that was left in the middle (the next state of its environment is not the one it led to) is
    forgotten; so is everything when the number of environments changes.

    A truncated episode counts as one that ended by itself: its returns lack what it would still have brought, and are
    too low towards its end.

    Args:
        n_actions: number of actions, at least 1.
        state_size: numbers in a state, at least 1.
        hidden_layers: sizes of the hidden layers, at least 1 each; two of twice the state size when not given.
        discount_factor: what a reward is worth one step earlier, in 0..1.
        learning_rate: step size of Adam, above 0.
        episodes_per_update: complete episodes an update waits for, at least 1; one an environment when not given.
        random_state: seed of the initial policy and of the exploration, 0 or more.
        device: cpu, cuda or cuda:N; CUDA where there is one, else the CPU, when not given.

    Attributes:
        policy_estimator: the policy.
        statistics: when set, the loss of every update is appended to it as the metric "loss".

    Raises:
        InputError: for an argument out of its range.
    """

    def __init__(
        self,
        n_actions: int,
        state_size: int,
        hidden_layers: list[int] | None = None,
        discount_factor: float = 0.99,
        learning_rate: float = 1e-3,
        *,
        episodes_per_update: int | None = None,
        random_state: int = 42,
        device: str | None = None,
    ) -> None:
        layers = [2 * state_size] * 2 if hidden_layers is None else hidden_layers
        if min(n_actions, state_size, *layers) < 1:
            raise InputError("n_actions, state_size and every size in hidden_layers must be at least 1")
        if not 0 <= discount_factor <= 1:
            raise InputError(f"discount_factor must lie in 0..1, it is {discount_factor:g}")
        if not learning_rate > 0:
            raise InputError(f"learning_rate must be above 0, it is {learning_rate:g}")
        if episodes_per_update is not None and episodes_per_update < 1:
            raise InputError(f"episodes_per_update must be at least 1, it is {episodes_per_update}")
        if random_state < 0:
            raise InputError(f"random_state must be 0 or more, it is {random_state}")
        self.policy_estimator = PolicyEstimator(
            state_size, layers, n_actions, learning_rate, random_state=random_state, device=device
        )
        self.statistics: LearningStatistics | None = None
        self.discount_factor = discount_factor
        self.episodes_per_update = episodes_per_update
        self._memory = EpisodeMemory(0, state_size)

    def top_k_actions_for_states(self, states: NDArray[Any], k: int = 1, *, explore: bool = True) -> NDArray[np.int64]:
        """Draw k different actions from the policy for each state; without exploration, take the k most probable.

        Args:
            states: (n, ...) one observation a row.
            k: how many actions for each state, in 1..n_actions.
            explore: draw, or take the most probable.

        Returns:
            (n, k) actions, no action twice in a row.

        Raises:
            InputError: where there are fewer than k actions.
        """
        return self.policy_estimator.sample(states.reshape(len(states), -1), k, explore)

    def store_experiences(
        self,
        states: NDArray[Any],
        actions: NDArray[Any],
        rewards: NDArray[np.floating[Any]],
        terminated: NDArray[np.bool_],
        truncated: NDArray[np.bool_],
        new_states: NDArray[Any],
    ) -> None:
        """Remember one step of every environment, and learn when enough episodes are complete.

        Args:
            states: (n, ...) what was observed.
            actions: (n,) what was done.
            rewards: (n,) what it brought, integer or float.
            terminated: (n,) the episode came to its own end.
            truncated: (n,) the episode was cut off.
            new_states: (n, ...) what was observed next.

        Raises:
            FloatingPointError: where a reward or the loss of an update is NaN or infinite; the policy stays as it was.
        """
        if not np.isfinite(rewards).all():
            raise FloatingPointError(f"rewards must be finite numbers, one is {rewards[~np.isfinite(rewards)][0]}")
        n = len(states)
        memory = self._memory
        if n != memory.n:
            memory = self._memory = EpisodeMemory(n, memory.state_size)
        ended = np.logical_or(terminated, truncated)
        memory.add(states.reshape(n, -1), actions, rewards, ended, new_states.reshape(n, -1))
        if memory.n_complete >= (self.episodes_per_update or n):
            self._learn()

    def _learn(self) -> None:
        memory = self._memory
        n_episodes = memory.n_complete
        states, actions, advantages = memory.complete_steps(self.discount_factor)
        loss = self.policy_estimator.update(states, advantages, actions, n_episodes)
        memory.forget_complete()
        if self.statistics is not None:
            self.statistics.append_metric("loss", loss)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the policy to one file, in the safetensors format."""
        self.policy_estimator.save(path)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Read a policy that `save` wrote.

        Raises:
            InputError: where there is no such file, or it does not hold a policy of these sizes.
        """
        self.policy_estimator.load(path)

    def state_dict(self) -> State:
        """The policy, the optimizer's memory, the state of the exploration and the episodes not yet learned from."""
        return {"policy_estimator": self.policy_estimator.learning_state(), "memory": self._memory.state_dict()}

    def load_state_dict(self, state: State) -> None:
        """Go on from where `state_dict` was taken.

        Raises:
            InputError: where it is the state of an agent of other sizes.
        """
        self.policy_estimator.load_learning_state(state["policy_estimator"])
        self._memory = EpisodeMemory.from_state_dict(state["memory"])


class EpisodeMemory:
    """The steps of the running and the complete episodes of n environments.

    Every environment has a column of its own, in which its episodes follow one another, whenever they end.

    Args:
        n: number of environments.
        state_size: numbers in a state.
    """

    def __init__(self, n: int, state_size: int) -> None:
        self.n = n
        self.state_size = state_size
        self.n_complete = 0
        self._states = np.zeros((0, n, state_size), dtype=np.float32)  # (time, n, state_size)
        self._actions = np.zeros((0, n), dtype=np.int64)  # (time, n)
        self._rewards = np.zeros((0, n))  # (time, n)
        self._ended = np.zeros((0, n), dtype=np.bool_)  # (time, n)
        self._lengths = np.zeros(n, dtype=np.int64)  # (n,) steps in each column
        self._complete = np.zeros(n, dtype=np.int64)  # (n,) of these, steps of complete episodes
        self._expected = np.zeros((n, state_size), dtype=np.float32)  # (n, state_size) states that come next
        self._columns = np.arange(n)

    def add(
        self,
        states: NDArray[Any],
        actions: NDArray[Any],
        rewards: NDArray[Any],
        ended: NDArray[np.bool_],
        new_states: NDArray[Any],
    ) -> None:
        """Append one step of every environment: (n, state_size), (n,), (n,), (n,), (n, state_size)."""
        states = states.astype(np.float32, copy=False)
        elsewhere = (states != self._expected).any(axis=1)
        np.copyto(self._lengths, self._complete, where=elsewhere)
        if self._lengths.max() == len(self._states):
            self._grow()
        at = self._lengths, self._columns
        self._states[at] = states
        self._actions[at] = actions
        self._rewards[at] = rewards
        self._ended[at] = ended
        self._expected[:] = new_states
        self._lengths += 1
        np.copyto(self._complete, self._lengths, where=ended)
        self.n_complete += int(np.count_nonzero(ended))

    def _grow(self) -> None:
        more = max(64, len(self._states))
        for name in ("_states", "_actions", "_rewards", "_ended"):
            array = getattr(self, name)
            setattr(self, name, np.concatenate([array, np.zeros((more, *array.shape[1:]), dtype=array.dtype)]))

    def complete_steps(
        self, discount_factor: float
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float64]]:
        """States, actions and advantages of all steps of complete episodes: (rows, state_size), (rows,), (rows,).

        The advantage is the discounted return minus a baseline, divided by the standard deviation. The baseline of a
        single episode is the mean of its returns; that of several, the mean of theirs at the same time step.
        """
        time = np.arange(self._complete.max())[:, None]
        complete = time < self._complete
        ended = self._ended[: len(time)]
        started = np.concatenate([np.ones((1, self.n), dtype=np.bool_), ended[:-1]])
        step = (time - np.maximum.accumulate(np.where(started, time, 0)))[complete]
        returns = discounted_returns(self._rewards[: len(time)], discount_factor * ~ended)[complete]
        advantages = standardize(returns, time_step_baseline(returns, step) if self.n_complete > 1 else None)
        return self._states[: len(time)][complete], self._actions[: len(time)][complete], advantages

    def forget_complete(self) -> None:
        """Keep only the steps of unfinished episodes."""
        self._lengths -= self._complete
        rest = np.arange(self._lengths.max())[:, None]
        at = np.minimum(rest + self._complete, len(self._states) - 1), self._columns
        for array in (self._states, self._actions, self._rewards, self._ended):
            array[: len(rest)] = array[at]
        self._complete[:] = 0
        self.n_complete = 0

    def _filled(self) -> NDArray[np.bool_]:
        return np.arange(len(self._states))[:, None] < self._lengths

    def state_dict(self) -> State:
        """Copies of all that is remembered, without the unused room."""
        filled = self._filled()
        return {
            "n_complete": self.n_complete,
            "lengths": self._lengths.copy(),
            "complete": self._complete.copy(),
            "expected": self._expected.copy(),
            "states": self._states[filled],
            "actions": self._actions[filled],
            "rewards": self._rewards[filled],
            "ended": self._ended[filled],
        }

    @classmethod
    def from_state_dict(cls, state: State) -> EpisodeMemory:
        """The memory that `state_dict` was taken from."""
        memory = cls(*state["expected"].shape)
        memory.n_complete = int(state["n_complete"])
        memory._lengths[:] = state["lengths"]
        memory._complete[:] = state["complete"]
        memory._expected[:] = state["expected"]
        while len(memory._states) < memory._lengths.max(initial=0):
            memory._grow()
        filled = memory._filled()
        memory._states[filled] = state["states"]
        memory._actions[filled] = state["actions"]
        memory._rewards[filled] = state["rewards"]
        memory._ended[filled] = state["ended"]
        return memory
