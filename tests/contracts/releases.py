"""Releases of MovieLens' shape, generated: what runs without GroupLens' archives goes the same road as with them."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pydeeprecsys.data.dataset import Dataset
from pydeeprecsys.data.movielens_layouts import GENRES

_START = 978_300_760  # seconds since 1970, of the first rating


def write_ml_1m(path: Path, dataset: Dataset, shuffled: int = 0) -> Path:
    """Write a zip as MovieLens 1M is shipped; the lines of its ratings are in an order drawn from a seed."""
    order = np.random.default_rng(shuffled).permutation(len(dataset.ratings))
    users, items = dataset.users["user_id"].to_numpy(), dataset.items["item_id"].to_numpy()
    ratings = "".join(
        f"{users[dataset.user_index[i]]}::{items[dataset.item_index[i]]}::{dataset.ratings[i]:.0f}::{_START + n}\n"
        for n, i in enumerate(order)
    )
    movies = "".join(
        f"{row.item_id}::{row.title} ({1920 + row.item_id % 80})::{row.genres}\n" for row in dataset.items.itertuples()
    )
    people = "".join(
        f"{row.user_id}::{row.sex}::{row.age:.0f}::{row.occupation:.0f}::{row.zip_code}\n"
        for row in dataset.users.itertuples()
    )
    return _zipped(path, "ml-1m/", {"ratings.dat": ratings, "movies.dat": movies, "users.dat": people})


def write_ml_100k(path: Path, dataset: Dataset) -> Path:
    """Write a zip as MovieLens 100K is shipped."""
    users, items = dataset.users["user_id"].to_numpy(), dataset.items["item_id"].to_numpy()
    ratings = "".join(
        f"{users[user]}\t{items[item]}\t{rating:.0f}\t{_START + n}\n"
        for n, (user, item, rating) in enumerate(
            zip(dataset.user_index, dataset.item_index, dataset.ratings, strict=True)
        )
    )
    movies = "".join(
        f"{row.item_id}|{row.title} ({1920 + row.item_id % 80})|01-Jan-1990||http://x|0|"
        f"{'|'.join(str(int(genre in row.genres.split('|'))) for genre in GENRES[1:])}\n"
        for row in dataset.items.itertuples()
    )
    people = "".join(
        f"{row.user_id}|{row.age:.0f}|{row.sex}|educator|{row.zip_code}\n" for row in dataset.users.itertuples()
    )
    return _zipped(path, "ml-100k/", {"u.data": ratings, "u.item": movies, "u.user": people})


def write_tag_genome(path: Path, dataset: Dataset, share: float = 0.9) -> Path:
    """Write a zip as the tag genome is shipped, with the violence of a share of the items, those of the lowest ids."""
    measured = dataset.items.head(int(share * len(dataset.items)))
    scores = "".join(f"{row.item_id}\t1\t0.5\n{row.item_id}\t2\t{row.violence:.3f}\n" for row in measured.itertuples())
    titles = "".join(f"{row.item_id}\t{row.title} ({1920 + row.item_id % 80})\t9\n" for row in measured.itertuples())
    tags = "1\tquiet\t9\n2\tviolence\t76\n"
    return _zipped(path, "tag-genome/", {"tag_relevance.dat": scores, "tags.dat": tags, "movies.dat": titles})


def _zipped(path: Path, folder: str, files: Mapping[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(folder + name, text.encode("latin-1"))
    return path
