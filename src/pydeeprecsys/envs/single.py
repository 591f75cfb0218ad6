"""One simulated user behind Gymnasium's interface: a batch of one."""

from __future__ import annotations

from typing import Any, Unpack

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from pydeeprecsys.data.dataset import GENRES
from pydeeprecsys.envs.options import WorldOptions
from pydeeprecsys.envs.vector import MovieLensFairnessVector
from pydeeprecsys.simulation.state import Response

Action = int | np.integer[Any] | list[int] | NDArray[np.integer[Any]]


class MovieLensFairness(gym.Env[NDArray[np.float32], Action]):
    """A simulated user who rates what is shown, and changes by it.

    Args:
        slate_size: items shown at a time; 1 makes the action an item, more a list of items.
        seed: of the user's random stream, used by the first `reset` that is given none.
        render_mode: "ansi", the session as text.
        **options: the simulated world, see `pydeeprecsys.envs.options.WorldOptions`.

    Attributes:
        dcg: discounted cumulative gain of each slate of the running session.
        ndcg: the same over the gain of a slate of fives.

    Each step's `info` has the `ratings` (k,) of the slate, its mean `violence`, its `dcg` and `ndcg`, and for k > 1 the
    position of the chosen item as `chosen_action`; a reset's has the row of the `user` in the world.

    Raises:
        InputError: an option that cannot be.
        ValueError: an action that is out of range.
        gymnasium.error.ResetNeeded: a step before the first reset or after the end of a session.
    """

    metadata = {"render_modes": ["ansi"], "render_fps": 1}  # noqa: RUF012 - Gymnasium's own form
    reward_range = (0.0, 1.0)

    def __init__(
        self,
        slate_size: int = 1,
        seed: int | None = None,
        render_mode: str | None = "ansi",
        **options: Unpack[WorldOptions],
    ) -> None:
        self.slate_size = slate_size
        self.render_mode = render_mode
        self.batch = MovieLensFairnessVector(1, slate_size, seed, AutoresetMode.DISABLED, **options)
        self.simulator = self.batch.simulator
        self.max_episode_steps = self.simulator.session_steps
        self.observation_space = self.batch.single_observation_space
        self.action_space = self.batch.single_action_space
        self.dcg: list[float] = []
        self.ndcg: list[float] = []
        self._over = True
        self._last: tuple[NDArray[np.int64], Response] | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin a session with the next user of the stream, or of the stream that `seed` begins anew."""
        super().reset(seed=seed)
        observations, infos = self.batch.reset(seed=seed)
        self.dcg, self.ndcg, self._over, self._last = [], [], False, None
        return observations[0], {"user": int(infos["user"][0])}

    def step(self, action: Action) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Show the user an item, or a slate of items."""
        if self._over:
            raise ResetNeeded("call reset: the session is over or has not begun")
        slates = self.batch.slates(np.array(action, ndmin=1)[None])
        observations, response = self.batch.advance(slates)
        self._over = bool(response.terminated[0])
        self._last = slates, response
        violence, dcg, ndcg = (measure.item() for measure in self.batch.judge(response))
        self.dcg.append(dcg)
        self.ndcg.append(ndcg)
        info = {"ratings": response.ratings[0], "violence": violence, "dcg": dcg, "ndcg": ndcg}
        if self.slate_size > 1:
            info["chosen_action"] = int(response.chosen[0])
        return observations[0], float(response.rewards[0]), self._over, False, info

    def render(self) -> str:
        """The user, the last slate and what it was rated, as text."""
        state, world = self.batch.state, self.simulator.world
        if state is None:
            return "no session has begun"
        affinities = state.vectors[0, -len(GENRES) :]
        likes = ", ".join(f"{GENRES[g]} {affinities[g]:+.2g}" for g in np.argsort(-affinities)[:3])
        lines = [f"user {world.user_ids[state.users[0]]} after {state.steps[0]} slates; likes {likes}"]
        if self._last is not None:
            slates, response = self._last
            for position, item in enumerate(slates[0]):
                genres = "|".join(np.array(GENRES)[world.genres[item]])
                mark = "*" if position == response.chosen[0] else " "
                lines.append(
                    f"{mark} {response.ratings[0, position]:.1f} stars, violence {world.violence[item]:.2f}: "
                    f"{world.titles[item]} ({genres})"
                )
        return "\n".join(lines)

    def state_dict(self) -> dict[str, Any]:
        """All that the session's future depends on, besides the constructor's arguments."""
        return {"batch": self.batch.state_dict(), "dcg": list(self.dcg), "ndcg": list(self.ndcg), "over": self._over}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken."""
        self.batch.load_state_dict(state["batch"])
        self.dcg, self.ndcg, self._over = list(state["dcg"]), list(state["ndcg"]), bool(state["over"])
        self._last = None
