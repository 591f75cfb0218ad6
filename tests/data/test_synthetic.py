import numpy as np
import pytest

from pydeeprecsys.data.dataset import Dataset
from pydeeprecsys.data.movielens_layouts import GENRES
from pydeeprecsys.data.synthetic import synthetic_dataset
from pydeeprecsys.errors import InputError


@pytest.fixture(scope="module")
def full() -> Dataset:
    return synthetic_dataset()


@pytest.mark.slow
def test_it_has_the_size_of_movielens_1m(full: Dataset) -> None:
    assert full.name == "synthetic"
    assert (len(full.users), len(full.items)) == (6040, 3883)
    assert len(full.ratings) == pytest.approx(1_000_000, rel=0.02)
    assert full.scale == (1.0, 5.0)


@pytest.mark.slow
def test_ratings_are_whole_and_mostly_good(full: Dataset) -> None:
    stars, counts = np.unique(full.ratings, return_counts=True)
    assert stars.tolist() == [1, 2, 3, 4, 5]
    assert counts.argmax() == 3
    assert (counts / counts.sum() > 0.02).all()
    assert 3.3 < full.ratings.mean() < 3.8  # 3.58 in MovieLens 1M
    assert 1.0 < full.ratings.std() < 1.25  # 1.12


@pytest.mark.slow
def test_few_users_and_few_items_have_most_of_the_ratings(full: Dataset) -> None:
    of_users = np.sort(np.bincount(full.user_index, minlength=6040))
    of_items = np.sort(np.bincount(full.item_index, minlength=3883))
    assert of_users.min() >= 20
    assert of_users[-1] > 1000
    assert of_users[-604:].sum() > 0.3 * of_users.sum()
    assert of_items[-388:].sum() > 0.3 * of_items.sum()
    assert of_items[0] < 20


def test_every_genre_is_there_and_violence_goes_with_it(full: Dataset) -> None:
    assert full.genres.shape == (3883, 19)
    per_item = full.genres.sum(axis=1)
    assert (per_item.min(), per_item.max()) == (1, 3)
    per_genre = dict(zip(GENRES, full.genres.sum(axis=0), strict=True))
    assert min(per_genre.values()) >= 1
    assert max(per_genre, key=lambda name: per_genre[name]) == "Drama"
    violence = {name: full.violence[full.genres[:, i]].mean() for i, name in enumerate(GENRES)}
    assert violence["War"] > violence["Action"] > violence["Drama"] > violence["Musical"]
    assert violence["Horror"] > violence["Children's"] + 0.2
    assert not full.items["violence"].isna().any()


def test_demographics(full: Dataset) -> None:
    assert set(full.users["sex"]) == {"F", "M"}
    assert (full.users["sex"] == "F").mean() == pytest.approx(0.283, abs=0.02)
    assert set(full.users["age"]) == {1, 18, 25, 35, 45, 50, 56}
    assert set(full.users["occupation"]) == set(range(21))
    assert full.users["zip_code"].str.fullmatch(r"\d{5}").all()


def test_a_seed_is_a_data_set() -> None:
    checksums = [synthetic_dataset(40, 50, 600, seed=seed).checksum for seed in (0, 0, 1)]
    assert checksums[0] == checksums[1] != checksums[2]


@pytest.mark.parametrize(
    ("users", "items", "ratings"), [(1, 50, 20), (50, 1, 50), (50, 50, 49), (50, 50, 1251), (0, 0, 0)]
)
def test_sizes_that_cannot_be(users: int, items: int, ratings: int) -> None:
    with pytest.raises(InputError, match="a synthetic data set needs"):
        synthetic_dataset(users, items, ratings)


@pytest.mark.parametrize(("users", "items", "ratings"), [(2, 2, 2), (2, 50, 50), (50, 2, 50), (50, 50, 1250)])
def test_the_smallest_and_the_densest(users: int, items: int, ratings: int) -> None:
    made = synthetic_dataset(users, items, ratings)
    assert (len(made.users), len(made.items)) == (users, items)
    assert np.bincount(made.user_index, minlength=users).min() >= 1
