"""A data set of ratings, checked once, here; worlds are built from it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from pydeeprecsys.arrays import Flags, Floats, Rows, Singles
from pydeeprecsys.errors import InputError
from pydeeprecsys.scale import MAX_RATING, MIN_RATING

# A leading zero may be lost, where zip codes were kept as numbers.
_ZIP_CODE = r"^\s*(\d{1,5}|\d{5}-?\d{4})\s*$"

USER_COLUMNS = ("user_id", "sex", "age", "occupation", "zip_code")
ITEM_COLUMNS = ("item_id", "title", "genres", "violence")


def check_scale(name: str, scale: tuple[float, float]) -> None:
    """InputError unless the scale is finite and rises, in the precision of ratings."""
    low, high = np.asarray(scale, dtype=np.float32)
    if not (low < high and np.isfinite((low, high)).all()):
        low, high = scale
        raise InputError(f"{name}: the scale goes from {low:g} to {high:g}; give the lowest rating, then the highest")


@dataclass(frozen=True)
class Dataset:
    """Users, items and the ratings between them.

    Attributes:
        name: shown on screen and in records.
        users: one row per user, columns `USER_COLUMNS`. `sex` is "F", "M" or missing; `age` in years; `occupation` is
            one of the 21 codes (0..20) of MovieLens 1M; `zip_code` is text. All four may be missing (NaN).
        items: one row per item, columns `ITEM_COLUMNS`. `genres` are names of categories joined by "|"; `violence` is
            in [0, 1], or missing (NaN) where it was not measured.
        user_index: (ratings,) row in `users` of the user who rated.
        item_index: (ratings,) row in `items` of the item rated.
        ratings: (ratings,) the rating, on the data set's own `scale`.
        categories: names of the categories of items, in the order of every category axis. The first is the category of
            items of which none is known, and stands for every name that is not listed.
        scale: lowest and highest possible rating.
        violence_source: source of the measured violence, in a phrase.
        timestamps: (ratings,) seconds since 1970, NaN where unknown; None if no time is known.
        notes: what was given and could not be read, in a sentence each.

    Raises:
        InputError: a scale that does not rise, no ratings, fewer than two users or items, ratings off the scale or not
            finite, a pair of user and item that is rated twice, rows of no user or item, repeated ids, no categories or
            repeated ones, violence outside [0, 1].
    """

    name: str
    users: pd.DataFrame
    items: pd.DataFrame
    user_index: Rows
    item_index: Rows
    ratings: Singles
    categories: tuple[str, ...]
    scale: tuple[float, float] = field(default=(MIN_RATING, MAX_RATING))
    violence_source: str = "the data set's own"
    timestamps: Floats | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_scale(self.name, self.scale)
        if not self.categories or len(set(self.categories)) < len(self.categories):
            raise InputError(f"{self.name}: give at least one category, each once; they are {self.categories}")
        for table, columns, what in ((self.users, USER_COLUMNS, "users"), (self.items, ITEM_COLUMNS, "items")):
            missing = [column for column in columns if column not in table.columns]
            if missing:
                raise InputError(f"{self.name}: the table of {what} lacks the column {missing[0]!r}")
            ids = table[columns[0]]
            if ids.duplicated().any():
                raise InputError(f"{self.name}: the id {ids[ids.duplicated()].iloc[0]!r} stands twice among the {what}")
            if len(table) < 2:
                raise InputError(f"{self.name}: at least two {what} are needed, it has {len(table)}")
        if not len(self.ratings) == len(self.user_index) == len(self.item_index):
            raise InputError(f"{self.name}: ratings, users and items of the ratings differ in number")
        if self.timestamps is not None and len(self.timestamps) != len(self.ratings):
            raise InputError(f"{self.name}: {len(self.timestamps)} timestamps of {len(self.ratings)} ratings are given")
        if len(self.ratings) == 0:
            raise InputError(f"{self.name}: it has no ratings")
        self._check_ratings()
        violence = self.items["violence"].to_numpy(np.float64)
        if np.any((violence < 0) | (violence > 1)):
            raise InputError(f"{self.name}: a violence score lies outside 0..1")

    def _check_ratings(self) -> None:
        low, high = self.scale
        # Written so that NaN, which compares false with everything, counts as off the scale.
        off_scale = ~((self.ratings >= low) & (self.ratings <= high))
        if off_scale.any():
            row = int(off_scale.argmax())
            raise InputError(f"{self.name}: rating {row + 1} is {self.ratings[row]:g}, outside {low:g}..{high:g}")
        for index, table, what in ((self.user_index, self.users, "user"), (self.item_index, self.items, "item")):
            if index.min() < 0 or index.max() >= len(table):
                raise InputError(f"{self.name}: a rating points outside the table of {what}s")
        pairs = self.user_index.astype(np.int64) * len(self.items) + self.item_index
        pairs.sort()
        repeated = pairs[1:][pairs[1:] == pairs[:-1]]
        if len(repeated):
            user, item = divmod(int(repeated[0]), len(self.items))
            raise InputError(
                f"{self.name}: user {self.users['user_id'].iloc[user]} rates item {self.items['item_id'].iloc[item]} "
                "more than once; keep one rating a pair"
            )

    def split_by_time(self, share: float) -> tuple[Dataset, Dataset]:
        """Split the ratings by time.

        Args:
            share: of the ratings in the first part, in (0, 1); those of one time stay together, in the second.

        Returns:
            The earlier and the later ratings, with all users and items.

        Raises:
            InputError: the time of a rating is unknown, or a part would be empty.
        """
        if self.timestamps is None or np.isnan(self.timestamps).any():
            raise InputError(f"{self.name}: it cannot be split by time, which is not known of all ratings")
        if not 0 < share < 1:
            raise InputError(f"{self.name}: the share of earlier ratings must be in (0, 1), it is {share:g}")
        earlier = self.timestamps < np.sort(self.timestamps)[int(share * len(self.timestamps))]
        if not earlier.any():
            raise InputError(f"{self.name}: it cannot be split there, where the first ratings are of one time")
        return self._part(earlier), self._part(~earlier)

    def _part(self, rows: Flags) -> Dataset:
        per_rating = ("user_index", "item_index", "ratings", "timestamps")
        return replace(self, **{name: getattr(self, name)[rows] for name in per_rating})

    @cached_property
    def stars(self) -> Singles:
        """(ratings,) the ratings in stars, `scale` mapped linearly to that of the simulated worlds."""
        low, high = self.scale
        stars = MIN_RATING + (self.ratings.astype(np.float64) - low) * ((MAX_RATING - MIN_RATING) / (high - low))
        return stars.clip(MIN_RATING, MAX_RATING).astype(np.float32)

    def from_stars(self, stars: Floats) -> Floats:
        """Ratings on the data set's own scale, from stars."""
        low, high = self.scale
        return low + (stars - MIN_RATING) * ((high - low) / (MAX_RATING - MIN_RATING))

    @cached_property
    def genres(self) -> Flags:
        """(items, categories) which categories each item has; the first where none is known, see `genres_known`."""
        column = {name: i for i, name in enumerate(self.categories)}
        flags = np.zeros((len(self.items), len(column)), dtype=np.bool_)
        for row, names in enumerate(self._genre_names):
            for name in names or {self.categories[0]}:
                flags[row, column.get(name, 0)] = True
        return flags

    @cached_property
    def genres_known(self) -> Flags:
        """(items,) whether any category of the item is known."""
        return np.array([bool(names) for names in self._genre_names])

    @cached_property
    def _genre_names(self) -> list[set[str]]:
        """The names of the known categories of each item."""
        return [{name.strip() for name in names.split("|")} - {""} for names in self.items["genres"].fillna("")]

    @cached_property
    def demographics(self) -> Singles:
        """(users, 4) sex (F 0, M 1), age / 56, occupation / 20 and zip code / 99999, in [0, 1]; NaN where unknown.

        Only zip codes of the United States are known: five digits, or five and four.
        """
        sex = self.users["sex"].map({"F": 0.0, "M": 1.0})
        # Exact ages (MovieLens 100K has them) may pass 56, the highest bracket of MovieLens 1M.
        age = self.users["age"].astype(float) / 56
        occupation = self.users["occupation"].astype(float) / 20
        digits = self.users["zip_code"].astype("string").str.extract(_ZIP_CODE, expand=False).str[:5]
        zip_code = pd.to_numeric(digits, errors="coerce").astype(float) / 99999
        columns = [column.to_numpy(np.float32, na_value=np.nan) for column in (sex, age, occupation, zip_code)]
        scaled: Singles = np.clip(np.stack(columns, axis=1), 0, 1)
        return scaled

    @cached_property
    def violence(self) -> Singles:
        """(items,) measured violence in [0, 1]; NaN where it was not measured."""
        return self.items["violence"].to_numpy(np.float32, na_value=np.nan)

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of everything a world is built from; data sets with the same checksum give the same world."""
        digest = hashlib.sha256(repr(tuple(map(float, self.scale))).encode())
        of_items = (self.genres, self.genres_known, self.violence)
        for array in (self.user_index, self.item_index, self.ratings, *of_items, self.demographics):
            digest.update(np.ascontiguousarray(array).data)
        for text in (*self.users["user_id"], *self.items["item_id"], *self.items["title"]):
            digest.update(f"{text}\n".encode())
        return digest.hexdigest()
