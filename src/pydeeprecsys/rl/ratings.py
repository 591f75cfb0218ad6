"""Ratings of a pool of users, which recommenders are fitted to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np
from scipy.sparse import csr_array

from pydeeprecsys.arrays import Array, Floats, Rows, Singles
from pydeeprecsys.rl.ops.histories import user_offset


@dataclass(frozen=True, eq=False)
class Ratings:
    """Ratings in stars; equal if their content is, so that models fitted to them can be kept by them.

    Attributes:
        users: (ratings,) row of the user of each.
        items: (ratings,) row of the item.
        stars: (ratings,) the rating.
        mean_ratings: (items,) mean rating of each item, of those without ratings too.
    """

    users: Rows
    items: Rows
    stars: Singles
    mean_ratings: Floats

    @cached_property
    def centred(self) -> Floats:
        """(ratings,) the ratings minus the item's mean and the user's offset, see `user_offset`."""
        deviations = self.stars - self.mean_ratings[self.items]
        offsets = user_offset(np.bincount(self.users, deviations), np.bincount(self.users))
        centred: Floats = deviations - offsets[self.users]
        return centred

    def matrix(self, values: Array) -> csr_array:
        """(users, items) a value in place of each rating, and nothing elsewhere."""
        shape = int(self.users.max()) + 1, len(self.mean_ratings)
        return csr_array((np.asarray(values, dtype=np.float64), (self.users, self.items)), shape=shape)

    @cached_property
    def _content(self) -> bytes:
        arrays = (self.users, self.items, self.stars, self.mean_ratings)
        return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).digest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ratings) and self._content == other._content

    def __hash__(self) -> int:
        return hash(self._content)


TrainingRatings = Annotated[Ratings, "Ratings of the training users."]
