"""What agents learn in the more faithful world with slates: `python -m reproductions.movielens_faithful_slates`.

As `movielens_faithful`, ten movies at a time, of which a user takes one or none. The bar is above the best
policy that does not learn, `fold-in` with 34.1.
"""

from reproductions import movielens_faithful
from reproductions.runner import Claim, Study, main, simple_claims

BAR = 34.5
VARIED_BAR = 31.8  # of `varied`, the best policy that knows nothing of the user

_Q_LEARNING = {
    "item_features": "ratings",
    "discount_factor": 0.5,
    "learning_rate": 5e-4,
    "network_update_frequency": 8,
    "network_sync_frequency": 1000,
    "batch_size": 128,
    "buffer_size": 20_000,
    "decay_rate": 0.998,
    "minimum_exploration_probability": 0.01,
}
DQN = {**_Q_LEARNING, "double": True}
REINFORCE = {**movielens_faithful.REINFORCE, "discount_factor": 0.5, "entropy_coefficient": 0.0}
ACTOR_CRITIC = {**movielens_faithful.ACTOR_CRITIC, "discount_factor": 0.5}
RAINBOW = {**movielens_faithful.RAINBOW, "discount_factor": 0.5}
PPO = {**movielens_faithful.PPO, "discount_factor": 0.5}
SAC = {**movielens_faithful.SAC, "discount_factor": 0.5}

# From nothing: what a network reads of the session is learned with the rest.
SESSIONS = {
    "item_features": "ratings",
    "discount_factor": 0.5,
    "gae_lambda": 0.8,
    "actor_learning_rate": 3e-3,
    "critic_learning_rate": 3e-3,
    "learning_rate_decay": 0.99,
    "steps_per_update": 2048,
    "epochs": 4,
    "minibatch_size": 512,
    "vary_slates": True,
}

# Chosen on users of the pool "evaluation".
RECOMMENDERS = {"fold-in": {"diversify": 0.6}, "item-knn": {"diversify": 0.7}, "ease": {"diversify": 0.7}}

STUDY = Study(
    name="movielens_faithful_slates",
    env_name="MovieLensFairness-v1",
    env_options={"slate_size": 10},
    dataset="ml-1m",
    evaluation_episodes=500,
    evaluation_envs=100,
    claims=[
        *simple_claims(2000, RECOMMENDERS),
        Claim("cma-es", 600_000, BAR, movielens_faithful.CMA_ES, n_envs=64, env_options={"observation": "items"}),
        Claim("linucb", 20_000, hyperparameters=movielens_faithful.LINUCB, n_envs=64),
        Claim("thompson", 20_000, hyperparameters=movielens_faithful.THOMPSON, n_envs=64),
        Claim("reinforce", 150_000, hyperparameters=REINFORCE, n_envs=64),
        Claim("actor-critic", 150_000, hyperparameters=ACTOR_CRITIC, n_envs=64),
        Claim("dqn", 60_000, hyperparameters=DQN, n_envs=16),
        Claim("rainbow", 60_000, hyperparameters=RAINBOW, n_envs=16),
        Claim("sac", 60_000, hyperparameters=SAC, n_envs=16),
        Claim("slate-q", 60_000, hyperparameters=_Q_LEARNING, n_envs=16),
        Claim("ppo", 150_000, hyperparameters=PPO, n_envs=64),
        *(
            Claim(
                "ppo",
                600_000,
                VARIED_BAR,
                {**SESSIONS, "state_encoder": encoder},
                n_envs=64,
                env_options={"observation": "items"},
                variant=encoder,
            )
            for encoder in ("gru", "attention")
        ),
        Claim("oracle", 2000),
    ],
)

if __name__ == "__main__":
    main(STUDY)
