"""The oracle: an evaluation tool, not a recommender."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydeeprecsys.arrays import Array, Flags, Floats, Ints
from pydeeprecsys.envs.single import simulated_users
from pydeeprecsys.rl.agents.agent import ReinforcementLearning


class OracleAgent(ReinforcementLearning):
    """The greedy policy on true affinities: shows the items of the highest immediate reward.

    A reference for what can be reached; not deployable. Greedy: a planner that foresees how affinities move, what the
    user tires of, and how long the session lasts could do better. Where users may choose nothing, the reward of an item
    is weighted by the probability that it is chosen if shown alone.

    Args:
        env: The environment that the agent acts in, single or vector, wrapped or not.
    """

    def __init__(self, env: Any) -> None:
        self.batch = simulated_users(env)
        self.n_actions = self.batch.simulator.world.n_items

    def choose(self, states: Array, k: int, explore: bool, action_masks: Flags | None) -> Ints:
        """The k allowed items of the highest true reward for each user: (n, k), best first.

        Raises:
            ValueError: the environment does not hold as many users as there are states.
        """
        rewards, scores = self._rewards_and_scores(states)
        if action_masks is not None:
            rewards = np.where(action_masks, rewards, -np.inf)
        # Many items are rated 5 once a user is addicted: among equals the highest score, which lasts longest.
        if k == 1:
            best_reward = rewards.max(axis=1, keepdims=True)
            best_one: Ints = np.where(rewards == best_reward, scores, -np.inf).argmax(axis=1)[:, None]
            return best_one
        worth = rewards + _tie_break(scores)
        best = np.argpartition(-worth, k - 1, axis=1)[:, :k]
        order = np.argsort(-np.take_along_axis(worth, best, axis=1), axis=1)
        slates: Ints = np.take_along_axis(best, order, axis=1)
        return slates

    def score(self, states: Array, masks: Flags | None) -> Array:
        """True expected rewards of all items; a higher true score adds up to a billionth: (n, items).

        Raises:
            ValueError: the environment does not hold as many users as there are states.
        """
        rewards, scores = self._rewards_and_scores(states)
        return rewards + _tie_break(scores)

    def _rewards_and_scores(self, states: Array) -> tuple[Floats, Floats]:
        simulator, state = self.batch.simulator, self.batch.state
        if state is None or len(state.users) != len(states):
            raise ValueError(f"the oracle was asked about {len(states)} users, but its environment does not hold these")
        scores = simulator.scores(state)
        return simulator.expected_rewards(scores), scores


def _tie_break(scores: Floats) -> Floats:
    """(n, items) scores to bonuses of at most a billionth, in the same order."""
    bonus: Floats = 1e-9 * scores / (1 + np.abs(scores))
    return bonus
