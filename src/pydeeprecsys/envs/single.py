"""One simulated user behind Gymnasium's interface: a batch of one."""

from __future__ import annotations

from typing import Any, ClassVar, Unpack

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

    Each step's `info` has what `MovieLensFairnessVector` tells of a user: `ratings` (k,) of the slate, numbers, and
    where consumed items are not to be shown again `action_mask` (items,); a reset's has the row of the `user` in the
    world.

    Raises:
        InputError: an option that cannot be, or a consumed item where these are refused.
        ValueError: an action that is out of range.
        gymnasium.error.ResetNeeded: a step before the first reset or after the end of a session.
    """

    metadata = {  # noqa: RUF012 - Gymnasium's own form
        "render_modes": ["ansi"],
        "render_fps": 1,
        "measures": ("violence", "unmeasured", "dcg", "ndcg", "hit", "diversity", "novelty"),  # numbers in `info`
    }
    reward_range = (0.0, 1.0)
    batch_of: ClassVar[type[MovieLensFairnessVector]] = MovieLensFairnessVector

    def __init__(
        self,
        slate_size: int = 1,
        seed: int | None = None,
        render_mode: str | None = "ansi",
        **options: Unpack[WorldOptions],
    ) -> None:
        self.slate_size = slate_size
        self.render_mode = render_mode
        self.batch = self.batch_of(1, slate_size, seed, AutoresetMode.DISABLED, **options)
        self.simulator = self.batch.simulator
        self.max_episode_steps = self.simulator.session_steps
        self.observation_space = self.batch.single_observation_space
        self.action_space = self.batch.single_action_space
        self.dcg: list[float] = []
        self.ndcg: list[float] = []
        self._over = True
        self._last: Response | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin a session with the next user of the stream, or of the stream that `seed` begins anew."""
        super().reset(seed=seed)
        observations, infos = self.batch.reset(seed=seed)
        self.dcg, self.ndcg, self._over, self._last = [], [], False, None
        return observations[0], {"user": int(infos["user"][0])} | self._standing()

    def step(self, action: Action) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Show the user an item, or a slate of items."""
        if self._over:
            raise ResetNeeded("call reset: the session is over or has not begun")
        slates = self.batch.slates(np.array(action, ndmin=1)[None])
        observations, response = self.batch.advance(slates)
        terminated, truncated = bool(response.terminated[0]), bool(response.truncated[0])
        self._over = terminated or truncated
        self._last = response
        measures = self.batch.measures(response)
        info: dict[str, Any] = {name: values[0].item() for name, values in measures.items() if values.ndim == 1}
        info["ratings"] = response.ratings[0]
        self.dcg.append(info["dcg"])
        self.ndcg.append(info["ndcg"])
        return observations[0], float(response.rewards[0]), terminated, truncated, info | self._standing()

    def _standing(self) -> dict[str, NDArray[Any]]:
        standing = self.batch.standing()
        return {name: values[0] for name, values in standing.items()} if standing else standing

    def render(self) -> str:
        """The user, the last slate and what it was rated, as text."""
        state, world = self.batch.state, self.simulator.world
        if state is None:
            return "no session has begun"
        affinities = state.vectors[0, -len(GENRES) :]
        likes = ", ".join(f"{GENRES[g]} {affinities[g]:+.2g}" for g in np.argsort(-affinities)[:3])
        lines = [f"user {world.user_ids[state.users[0]]} after {state.steps[0]} slates; likes {likes}"]
        if self._last is not None:
            for position, item in enumerate(self._last.slates[0]):
                genres = (
                    "|".join(np.array(GENRES)[world.genres[item]]) if world.genres_known[item] else "genres not known"
                )
                mark = "*" if position == self._last.chosen[0] else " "
                violence = "not known" if np.isnan(world.violence[item]) else f"{world.violence[item]:.2f}"
                imputed = "" if world.violence_measured[item] or violence == "not known" else " imputed"
                lines.append(
                    f"{mark} {self._last.ratings[0, position]:.1f} stars, violence {violence}{imputed}: "
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


def simulated_users(env: Any) -> MovieLensFairnessVector:
    """The simulated users behind an environment, single or vector, however it is wrapped."""
    inner = env.unwrapped
    return inner.batch if isinstance(inner, MovieLensFairness) else inner
