"""Every agent balances CartPole's pole from every seed: `python -m reproductions.cartpole`."""

from reproductions.runner import Claim, Study, main

BAR = 475.0  # of 500: where the environment counts as solved

DQN = {
    "double": True,
    "n_steps": 10,
    "learning_rate": 1e-3,
    "batch_size": 128,
    "buffer_size": 50_000,
    "network_update_frequency": 2,
    "network_sync_frequency": 200,
    "decay_rate": 0.95,
    "minimum_exploration_probability": 0.01,
}
RAINBOW = {
    "n_steps": 10,
    "learning_rate": 5e-4,
    "batch_size": 128,
    "buffer_size": 50_000,
    "network_update_frequency": 2,
    "network_sync_frequency": 200,
    "noise_sigma": 0.5,
    "hidden_layers": [128, 128, 64, 64],
}
SAC = {"learning_rate": 1e-3}
REINFORCE = {"hidden_layers": [128], "learning_rate": 3e-3}
ACTOR_CRITIC = {"actor_hidden_layers": [128], "critic_hidden_layers": [128]}

STUDY = Study(
    name="cartpole",
    env_name="CartPole-v1",
    claims=[
        Claim("dqn", 50_000, BAR, DQN, published="488.7 ± 16.1 in 500,000 steps (CleanRL documentation)"),
        Claim("rainbow", 50_000, BAR, RAINBOW, published="≥ 195 within 80,000 steps (tests of tianshou)"),
        Claim("sac", 50_000, BAR, SAC, published="≥ 170 within 50,000 steps (tests of tianshou)"),
        Claim("reinforce", 200_000, BAR, REINFORCE, published="≥ 195 within 400,000 steps (tests of tianshou)"),
        Claim(
            "actor-critic",
            200_000,
            BAR,
            ACTOR_CRITIC,
            published="A2C: ≥ 195 within 500,000 steps (tests of tianshou)",
        ),
    ],
)

if __name__ == "__main__":
    main(STUDY)
