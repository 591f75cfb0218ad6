"""The loop between an agent and its environments."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np
from gymnasium.vector import VectorEnv

from pydeeprecsys.arrays import Array, Flags, Floats
from pydeeprecsys.errors import DivergenceError, InputError
from pydeeprecsys.rl.agents.agent import ReinforcementLearning
from pydeeprecsys.rl.experience_replay.transition import Transition
from pydeeprecsys.rl.info_columns import InfoColumns
from pydeeprecsys.rl.learning_statistics import LearningStatistics


class Step(NamedTuple):
    """One step of all environments, as `on_step` gets it."""

    timestep: int  # number of the step in the first environment's episode, from 1
    actions: Array  # (n, ...) slates (n, k) where the environments take slates
    rewards: Floats  # (n,)
    observations: Array  # (n, ...) after the step
    infos: dict[str, Any]


OnStep = Callable[[Step], None]


class EpisodeOutput(NamedTuple):
    """Length and return of one episode."""

    timesteps: int
    reward_sum: float


class Episode(NamedTuple):
    """One episode: its rewards, the mean of each measure, and the number of its environment.

    A mean is over the steps at which the measure is known, and NaN where it is known at none. `series` holds other
    measures at each step.
    """

    rewards: list[float]
    measures: dict[str, float]
    environment: int = 0
    series: dict[str, list[float]] = {}  # noqa: RUF012 - never changed

    @property
    def output(self) -> EpisodeOutput:
        """Its length and its return."""
        return EpisodeOutput(len(self.rewards), math.fsum(self.rewards))


class EpisodeLoop(Iterator[Episode]):
    """Steps all environments, and gives each episode as it ends.

    If the environments give an `action_mask` (actions,) in the `info` of every reset and step, the agent acts and
    learns within it. The `cost`, the `chosen_action` and the `rewards` of items in the `info` of every step are stored
    with the transition, see `InfoColumns`. Between two episodes, `state_dict` holds all that the future of the loop
    depends on, besides the agent.

    Args:
        rl: the agent.
        batch: the environments, without autoreset: the loop sees the last observation of every episode.
        training: explore, and learn from every step; otherwise the agent does neither.
        slate_size: items per slate; above 1, actions are slates, and `chosen_action` is required.
        measures: numbers in `info` of which each episode keeps the mean.
        series: numbers in the `info` of every step, of which each episode keeps all.
        seed: of the environments' random streams; they continue if not given.
        max_episode_steps: after which an episode is truncated.
        max_steps: environment steps, over all environments, after which the loop ends; no limit if not given.
        statistics: get the episode and time step of the first environment before the agent learns from a step.
        on_step: called after each step.

    Raises:
        DivergenceError: the agent met numbers that are not finite.
        InputError: the environment gives masks at some steps only, or other columns that do not fit.

    Attributes:
        steps: environment steps so far, over all environments.
        episodes: number of episodes given so far.
    """

    def __init__(
        self,
        rl: ReinforcementLearning,
        batch: VectorEnv[Any, Any, Any],
        *,
        training: bool,
        slate_size: int = 1,
        measures: Sequence[str] = (),
        series: Sequence[str] = (),
        seed: int | None = None,
        max_episode_steps: float = math.inf,
        max_steps: float = math.inf,
        statistics: LearningStatistics | None = None,
        on_step: OnStep | None = None,
    ) -> None:
        self.rl, self.batch, self.training, self.slate_size = rl, batch, training, slate_size
        self.max_episode_steps, self.max_steps = max_episode_steps, max_steps
        self.statistics, self.on_step = statistics, on_step
        self.steps = self.episodes = 0
        self._seed = seed
        self._over: Flags | None = None  # (n,) whose next episode begins with the next step; all at first
        self._observations: Array = np.empty(0)
        self._masks: Flags | None = None
        self._columns = InfoColumns(slate_size)
        self._rewards: list[list[float]] = [[] for _ in range(batch.num_envs)]
        self._series: dict[str, list[list[float]]] = {name: [[] for _ in range(batch.num_envs)] for name in series}
        self._names = tuple(measures)
        # (2, measures, n): sums over the steps of running episodes where a measure is known, and the number of these.
        self._sums = np.zeros((2, len(self._names), batch.num_envs))
        self._seen: list[str] = []  # the measures that `info` has ever held
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
            self._observations, infos = self.batch.reset(seed=self._seed)
            self._masks = _masks(infos)
            self._over = np.ones(self.batch.num_envs, dtype=np.bool_)
            self.rl.begin_episodes(self._over)
        elif np.count_nonzero(self._over):
            self._observations, infos = self.batch.reset(options={"reset_mask": self._over})
            fresh_masks = _masks(infos)
            if self._masks is not None and fresh_masks is not None:
                self._masks = np.where(self._over[:, None], fresh_masks, self._masks)
            self.rl.begin_episodes(self._over)

    def _step(self) -> None:
        rl, observations, masks, rewards = self.rl, self._observations, self._masks, self._rewards
        if self.slate_size == 1:
            actions = rl.actions_for_states(observations, explore=self.training, action_masks=masks)
        else:
            actions = rl.top_k_actions_for_states(
                observations, self.slate_size, explore=self.training, action_masks=masks
            )
        next_observations, reward, terminated, truncated, infos = self.batch.step(actions)
        self.steps += self.batch.num_envs
        self._longest += 1
        self._measure(infos)
        if missing := self._series.keys() - infos.keys():
            raise InputError(f"info lacks {missing.pop()!r}, which the environment's metadata lists as a series")
        for kept, values in ((rewards, reward), *((kept, infos[name]) for name, kept in self._series.items())):
            for row, value in enumerate(values.tolist()):
                kept[row].append(value)
        if self._longest >= self.max_episode_steps:
            at_limit = np.array([len(episode) >= self.max_episode_steps for episode in rewards])
            truncated = truncated | (at_limit & ~terminated)
        next_masks = _masks(infos)
        if (masks is None) != (next_masks is None):
            raise InputError("the environment gives an action_mask at some steps only; give one at each reset and step")
        if self.statistics is not None:
            self.statistics.episode, self.statistics.timestep = self.episodes, len(rewards[0])
        if self.training:
            step = Transition(
                observations=observations,
                rewards=reward,
                terminated=terminated,
                truncated=truncated,
                next_observations=next_observations,
                began=self._over,
                action_masks=masks,
                next_action_masks=next_masks,
                **self._columns.read(actions, infos),
            )
            rl.store_experiences(step)
        if self.on_step is not None:
            self.on_step(Step(len(rewards[0]), actions, reward, observations=next_observations, infos=infos))
        self._observations, self._masks, self._over = next_observations, next_masks, terminated | truncated
        if np.count_nonzero(self._over):
            for row in np.flatnonzero(self._over).tolist():
                means = zip(self._names, *self._sums[:, :, row].tolist(), strict=True)
                measures = {name: total / n if n else math.nan for name, total, n in means if name in self._seen}
                series = {name: kept[row] for name, kept in self._series.items()}
                self._ended.append(Episode(rewards[row], measures, row, series))
                for kept in (rewards, *self._series.values()):
                    kept[row] = []
            self._longest = max(map(len, rewards))
            self._sums[:, :, self._over] = 0.0

    def _measure(self, infos: dict[str, Any]) -> None:
        """Add up the measures of a step; one is unknown where it is NaN or masked by Gymnasium's `_name`."""
        n = len(self._rewards)
        values = np.full((len(self._names), n), np.nan)
        for row, name in enumerate(self._names):
            if name not in infos:
                continue
            given, mask = np.asarray(infos[name]), infos.get(f"_{name}")
            if given.shape != (n,):
                raise InputError(
                    f"info[{name!r}] is of shape {given.shape[1:]} for each environment; give a single number"
                )
            values[row] = given
            if mask is not None and np.count_nonzero(mask) < n:
                values[row, ~mask] = np.nan
            if name not in self._seen:
                self._seen.append(name)
        known = ~np.isnan(values)
        self._sums[0] += np.where(known, values, 0.0)
        self._sums[1] += known

    def state_dict(self) -> dict[str, Any]:
        """The state of the loop and of the environments, without the agent and the arguments.

        Raises:
            InputError: the environments have no `state_dict`.
        """
        if not hasattr(self.batch, "state_dict"):
            raise InputError(f"{self.batch.unwrapped} has no state_dict, so training in it cannot be resumed")
        return {
            "steps": self.steps,
            "episodes": self.episodes,
            "over": self._over,
            "observations": self._observations,
            "masks": self._masks,
            "rewards": deepcopy(self._rewards),
            "series": deepcopy(self._series),
            "sums": self._sums.copy(),
            "seen": list(self._seen),
            "longest": self._longest,
            "ended": [episode._asdict() for episode in self._ended],
            "environments": self.batch.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from where `state_dict` was taken."""
        self.steps, self.episodes = state["steps"], state["episodes"]
        self._over, self._observations, self._masks = state["over"], state["observations"], state["masks"]
        self._rewards, self._series = deepcopy(state["rewards"]), deepcopy(state["series"])
        self._sums, self._seen, self._longest = state["sums"].copy(), list(state["seen"]), state["longest"]
        self._ended = deque(Episode(**episode) for episode in state["ended"])
        self.batch.load_state_dict(state["environments"])  # type: ignore[attr-defined]


def _masks(infos: dict[str, Any]) -> Flags | None:
    """(n, actions) allowed actions, if the environments give masks."""
    return np.asarray(infos["action_mask"], dtype=np.bool_) if "action_mask" in infos else None
