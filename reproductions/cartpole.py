"""Every agent balances CartPole's pole from every seed: `python -m reproductions.cartpole`."""

from reproductions.runner import Claim, Study, main

BAR = 475.0  # of 500: where the environment counts as solved
STOP = 490.0  # mean of the last 100 training episodes at which training ends: nothing falls that one could learn from

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
    "categorical": True,
    "v_max": 100.0,
    "n_steps": 10,
    "learning_rate": 5e-4,
    "batch_size": 128,
    "buffer_size": 50_000,
    "network_update_frequency": 4,
    "network_sync_frequency": 400,
    "noise_sigma": 0.1,
    "hidden_layers": [128, 128, 64, 64],
}
SAC = {
    "learning_rate": 1e-3,
    "batch_size": 128,
    "update_frequency": 2,
    "timesteps_to_start_predicting": 1000,
    "target_update_interval": 1,
    "soft_target_update_rate": 0.02,
    "target_entropy": 0.45,
    "hidden_layers": [128, 128],
}
_POLICY_GRADIENT = {"discount_factor": 0.99, "episodes_per_update": 8, "minibatches": 4}
REINFORCE = {**_POLICY_GRADIENT, "hidden_layers": [64], "learning_rate": 3e-3}
ACTOR_CRITIC = {
    **_POLICY_GRADIENT,
    "actor_hidden_layers": [64],
    "critic_hidden_layers": [64],
    "actor_learning_rate": 3e-3,
    "critic_learning_rate": 3e-3,
}

STUDY = Study(
    name="cartpole",
    env_name="CartPole-v1",
    claims=[
        Claim("dqn", 50_000, BAR, DQN, stop_at=STOP, published="488.7 ± 16.1 in 500,000 steps (CleanRL documentation)"),
        Claim("rainbow", 50_000, BAR, RAINBOW, stop_at=STOP, published="≥ 195 within 80,000 steps (tests of tianshou)"),
        Claim("sac", 50_000, BAR, SAC, stop_at=STOP, published="≥ 170 within 50,000 steps (tests of tianshou)"),
        Claim(
            "reinforce",
            200_000,
            BAR,
            REINFORCE,
            n_envs=8,
            stop_at=STOP,
            published="≥ 195 within 400,000 steps (tests of tianshou)",
        ),
        Claim(
            "actor-critic",
            200_000,
            BAR,
            ACTOR_CRITIC,
            n_envs=8,
            stop_at=STOP,
            published="A2C: ≥ 195 within 500,000 steps (tests of tianshou)",
        ),
    ],
)

if __name__ == "__main__":
    main(STUDY)
