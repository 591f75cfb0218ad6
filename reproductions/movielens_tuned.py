"""What agents learn on MovieLens 1M with settings found for it: `python -m reproductions.movielens_tuned`.

One movie at a time, delta 1, at most a million steps; needs `pydeeprecsys data fetch ml-1m`. The bar of 48 of 50 is a
little under win-stay, which reaches 48.8; the oracle reaches 49.9. Every agent scores movies by their features.
"""

from reproductions.runner import Claim, Study, main

STEPS = 1_000_000
BAR = 48.0

_Q_LEARNING = {
    "item_features": True,
    "discount_factor": 0.5,
    "learning_rate": 1e-3,
    "batch_size": 256,
    "buffer_size": 100_000,
    "buffer_burn_in": 5000,
    "network_update_frequency": 64,
    "network_sync_frequency": 6400,
}
DQN = {**_Q_LEARNING, "hidden_layers": [128, 128], "decay_rate": 0.999}
RAINBOW = {**_Q_LEARNING, "hidden_layers": [128, 128, 64, 64], "noise_sigma": 0.5}
REINFORCE = {"item_features": True, "discount_factor": 0.5}
ACTOR_CRITIC = {"item_features": True, "discount_factor": 0.5}

STUDY = Study(
    name="movielens_tuned",
    env_name="MovieLensFairness-v0",
    dataset="ml-1m",
    evaluation_envs=100,
    claims=[
        Claim("dqn", STEPS, BAR, DQN, n_envs=64),
        Claim("rainbow", STEPS, BAR, RAINBOW, n_envs=64),
        Claim("reinforce", STEPS, BAR, REINFORCE, n_envs=64),
        Claim("actor-critic", STEPS, BAR, ACTOR_CRITIC, n_envs=64),
    ],
)

if __name__ == "__main__":
    main(STUDY)
