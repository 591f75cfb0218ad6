"""Names under which Gymnasium makes our environments."""

import gymnasium as gym


def register_environments() -> None:
    """Make our environments known to `gymnasium.make` and `gymnasium.make_vec`."""
    # No max_episode_steps: the session ends by itself, and a limit of 50 would cut longer ones that the user asks for.
    gym.register(
        id="MovieLensFairness-v0",
        entry_point="pydeeprecsys.movielens_fairness_env:MovieLensFairness",
        vector_entry_point="pydeeprecsys.envs.vector:MovieLensFairnessVector",
    )
    gym.register(
        id="MovieLensFairness-v1",
        entry_point="pydeeprecsys.envs.faithful:FaithfulMovieLens",
        vector_entry_point="pydeeprecsys.envs.faithful:FaithfulMovieLensVector",
    )
    # v1 is another world, not a better v0: Gymnasium would warn at every use of v0 that it is out of date.
    gym.registry["MovieLensFairness-v1"].version = None
    gym.register(
        id="InterestEvolution-v0",
        entry_point="pydeeprecsys.envs.interest_evolution:InterestEvolution",
        vector_entry_point="pydeeprecsys.envs.interest_evolution:InterestEvolutionVector",
    )
