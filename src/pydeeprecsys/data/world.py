"""What the simulator needs to know of users and items, in one file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Self
from zipfile import BadZipFile, ZipFile
from zlib import error as ZlibError

import numpy as np
from numpy.typing import NDArray

from pydeeprecsys.data.dataset import GENRES, Dataset
from pydeeprecsys.data.factorization import FactorizationSettings, factorize
from pydeeprecsys.data.observed import damped_means
from pydeeprecsys.data.violence import impute
from pydeeprecsys.errors import InputError
from pydeeprecsys.files import whole_file

FORMAT = "pydeeprecsys world 2"


@dataclass(frozen=True)
class World:
    """Users and items as vectors, with what is shown of them.

    Attributes:
        name: of the data set it was made from.
        user_vectors: (users, d) the last 19 entries are the affinities for the genres.
        item_vectors: (items, d) rating = dot product of the two, clipped to [1, 5].
        genres: (items, 19) in the order of `GENRES`; an item whose genres are unknown has Other.
        genres_known: (items,) whether any genre of the item is known.
        violence: (items,) in [0, 1], measured or imputed; NaN for all where none was measured.
        violence_measured: (items,) whether it was measured.
        demographics: (users, 4) sex, age, occupation, zip code, in [0, 1]; NaN where unknown.
        user_ids: (users,) the ids of the data set, as text.
        item_ids: (items,) likewise.
        titles: (items,) of the items.
        rating_users: (ratings,) row of the user of each rating in the data set.
        rating_items: (ratings,) row of the item.
        rating_stars: (ratings,) the rating, in 1..5 stars, whatever the scale of the data set.
        record: where it comes from: factorization settings, `held_out_rmse` and `calibration` in the units of the data
            set's `scale`, checksum of the data set, numbers of users, items and ratings; `violence`: share of items
            measured, source, how the others are imputed, and the held-out error of that (see `data.violence`).
    """

    name: str
    user_vectors: NDArray[np.float64]
    item_vectors: NDArray[np.float64]
    genres: NDArray[np.bool_]
    genres_known: NDArray[np.bool_]
    violence: NDArray[np.float32]
    violence_measured: NDArray[np.bool_]
    demographics: NDArray[np.float32]
    user_ids: NDArray[np.str_]
    item_ids: NDArray[np.str_]
    titles: NDArray[np.str_]
    rating_users: NDArray[np.int32]
    rating_items: NDArray[np.int32]
    rating_stars: NDArray[np.float32]
    record: dict[str, Any]

    @property
    def n_users(self) -> int:
        """How many users there are."""
        return len(self.user_vectors)

    @property
    def n_items(self) -> int:
        """How many items there are."""
        return len(self.item_vectors)

    @cached_property
    def rating_counts(self) -> NDArray[np.int64]:
        """(items,) how often each item was rated in the data set."""
        return np.bincount(self.rating_items, minlength=self.n_items)

    def observed_counts(self, users: NDArray[np.int64]) -> NDArray[np.int64]:
        """(items,) how often each item was rated by these users (m,)."""
        return np.bincount(self.rating_items[self._rated_by(users)], minlength=self.n_items)

    def observed_means(self, users: NDArray[np.int64]) -> NDArray[np.float64]:
        """(items,) `damped_means` of the ratings that these users (m,) gave.

        Raises:
            InputError: they have rated nothing.
        """
        theirs = self._rated_by(users)
        return damped_means(self.rating_items[theirs], self.rating_stars[theirs], self.n_items)

    def _rated_by(self, users: NDArray[np.int64]) -> NDArray[np.bool_]:
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
    ) -> Self:
        """Factorize the ratings of a data set; `progress` is called with the sweeps done and all sweeps."""
        factors = factorize(dataset, settings, progress)
        violence = impute(dataset.violence, dataset.genres & dataset.genres_known[:, None])
        return cls(
            name=dataset.name,
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
            },
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to one file, which appears whole or not at all."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("name", "record")}
        header = json.dumps({"format": FORMAT, "name": self.name, "record": self.record})
        with whole_file(path) as temporary, temporary.open("wb") as file:
            np.savez(file, header=np.array(header), **arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote.

        Raises:
            InputError: there is no such file, or it is damaged or not a world.
        """
        try:
            # Checksums first: arrays are read only as far as their headers say, which may be what is damaged.
            with ZipFile(path) as archive:
                if (damaged := archive.testzip()) is not None:
                    raise BadZipFile(damaged)
            # No pickle: reading a world never runs code.
            with np.load(path, allow_pickle=False) as file:
                header = json.loads(str(file["header"]))
                if header["format"] != FORMAT:
                    raise InputError(f"{path} is of the format {header['format']!r}, not {FORMAT!r}; build it anew")
                arrays = {f.name: np.atleast_1d(file[f.name]) for f in fields(cls) if f.name not in ("name", "record")}
                name, record = header["name"], header["record"]
        except InputError:
            raise
        except FileNotFoundError as error:
            raise InputError(f"there is no world at {path}") from error
        except (BadZipFile, EOFError, KeyError, OSError, RuntimeError, TypeError, ValueError, ZlibError) as error:
            raise InputError(f"{path} is not a saved world or it is damaged; build it anew") from error
        world = cls(name=name, record=record, **arrays)
        world._check_shapes(path)
        return world

    def _check_shapes(self, path: str | os.PathLike[str]) -> None:
        users, items, d = self.n_users, self.n_items, self.item_vectors.shape[-1]
        expected = {
            "user_vectors": (users, d),
            "item_vectors": (items, d),
            "genres": (items, len(GENRES)),
            "genres_known": (items,),
            "violence": (items,),
            "violence_measured": (items,),
            "demographics": (users, 4),
            "user_ids": (users,),
            "item_ids": (items,),
            "titles": (items,),
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
