"""Recommenders on held-out ratings of MovieLens-1M: `python -m reproductions.held_out_ratings`.

A fifth of the users are for testing: four fifths of the ratings of each are the history, and the rest are held out.
Methods are fitted to the ratings of all other users, and rank the items that are not in the history. The held-out items
of 4 stars or more are relevant; users without any are left out. Beside them run LensKit's implementations, on the
same split and from the same histories. Writes results/held_out_ratings.csv.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import click
import numpy as np
import pandas as pd

import pydeeprecsys
from pydeeprecsys.arrays import Array, Flags, Floats, Ints, Singles
from pydeeprecsys.data.library import open_world
from pydeeprecsys.data.world import World
from pydeeprecsys.experiments.item_estimates import estimate_items
from pydeeprecsys.files import whole_file
from pydeeprecsys.history import History, HistoryLayout
from pydeeprecsys.metrics.relevance import ndcg, recall
from pydeeprecsys.rl.agents.ease import LIKED, EASEAgent
from pydeeprecsys.rl.agents.fold_in import FoldInAgent
from pydeeprecsys.rl.agents.item_knn import ItemKNNAgent
from pydeeprecsys.rl.ops.histories import linear_scores
from pydeeprecsys.rl.ops.item_models import ease_weights, item_similarities, nearest_neighbours
from pydeeprecsys.rl.ratings import Ratings

RESULTS = Path(__file__).parent / "results" / "held_out_ratings.csv"
K = 10
NEIGHBOURS = 500
REGULARIZATION = 500.0  # of EASE on likes, as Steck chose for MovieLens-20M

Score = Callable[[History], Floats]


class Split(NamedTuple):
    """Ratings to fit to, and of m test users what is known and what is held out."""

    train: Ratings
    train_users: Ints
    history: History  # of m users
    relevant: Flags  # (m, items)


def split(world: World, seed: int) -> Split:
    """Split users and the ratings of test users at random."""
    rng = np.random.default_rng(seed)
    users = rng.permutation(world.n_users)
    test, train = np.sort(users[: world.n_users // 5]), np.sort(users[world.n_users // 5 :])
    theirs = np.isin(world.rating_users, train)
    columns = (world.rating_users, world.rating_items, world.rating_stars)
    ratings = Ratings(*(column[theirs] for column in columns), mean_ratings=world.observed_means(train))
    known, held_out = [], np.zeros((len(test), world.n_items), dtype=np.bool_)
    for row, user in enumerate(test):
        own = rng.permutation(np.flatnonzero(world.rating_users == user))
        known.append(own[: round(0.8 * len(own))])
        others = own[len(known[-1]) :]
        held_out[row, world.rating_items[others[world.rating_stars[others] >= LIKED]]] = True
    some = held_out.any(axis=1)
    rows = [own for own, kept in zip(known, some, strict=True) if kept]
    items = _padded([world.rating_items[own] for own in rows], -1).astype(np.int64)
    stars = _padded([world.rating_stars[own] for own in rows], 0.0).astype(np.float32)
    demographics = world.demographics[test[some]]
    history = History(demographics, items[:, :, None], choices=np.zeros_like(items), items=items, ratings=stars)
    return Split(ratings, train, history, held_out[some])


def _padded(rows: list[Array], nothing: float) -> Array:
    padded = np.full((len(rows), max(map(len, rows))), nothing)
    for row, values in zip(padded, rows, strict=True):
        row[: len(values)] = values
    return padded


def agents(world: World, data: Split) -> Mapping[str, Score]:
    """How the agents rank, with their default hyperparameters."""
    length = data.history.items.shape[1]
    history = HistoryLayout(world.n_items, slate_size=1, n_rated=1, length=length)
    categories, ratings = world.known_genres, data.train
    fold_in = FoldInAgent(history, estimate_items(world, data.train_users))
    return {
        "popular": lambda seen: np.tile(_counts(data), (len(seen.items), 1)),
        "best-rated": lambda seen: np.tile(ratings.mean_ratings, (len(seen.items), 1)),
        "fold-in": fold_in.relevance,
        "item-knn": ItemKNNAgent(history, categories, ratings).relevance,
        "ease": EASEAgent(history, categories, ratings).relevance,
        "ease, feedback likes": EASEAgent(history, categories, ratings, feedback="likes").relevance,
    }


def as_lenskit(data: Split) -> Mapping[str, Score]:
    """The same mathematics, put together as LensKit has it."""
    ratings = data.train
    likes, counts = ratings.matrix(ratings.stars >= LIKED), _counts(data)
    likes.eliminate_zeros()
    means = np.bincount(ratings.items, ratings.stars, len(counts)) / np.maximum(counts, 1)
    of_ratings = _neighbours(ratings.matrix(ratings.stars - means[ratings.items]))
    of_likes, weights = _neighbours(likes), ease_weights(likes, REGULARIZATION)

    def predicted(seen: History) -> Floats:
        deviations = np.where(seen.items >= 0, seen.ratings - means[seen.items], 0.0)
        # A deviation of 0 counts in the mean, too.
        sums, trust = (
            linear_scores(seen.items, values, of_ratings) for values in (deviations, np.ones_like(deviations))
        )
        return means + np.divide(sums, trust, out=np.full_like(sums, -np.inf), where=trust > 0)

    def of_liked(matrix: Singles) -> Score:
        return lambda seen: linear_scores(seen.items, (seen.ratings >= LIKED).astype(np.float64), matrix)

    return {
        "popular": lambda seen: np.tile(counts, (len(seen.items), 1)),
        "item-knn of ratings": predicted,
        "item-knn of likes": of_liked(of_likes),
        "ease of likes": of_liked(weights),
    }


def _neighbours(profiles: Array) -> Singles:
    return nearest_neighbours(item_similarities(profiles, shrinkage=0.0), NEIGHBOURS)


def _counts(data: Split) -> Floats:
    return np.bincount(data.train.items, minlength=data.relevant.shape[1]).astype(np.float64)


def measure(score: Score, data: Split) -> dict[str, Floats]:
    """Recall and NDCG of each test user."""
    slates = []
    for rows in np.array_split(np.arange(len(data.relevant)), 10):
        seen = History(*(column[rows] for column in data.history))
        scores = score(seen)
        user, position = np.nonzero(seen.items >= 0)
        scores[user, seen.items[user, position]] = -np.inf
        slates.append(np.argsort(-scores, axis=1, kind="stable")[:, :K])
    shown = np.concatenate(slates)
    return {"recall": recall(shown, data.relevant), "ndcg": ndcg(shown, data.relevant)}


def lenskit(python: Path, data: Split) -> Iterator[tuple[str, dict[str, Floats], str]]:
    """LensKit's methods: name, metrics of each test user, version."""
    user, position = np.nonzero(data.history.items >= 0)
    row, item = np.nonzero(data.relevant)
    parts = {
        "train": (data.train.users, data.train.items, data.train.stars),
        "history": (user, data.history.items[user, position], data.history.ratings[user, position]),
        "relevant": (row, item, np.full(len(row), LIKED)),
    }
    names = ("user_id", "item_id", "rating")
    with TemporaryDirectory() as folder:
        arrays = {f"{part}_{n}": values for part, own in parts.items() for n, values in zip(names, own, strict=True)}
        np.savez(Path(folder) / "split.npz", **arrays)
        script = Path(__file__).with_name("held_out_ratings_lenskit.py")
        subprocess.run([python, script, folder, str(K), str(NEIGHBOURS), str(REGULARIZATION)], check=True)
        with np.load(Path(folder) / "lenskit.npz") as file:
            for name in dict.fromkeys(key.partition("/")[0] for key in file if "/" in key):
                yield name, {metric: file[f"{name}/{metric}"] for metric in ("recall", "ndcg")}, str(file["version"])


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="Number of splits.")
@click.option(
    "--lenskit-python",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    envvar="LENSKIT_PYTHON",
    help="A Python that has lenskit; also read from LENSKIT_PYTHON.",
)
def main(seeds: int, lenskit_python: Path | None) -> None:
    """Recall@10 and NDCG@10 of recommenders on held-out ratings of MovieLens-1M, beside those of LensKit."""
    world, rows = open_world("ml-1m"), []
    for seed in range(seeds):
        data = split(world, seed)
        ours = {f"agent {name}": measure(score, data) for name, score in agents(world, data).items()}
        alike = {name: measure(score, data) for name, score in as_lenskit(data).items()}
        rows += [
            _row(name, seed, f"pydeeprecsys {pydeeprecsys.__version__}", own) for name, own in (ours | alike).items()
        ]
        for name, theirs, version in lenskit(lenskit_python, data) if lenskit_python else ():
            rows.append(_row(name, seed, f"lenskit {version}", theirs) | _difference(alike[name], theirs))
        table = pd.DataFrame(rows)
        with whole_file(RESULTS) as path:
            table.round(5).to_csv(path, index=False)
    means = table.groupby(["method", "implementation"], sort=False).mean(numeric_only=True).drop(columns="seed")
    click.echo(means.round(4).to_string())


def _row(method: str, seed: int, implementation: str, metrics: dict[str, Floats]) -> dict[str, object]:
    row: dict[str, object] = {"method": method, "implementation": implementation, "seed": seed}
    for name, values in metrics.items():
        row |= {name: values.mean(), f"{name}_se": values.std(ddof=1) / np.sqrt(len(values))}
    return row | {"users": len(metrics["recall"])}


def _difference(ours: dict[str, Floats], theirs: dict[str, Floats]) -> dict[str, float]:
    return {f"{name}_ours_less_theirs": float(np.mean(ours[name] - theirs[name])) for name in ours}


if __name__ == "__main__":
    main()
