"""Small environments that agents meet through managers."""

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray


class Masked(gym.Env[Any, Any]):
    """Counts up from a random number; which of the 4 actions is not allowed can be told from the observation.

    An action that is not allowed is an error.
    """

    observation_space = gym.spaces.Box(0, 100, (1,), np.float32)
    action_space = gym.spaces.Discrete(4)

    def __init__(self, told_at_resets: bool = True) -> None:
        self.told_at_resets = told_at_resets

    @staticmethod
    def masks_of(states: NDArray[Any]) -> NDArray[np.bool_]:
        """(n, 1) observations to (n, 4) what is allowed."""
        return np.arange(4) != states.astype(int) % 4

    def _observe(self) -> tuple[Any, dict[str, Any]]:
        observation = np.array([self.count], dtype=np.float32)
        # The type that Gymnasium's own environments tell masks in.
        return observation, {"action_mask": self.masks_of(observation[None])[0].astype(np.int8)}

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.count = int(self.np_random.integers(20))
        self.last = self.count + int(self.np_random.integers(3, 9))
        observation, info = self._observe()
        return observation, info if self.told_at_resets else {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert action != self.count % 4 or not self.told_at_resets  # nobody can keep to what was not told
        self.count += 1
        observation, info = self._observe()
        return observation, 1.0, self.count == self.last, False, info


gym.register("Masked-v0", Masked)
