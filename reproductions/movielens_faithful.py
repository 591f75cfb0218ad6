"""What agents learn in the more faithful world, one movie at a time: `python -m reproductions.movielens_faithful`.

`MovieLensFairness-v1` on MovieLens 1M (docs/worlds.md): users take a movie or leave it, tire of genres, are not shown
what they had, and go when their patience is used up. Needs `pydeeprecsys data fetch ml-1m`. The bar is above the
best policy that does not learn, `fold-in` with 32.2.
"""

from reproductions.runner import Claim, Study, main, simple_claims

BAR = 32.6

DQN = {
    "item_features": "ratings",
    "discount_factor": 0.9,
    "double": True,
    "network_update_frequency": 16,
    "network_sync_frequency": 1000,
    "batch_size": 128,
    "buffer_size": 20_000,
    "decay_rate": 0.998,
    "minimum_exploration_probability": 0.02,
}
PPO = {
    "item_features": "ratings",
    "discount_factor": 0.9,
    "gae_lambda": 0.9,
    "actor_hidden_layers": [128, 128],
    "actor_learning_rate": 1e-3,
    "steps_per_update": 1280,
    "epochs": 4,
    "minibatch_size": 160,
    "entropy_coefficient": 0.01,
}
RAINBOW = {
    "item_features": "ratings",
    "discount_factor": 0.9,
    "network_update_frequency": 16,
    "network_sync_frequency": 1000,
    "batch_size": 128,
    "buffer_size": 20_000,
    "hidden_layers": [128, 128, 64, 64],
    "learning_rate": 5e-4,
    "noise_sigma": 0.5,
}
_POLICY_GRADIENT = {"item_features": "ratings", "discount_factor": 0.9, "minibatches": 8, "entropy_coefficient": 0.01}
REINFORCE = {**_POLICY_GRADIENT, "hidden_layers": [128, 128], "learning_rate": 3e-4}
ACTOR_CRITIC = {**_POLICY_GRADIENT, "gae_lambda": 0.9, "actor_hidden_layers": [128, 128], "actor_learning_rate": 3e-4}
SAC = {
    "item_features": "ratings",
    "discount_factor": 0.9,
    "learning_rate": 5e-4,
    "update_frequency": 16,
    "batch_size": 128,
    "hidden_layers": [128, 128],
    "buffer_size": 20_000,
}
# The states of 214 numbers leave one principal component of the items with the default of 500, and 10 with this.
LINUCB = {"item_features": "ratings", "max_parameters": 2500}
THOMPSON = {**LINUCB, "exploration_scale": 0.02}

# Chosen on users of the pool "evaluation".
RECOMMENDERS = {"fold-in": {"diversify": 0.6}, "item-knn": {"diversify": 0.4}, "ease": {"diversify": 0.4}}
CMA_ES = {"base": "fold-in,diversify=0.6", "sessions": 64, "initial_step": 0.1}

STUDY = Study(
    name="movielens_faithful",
    env_name="MovieLensFairness-v1",
    dataset="ml-1m",
    evaluation_episodes=500,
    evaluation_envs=100,
    claims=[
        *simple_claims(2000, RECOMMENDERS),
        Claim("cma-es", 600_000, BAR, CMA_ES, n_envs=64, env_options={"observation": "items"}),
        Claim("linucb", 20_000, hyperparameters=LINUCB, n_envs=64),
        Claim("thompson", 20_000, hyperparameters=THOMPSON, n_envs=64),
        Claim("reinforce", 150_000, hyperparameters=REINFORCE, n_envs=64),
        Claim("actor-critic", 150_000, hyperparameters=ACTOR_CRITIC, n_envs=64),
        Claim("dqn", 60_000, hyperparameters=DQN, n_envs=16),
        Claim("rainbow", 60_000, hyperparameters=RAINBOW, n_envs=16),
        Claim("sac", 60_000, hyperparameters=SAC, n_envs=16),
        Claim("ppo", 150_000, hyperparameters=PPO, n_envs=64),
        Claim("oracle", 2000),
    ],
)

if __name__ == "__main__":
    main(STUDY)
