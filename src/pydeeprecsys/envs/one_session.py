"""Sessions of one simulated user behind Gymnasium's single interface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from pydeeprecsys.arrays import Singles
from pydeeprecsys.envs.sessions import Arrays, Info, SessionVector, check_names

Action = int | np.integer[Any] | list[int] | NDArray[np.integer[Any]]


class SessionEnv(gym.Env[Singles, Action]):
    """One simulated user: a `SessionVector` of one behind the single interface.

    Args:
        batch: of one user, without autoreset.
        render_mode: as Gymnasium defines it.

    Raises:
        ValueError: an action out of range.
        gymnasium.error.ResetNeeded: a step before the first reset or after the end of a session.
    """

    reset_options: ClassVar[Sequence[str]] = ()
    """The options of `reset`; in the plural, they are those of the batch."""

    def __init__(self, batch: SessionVector[Any, Any], render_mode: str | None) -> None:
        self.batch, self.slate_size, self.render_mode = batch, batch.slate_size, render_mode
        self.observation_space, self.action_space = batch.single_observation_space, batch.single_action_space
        self._over = True
        self._response: Any = None  # of the last step

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[Singles, Info]:
        """Begin a session with the next user of the random stream, or of the new stream of `seed`."""
        super().reset(seed=seed)
        check_names(options or {}, self.reset_options)
        ours = {f"{name}s": np.array([value]) for name, value in (options or {}).items()}
        observations, _ = self.batch.reset(seed=seed, options=ours)
        self._over, self._response = False, None
        return observations[0], self._info(self.batch.reset_info())

    def step(self, action: Action) -> tuple[Singles, float, bool, bool, Info]:
        """Show the user an item, or a slate of items."""
        if self._over:
            raise ResetNeeded("call reset: the session is over or has not begun")
        observations, response = self.batch.advance(self.batch.slates(np.array(action, ndmin=1)[None]))
        terminated, truncated = bool(response.terminated[0]), bool(response.truncated[0])
        self._over, self._response = terminated or truncated, response
        info = self._info(self.batch.step_info(response))
        return observations[0], float(response.rewards[0]), terminated, truncated, info

    def _info(self, infos: Arrays) -> Info:
        rows = infos | self.batch.mask_info()
        return {name: row[0].item() if row.ndim == 1 else row[0] for name, row in rows.items()}

    def state_dict(self) -> Info:
        """Everything that the future of the session depends on, except for the constructor's arguments."""
        return {"batch": self.batch.state_dict(), "over": self._over}

    def load_state_dict(self, state: Info) -> None:
        """Continue from a `state_dict`."""
        self.batch.load_state_dict(state["batch"])
        self._over, self._response = bool(state["over"]), None
