"""Interest evolution behind Gymnasium's interfaces: many users at once, and one."""

from __future__ import annotations

import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode
from numba import njit

from pydeeprecsys.arrays import Floats, Ints, Singles
from pydeeprecsys.envs.one_session import SessionEnv
from pydeeprecsys.envs.sessions import Arrays, SessionVector
from pydeeprecsys.simulation.choice import Choice
from pydeeprecsys.simulation.interest_evolution import N_TOPICS, TIME_BUDGET, EvolvingInterests, InterestState, Watched


class InterestEvolutionVector(SessionVector[InterestState, Watched]):
    """n users who watch what interests them, and whose interests follow.

    See `pydeeprecsys.simulation.interest_evolution` for the rules. As in RecSim, an observation is the user's 20
    interests, in [-1, 1], followed by the topic of each candidate, one-hot. Neither the quality of a document nor the
    time left is observed. An action is a slate of positions among the candidates, which change each step; a repeated
    document is repeated among the user's alternatives. The reward is the minutes watched; a session ends when the
    user's time is used up.

    Args:
        num_envs: number of users.
        n_candidates: documents to make a slate of.
        slate_size: documents shown at a time. Actions are (n,) positions for 1, (n, slate_size) for more.
        choice: the choice model, `MultinomialLogit(1.0)` by default.
        time_budget: minutes of time at the start of a session.
        seed: of the random streams where `reset` is given none; user i has the stream seed + i.
        autoreset_mode: what follows the end of a session, as Gymnasium defines it: NEXT_STEP (its default), SAME_STEP,
            or DISABLED (`reset` with `options={"reset_mask": ...}` begins the next).

    Attributes:
        candidate_shape: (n_candidates, features of each); an observation ends with as many numbers.
        choice: the choice model, which maps (n, k) of the `choice_scores` to (n, k + 1) probabilities.

    Each step's `info` has, besides Gymnasium's masks, per user: the position of the chosen document in the slate as
    `chosen_action`, -1 for none; its `quality`, and its `watch_time` in minutes, 0 for none.

    Raises:
        InputError: an invalid option.
        ValueError: an action out of range.
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
        self.choice = choice or EvolvingInterests.choice
        self.simulator = EvolvingInterests(n_candidates, slate_size, self.choice, time_budget)
        self.candidate_shape = (n_candidates, N_TOPICS)
        low = np.repeat(np.array([-1.0, 0.0], dtype=np.float32), [N_TOPICS, n_candidates * N_TOPICS])
        space = Box(low, np.ones_like(low))
        super().__init__(self.simulator, n_candidates, space, num_envs, seed=seed, autoreset_mode=autoreset_mode)

    def observe(self) -> Singles:
        """(n, 20 + 20 n_candidates) interests, and topics of the candidates."""
        state = self._begun()
        observations: Singles = _encode(state.interests, state.topics)
        return observations

    def step_info(self, response: Watched) -> Arrays:
        """Position of the chosen document, its quality and the minutes watched, each (n,)."""
        minutes = response.rewards.copy()  # the caller has the rewards as well
        return {"chosen_action": response.chosen, "quality": response.qualities, "watch_time": minutes}

    def choice_scores(self, observations: Singles) -> Floats:
        """(n, ...) observations to the (n, n_candidates) scores of the choice model: interests in the topics."""
        interests, candidates = np.split(np.asarray(observations), [N_TOPICS], axis=-1)
        topics = candidates.reshape(*candidates.shape[:-1], *self.candidate_shape)
        scores: Floats = (topics * interests[..., None, :]).sum(axis=-1, dtype=np.float64)
        return scores


class InterestEvolution(SessionEnv):
    """A user who watches what interests them, and whose interests follow: `InterestEvolutionVector` for one.

    Args:
        n_candidates: documents to make a slate of.
        slate_size: documents shown at a time; 1 makes the action a position, more a list of positions.
        choice: the choice model, `MultinomialLogit(1.0)` by default.
        time_budget: minutes of time at the start of a session.
        seed: of the user's random stream, used by the first `reset` that is given none.
        render_mode: None; there is nothing to render.

    Attributes:
        candidate_shape: (n_candidates, features of each); an observation ends with as many numbers.
        choice: the choice model, which maps (n, k) of the `choice_scores` to (n, k + 1) probabilities.

    Raises:
        InputError: an invalid option.
        ValueError: an action out of range.
        gymnasium.error.ResetNeeded: a step before the first reset or after the end of a session.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 - Gymnasium's own form
    batch: InterestEvolutionVector

    def __init__(
        self,
        n_candidates: int = 10,
        slate_size: int = 3,
        choice: Choice | None = None,
        time_budget: float = TIME_BUDGET,
        seed: int | None = None,
        render_mode: None = None,
    ) -> None:
        batch = InterestEvolutionVector(
            1, n_candidates, slate_size, choice, time_budget=time_budget, seed=seed, autoreset_mode="Disabled"
        )
        super().__init__(batch, render_mode)
        self.simulator, self.choice = batch.simulator, batch.choice
        self.candidate_shape, self.choice_scores = batch.candidate_shape, batch.choice_scores


@njit(cache=True)
def _encode(interests: Floats, topics: Ints) -> Singles:
    n, n_candidates = topics.shape
    observations = np.zeros((n, N_TOPICS + n_candidates * N_TOPICS), dtype=np.float32)
    for i in range(n):
        observations[i, :N_TOPICS] = interests[i]
        for j in range(n_candidates):
            observations[i, N_TOPICS * (1 + j) + topics[i, j]] = 1.0
    return observations
