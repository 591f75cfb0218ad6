"""How far a policy without memory or chance can come on MovieLens 1M: `python -m reproductions.movielens_rings`.

An observation has the genres of the last movie and its rating. A ring of movies, no two of the same genres, is all
that such a policy needs: it shows the last one again where it was liked, and the next of the ring where it was not.
"""

from __future__ import annotations

import click
import numpy as np
from numpy.typing import NDArray

from pydeeprecsys.arrays import Array, Flags, Ints
from pydeeprecsys.data.movielens_layouts import GENRES
from pydeeprecsys.data.world import World
from pydeeprecsys.envs.observations import DEMOGRAPHICS
from pydeeprecsys.rl.agents.agent import ReinforcementLearning
from pydeeprecsys.simulation.movielens.simulator import Simulator
from reproductions.movielens_tuned import STUDY

SEED = 1_000_000_507  # of the environments of evaluation, beside those of the learning agents
EPISODES = 1000
THRESHOLD = 4.0  # stars at which it stays; 3.5 and 4.3 are within half a point of it from five movies on
SIZES = (2, 3, 4, 5, 10, 20, 40)


class Ring(ReinforcementLearning):
    """Stays where the last rating is high, and else moves to the next movie of a ring; it learns nothing.

    Args:
        movies: (n,) the ring; no two of the same genres.
        genres: (items, 19) flags of all movies.
    """

    def __init__(self, movies: NDArray[np.int64], genres: NDArray[np.bool_]) -> None:
        self.movies, self.genres, self.n_actions = movies, genres[movies], len(genres)

    def choose(self, states: Array, k: int, explore: bool, action_masks: Flags | None) -> Ints:
        """One movie for each state, whatever k is: (n, 1)."""
        flags, rating = np.split(states[:, DEMOGRAPHICS:-1], [len(GENRES)], axis=1)
        place = ((flags[:, None] > 0.5) == self.genres).all(axis=2).argmax(axis=1)
        rating = rating[:, 0]
        shifted = np.where(rating < np.float32(THRESHOLD / 5), place + 1, place) % len(self.movies)
        return self.movies[np.where(rating == 0, 0, shifted)][:, None]  # no rating: a new session


def best_of_each_kind(world: World, users: NDArray[np.int64]) -> NDArray[np.int64]:
    """The movie of each combination of genres that these users rate best, best first."""
    best_first = np.argsort(-world.observed_means(users), kind="stable")
    _, first = np.unique(world.genres[best_first], axis=0, return_index=True)
    return best_first[np.sort(first)]


@click.command(help=__doc__)
def main() -> None:
    """Print the mean return of rings of several sizes."""
    simulator: Simulator = STUDY.task.manager(SEED, 1, "train").env.get_wrapper_attr("simulator")
    world = simulator.world
    movies = best_of_each_kind(world, simulator.users)
    manager = STUDY.task.manager(SEED, STUDY.evaluation_envs, "test")
    click.echo("| movies in the ring | mean return | standard deviation |\n| ---: | ---: | ---: |")
    for size in SIZES:
        ring = Ring(movies[:size], world.genres)
        returns = [episode.reward_sum for episode in manager.execute_episodes(ring, EPISODES)]
        click.echo(f"| {size} | {np.mean(returns):.2f} | {np.std(returns):.2f} |")


if __name__ == "__main__":
    main()
