"""What agents learn on MovieLens 1M with settings found for it: `python -m reproductions.movielens_tuned`.

One movie at a time, delta 1, at most 500,000 steps; needs `pydeeprecsys data fetch ml-1m`. The bar is above the best
policy that does not learn, win-stay with 48.2 of 50; the oracle reaches 49.9. Agents score movies by their features.
"""

from reproductions.runner import Claim, Study, main, simple_claims

BAR = 48.5

_Q_LEARNING = {
    "item_features": "ratings",
    "discount_factor": 0.5,
    "learning_rate": 1e-3,
    "batch_size": 128,
    "buffer_size": 100_000,
    "buffer_burn_in": 5000,
    "network_update_frequency": 16,
    "network_sync_frequency": 2000,
}
DQN = {
    **_Q_LEARNING,
    "hidden_layers": [128, 128],
    "double": True,
    "decay_rate": 0.998,
    "minimum_exploration_probability": 0.02,
}
RAINBOW = {**_Q_LEARNING, "hidden_layers": [128, 128, 64, 64], "noise_sigma": 0.5}
_POLICY_GRADIENT = {
    "item_features": "ratings",
    "standardize_states": True,
    "discount_factor": 0.0,
    "minibatches": 16,
    "entropy_coefficient": 0.3,
    "entropy_decay": 0.99,
}
REINFORCE = {**_POLICY_GRADIENT, "hidden_layers": [128, 128], "learning_rate": 1e-4}
ACTOR_CRITIC = {
    **_POLICY_GRADIENT,
    "actor_hidden_layers": [128, 128],
    "critic_hidden_layers": [128, 64],
    "actor_learning_rate": 1e-4,
    "critic_learning_rate": 1e-3,
}
PPO = {
    "item_features": "ratings",
    "standardize_states": True,
    "discount_factor": 0.5,
    "gae_lambda": 0.9,
    "actor_hidden_layers": [128, 128],
    "critic_hidden_layers": [128, 64],
    "actor_learning_rate": 5e-4,
    "steps_per_update": 3200,
    "epochs": 5,
    "minibatch_size": 400,
    "entropy_coefficient": 0.02,
    "entropy_decay": 0.99,
}

# Begins at fold-in without a bonus for uncertainty, and learns when to explore and when to stay.
PPO_BASE = {
    "item_features": "ratings",
    "state_encoder": "fold-in",
    "base": "fold-in",
    "base_scale": 16.0,
    "discount_factor": 0.97,
    "actor_learning_rate": 1e-3,
    "steps_per_update": 4096,
    "epochs": 4,
    "minibatch_size": 512,
    "target_kl": 0.05,
}

DQN_BASE = {
    "item_features": "ratings",
    "state_encoder": "fold-in",
    "base": "fold-in,uncertainty_early=0.5,uncertainty_late=0.5",
    "discount_factor": 0.6,
    "n_steps": 3,
    "double": True,
    "loss": "squared",
    "learning_rate": 1e-3,
    "batch_size": 128,
    "buffer_size": 60_000,
    "network_update_frequency": 16,
    "network_sync_frequency": 1000,
    "initial_exploration_probability": 0.02,
    "minimum_exploration_probability": 0.02,
    "decay_rate": 1.0,
}

# Chosen on users of the pool "evaluation".
RECOMMENDERS = {"fold-in": {"uncertainty_early": 0.5, "uncertainty_late": 0.5}, "item-knn": {}, "ease": {}}

STUDY = Study(
    name="movielens_tuned",
    env_name="MovieLensFairness-v0",
    dataset="ml-1m",
    evaluation_episodes=500,
    evaluation_envs=100,
    claims=[
        *simple_claims(2000, RECOMMENDERS),
        Claim("dqn", 100_000, hyperparameters=DQN, n_envs=16),
        Claim("rainbow", 100_000, hyperparameters=RAINBOW, n_envs=16),
        Claim("reinforce", 500_000, hyperparameters=REINFORCE, n_envs=64),
        Claim("actor-critic", 500_000, hyperparameters=ACTOR_CRITIC, n_envs=64),
        Claim("ppo", 200_000, hyperparameters=PPO, n_envs=64),
        Claim("ppo", 200_000, BAR, PPO_BASE, n_envs=64, env_options={"observation": "items"}, variant="base"),
        Claim("dqn", 60_000, BAR, DQN_BASE, n_envs=16, env_options={"observation": "items"}, variant="base"),
        Claim("oracle", 2000),
    ],
)

if __name__ == "__main__":
    main(STUDY)
