"""What the notebook's hyperparameters reach in 300 sessions: `python -m reproductions.movielens_founding`.

MovieLens 1M, one movie at a time, delta 1; needs `pydeeprecsys data fetch ml-1m`. Nothing is claimed but the table:
how far the learning agents come beside the simple policies and the oracle.
"""

from pydeeprecsys.evaluation.standings import RANDOM
from reproductions import movielens_tuned
from reproductions.runner import Claim, Study, main, simple_claims

STEPS = 300 * 50

REINFORCE = {"discount_factor": 0.95, "learning_rate": 0.001}
ACTOR_CRITIC = {"discount_factor": 0.99}
RAINBOW = {
    "network_update_frequency": 5,
    "network_sync_frequency": 250,
    "batch_size": 32,
    "learning_rate": 0.00025,
    "discount_factor": 0.9,
    "buffer_size": 10_000,
    "buffer_burn_in": 32,
}
SAC = {"batch_size": 32, "item_features": "world"}  # 3,883 independent outputs of five networks take too long
_ORIGINAL = "in training, the original on these data: {} (by seed)"

STUDY = Study(
    name="movielens_founding",
    env_name="MovieLensFairness-v0",
    dataset="ml-1m",
    evaluation_envs=100,
    claims=[
        Claim("random", STEPS, published=_ORIGINAL.format("34.7")),
        *(claim for claim in simple_claims(STEPS, movielens_tuned.RECOMMENDERS) if claim.agent != RANDOM),
        Claim("reinforce", STEPS, hyperparameters=REINFORCE, published=_ORIGINAL.format("34.7, 34.7, 34.8")),
        Claim("actor-critic", STEPS, hyperparameters=ACTOR_CRITIC, published=_ORIGINAL.format("35.2, 36.1, 24.3")),
        Claim("rainbow", STEPS, hyperparameters=RAINBOW, published=_ORIGINAL.format("38.0, 38.5")),
        Claim("dqn", STEPS),
        Claim("sac", STEPS, hyperparameters=SAC),
        Claim("oracle", STEPS),
    ],
)

if __name__ == "__main__":
    main(STUDY)
