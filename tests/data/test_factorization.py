import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from pydeeprecsys.data.dataset import GENRES, Dataset
from pydeeprecsys.data.factorization import FactorizationSettings, Factors, factorize
from pydeeprecsys.data.movielens import read_movielens
from pydeeprecsys.data.synthetic import synthetic_dataset
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError

SMALL = FactorizationSettings(latent_dimensions=3, sweeps=4, regularization=0.05, seed=5)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return synthetic_dataset(n_users=50, n_items=70, n_ratings=1200, seed=1)


def held_out(dataset: Dataset, settings: FactorizationSettings) -> NDArray[np.bool_]:
    """Which ratings are kept back: the first of a permutation that is the seed's first draw."""
    mask = np.zeros(len(dataset.ratings), dtype=np.bool_)
    order = np.random.default_rng(settings.seed).permutation(len(mask))
    mask[order[: round(settings.held_out * len(mask))]] = True
    return mask


def rmse(factors: Factors | World, dataset: Dataset, rows: NDArray[np.bool_]) -> float:
    user_vectors = factors.user_vectors[dataset.user_index[rows]]
    predictions = np.einsum("ij,ij->i", user_vectors, factors.item_vectors[dataset.item_index[rows]]).clip(1, 5)
    return float(np.sqrt(np.mean((dataset.ratings[rows] - predictions) ** 2)))


def test_vectors_have_the_documented_form(dataset: Dataset) -> None:
    factors = factorize(dataset, SMALL)
    assert factors.user_vectors.shape == (50, 3 + 2 + len(GENRES))
    assert factors.item_vectors.shape == (70, 3 + 2 + len(GENRES))
    assert (factors.user_vectors[:, 4] == 1).all()
    assert (factors.item_vectors[:, 3] == 1).all()
    np.testing.assert_allclose(
        factors.item_vectors[:, 5:], dataset.genres / np.sqrt(dataset.genres.sum(axis=1))[:, None], rtol=1e-15
    )


def planted() -> tuple[Dataset, NDArray[np.float64]]:
    """Ratings without noise that two dimensions, biases and genres explain, half of them given; and all of them."""
    rng, n_users, n_items = np.random.default_rng(0), 120, 150
    names = rng.choice(GENRES[1:6], n_items)
    affinity = rng.normal(0, 0.3, (n_users, 5))
    score = (
        3
        + rng.normal(0, 0.3, (n_users, 1))
        + rng.normal(0, 0.3, n_items)
        + rng.normal(0, 0.45, (n_users, 2)) @ rng.normal(0, 0.6, (2, n_items))
        + affinity[:, [GENRES.index(name) - 1 for name in names]]
    ).clip(1, 5)
    user_index, item_index = np.nonzero(rng.random(score.shape) < 0.5)
    users = pd.DataFrame({"user_id": range(n_users), "sex": "F", "age": 18.0, "occupation": 0.0, "zip_code": "00000"})
    items = pd.DataFrame({"item_id": range(n_items), "title": "", "genres": names, "violence": 0.0})
    ratings = score[user_index, item_index].astype(np.float32)
    rows, columns = user_index.astype(np.int32), item_index.astype(np.int32)
    return Dataset("planted", users, items, rows, columns, ratings), score


def test_a_planted_structure_is_found() -> None:
    dataset, score = planted()
    settings = FactorizationSettings(latent_dimensions=2, sweeps=60, regularization=1e-4)
    factors = factorize(dataset, settings)
    assert factors.record["held_out_rmse"] < 0.05
    predictions = (factors.user_vectors @ factors.item_vectors.T).clip(1, 5)
    unseen = np.ones_like(score, dtype=np.bool_)
    unseen[dataset.user_index, dataset.item_index] = False
    assert np.sqrt(np.mean((predictions - score)[unseen] ** 2)) < 0.05
    assert np.std(score[unseen]) > 0.6
    without = factorize(dataset, FactorizationSettings(latent_dimensions=0, sweeps=60, regularization=1e-4))
    assert without.record["held_out_rmse"] > 0.2


def ridge(own: Any, other: Any, learned: list[int], targets: Any, regularization: float) -> Any:
    """The learned entries of one row, from `numpy.linalg.solve`; targets still hold what the given entries explain."""
    given = [column for column in range(other.shape[1]) if column not in learned]
    if len(targets) == 0:
        return np.zeros(len(learned))
    x, y = other[:, learned], targets - other[:, given] @ own[given]
    return np.linalg.solve(x.T @ x + regularization * len(y) * np.eye(len(learned)), x.T @ y)


def test_each_half_sweep_solves_the_ridge_equations_of_every_row(dataset: Dataset) -> None:
    # With one sweep more, users are solved from the items of one sweep less, and items from those users.
    before = factorize(dataset, FactorizationSettings(3, 2, 0.05, seed=5))
    after = factorize(dataset, FactorizationSettings(3, 3, 0.05, seed=5))
    train = ~held_out(dataset, SMALL)
    users, items = dataset.user_index[train], dataset.item_index[train]
    mean = dataset.ratings[train].astype(np.float64).mean()
    ratings = dataset.ratings[train] - mean
    items_before, items_after = before.item_vectors.copy(), after.item_vectors.copy()
    items_before[:, 4] -= mean
    items_after[:, 4] -= mean
    user_learns, item_learns = [0, 1, 2, 3, *range(5, 24)], [0, 1, 2, 4]
    for row, vector in enumerate(after.user_vectors):
        mine = users == row
        expected = ridge(vector, items_before[items[mine]], user_learns, ratings[mine], 0.05)
        np.testing.assert_allclose(vector[user_learns], expected, rtol=1e-8, atol=1e-10)
    for row, vector in enumerate(items_after):
        mine = items == row
        expected = ridge(vector, after.user_vectors[users[mine]], item_learns, ratings[mine], 0.05)
        np.testing.assert_allclose(vector[item_learns], expected, rtol=1e-8, atol=1e-10)


