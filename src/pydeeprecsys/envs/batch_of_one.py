"""One environment behind the interface of many."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from pydeeprecsys.arrays import Array, Flags, Floats
from pydeeprecsys.errors import InputError

Info = dict[str, Any]


class BatchOfOne(VectorEnv[Any, Any, Any]):
    """Any single environment as a batch of one, without autoreset.

    Gymnasium's `SyncVectorEnv` does the same for any number, but takes several times as long as a simulated user.
    """

    metadata = {"autoreset_mode": AutoresetMode.DISABLED}  # noqa: RUF012 - Gymnasium's own form
    num_envs = 1

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        self.env = env
        self.single_observation_space, self.single_action_space = env.observation_space, env.action_space
        self.observation_space = batch_space(env.observation_space, 1)
        self.action_space = batch_space(env.action_space, 1)

    @property
    def unwrapped(self) -> Any:
        """The environment itself, without wrappers."""
        return self.env.unwrapped

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[Array, Info]:
        """Begin the next episode; the option `reset_mask` is ignored."""
        others = {name: value for name, value in (options or {}).items() if name != "reset_mask"}
        state, info = self.env.reset(seed=seed, options=others or None)
        return np.array(state)[None], _batched(info)

    def step(self, actions: Array) -> tuple[Array, Floats, Flags, Flags, Info]:
        """Step the environment by the one action."""
        state, reward, terminated, truncated, info = self.env.step(actions[0])
        ends, rewards = (np.array([terminated]), np.array([truncated])), np.array([reward], dtype=np.float64)
        # A copy: an environment may write the next observation, or mask, over this one.
        return np.array(state)[None], rewards, *ends, _batched(info)

    def state_dict(self) -> Info:
        """The state of the environment.

        Raises:
            InputError: the environment has no `state_dict`.
        """
        inner: Any = self.env.unwrapped
        if not hasattr(inner, "state_dict"):
            raise InputError(f"{inner} has no state_dict, so training in it cannot be resumed")
        state: Info = inner.state_dict()
        return state

    def load_state_dict(self, state: Info) -> None:
        """Continue from a `state_dict`."""
        self.env.reset()  # wrappers require it before the first step
        inner: Any = self.env.unwrapped
        inner.load_state_dict(state)

    def close(self, **kwargs: Any) -> None:
        """Close the environment."""
        self.env.close()


_KINDS = (int, float, np.generic, np.ndarray)


def _batched(info: Info) -> dict[str, Array]:
    return {name: np.array(value)[None] for name, value in info.items() if isinstance(value, _KINDS)}
