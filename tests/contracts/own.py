"""An environment and an agent of a user's own; importing the module registers the environment as OwnCorridor-v0."""

from typing import Any, Literal

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from pydeeprecsys.rl.agents.agent import ReinforcementLearning
from pydeeprecsys.rl.agents.baselines import VariedAgent


class Corridor(gym.Env[NDArray[np.float32], int]):
    """A corridor whose end is worth 1; each step before costs 0.1."""

    def __init__(
        self,
        length: int = 5,
        start: Literal["left", "middle"] = "left",
        bonus: float | None = None,
        walls: list[int] | None = None,
        name: str | None = None,
        fast: bool = False,
        anything: Any = None,
        render_mode: str | None = None,
    ) -> None:
        self.length, self.first = length, 0 if start == "left" else length // 2
        self.observation_space, self.action_space = Box(0, 1, (1,), np.float32), Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[NDArray[np.float32], dict[str, Any]]:
        super().reset(seed=seed)
        self.at, self.steps = self.first, 0
        return self._observation(), {}

    def step(self, action: int) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        self.at, self.steps = max(0, self.at + (1 if action == 1 else -1)), self.steps + 1
        over = self.at >= self.length
        return self._observation(), 1.0 if over else -0.1, over, self.steps >= 20, {}

    def _observation(self) -> NDArray[np.float32]:
        return np.array([self.at / self.length], dtype=np.float32)


class Right(ReinforcementLearning):
    """Always takes the same action.

    Args:
        n_actions: number of actions.
        action: the action that is taken.
    """

    def __init__(self, n_actions: int, action: int) -> None:
        self.n_actions, self.action = n_actions, action

    def choose(self, states: Any, k: int, explore: bool, action_masks: Any) -> NDArray[np.int64]:
        return np.full((len(states), k), self.action)


class Counting(ReinforcementLearning):
    """Learns how many steps it has seen, and takes the action of that number; it has no `state_dict`.

    Args:
        n_actions: number of actions.
    """

    def __init__(self, n_actions: int) -> None:
        self.n_actions, self.seen = n_actions, 0

    def choose(self, states: Any, k: int, explore: bool, action_masks: Any) -> NDArray[np.int64]:
        return np.full((len(states), k), self.seen % self.n_actions)

    def store_experiences(self, transitions: Any) -> None:
        self.seen += len(transitions.rewards)


class TooVaried(VariedAgent):
    """A walk through a list of items whose genres matter more than their ratings.

    Args:
        mean_ratings: (items,) mean rating of each item.
        genres: (items, genres) flags.
    """

    def __init__(self, mean_ratings: Any, genres: Any) -> None:
        super().__init__(mean_ratings, genres, weight=3.0, decay=0.97)


gym.register("OwnCorridor-v0", Corridor)


class Failing(ReinforcementLearning):
    """Shows the first items; of seed 1 it fails at its tenth step.

    Args:
        n_actions: number of items.
        random_state: the seed.
    """

    def __init__(self, n_actions: int, random_state: int = 0) -> None:
        self.n_actions, self.seed, self.steps = n_actions, random_state, 0

    def choose(self, states: Any, k: int, explore: bool, action_masks: Any) -> NDArray[np.int64]:
        self.steps += 1
        if self.seed == 1 and self.steps == 10:
            raise ZeroDivisionError("it is of seed 1")
        return np.tile(np.arange(k), (len(states), 1))