def test_users_and_items_without_ratings_get_the_mean(dataset: Dataset) -> None:
    rarely = (dataset.user_index != 3) & (dataset.item_index != 7)
    rest = Dataset(
        "rest",
        dataset.users,
        dataset.items,
        dataset.user_index[rarely],
        dataset.item_index[rarely],
        dataset.ratings[rarely],
    )
    factors = factorize(rest, SMALL)
    mean = rest.ratings[~held_out(rest, SMALL)].astype(np.float64).mean()
    assert factors.user_vectors[3] @ factors.item_vectors[7] == pytest.approx(mean)
    assert not factors.user_vectors[3, [0, 1, 2, 3, *range(5, 24)]].any()


def test_the_record(dataset: Dataset) -> None:
    factors = factorize(dataset, SMALL)
    kept_back = held_out(dataset, SMALL)
    assert factors.record == {
        "latent_dimensions": 3,
        "sweeps": 4,
        "regularization": 0.05,
        "held_out": 0.1,
        "seed": 5,
        "held_out_rmse": pytest.approx(rmse(factors, dataset, kept_back), rel=1e-6),
        "train_rmse": pytest.approx(rmse(factors, dataset, ~kept_back), rel=1e-6),
        "held_out_ratings": round(0.1 * len(dataset.ratings)),
        "train_ratings": len(dataset.ratings) - round(0.1 * len(dataset.ratings)),
    }


def test_progress_is_told(dataset: Dataset) -> None:
    calls: list[tuple[int, int]] = []
    factorize(dataset, SMALL, lambda *call: calls.append(call))
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_the_same_seed_gives_the_same_bits(dataset: Dataset) -> None:
    first, second, other = (
        factorize(dataset, FactorizationSettings(3, 2, seed=seed)).item_vectors.tobytes() for seed in (0, 0, 1)
    )
    assert first == second
    assert first != other


def test_the_number_of_threads_does_not_matter() -> None:
    # In a process of its own: numba starts its threads once, and here there may be fewer than four.
    code = (
        "import numba; from pydeeprecsys.data.factorization import *\n"
        "from pydeeprecsys.data.synthetic import synthetic_dataset\n"
        "data = synthetic_dataset(n_users=300, n_items=200, n_ratings=9000)\n"
        "bits = []\n"
        "for threads in (1, 2, 3, 4):\n"
        "    numba.set_num_threads(threads)\n"
        "    factors = factorize(data, FactorizationSettings(8, 3))\n"
        "    bits.append((factors.user_vectors.tobytes(), factors.item_vectors.tobytes(), str(factors.record)))\n"
        "assert bits[1:] == bits[:1] * 3\n"
    )
    run = [sys.executable, "-c", code]
    subprocess.run(run, check=True, timeout=300, env={**os.environ, "NUMBA_NUM_THREADS": "4"})


@pytest.mark.parametrize(
    "changes", [{"latent_dimensions": -1}, {"sweeps": 0}, {"regularization": 0.0}, {"held_out": 0.0}, {"held_out": 1.0}]
)
def test_settings_that_cannot_be(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="factorization needs"):
        FactorizationSettings(**changes)


def test_a_single_rating_is_too_few(dataset: Dataset) -> None:
    one = Dataset(
        "one", dataset.users, dataset.items, dataset.user_index[:1], dataset.item_index[:1], dataset.ratings[:1]
    )
    with pytest.raises(InputError, match="one: one rating is too few"):
        factorize(one)


def test_held_out_error_on_movielens_100k(shared_data: Path) -> None:
    dataset = read_movielens(shared_data / "ml-100k.zip")
    factors = factorize(dataset)
    assert factors.record["held_out_rmse"] <= 0.935
    expected = rmse(factors, dataset, held_out(dataset, FactorizationSettings()))
    assert factors.record["held_out_rmse"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.xdist_group("ml-1m")
def test_held_out_error_on_movielens_1m(ml_1m: Dataset, ml_1m_world: World) -> None:
    assert ml_1m_world.record["held_out_rmse"] <= 0.853
    expected = rmse(ml_1m_world, ml_1m, held_out(ml_1m, FactorizationSettings()))
    assert ml_1m_world.record["held_out_rmse"] == pytest.approx(expected, rel=1e-6)


def test_other_libraries_keep_their_number_of_threads() -> None:
    script = """
import torch
torch.set_num_threads(1)
assert torch.get_num_threads() == 1
from pydeeprecsys.data.factorization import factorize
from pydeeprecsys.data.synthetic import synthetic_dataset
factorize(synthetic_dataset(60, 80, 1500, seed=0))
print(torch.get_num_threads())
"""
    # In a process of its own, for whoever called a parallel function first has already set the number.
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
