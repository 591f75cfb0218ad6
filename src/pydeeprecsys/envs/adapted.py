"""Any environment as agents take it."""

from __future__ import annotations

from inspect import Parameter, signature
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Discrete, flatten, flatten_space

from pydeeprecsys.arrays import Array
from pydeeprecsys.errors import InputError

Info = dict[str, Any]


class Adapted(gym.Wrapper[Any, Any, Any, Any]):
    """An environment whose observations are arrays of numbers, and whose numbered actions begin at 0.

    Dict, Tuple, Discrete and other observations are flattened, numbers of a kind as one flag each.

    Args:
        env: the environment.

    Raises:
        InputError: observations cannot be flattened, or the environment is not of Gymnasium's interface: it takes no
            seed, gives other tuples than those of `reset` and `step`, observations of another shape than its space
            says, or rewards that are not single numbers.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        taken = signature(env.reset).parameters
        if "seed" not in taken and not any(each.kind is Parameter.VAR_KEYWORD for each in taken.values()):
            raise InputError(f"reset of {env} takes no seed; it has the form reset(*, seed=None, options=None)")
        given, actions = env.observation_space, env.action_space
        self._flattens = not isinstance(given, Box)
        if self._flattens:
            if not given.is_np_flattenable:
                raise InputError(f"observations of {given} cannot be flattened to a fixed number of numbers")
            self.observation_space = flatten_space(given)
        self._first_action = actions.start if isinstance(actions, Discrete) else 0
        if self._first_action:
            self.action_space = Discrete(int(actions.n))  # type: ignore[attr-defined]

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[Array, Info]:
        """Begin an episode."""
        begun = self.env.reset(seed=seed, options=options)
        if not isinstance(begun, tuple) or len(begun) != 2:
            raise InputError(f"reset of {self.env} gave no tuple of an observation and info")
        return self._observation(begun[0]), begun[1]

    def step(self, action: Any) -> tuple[Array, float, bool, bool, Info]:
        """Step the environment."""
        after = self.env.step(action + self._first_action if self._first_action else action)
        if not isinstance(after, tuple) or len(after) != 5:
            raise InputError(
                f"step of {self.env} gave {len(after)} values, not 5: observation, reward, terminated, truncated, info"
            )
        observation, reward, terminated, truncated, info = after
        if not isinstance(reward, float):
            rewards = np.asarray(reward, dtype=np.float64)
            if rewards.size != 1:
                raise InputError(f"a reward of {self.env} has the shape {rewards.shape}; give a single number")
            reward = rewards.item()
        return self._observation(observation), reward, terminated, truncated, info

    def _observation(self, given: Any) -> Array:
        observation = np.asarray(flatten(self.env.observation_space, given) if self._flattens else given)
        if observation.shape != self.observation_space.shape:
            raise InputError(
                f"an observation of {self.env} has the shape {observation.shape}; the observation space says "
                f"{self.observation_space.shape}"
            )
        return observation


def adapted(env: object) -> gym.Env[Any, Any]:
    """An environment as agents take it.

    Raises:
        InputError: it is no environment, or cannot be adapted, see `Adapted`.
    """
    if not isinstance(env, gym.Env):
        raise InputError(f"env must be one environment of Gymnasium, made already; it is {env!r}")
    ours = type(env.unwrapped).__module__.startswith("pydeeprecsys.")
    return env if ours else Adapted(env)
