"""A user dynamic of your own: users tire of what they are shown, liked or not. Run: python examples/own_dynamic.py"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pydeeprecsys.experiments.registry import make_agent
from pydeeprecsys.rl.manager import MovieLensFairnessManager


@dataclass(frozen=True)
class Tiring:
    """Affinities for the categories shown shrink by a share; the others recover towards `rest`, and so stay bounded."""

    loss: float = 0.2
    recovery: float = 0.02
    rest: float = 0.5  # stars

    def __call__(
        self,
        vectors: NDArray[np.float64],
        slates: NDArray[np.int64],
        ratings: NDArray[np.float64],
        genres: NDArray[np.bool_],
    ) -> NDArray[np.float64]:
        shown = genres[slates].any(axis=1)  # (n, categories)
        moved = vectors.copy()
        affinities = moved[:, -genres.shape[1] :]
        affinities += np.where(shown, -self.loss * affinities, self.recovery * (self.rest - affinities))
        return moved


if __name__ == "__main__":
    manager = MovieLensFairnessManager(seed=0, n_envs=64, dynamics=Tiring())
    for name in ("random", "best-rated", "win-stay", "oracle"):
        outputs = manager.execute_episodes(make_agent(name, manager, seed=0), 512)
        print(f"{name}: {np.mean([output.reward_sum for output in outputs]):.2f} of 50")
