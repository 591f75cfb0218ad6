"""A user dynamic of one's own, who tires of whatever was shown, liked or not: python examples/own_dynamic.py"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pydeeprecsys.experiments.registry import make_agent
from pydeeprecsys.rl.manager import MovieLensFairnessManager


@dataclass(frozen=True)
class Tiring:
    """Every genre that is shown loses a share of the affinity for it; the others slowly recover."""

    loss: float = 0.2

    def __call__(
        self,
        vectors: NDArray[np.float64],
        slates: NDArray[np.int64],
        ratings: NDArray[np.float64],
        genres: NDArray[np.bool_],
    ) -> NDArray[np.float64]:
        shown = genres[slates].any(axis=1)  # (n, 19)
        moved = vectors.copy()
        affinities = moved[:, -genres.shape[1] :]
        affinities *= np.where(shown, 1 - self.loss, 1 + self.loss / 10)
        return moved


manager = MovieLensFairnessManager(seed=0, n_envs=64, dynamics=Tiring())
for name in ("random", "best-rated", "win-stay", "oracle"):
    outputs = manager.execute_episodes(make_agent(name, manager, seed=0), 512)
    print(f"{name}: {np.mean([output.reward_sum for output in outputs]):.2f} of 50")
