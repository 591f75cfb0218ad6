"""Rainbow lands on the moon; needs `pip install '.[envs]'`: `python -m reproductions.lunar_lander`."""

from reproductions.runner import Claim, Study, main

RAINBOW = {
    "hidden_layers": [256, 256, 128, 128],
    "learning_rate": 5e-4,
    "batch_size": 64,
    "buffer_size": 100_000,
    "network_update_frequency": 2,
    "noise_sigma": 0.5,
}

STUDY = Study(
    name="lunar_lander",
    env_name="LunarLander-v3",
    claims=[Claim("rainbow", 250_000, 200.0, RAINBOW, published="DQN: 154 ± 79 in 100,000 steps (RL Zoo)")],
)

if __name__ == "__main__":
    main(STUDY)
