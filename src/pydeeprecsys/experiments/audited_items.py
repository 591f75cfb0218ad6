"""The tables of an audit about what was shown: exposure of items and of their groups, and where taste moved."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from pydeeprecsys.arrays import Floats, Ints
from pydeeprecsys.data.world import World
from pydeeprecsys.metrics.exposure import category_exposures, coverage, entropy, gini, min_max_ratio, worst_share
from pydeeprecsys.metrics.relevance import discounts

_VIOLENCE_BANDS = (0.2, 0.4, 0.6, 0.8)


def exposure_figures(shown: Sequence[Ints], world: World) -> dict[str, tuple[Floats, str]]:
    """(seeds,) figures of how exposure is spread over items and categories, each with a note."""
    totals = np.stack([each.sum(axis=0) for each in shown])
    weighted = np.stack([discounts(len(each)) @ each for each in shown])
    found = {
        "coverage": (coverage(totals), "of items"),
        "gini": (gini(totals), "of items"),
        "weighted_gini": (gini(weighted), "of items, by position"),
        "entropy": (entropy(totals, normalized=True), "of items, 1 for equal exposure"),
    }
    if len(world.categories) > 1 and world.genres_known.any():
        named = world.known_genres.any(axis=0)
        by_category = category_exposures(totals, world.known_genres[:, named])
        r = -(-named.sum() // 5)
        found["min_max"] = (min_max_ratio(by_category), "of categories")
        found["mmf"] = (worst_share(by_category, int(r)), f"share of the {r} least shown of {named.sum()} categories")
    return found


def exposure_rows(shown: Mapping[str, Sequence[Ints]], world: World) -> pd.DataFrame:
    """Shares of exposure by category, by popularity and by violence: agent, by, group, items, catalogue, shown.

    An item of several categories counts in each in equal parts. `items` are those of the group, `catalogue` is their
    share of all items, and `shown` their share of what was shown, the mean over seeds.
    """
    rows = []
    for by, (names, weights) in item_groups(world).items():
        for agent, each in shown.items():
            shares = np.mean([one.sum(axis=0) @ weights / one.sum() for one in each], axis=0)
            rows.append(
                pd.DataFrame(
                    {
                        "agent": agent,
                        "by": by,
                        "group": names,
                        "items": (weights > 0).sum(axis=0),
                        "catalogue": weights.mean(axis=0),
                        "shown": shares,
                    }
                )
            )
    return pd.concat(rows, ignore_index=True)


def item_groups(world: World) -> dict[str, tuple[list[str], Floats]]:
    """Groups of items by category, popularity and violence: their names, and (items, groups) parts of each item."""
    categories = np.column_stack([world.known_genres, ~world.genres_known]).astype(np.float64)
    tenths = np.empty(world.n_items, dtype=np.int64)
    tenths[np.argsort(world.rating_counts, kind="stable")] = np.arange(world.n_items) * 10 // world.n_items
    bands = np.digitize(world.violence, _VIOLENCE_BANDS)
    bands[np.isnan(world.violence)] = len(_VIOLENCE_BANDS) + 1
    ends = (0, *_VIOLENCE_BANDS, 1)
    found = {
        "category": ([*world.categories, "not known"], categories / categories.sum(axis=1, keepdims=True)),
        "popularity": (["1 (least rated)", *map(str, range(2, 10)), "10 (most rated)"], np.eye(10)[tenths]),
        "violence": (
            [*(f"{low:g} to {high:g}" for low, high in itertools.pairwise(ends)), "not known"],
            np.eye(len(ends))[bands],
        ),
    }
    there = {by: weights.any(axis=0) for by, (_, weights) in found.items()}
    return {
        by: ([name for name, any_ in zip(names, there[by], strict=True) if any_], weights[:, there[by]])
        for by, (names, weights) in found.items()
    }


def item_rows(shown: Mapping[str, Sequence[Ints]], world: World) -> pd.DataFrame:
    """One row per agent and item: item_id, title, and how often it was shown, over all seeds."""
    items = {"item_id": world.item_ids, "title": world.titles}
    return pd.concat(
        [pd.DataFrame({"agent": agent, **items, "shown": np.sum(each, axis=(0, 1))}) for agent, each in shown.items()],
        ignore_index=True,
    )


def taste_rows(shifts: Mapping[str, Sequence[Floats]], world: World) -> pd.DataFrame:
    """Towards which categories taste moved: agent, category, and the mean `shift` of its share of the affinities."""
    return pd.concat(
        [
            pd.DataFrame({"agent": agent, "category": world.categories, "shift": pd.DataFrame(np.vstack(each)).mean()})
            for agent, each in shifts.items()
        ],
        ignore_index=True,
    )
