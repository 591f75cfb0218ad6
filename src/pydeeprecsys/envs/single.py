"""One simulated user of the MovieLens world behind Gymnasium's interface: a batch of one."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np
from gymnasium.vector import AutoresetMode

from pydeeprecsys.arrays import Flags, Singles
from pydeeprecsys.envs.one_session import Action, SessionEnv
from pydeeprecsys.envs.options import WorldOptions
from pydeeprecsys.envs.sessions import Info
from pydeeprecsys.envs.vector import MovieLensFairnessVector
from pydeeprecsys.errors import InputError


class MovieLensFairness(SessionEnv):
    """A simulated user who rates what is shown, and changes by it.

    Args:
        slate_size: items shown at a time; 1 makes the action an item, more a list of items.
        seed: of the user's random stream, used by the first `reset` that is given none.
        render_mode: "ansi", the session as text.
        **options: of the simulated world, see `pydeeprecsys.envs.options.WorldOptions`.

    Attributes:
        dcg: discounted cumulative gain of each slate of the current session.
        ndcg: the same over the gain of a slate of fives.
        history_layout: layout of the observation "items"; None for the others.

    Each step's `info` is that of `MovieLensFairnessVector` for one user: `ratings` (k,) of the slate, numbers, and
    `action_mask` (items,) where consumed items are not to be shown again; a reset's has the row of the `user` in the
    world.

    Raises:
        InputError: an invalid option, or a consumed item where these are refused.
        ValueError: an action out of range.
        gymnasium.error.ResetNeeded: a step before the first reset or after the end of a session.
    """

    metadata = {  # noqa: RUF012 - Gymnasium's own form
        "render_modes": ["ansi"],
        "render_fps": 1,
        "measures": ("violence", "unmeasured", "dcg", "ndcg", "hit", "diversity", "novelty"),  # numbers in `info`
        "series": ("dcg", "ndcg"),  # those that are kept of every step, not only their mean
    }
    reset_options = ("user",)
    reward_range = (0.0, 1.0)
    batch: MovieLensFairnessVector

    def __init__(
        self,
        slate_size: int = 1,
        seed: int | None = None,
        render_mode: str | None = "ansi",
        **options: Unpack[WorldOptions],
    ) -> None:
        super().__init__(MovieLensFairnessVector(1, slate_size, seed, AutoresetMode.DISABLED, **options), render_mode)
        self.simulator, self.history_layout = self.batch.simulator, self.batch.history_layout
        self.max_episode_steps = self.simulator.session_steps
        self.dcg: list[float] = []
        self.ndcg: list[float] = []

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[Singles, Info]:
        """Begin a session with the next user of the random stream, or of the new stream of `seed`.

        Args:
            seed: of a new random stream.
            options: may hold the `user`, a row of the world, in place of the one that the stream has next.

        Raises:
            InputError: another option, or a user who is not simulated here.
        """
        self.dcg, self.ndcg = [], []
        return super().reset(seed=seed, options=options)

    def step(self, action: Action) -> tuple[Singles, float, bool, bool, Info]:
        """Show the user an item, or a slate of items."""
        result = super().step(action)
        self.dcg.append(result[-1]["dcg"])
        self.ndcg.append(result[-1]["ndcg"])
        return result

    def action_masks(self) -> Flags:
        """(slate_size · items,) items allowed at each place of the next slate, as sb3-contrib's MaskablePPO asks."""
        everything = np.ones((1, self.simulator.world.n_items), dtype=np.bool_)
        allowed: Flags = np.tile(self.batch.mask_info().get("action_mask", everything)[0], self.slate_size)
        return allowed

    def render(self) -> str:
        """The user, the last slate and its ratings, as text."""
        state, world, response = self.batch.state, self.simulator.world, self._response
        if state is None:
            return "no session has begun"
        affinities = world.affinities(state.vectors)[0]
        likes = ", ".join(f"{world.categories[g]} {affinities[g]:+.2g}" for g in np.argsort(-affinities)[:3])
        lines = [f"user {world.user_ids[state.users[0]]} after {state.steps[0]} slates; likes {likes}"]
        for position, item in enumerate([] if response is None else response.slates[0]):
            genres = "|".join(world.genre_names(item)) or "genres not known"
            mark = "*" if position == response.chosen[0] else " "
            violence = "not known" if np.isnan(world.violence[item]) else f"{world.violence[item]:.2f}"
            imputed = "" if world.violence_measured[item] or violence == "not known" else " imputed"
            rating = response.ratings[0, position]
            lines.append(f"{mark} {rating:.1f} stars, violence {violence}{imputed}: {world.titles[item]} ({genres})")
        return "\n".join(lines)

    def state_dict(self) -> Info:
        """Everything that the future of the session depends on, except for the constructor's arguments."""
        return super().state_dict() | {"dcg": list(self.dcg), "ndcg": list(self.ndcg)}

    def load_state_dict(self, state: Info) -> None:
        """Continue from a `state_dict`."""
        super().load_state_dict(state)
        self.dcg, self.ndcg = list(state["dcg"]), list(state["ndcg"])


def simulated_users(env: Any) -> MovieLensFairnessVector:
    """The simulated users behind an environment, single or vector, however it is wrapped.

    Raises:
        InputError: it simulates no users of a data set.
    """
    inner = env.unwrapped
    users = inner.batch if isinstance(inner, MovieLensFairness) else inner
    if not isinstance(users, MovieLensFairnessVector):
        raise InputError(f"{inner} is no simulated world of users and items")
    return users
