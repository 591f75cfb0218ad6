"""An evaluation tool, not a recommender: the policy that reads the simulated users' minds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pydeeprecsys.envs.single import simulated_users
from pydeeprecsys.rl.agents.agent import ReinforcementLearning, check_slate_size


class OracleAgent(ReinforcementLearning):
    """Shows what brings the highest reward right now, knowing every user's true affinities.

    It marks what could be had, and is nothing one could deploy. Greedy: it does not plan how affinities will move, what
    the user will tire of, or how long the session will last, so a planner could do better still. Where users may leave
    what is shown, an item's reward counts by how likely they take it if it is shown alone.

    Args:
        env: The environment that the agent acts in, single or vector, wrapped or not.
    """

    def __init__(self, env: Any) -> None:
        self.batch = simulated_users(env)

    def top_k_actions_for_states(
        self,
        states: NDArray[Any],
        k: int = 1,
        *,
        explore: bool = True,
        action_masks: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.int64]:
        """The k allowed items of the highest true reward for each user: (n, k), best first."""
        simulator, state = self.batch.simulator, self.batch.state
        if state is None or len(state.users) != len(states):
            raise ValueError(f"the oracle was asked about {len(states)} users, but its environment does not hold these")
        scores = simulator.scores(state)
        check_slate_size(k, scores.shape[1], action_masks)
        rewards = simulator.expected_rewards(scores)
        if action_masks is not None:
            rewards = np.where(action_masks, rewards, -np.inf)
        # Many items are worth a full 5 once a user is addicted: among equals the highest score, which lasts longest.
        if k == 1:
            best_reward = rewards.max(axis=1, keepdims=True)
            best_one: NDArray[np.int64] = np.where(rewards == best_reward, scores, -np.inf).argmax(axis=1)[:, None]
            return best_one
        worth = rewards + 1e-9 * scores / (1 + np.abs(scores))
        best = np.argpartition(-worth, k - 1, axis=1)[:, :k]
        order = np.argsort(-np.take_along_axis(worth, best, axis=1), axis=1)
        slates: NDArray[np.int64] = np.take_along_axis(best, order, axis=1)
        return slates
