"""SlateQ on users whose interests evolve, as RecSim simulates them: `python -m reproductions.interest_evolution`.

Slates of 3 out of 10 documents, which change with each step. The mean minutes watched in a session: the published
figures are of a learner that saw 300,000 steps.
"""

from reproductions.runner import Claim, Study, main

SLATE_Q = {"decay_rate": 0.98, "batch_size": 128, "discount_factor": 0.99}

STUDY = Study(
    name="interest_evolution",
    env_name="InterestEvolution-v0",
    evaluation_episodes=500,
    evaluation_envs=50,
    claims=[
        Claim("random", 1000, published="159.2 (Ie et al. 2019)"),
        Claim(
            "slate-q", 60_000, 173.0, SLATE_Q, n_envs=8, published="SlateQ: 173.8 to 174.6; myopic: 166.3 (Ie et al.)"
        ),
    ],
)

if __name__ == "__main__":
    main(STUDY)
