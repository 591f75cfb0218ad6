"""World: users and items as the simulator needs them, in one file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pydeeprecsys.arrays import Flags, Floats, Ints, Rows, Singles
from pydeeprecsys.data.dataset import Dataset
from pydeeprecsys.data.factorization import FactorizationSettings, Factors, factorize
from pydeeprecsys.data.observed import damped_means
from pydeeprecsys.data.violence import impute
from pydeeprecsys.errors import InputError, shortened
from pydeeprecsys.files import saved_arrays, whole_file
from pydeeprecsys.notebook import table

FORMAT = "pydeeprecsys world 3"
_IN_HEADER = ("name", "categories", "record")


@dataclass(frozen=True)
class World:
    """Users and items as vectors, with the facts that are shown of them.

    Attributes:
        name: of the data set it was built from.
        categories: (c,) names of the categories of items; for movies, their genres.
        user_vectors: (users, d) the last c entries are the affinities for the categories.
        item_vectors: (items, d) rating = dot product of the two, clipped to [1, 5].
        genres: (items, c) which categories each item has.
        genres_known: (items,) whether any category of the item is known.
        violence: (items,) in [0, 1], measured or imputed; NaN for all if none was measured.
        violence_measured: (items,) whether it was measured.
        demographics: (users, 4) sex, age, occupation, zip code, in [0, 1]; NaN where unknown.
        user_ids: (users,) the ids of the data set, as text.
        item_ids: (items,) likewise.
        titles: (items,) of the items.
        rating_users: (ratings,) row of the user of each rating in the data set.
        rating_items: (ratings,) row of the item.
        rating_stars: (ratings,) the rating in stars, on the `scale` of the simulated worlds.
        record: provenance: factorization settings, `held_out_rmse` and `calibration` in the units of the data
            set's `scale`, checksum of the data set, numbers of users, items and ratings; `violence`: share of items
            measured, source, how the others are imputed, and the held-out error of that (see `data.violence`);
            `notes` of the data set.
    """

    name: str
    categories: tuple[str, ...]
    user_vectors: Floats
    item_vectors: Floats
    genres: Flags
    genres_known: Flags
    violence: Singles
    violence_measured: Flags
    demographics: Singles
    user_ids: NDArray[np.str_]
    item_ids: NDArray[np.str_]
    titles: NDArray[np.str_]
    rating_users: Rows
    rating_items: Rows
    rating_stars: Singles
    record: dict[str, Any]

    @property
    def n_users(self) -> int:
        """How many users there are."""
        return len(self.user_vectors)

    @property
    def n_items(self) -> int:
        """How many items there are."""
        return len(self.item_vectors)

    def _repr_html_(self) -> str:
        """Its size and quality, for notebooks."""
        facts = {
            "users": f"{self.n_users:,}",
            "items": f"{self.n_items:,}",
            "ratings": f"{len(self.rating_stars):,}",
            "categories": shortened(self.categories),
            "violence measured": f"{self.violence_measured.mean():.0%} of the items",
        }
        if (error := self.record.get("held_out_rmse")) is not None:
            facts["RMSE on held-out ratings"] = f"{error:.3f}"
        return table(f"World of {self.name}", facts)

    def affinities(self, vectors: Floats) -> Floats:
        """The affinities of user vectors: a view of (..., d) as (..., c)."""
        return vectors[..., vectors.shape[-1] - len(self.categories) :]

    @property
    def known_genres(self) -> Flags:
        """(items, c) which categories each item is known to have."""
        return self.genres & self.genres_known[:, None]

    def genre_names(self, item: int) -> list[str]:
        """Names of the categories that an item is known to have."""
        names: list[str] = np.array(self.categories)[self.genres[item] & self.genres_known[item]].tolist()
        return names

    @cached_property
    def rating_counts(self) -> Ints:
        """(items,) how often each item was rated in the data set."""
        return np.bincount(self.rating_items, minlength=self.n_items)

    def observed_counts(self, users: Ints) -> Ints:
        """(items,) how often each item was rated by these users (m,)."""
        return np.bincount(self.rating_items[self._rated_by(users)], minlength=self.n_items)

    def observed_means(self, users: Ints) -> Floats:
        """(items,) `damped_means` of the ratings by these users (m,).

        Raises:
            InputError: they have rated nothing.
        """
        theirs = self._rated_by(users)
        return damped_means(self.rating_items[theirs], self.rating_stars[theirs], self.n_items)

    def _rated_by(self, users: Ints) -> Flags:
        """(ratings,) which ratings are of these users."""
        asked = np.zeros(self.n_users, dtype=np.bool_)
        asked[users] = True
        return asked[self.rating_users]

    @classmethod
    def from_dataset(
        cls,
        dataset: Dataset,
        settings: FactorizationSettings | None = None,
        progress: Callable[[int, int], None] = lambda done, total: None,
        factors: Factors | None = None,
    ) -> Self:
        """Factorize the ratings of a data set, unless factors are given.

        `progress` is called with the sweeps done and their total number.
        """
        factors = factors or factorize(dataset, settings, progress)
        violence = impute(dataset.violence, dataset.genres & dataset.genres_known[:, None])
        return cls(
            name=dataset.name,
            categories=dataset.categories,
            user_vectors=factors.user_vectors,
            item_vectors=factors.item_vectors,
            genres=dataset.genres,
            genres_known=dataset.genres_known,
            violence=violence.values,
            violence_measured=violence.measured,
            demographics=dataset.demographics,
            user_ids=dataset.users["user_id"].to_numpy(np.str_),
            item_ids=dataset.items["item_id"].to_numpy(np.str_),
            titles=dataset.items["title"].to_numpy(np.str_),
            rating_users=dataset.user_index,
            rating_items=dataset.item_index,
            rating_stars=dataset.stars,
            record={
                **factors.record,
                "scale": [float(end) for end in dataset.scale],
                "dataset_checksum": dataset.checksum,
                "users": len(dataset.users),
                "items": len(dataset.items),
                "ratings": len(dataset.ratings),
                "violence": violence.record | {"source": dataset.violence_source},
                "notes": list(dataset.notes),
            },
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to one file, which appears whole or not at all."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _IN_HEADER}
        header = json.dumps({"format": FORMAT} | {name: getattr(self, name) for name in _IN_HEADER})
        with whole_file(path) as temporary, temporary.open("wb") as file:
            np.savez(file, header=np.array(header), **arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote.

        Raises:
            InputError: there is no such file, or it is damaged or not a world.
        """
        with saved_arrays(path, "world") as file:
            header = json.loads(str(file["header"]))
            if header["format"] != FORMAT:
                raise InputError(f"{path} is of the format {header['format']!r}, not {FORMAT!r}; build it anew")
            header["categories"] = tuple(header["categories"])
            read: dict[str, Any] = {name: header[name] for name in _IN_HEADER}
            world = cls(**read | {f.name: np.atleast_1d(file[f.name]) for f in fields(cls) if f.name not in read})
        world._check_shapes(path)
        return world

    def _check_shapes(self, path: str | os.PathLike[str]) -> None:
        users, items, d = self.n_users, self.n_items, self.item_vectors.shape[-1]
        of_items = ("genres_known", "violence", "violence_measured", "item_ids", "titles")
        expected: dict[str, tuple[int, ...]] = dict.fromkeys(of_items, (items,)) | {
            "user_vectors": (users, d),
            "item_vectors": (items, d),
            "genres": (items, len(self.categories)),
            "demographics": (users, 4),
            "user_ids": (users,),
            "rating_users": self.rating_items.shape,
            "rating_stars": self.rating_items.shape,
        }
        for name, shape in expected.items():
            if getattr(self, name).shape != shape:
                raise InputError(f"{path}: {name} has shape {getattr(self, name).shape}, not {shape}; build it anew")
        for name, size in (("rating_users", users), ("rating_items", items)):
            rows = getattr(self, name)
            if rows.dtype.kind not in "iu" or rows.min(initial=0) < 0 or rows.max(initial=0) >= size:
                raise InputError(f"{path}: {name} names rows that do not exist; build it anew")
