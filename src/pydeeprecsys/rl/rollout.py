"""The loop between an agent and its environments, once."""

from __future__ import annotations

import math
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
_MEASURES = ("violence", "dcg", "ndcg", "hit", "diversity", "novelty")

Watcher = Callable[[int, NDArray[Any], NDArray[np.float64], NDArray[Any], dict[str, Any]], None]
"""Called after each step: steps in the first environment's episode; actions, rewards, states, infos, (n, ...) each."""


class EpisodeOutput(NamedTuple):
    """One episode: how many steps it took, and the sum of its rewards."""

    timesteps: int
    reward_sum: float


class Episode(NamedTuple):
    """One episode, with the reward of each step, the mean of what `info` measured, and which environment it was in."""

    rewards: list[float]
    measures: dict[str, float]
    environment: int = 0

    @property
    def output(self) -> EpisodeOutput:
        """Its length and its return."""
        return EpisodeOutput(len(self.rewards), math.fsum(self.rewards))


def roll_out(
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
) -> Iterator[Episode]:
    """Step all environments, and give each episode as it ends.

    Where environments tell an `action_mask` (actions,) in the `info` of every reset and step, the agent acts and learns
    within it.

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
    """
    n = batch.num_envs
    states, infos = batch.reset(seed=seed)
    masks = _masks(infos)
    rewards: list[list[float]] = [[] for _ in range(n)]
    sums: dict[str, NDArray[np.float64]] = {}
    longest = 0  # no running episode has more steps
    steps = episodes = 0
    try:
        while steps < max_steps:
            if slate_size == 1:
                actions = rl.actions_for_states(states, explore=training, action_masks=masks)
            else:
                actions = rl.top_k_actions_for_states(states, slate_size, explore=training, action_masks=masks)
            new_states, reward, terminated, truncated, infos = batch.step(actions)
            steps += n
            longest += 1
            for row, value in enumerate(reward.tolist()):
                rewards[row].append(value)
            for name in _MEASURES:
                if name in infos:
                    sums[name] = sums[name] + infos[name] if name in sums else infos[name]
            if longest >= max_episode_steps:
                at_limit = np.array([len(episode) >= max_episode_steps for episode in rewards])
                truncated = truncated | (at_limit & ~terminated)
            new_masks = _masks(infos)
            if (masks is None) != (new_masks is None):
                raise InputError("the environment tells an action_mask at some steps only; give one at all, resets too")
            if statistics is not None:
                statistics.episode, statistics.timestep = episodes, len(rewards[0])
            if training:
                step = Steps(states, actions, reward, terminated, truncated, new_states, masks, new_masks)
                rl.store_experiences(step if slate_size == 1 else _of_slates(step, infos))
            if watch is not None:
                watch(len(rewards[0]), actions, reward, new_states, infos)
            states, masks = new_states, new_masks
            over = terminated | truncated
            if np.count_nonzero(over):
                for row in np.flatnonzero(over).tolist():
                    measures = {name: float(total[row]) / len(rewards[row]) for name, total in sums.items()}
                    yield Episode(rewards[row], measures, row)
                    episodes += 1
                    rewards[row] = []
                longest = max(map(len, rewards))
                sums = {name: np.where(over, 0.0, total) for name, total in sums.items()}
                states, infos = batch.reset(options={"reset_mask": over})
                fresh_masks = _masks(infos)
                if masks is not None and fresh_masks is not None:
                    masks = np.where(over[:, None], fresh_masks, masks)
    except FloatingPointError as error:
        agent = type(rl).__name__
        when = f"at environment step {steps:,}, in episode {episodes}"
        raise DivergenceError(f"{agent} stopped {when}: {error}") from error


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
