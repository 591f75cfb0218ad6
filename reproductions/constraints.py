"""Safe and fair policies on MovieLens 1M: constraints on violence beside the reward of several objectives.

Agents are trained on users of the pool `train` and audited on those of `test`. Nothing was chosen on either, nor on
these seeds: hyperparameters and limits are from the pool `evaluation` and the seed 0. `docs/audit.md` explains the
figures.
"""

from __future__ import annotations

from dataclasses import replace

from reproductions.movielens_tuned import PPO_BASE, RAINBOW
from reproductions.runner import Claim, Study

LEVEL = 0.67
LIMIT = 0.43
"""Midway between the CVaR of PPO without a constraint and that of the random policy, on users of `evaluation`."""
MEAN_LIMIT = 0.36
"""Likewise between the mean costs."""
_PPO = {**PPO_BASE, "gae_lambda": 0.9}
_STEPS = 100_000
_ITEMS = {"observation": "items"}
_LIMITS = (0.35, 0.39, LIMIT, 0.47, 0.51)
_WEIGHTS = tuple(i / 8 for i in range(1, 9))


def _ppo(variant: str, weight: float = 0.0, **more: float | str) -> Claim:
    options = (
        _ITEMS | ({"lambda_non_violent": weight} if weight else {}) | ({"group": "sex"} if "worst" in variant else {})
    )
    return Claim("ppo", _STEPS, hyperparameters={**_PPO, **more}, n_envs=64, env_options=options, variant=variant)


STUDY = Study(
    name="constraints",
    env_name="MovieLensFairness-v0",
    env_options={"repeats": "refuse"},
    dataset="ml-1m",
    evaluation_episodes=500,
    evaluation_envs=100,
    claims=[
        Claim("random", 2000),
        Claim("varied", 2000),
        Claim("fold-in", 2000, env_options=_ITEMS),
        _ppo(""),
        *(_ppo(f"cvar-{limit}", cost_limit=limit, cvar_level=LEVEL) for limit in _LIMITS),
        _ppo(f"mean-{MEAN_LIMIT}", cost_limit=MEAN_LIMIT),
        *(_ppo(f"weight-{weight}", weight) for weight in _WEIGHTS),
        replace(_ppo("worst-group", worst_group_rate=0.2), env_options={**_ITEMS, "group": "sex"}),
        Claim("rainbow", _STEPS, hyperparameters=RAINBOW, n_envs=16),
        Claim(
            "rainbow",
            _STEPS,
            hyperparameters={**RAINBOW, "cost_limit": MEAN_LIMIT, "multiplier_rate": 0.2},
            n_envs=16,
            variant=f"mean-{MEAN_LIMIT}",
        ),
    ],
)
