"""SAC swings the pendulum up, with continuous actions: `python -m reproductions.pendulum`."""

from reproductions.runner import Claim, Study, main

SAC = {"learning_rate": 1e-3}

STUDY = Study(
    name="pendulum",
    env_name="Pendulum-v1",
    claims=[Claim("sac", 20_000, -170.0, SAC, published="−157 ± 89 in 20,000 steps (RL Zoo)")],
)

if __name__ == "__main__":
    main(STUDY)
