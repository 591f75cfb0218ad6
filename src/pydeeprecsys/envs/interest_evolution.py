"""Users whose interests evolve with what they watch, behind Gymnasium's interfaces: many at once, and one."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode
from numba import njit
from numpy.typing import NDArray

from pydeeprecsys.envs.sessions import SessionVector
from pydeeprecsys.simulation.choice import Choice
from pydeeprecsys.simulation.interest_evolution import (
    N_TOPICS,
    TIME_BUDGET,
    EvolvingInterests,
    InterestState,
    Watched,
)

Action = int | np.integer[Any] | list[int] | NDArray[np.integer[Any]]


class InterestEvolutionVector(SessionVector[InterestState, Watched]):
    """n users who watch what interests them, and whose interests follow.

    See `pydeeprecsys.simulation.interest_evolution` for the rules. An observation is the user's 20 interests, in
    [-1, 1], and then for each candidate its topic, one of 20 as ones and zeros: what RecSim shows its agents. The
    quality of a document is not seen before it is watched. An action is a slate of positions among the candidates,
    which change with each step; a document that is put on a slate twice is there twice to be chosen. The reward is the
    minutes watched; a session ends when the user's time is used up, and how much is left is not seen.

    Args:
        num_envs: how many users at once.
        n_candidates: documents to make a slate of.
        slate_size: documents shown at a time. Actions are (n,) positions for 1, (n, slate_size) for more.
        choice: which document of the slate is chosen; `MultinomialLogit(1.0)` if not given.
        time_budget: minutes of time at the start of a session.
        seed: of the random streams when `reset` is given none; user i has the stream seed + i.
        autoreset_mode: what follows the end of a session, as Gymnasium defines it: NEXT_STEP (its default), SAME_STEP,
            or DISABLED (`reset` with `options={"reset_mask": ...}` begins the next).

    Attributes:
        candidate_shape: (n_candidates, features of each); an observation ends with as many numbers.
        choice: the choice model, which maps (n, k) of the `choice_scores` to (n, k + 1) probabilities.

    Each step's `info` has, besides Gymnasium's masks, for each user the position in the slate of what was chosen as
    `chosen_action`, -1 for nothing; its `quality`, and its `watch_time` in minutes: 0 for nothing.

    Raises:
        InputError: an option that cannot be.
        ValueError: an action that is out of range.
    """

    def __init__(
        self,
        num_envs: int = 1,
        n_candidates: int = 10,
        slate_size: int = 3,
        choice: Choice | None = None,
        time_budget: float = TIME_BUDGET,
        seed: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    ) -> None:
        given = {} if choice is None else {"choice": choice}
        self.simulator = EvolvingInterests(n_candidates, slate_size, time_budget=time_budget, **given)
        self.choice = self.simulator.choice
        self.candidate_shape = (n_candidates, N_TOPICS)
        low = np.repeat(np.array([-1.0, 0.0], dtype=np.float32), [N_TOPICS, n_candidates * N_TOPICS])
        space = Box(low, np.ones_like(low))
        super().__init__(self.simulator, InterestState, num_envs, n_candidates, slate_size, space, seed, autoreset_mode)

    def observe(self) -> NDArray[np.float32]:
        """(n, 20 + 20 n_candidates) what is seen of every user and the candidates now."""
        state = self._begun()
        observations: NDArray[np.float32] = _encode(state.interests, state.topics)
        return observations

    def measures(self, response: Watched) -> dict[str, NDArray[Any]]:
        """What was chosen, its quality, and for how long it was watched, each (n,)."""
        return {
            "chosen_action": response.chosen,
            "quality": response.qualities,
            "watch_time": response.rewards.copy(),  # the rewards are in the caller's hands as well
        }

    def choice_scores(self, observations: NDArray[np.float32]) -> NDArray[np.float64]:
        """(n, ...) observations to the (n, n_candidates) scores by which the user chooses: interests in the topics."""
        interests, candidates = np.split(np.asarray(observations), [N_TOPICS], axis=-1)
        topics = candidates.reshape(*candidates.shape[:-1], *self.candidate_shape)
        scores: NDArray[np.float64] = (topics * interests[..., None, :]).sum(axis=-1, dtype=np.float64)
        return scores


class InterestEvolution(gym.Env[NDArray[np.float32], Action]):
    """A user who watches what interests them, and whose interests follow: `InterestEvolutionVector` for one.

    Args:
        n_candidates: documents to make a slate of.
        slate_size: documents shown at a time; 1 makes the action a position, more a list of positions.
        choice: which document of the slate is chosen; `MultinomialLogit(1.0)` if not given.
        time_budget: minutes of time at the start of a session.
        seed: of the user's random stream, used by the first `reset` that is given none.
        render_mode: None; there is nothing to render.

    Attributes:
        candidate_shape: (n_candidates, features of each); an observation ends with as many numbers.
        choice: the choice model, which maps (n, k) of the `choice_scores` to (n, k + 1) probabilities.

    Raises:
        InputError: an option that cannot be.
        ValueError: an action that is out of range.
        gymnasium.error.ResetNeeded: a step before the first reset or after the end of a session.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 - Gymnasium's own form

    def __init__(
        self,
        n_candidates: int = 10,
        slate_size: int = 3,
        choice: Choice | None = None,
        time_budget: float = TIME_BUDGET,
        seed: int | None = None,
        render_mode: None = None,
    ) -> None:
        self.render_mode = render_mode
        self.batch = InterestEvolutionVector(
            1, n_candidates, slate_size, choice, time_budget, seed, AutoresetMode.DISABLED
        )
        self.simulator, self.choice = self.batch.simulator, self.batch.choice
        self.candidate_shape, self.slate_size = self.batch.candidate_shape, slate_size
        self.observation_space = self.batch.single_observation_space
        self.action_space = self.batch.single_action_space
        self._over = True

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin a session with the next user of the stream, or of the stream that `seed` begins anew."""
        super().reset(seed=seed)
        observations, _ = self.batch.reset(seed=seed)
        self._over = False
        return observations[0], {}

    def step(self, action: Action) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Show the user a document, or a slate of documents."""
        if self._over:
            raise ResetNeeded("call reset: the session is over or has not begun")
        observations, response = self.batch.advance(self.batch.slates(np.array(action, ndmin=1)[None]))
        self._over = bool(response.terminated[0])
        info = {name: values[0].item() for name, values in self.batch.measures(response).items()}
        return observations[0], float(response.rewards[0]), self._over, False, info

    def choice_scores(self, observations: NDArray[np.float32]) -> NDArray[np.float64]:
        """(n, ...) observations to the (n, n_candidates) scores by which the user chooses: interests in the topics."""
        return self.batch.choice_scores(observations)

    def state_dict(self) -> dict[str, Any]:
        """All that the session's future depends on, besides the constructor's arguments."""
        return {"batch": self.batch.state_dict(), "over": self._over}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken."""
        self.batch.load_state_dict(state["batch"])
        self._over = bool(state["over"])


@njit(cache=True)
def _encode(interests: NDArray[np.float64], topics: NDArray[np.int64]) -> NDArray[np.float32]:
    n, n_candidates = topics.shape
    observations = np.zeros((n, N_TOPICS + n_candidates * N_TOPICS), dtype=np.float32)
    for i in range(n):
        observations[i, :N_TOPICS] = interests[i]
        for j in range(n_candidates):
            observations[i, N_TOPICS * (1 + j) + topics[i, j]] = 1.0
    return observations
