"""Rainbow lands on the moon; needs `pip install '.[envs]'`: `python -m reproductions.lunar_lander`."""

from reproductions.runner import Claim, Study, main

RAINBOW = {
    "hidden_layers": [128, 128, 64, 64],
    "learning_rate": 5e-4,
    "batch_size": 128,
    "buffer_size": 100_000,
    "network_update_frequency": 2,
    "network_sync_frequency": 1000,
    "n_steps": 3,
    "noise_sigma": 0.5,
    "priority_weight_growth": 1e-5,
}
PUBLISHED = "DQN: 154 ± 79 in 100,000 steps (RL Zoo)"

STUDY = Study(
    name="lunar_lander",
    env_name="LunarLander-v3",
    claims=[Claim("rainbow", 250_000, 200.0, RAINBOW, stop_at=225.0, published=PUBLISHED)],
)

if __name__ == "__main__":
    main(STUDY)
