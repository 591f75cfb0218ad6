"""The loop between an agent and its environments, once."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from pydeeprecsys.errors import DivergenceError, InputError
from pydeeprecsys.rl.agents.agent import ReinforcementLearning
from pydeeprecsys.rl.learning_statistics import LearningStatistics
from pydeeprecsys.rl.steps import Steps

# What environments may tell of a step in `info`, and an episode keeps the mean of.
_MEASURES = ("violence", "unmeasured", "dcg", "ndcg", "hit", "diversity", "novelty")

Watcher = Callable[[int, NDArray[Any], NDArray[np.float64], NDArray[Any], dict[str, Any]], None]
"""Called after each step: steps in the first environment's episode; actions, rewards, states, infos, (n, ...) each."""


class EpisodeOutput(NamedTuple):
    """One episode: how many steps it took, and the sum of its rewards."""

    timesteps: int
    reward_sum: float


class Episode(NamedTuple):
    """One episode: its rewards, the mean of each measure in `info`, and the number of its environment.

    A mean is over the steps where the measure is known, and NaN where it is known at none.
    """

    rewards: list[float]
    measures: dict[str, float]
    environment: int = 0

    @property
    def output(self) -> EpisodeOutput:
        """Its length and its return."""
        return EpisodeOutput(len(self.rewards), math.fsum(self.rewards))


