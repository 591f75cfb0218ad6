"""Names under which Gymnasium makes our environments."""

import gymnasium as gym


def register_environments() -> None:
    """Make `MovieLensFairness-v0` known to `gymnasium.make` and `gymnasium.make_vec`."""
    # No max_episode_steps: the session ends by itself, and a limit of 50 would cut longer ones that the user asks for.
    gym.register(
        id="MovieLensFairness-v0",
        entry_point="pydeeprecsys.movielens_fairness_env:MovieLensFairness",
        vector_entry_point="pydeeprecsys.envs.vector:MovieLensFairnessVector",
    )
