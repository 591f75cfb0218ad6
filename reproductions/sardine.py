"""PPO on the users of an independent simulator, who get bored: `python -m reproductions.sardine`.

Needs `pip install sardine-rec`.

SARDINE (Deffayet et al., SARDINE: A Simulator for Automated Recommendation in Dynamic and Interactive Environments,
2024), task SlateTopK-Bored: slates of 10 out of 1,000 items, 100 of them in a session. Users click by their taste and
by position, and who clicked 5 items of one topic within 5 slates loses interest in everything for a while. The return
is the number of clicks. The bar is the greedy oracle, which knows every user's taste and bores them.
"""

from typing import Any

import gymnasium as gym
import numpy as np
from sardine.wrappers import IdealState

from reproductions.runner import Claim, Study, main

PPO = {
    "item_features": "world",
    "discount_factor": 0.9,
    "gae_lambda": 0.9,
    "actor_hidden_layers": [128, 128],
    "critic_hidden_layers": [128, 128],
    "actor_learning_rate": 1e-3,
    "steps_per_update": 3232,
    "epochs": 8,
    "minibatch_size": 404,
    "target_kl": 0.05,
}
GREEDY_ORACLE = 143.5


class ChosenClick(gym.Wrapper[Any, Any, Any, Any]):
    """Reports the first click on a slate, as the loop expects, and the features of the items."""

    @property
    def item_features(self) -> Any:
        """(items, 10) of each item how much it is of each topic."""
        return self.env.unwrapped.item_embedd  # type: ignore[attr-defined]

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Show a slate; of `info`, whose entries are of many kinds, only the click is kept."""
        state, reward, terminated, truncated, info = self.env.step(action)
        clicks = info["clicks"]
        chosen = int(np.argmax(clicks)) if clicks.any() else -1
        return state, float(reward), terminated, truncated, {"chosen_action": chosen}

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """Begin the next session."""
        return self.env.reset(**options)[0], {}


def _make() -> gym.Env[Any, Any]:
    return ChosenClick(IdealState(gym.make("sardine/SlateTopK-Bored-v0")))


gym.register("SardineBored-v0", _make)

STUDY = Study(
    name="sardine",
    env_name="SardineBored-v0",
    evaluation_envs=8,
    claims=[
        Claim("random", 1000, published="44.0 (re-run of the simulator's own)"),
        Claim("ppo", 650_000, GREEDY_ORACLE, PPO, n_envs=32, published="greedy oracle 143.5 (re-run)"),
    ],
)

if __name__ == "__main__":
    main(STUDY)