class Rollout(Iterator[Episode]):
    """Steps all environments, and gives each episode as it ends.

    Where environments tell an `action_mask` (actions,) in the `info` of every reset and step, the agent acts and learns
    within it. Between two episodes all that its future depends on, besides the agent, can be kept by `state_dict`.

    Args:
        rl: the agent.
        batch: the environments, without autoreset: the loop sees the last observation of every episode.
        training: explore, and learn from every step; otherwise the agent does neither.
        slate_size: above 1, the agent is asked for its top actions, and learns of the one that `chosen_action` in the
            environment's `info` is the position of; -1 is for none.
        seed: of the environments' random streams; they go on when not given.
        max_episode_steps: where episodes are cut off.
        max_steps: environment steps, over all environments, after which it ends; else it goes on without end.
        statistics: are told the episode and time step of the first environment before the agent learns of a step.
        watch: called after each step.

    Raises:
        DivergenceError: the agent met numbers that are no longer finite.
        InputError: the environment tells masks at some steps only, or not which item of a slate was chosen.

    Attributes:
        steps: taken so far, over all environments.
        episodes: given so far.
    """

    def __init__(
        self,
        rl: ReinforcementLearning,
        batch: VectorEnv[Any, Any, Any],
        *,
        training: bool,
        slate_size: int = 1,
        seed: int | None = None,
        max_episode_steps: float = math.inf,
        max_steps: float = math.inf,
        statistics: LearningStatistics | None = None,
        watch: Watcher | None = None,
    ) -> None:
        self.rl, self.batch, self.training, self.slate_size = rl, batch, training, slate_size
        self.max_episode_steps, self.max_steps = max_episode_steps, max_steps
        self.statistics, self.watch = statistics, watch
        self.steps = self.episodes = 0
        self._seed = seed
        self._over: NDArray[np.bool_] | None = None  # (n,) whose next episode begins with the next step; all at first
        self._states: NDArray[Any] = np.empty(0)
        self._masks: NDArray[np.bool_] | None = None
        self._rewards: list[list[float]] = [[] for _ in range(batch.num_envs)]
        # (2, measures, n): sums over the steps of running episodes where a measure is known, and how many these are.
        self._sums = np.zeros((2, len(_MEASURES), batch.num_envs))
        self._told: list[str] = []  # the measures that the environments have ever told
        self._longest = 0  # no running episode has more steps
        self._ended: deque[Episode] = deque()  # and not given yet

    def __next__(self) -> Episode:
        """Step until an episode has ended."""
        while not self._ended:
            if self.steps >= self.max_steps:
                raise StopIteration
            try:
                self._begin_episodes()
                self._step()
            except FloatingPointError as error:
                agent = type(self.rl).__name__
                when = f"at environment step {self.steps:,}, in episode {self.episodes}"
                raise DivergenceError(f"{agent} stopped {when}: {error}") from error
        self.episodes += 1
        return self._ended.popleft()

    def _begin_episodes(self) -> None:
        # Not before they are needed: when training ends, the environments still hold the last sessions.
        if self._over is None:
            self._states, infos = self.batch.reset(seed=self._seed)
            self._masks = _masks(infos)
            self._over = np.ones(self.batch.num_envs, dtype=np.bool_)
            self.rl.begin_episodes(self._over)
        elif np.count_nonzero(self._over):
            self._states, infos = self.batch.reset(options={"reset_mask": self._over})
            fresh_masks = _masks(infos)
            if self._masks is not None and fresh_masks is not None:
                self._masks = np.where(self._over[:, None], fresh_masks, self._masks)
            self.rl.begin_episodes(self._over)

    def _step(self) -> None:
        rl, states, masks, rewards = self.rl, self._states, self._masks, self._rewards
        if self.slate_size == 1:
            actions = rl.actions_for_states(states, explore=self.training, action_masks=masks)
        else:
            actions = rl.top_k_actions_for_states(states, self.slate_size, explore=self.training, action_masks=masks)
        new_states, reward, terminated, truncated, infos = self.batch.step(actions)
        self.steps += self.batch.num_envs
        self._longest += 1
        for row, value in enumerate(reward.tolist()):
            rewards[row].append(value)
        self._measure(infos)
        if self._longest >= self.max_episode_steps:
            at_limit = np.array([len(episode) >= self.max_episode_steps for episode in rewards])
            truncated = truncated | (at_limit & ~terminated)
        new_masks = _masks(infos)
        if (masks is None) != (new_masks is None):
            raise InputError("the environment tells an action_mask at some steps only; give one at all, resets too")
        if self.statistics is not None:
            self.statistics.episode, self.statistics.timestep = self.episodes, len(rewards[0])
        if self.training:
            step = Steps(states, actions, reward, terminated, truncated, new_states, masks, new_masks, began=self._over)
            rl.store_experiences(step if self.slate_size == 1 else _of_slates(step, infos))
        if self.watch is not None:
            self.watch(len(rewards[0]), actions, reward, new_states, infos)
        self._states, self._masks, self._over = new_states, new_masks, terminated | truncated
        if np.count_nonzero(self._over):
            for row in np.flatnonzero(self._over).tolist():
                means = zip(_MEASURES, *self._sums[:, :, row].tolist(), strict=True)
                measures = {name: total / n if n else math.nan for name, total, n in means if name in self._told}
                self._ended.append(Episode(rewards[row], measures, row))
                rewards[row] = []
            self._longest = max(map(len, rewards))
            self._sums[:, :, self._over] = 0.0

    def _measure(self, infos: dict[str, Any]) -> None:
        """Add up the measures of a step; one is not known where it is NaN or masked by Gymnasium's `_name`."""
        n = len(self._rewards)
        values = np.full((len(_MEASURES), n), np.nan)
        for own, name in zip(values, _MEASURES, strict=True):
            if name not in infos:
                continue
            if np.shape(infos[name]) != (n,):
                shape = np.shape(infos[name])[1:]
                raise InputError(f"info[{name!r}] is of shape {shape} for each environment; give a single number")
            own[:] = infos[name]
            told = infos.get(f"_{name}")
            if told is not None and np.count_nonzero(told) < n:
                own[~told] = np.nan
            if name not in self._told:
                self._told.append(name)
        known = ~np.isnan(values)
        self._sums[0] += np.where(known, values, 0.0)
        self._sums[1] += known

    def state_dict(self) -> dict[str, Any]:
        """All that its future depends on, the environments' included, besides the agent and the arguments.

        Raises:
            InputError: the environments cannot tell their state.
        """
        if not hasattr(self.batch, "state_dict"):
            raise InputError(f"{self.batch.unwrapped} cannot tell its state, so training in it cannot be resumed")
        return {
            "steps": self.steps,
            "episodes": self.episodes,
            "over": self._over,
            "states": self._states,
            "masks": self._masks,
            "rewards": [list(rewards) for rewards in self._rewards],
            "sums": self._sums.copy(),
            "told": list(self._told),
            "longest": self._longest,
            "ended": [episode._asdict() for episode in self._ended],
            "environments": self.batch.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken."""
        self.steps, self.episodes = state["steps"], state["episodes"]
        self._over, self._states, self._masks = state["over"], state["states"], state["masks"]
        self._rewards = [list(rewards) for rewards in state["rewards"]]
        self._sums, self._told, self._longest = state["sums"].copy(), list(state["told"]), state["longest"]
        self._ended = deque(Episode(**episode) for episode in state["ended"])
        self.batch.load_state_dict(state["environments"])  # type: ignore[attr-defined]


def _masks(infos: dict[str, Any]) -> NDArray[np.bool_] | None:
    """(n, actions) which actions are allowed, where the environments tell."""
    return np.asarray(infos["action_mask"], dtype=np.bool_) if "action_mask" in infos else None


def _of_slates(step: Steps, infos: dict[str, Any]) -> Steps:
    """The step, of which the actions are slates (n, k), with what was chosen of them."""
    if "chosen_action" not in infos:
        raise InputError("the environment takes slates and tells no chosen_action in its info: what is to be learned?")
    slates, choices = step.actions, np.asarray(infos["chosen_action"])
    items = slates[np.arange(len(slates)), np.maximum(choices, 0)]
    return step._replace(actions=items, slates=slates, choices=choices)
