"""Groups of users: by the demographics that a world knows, or by any column of a table of users."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from pydeeprecsys.data.movielens_layouts import OCCUPATION_NAMES
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError, shortened

AGE_BANDS = (18.0, 25.0, 35.0, 45.0, 50.0, 56.0)
"""Cut points of ages where none are given: the bands of MovieLens 1M, to whose highest a world clips ages."""

_MOST_NUMBERS, _MOST_GROUPS = 30, 100  # different values of a column: of numbers, and of any text


def known_demographics(world: World) -> pd.DataFrame:
    """Sex, age in years and occupation of each user of a world, as text, None where unknown; (users,) rows.

    A column of which nothing is known is left out.
    """
    sex, age, occupation, _ = world.demographics.T.astype(np.float64)
    columns = {
        "sex": _words(sex, ("F", "M")),
        "age": [None if np.isnan(years) else f"{years:g}" for years in (age * 56).round(3)],
        "occupation": _words(occupation * 20, OCCUPATION_NAMES),
    }
    return pd.DataFrame(columns, dtype=object).dropna(axis=1, how="all")


def _words(codes: np.ndarray, words: Sequence[str]) -> list[str | None]:
    return [None if np.isnan(code) else words[round(code)] for code in codes]


def split_cut_points(text: str, columns: Sequence[str]) -> tuple[str, list[float] | None]:
    """The column and the cut points of NAME or NAME:18,35,50; None for no cut points.

    Raises:
        InputError: the cut points are no finite numbers, or do not rise.
    """
    name, colon, numbers = text.rpartition(":")
    if text in columns or not colon:
        return text, None
    if not name:
        raise InputError(f"cut points follow the name of a column, as in age:18,35,50, not {text!r}")
    try:
        cuts = [float(number) for number in numbers.split(",")]
    except ValueError as error:
        raise InputError(f"cut points are numbers that rise, as in age:18,35,50, not {text!r}") from error
    if not np.isfinite(cuts).all() or (np.diff(cuts) <= 0).any():
        raise InputError(f"cut points are numbers that rise, as in age:18,35,50, not {text!r}")
    return name, cuts


def as_groups(name: str, values: pd.Series, cuts: Sequence[float] | None = None) -> pd.Series:
    """The group of each user by a column.

    Args:
        name: of the column.
        values: (users,) texts, None where unknown.
        cuts: cut points for a column of numbers; the bands include their lower ends. Those of "age" are `AGE_BANDS`
            by default.

    Returns:
        (users,) ordered categories, NaN where unknown.

    Raises:
        InputError: nothing is known of any user; a column of numbers with many values has no cut points, or one of
            texts has some; or there are too many groups.
    """
    known = values.dropna()
    if known.empty:
        raise InputError(f"{name} is not known of any user")
    numbers = pd.to_numeric(known, errors="coerce")
    if cuts is None and name == "age" and numbers.notna().all():
        cuts = AGE_BANDS
    different = known.nunique()
    if cuts is not None:
        if numbers.isna().any():
            raise InputError(
                f"{name} has values such as {known[numbers.isna()].iloc[0]!r}, which cut points cannot band; "
                f"give {name} without them"
            )
        groups, labels = _banded(numbers, cuts)
    elif numbers.notna().all():
        if different > min(_MOST_NUMBERS, len(known) / 2):
            thirds = sorted({f"{cut:.3g}": cut for cut in numbers.quantile([1 / 3, 2 / 3])}, key=float)
            raise InputError(
                f"{name} is a number with {different} different values; give cut points, as in "
                f"{name}:{','.join(thirds)}"
            )
        groups, labels = known, list(dict.fromkeys(known.loc[numbers.sort_values().index]))
    else:
        groups, labels = known, sorted(set(known), key=_with_numbers)
    if len(labels) > _MOST_GROUPS:
        raise InputError(
            f"{name} makes {len(labels)} groups, such as {shortened(labels[:3])}; put users into fewer groups"
        )
    return groups.astype(pd.CategoricalDtype(labels, ordered=True)).reindex(values.index)


def _with_numbers(text: str) -> list[str | int]:
    """A key that sorts the numbers in texts as numbers: texts and numbers take turns."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", text)]


def _banded(numbers: pd.Series, cuts: Sequence[float]) -> tuple[pd.Series, list[str]]:
    """Numbers as bands, and the names of the bands: "under 18", "18-34", "35+", or with "to under" for fractions."""
    whole = all(number.is_integer() for number in [*map(float, numbers), *cuts])
    ends = [f"{cut:.12g}" for cut in cuts]
    pairs = itertools.pairwise(cuts)
    between = [f"{low:.12g}-{high - 1:.12g}" if whole else f"{low:.12g} to under {high:.12g}" for low, high in pairs]
    labels = [f"under {ends[0]}", *between, f"{ends[-1]}+"]
    places = np.searchsorted(cuts, numbers.to_numpy(np.float64), side="right")
    return pd.Series(np.array(labels, dtype=object)[places], index=numbers.index), labels
