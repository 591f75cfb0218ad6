"""Registration of the environments with Gymnasium."""

from pydeeprecsys.extras import is_installed


def register_environments() -> None:
    """Make our environments known to `gymnasium.make` and `gymnasium.make_vec`, where Gymnasium is installed."""
    if not is_installed("gymnasium"):
        return
    import gymnasium as gym

    # No max_episode_steps: sessions end by themselves, and a limit of 50 would truncate longer ones.
    for version, options in enumerate(({}, {"version": 1})):
        gym.register(
            id=f"MovieLensFairness-v{version}",
            entry_point="pydeeprecsys.movielens_fairness_env:MovieLensFairness",
            vector_entry_point="pydeeprecsys.envs.vector:MovieLensFairnessVector",
            kwargs=options,
        )
    # v1 is another world, not a newer v0: otherwise Gymnasium would warn at every use of v0 that it is out of date.
    gym.registry["MovieLensFairness-v1"].version = None
    gym.register(
        id="InterestEvolution-v0",
        entry_point="pydeeprecsys.envs.interest_evolution:InterestEvolution",
        vector_entry_point="pydeeprecsys.envs.interest_evolution:InterestEvolutionVector",
    )
