"""Worlds whose gaps between groups are known: artificial populations with a planted bias, or with none."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas as pd

from pydeeprecsys.arguments import Range, Seed, UnitInterval, check_arguments
from pydeeprecsys.arrays import Floats
from pydeeprecsys.data.dataset import Dataset
from pydeeprecsys.data.factorization import Factors, known_factors
from pydeeprecsys.data.synthetic import draw_women_and_ages, user_table
from pydeeprecsys.scale import MAX_RATING, MIN_RATING

CATEGORIES = ("Comedy", "Drama", "Thriller", "Western")
"""The ratings of women hang on the last one."""

_MEAN = 3.0
_USER, _ITEM, _AFFINITY = 0.4, 0.25, 0.35  # uniform draws reach so far around 0: with a gap of 1, 2 stars together
_SHARES, _SHARE_OF_PLANTED = (0.2, 0.4), 0.05  # of users who rate an item in the data set
_NOISE = 0.8  # standard deviation of these ratings, in stars


def planted_gap(
    gap: UnitInterval = 0.5,
    n_users: Annotated[int, Range(100, 100_000)] = 6040,
    n_items: Annotated[int, Range(8, 1000)] = 200,
    seed: Seed = 0,
    name: str = "planted-gap",
) -> tuple[Dataset, Factors]:
    """Generate a population in which women rate one category higher than men do, and all others lower.

    The rating of an item is 3 stars, and uniform draws around 0 of the user, of the item, and of the user's affinity
    for its category, all independent of each other and of sex, age and occupation. Women's ratings are higher by `gap`
    if the category is the last of `CATEGORIES`, of which every second item is, and lower by `gap` otherwise. If a
    policy chooses without regard to the user, and a share q of what it shows is of this category, the expected
    difference of mean ratings, women less men, is (2 q - 1) · gap: -gap if it never shows the category, 0 if it shows
    all items equally often. Between ages, and between occupations, it is 0. No rating reaches the ends of the scale, so
    that all this is exact while affinities stay the same, with delta 0.

    In the data set, items of the category are rated least often: the policy `popular` does not show them.

    Args:
        gap: Stars by which women's mean rating is below men's if the category is never shown.
        n_users: Number of users; 28 % are women, ages are those of MovieLens 1M.
        n_items: Number of items.
        seed: Random seed; the same seed gives the same population.
        name: Name of the data set.

    Returns:
        The data set, with noisy ratings in whole stars, and its true factors.

    Raises:
        InputError: an argument is out of range.
    """
    check_arguments(planted_gap, {"gap": gap, "n_users": n_users, "n_items": n_items, "seed": seed})
    rng = np.random.default_rng(seed)
    women, age = draw_women_and_ages(rng, n_users)
    planted = np.arange(n_items) % 2 == 1
    category = np.where(planted, len(CATEGORIES) - 1, np.arange(n_items) // 2 % (len(CATEGORIES) - 1))

    def around_0(reach: float, *shape: int) -> Floats:
        return rng.uniform(-reach, reach, shape)

    users = np.ones((n_users, 2 + len(CATEGORIES)))  # bias, 1, affinities
    users[:, 0] = around_0(_USER, n_users) - gap * women
    users[:, 2:] = around_0(_AFFINITY, n_users, len(CATEGORIES))
    users[:, -1] += 2 * gap * women
    items = np.ones((n_items, 2 + len(CATEGORIES)))  # 1, bias, categories
    items[:, 1] = _MEAN + around_0(_ITEM, n_items)
    items[:, 2:] = np.arange(len(CATEGORIES)) == category[:, None]
    shares = np.where(planted, _SHARE_OF_PLANTED, rng.uniform(*_SHARES, n_items))
    user, item = np.nonzero(rng.random((n_users, n_items)) < shares)
    stars = np.sum(users[user] * items[item], axis=1) + rng.normal(0, _NOISE, len(user))
    dataset = Dataset(
        name=name,
        users=user_table(rng, women, age),
        items=pd.DataFrame(
            {
                "item_id": np.arange(1, n_items + 1),
                "title": [f"Movie {i}" for i in range(1, n_items + 1)],
                "genres": np.array(CATEGORIES)[category],
                "violence": rng.random(n_items),
            }
        ),
        user_index=user.astype(np.int32),
        item_index=item.astype(np.int32),
        ratings=np.round(stars).clip(MIN_RATING, MAX_RATING).astype(np.float32),
        categories=CATEGORIES,
    )
    return dataset, known_factors(dataset, users, items)
