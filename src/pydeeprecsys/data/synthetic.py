"""A generated data set in the shape of MovieLens 1M, for use before any download."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pydeeprecsys.arrays import Flags, Floats, Ints
from pydeeprecsys.data.dataset import Dataset
from pydeeprecsys.data.movielens_layouts import GENRES
from pydeeprecsys.errors import InputError
from pydeeprecsys.scale import MAX_RATING, MIN_RATING

# Per genre: the number of movies of MovieLens 1M that have it (counted in its movies.dat; none has Other), and the mean
# violence of such movies here, a rounded guess in [0, 1].
# fmt: off
_GENRE_FACTS = {
    "Other": (20, 0.2), "Action": (503, 0.65), "Adventure": (283, 0.4), "Animation": (105, 0.15),
    "Children's": (251, 0.1), "Comedy": (1200, 0.15), "Crime": (211, 0.6), "Documentary": (127, 0.15),
    "Drama": (1603, 0.25), "Fantasy": (68, 0.25), "Film-Noir": (44, 0.45), "Horror": (343, 0.65),
    "Musical": (114, 0.1), "Mystery": (106, 0.4), "Romance": (471, 0.1), "Sci-Fi": (276, 0.45),
    "Thriller": (492, 0.55), "War": (143, 0.7), "Western": (68, 0.5),
}
# fmt: on
# Age brackets of MovieLens 1M and how many of its 6,040 users are in each (counted in its users.dat).
_AGES = {1: 222, 18: 1103, 25: 2096, 35: 1193, 45: 550, 50: 496, 56: 380}
_SHARE_OF_WOMEN = 0.283
_BLOCK = 1024  # users whose ratings are drawn at once


def synthetic_dataset(
    n_users: int = 6040, n_items: int = 3883, n_ratings: int = 1_000_000, seed: int = 0, name: str = "synthetic"
) -> Dataset:
    """Generate users with tastes, items with genres and violence, and ratings in whole stars.

    Tastes correlate weakly with sex and age, popular items are better on average, and few users rate much: the patterns
    of real ratings that agents learn from, without any real person's data.

    Args:
        n_users: at least 2.
        n_items: at least 2.
        n_ratings: approximate number of ratings, at most half of all pairs.
        seed: the same seed gives the same data set.
        name: of the data set.

    Raises:
        InputError: sizes that do not fit together.
    """
    if n_users < 2 or n_items < 2 or not n_users <= n_ratings <= n_users * n_items / 2:
        raise InputError(
            "a synthetic data set needs 2 users, 2 items, and ratings between one per user and half of all pairs"
        )
    rng = np.random.default_rng(seed)
    counts, violence_of = (np.array([_GENRE_FACTS[genre][i] for genre in GENRES]) for i in (0, 1))
    genres = _genres(rng, n_items, counts / counts.sum())
    share = genres / genres.sum(axis=1, keepdims=True)
    violence = rng.beta(1 + 8 * (share @ violence_of), 1 + 8 * (1 - share @ violence_of))

    women, age = draw_women_and_ages(rng, n_users)
    taste_of_sex, taste_of_age = (rng.normal(0, 0.1, (n, len(GENRES))) for n in (2, len(_AGES)))
    shared_taste = taste_of_sex[women.astype(int)] + taste_of_age[np.searchsorted([*_AGES], age)]
    affinity = shared_taste + rng.normal(0, 0.25, (n_users, len(GENRES)))
    latent = 8
    user_vectors = np.hstack([rng.normal(0, 0.45, (n_users, latent)), affinity])
    item_vectors = np.hstack([rng.normal(0, 0.35, (n_items, latent)), genres / np.sqrt(genres.sum(axis=1))[:, None]])
    quality = rng.normal(0, 0.5, n_items)
    # A few items are rated by half of the users, most by few; being good helps.
    popularity = rng.normal(0, 1.3, n_items) + 1.2 * quality
    user_bias = 3.15 + rng.normal(0, 0.4, n_users)
    activity = rng.lognormal(0, 0.95, n_users)
    fewest = min(20, n_ratings // n_users)
    rated = np.clip(np.round(activity * n_ratings / activity.sum()), fewest, n_items // 2 + 1).astype(int)

    users, items, ratings = [], [], []
    for start in range(0, n_users, _BLOCK):
        block = slice(start, min(start + _BLOCK, n_users))
        score = user_vectors[block] @ item_vectors.T + quality + user_bias[block, None]
        # The n highest of utility + Gumbel noise are n draws without replacement, likelier where the utility is high.
        utility = popularity + 0.5 * score + rng.gumbel(size=score.shape)
        order = np.argsort(-utility.astype(np.float32), axis=1)
        chosen = np.arange(n_items) < rated[block, None]
        row, column = np.nonzero(chosen)
        item = order[row, column]
        users.append(row + start)
        items.append(item)
        stars = np.round(score[row, item] + rng.normal(0, 0.8, len(row)))
        ratings.append(stars.clip(MIN_RATING, MAX_RATING))

    return Dataset(
        name=name,
        users=user_table(rng, women, age),
        items=pd.DataFrame(
            {
                "item_id": np.arange(1, n_items + 1),
                "title": [f"Movie {i}" for i in range(1, n_items + 1)],
                "genres": ["|".join(np.array(GENRES)[flags]) for flags in genres],
                "violence": violence,
            }
        ),
        user_index=np.concatenate(users).astype(np.int32),
        item_index=np.concatenate(items).astype(np.int32),
        ratings=np.concatenate(ratings).astype(np.float32),
        categories=GENRES,
    )


def draw_women_and_ages(rng: np.random.Generator, n: int) -> tuple[Flags, Ints]:
    """(n,) which users are women, and their ages, as frequent as in MovieLens 1M and independent."""
    women = rng.random(n) < _SHARE_OF_WOMEN
    return women, rng.choice(np.array(list(_AGES)), size=n, p=np.array(list(_AGES.values())) / sum(_AGES.values()))


def user_table(rng: np.random.Generator, women: Flags, age: Ints) -> pd.DataFrame:
    """The table of n users, with drawn occupations and zip codes."""
    return pd.DataFrame(
        {
            "user_id": np.arange(1, len(age) + 1),
            "sex": np.where(women, "F", "M"),
            "age": age.astype(np.float64),
            "occupation": rng.integers(0, 21, len(age)).astype(np.float64),
            "zip_code": [f"{zip_code:05d}" for zip_code in rng.integers(0, 100_000, len(age))],
        }
    )


def _genres(rng: np.random.Generator, n_items: int, frequency: Floats) -> Flags:
    """(items, genres) one to three genres per item, by the frequency of genres."""
    gumbel = np.log(frequency) + rng.gumbel(size=(n_items, len(GENRES)))
    rank = np.argsort(np.argsort(-gumbel, axis=1), axis=1)
    return rank < rng.choice([1, 2, 3], size=(n_items, 1), p=[0.53, 0.34, 0.13])
