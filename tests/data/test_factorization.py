import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from pydeeprecsys.data.calibration import calibration
from pydeeprecsys.data.dataset import Dataset
from pydeeprecsys.data.factorization import FactorizationSettings, Factors, _move_shared_affinities, factorize
from pydeeprecsys.data.movielens import read_movielens
from pydeeprecsys.data.movielens_layouts import GENRES
from pydeeprecsys.data.synthetic import synthetic_dataset
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError

SMALL = FactorizationSettings(latent_dimensions=3, sweeps=4, seed=5)


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
    return Dataset("planted", users, items, rows, item_index=columns, ratings=ratings, categories=GENRES), score


@pytest.mark.slow
def test_a_planted_structure_is_found() -> None:
    dataset, score = planted()
    settings = FactorizationSettings(latent_dimensions=2, sweeps=60)
    factors = factorize(dataset, settings)
    assert factors.record["held_out_rmse"] < 0.05
    predictions = (factors.user_vectors @ factors.item_vectors.T).clip(1, 5)
    unseen = np.ones_like(score, dtype=np.bool_)
    unseen[dataset.user_index, dataset.item_index] = False
    assert np.sqrt(np.mean((predictions - score)[unseen] ** 2)) < 0.05
    assert np.std(score[unseen]) > 0.6
    without = factorize(dataset, FactorizationSettings(latent_dimensions=0, sweeps=60))
    assert without.record["held_out_rmse"] > 0.2


def test_users_and_items_without_ratings_get_the_prior_mean(dataset: Dataset) -> None:
    rated = ~np.isin(dataset.user_index, (3, 4)) & ~np.isin(dataset.item_index, (7, 8))
    index = {name: getattr(dataset, name)[rated] for name in ("user_index", "item_index", "ratings")}
    # Of one genre all: the affinities' mean, which is moved into the items' biases, is the same for both.
    rest = replace(dataset, items=dataset.items.assign(genres="Drama"), **index)
    factors = factorize(rest, SMALL)
    np.testing.assert_allclose(factors.user_vectors[3], factors.user_vectors[4], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(factors.item_vectors[7], factors.item_vectors[8], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(factors.item_vectors[7, :3], 0, atol=1e-12)
    # What nobody rates is liked less: the prior mean of the bias grows with the number of ratings.
    assert factors.item_vectors[7, 4] < factors.item_vectors[:, 4].mean() - 0.1


def test_moving_what_all_users_share_of_affinities_changes_no_prediction() -> None:
    rng = np.random.default_rng(0)
    user_vectors, item_vectors = rng.normal(1, 1, (6, 24)), rng.normal(size=(7, 24))
    user_vectors[:, 4] = 1
    before = user_vectors @ item_vectors.T
    _move_shared_affinities(user_vectors, item_vectors, len(GENRES))
    np.testing.assert_allclose(user_vectors @ item_vectors.T, before, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(user_vectors[:, 5:].mean(axis=0), 0, atol=1e-15)


def test_affinities_average_0_over_the_users(dataset: Dataset) -> None:
    np.testing.assert_allclose(factorize(dataset, SMALL).user_vectors[:, 5:].mean(axis=0), 0, atol=1e-12)


def test_genres_without_items_and_ratings_all_equal_do_no_harm(dataset: Dataset) -> None:
    dramas = replace(dataset, items=dataset.items.assign(genres="Drama"))
    factors = factorize(dramas, SMALL)
    assert np.isfinite(factors.user_vectors).all()
    others = [5 + genre for genre, name in enumerate(GENRES) if name != "Drama"]
    np.testing.assert_allclose(factors.user_vectors[:, others], 0, atol=1e-12)
    assert factors.record["held_out_rmse"] < 1
    equal = factorize(replace(dataset, ratings=np.full_like(dataset.ratings, 4)), SMALL)
    np.testing.assert_allclose(equal.user_vectors @ equal.item_vectors.T, 4, atol=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [(0.0, 10.0), (-10.0, 10.0), (0.0, 1.0), (1.0, 100.0), (0.5, 5.0), (0.0, 1e-6)])
def test_a_scale_changes_units_and_nothing_else(dataset: Dataset, scale: tuple[float, float]) -> None:
    low, high = scale
    rescaled = (low + (dataset.ratings - 1) * (high - low) / 4).astype(np.float32)
    factors, expected = factorize(replace(dataset, ratings=rescaled, scale=scale), SMALL), factorize(dataset, SMALL)
    np.testing.assert_allclose(factors.user_vectors, expected.user_vectors, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(factors.item_vectors, expected.item_vectors, rtol=1e-3, atol=1e-5)
    unit = (high - low) / 4
    for error in ("held_out_rmse", "train_rmse"):
        assert factors.record[error] == pytest.approx(expected.record[error] * unit, rel=1e-4)
    for band, in_stars in zip(factors.record["calibration"], expected.record["calibration"], strict=True):
        assert (band["band"], band["ratings"]) == (in_stars["band"], in_stars["ratings"])
        for mean in ("mean_rated", "mean_predicted", "predicted_from"):
            assert band[mean] == pytest.approx(low + (in_stars[mean] - 1) * unit, abs=1e-4 * unit)


def test_the_record(dataset: Dataset) -> None:
    factors = factorize(dataset, SMALL)
    kept_back = held_out(dataset, SMALL)
    counts = np.bincount(dataset.item_index[~kept_back], minlength=70)
    pairs = dataset.user_index[kept_back], dataset.item_index[kept_back]
    predicted = (factors.user_vectors @ factors.item_vectors.T)[pairs].clip(1, 5)
    calibrated = calibration(dataset.ratings[kept_back].astype(np.float64), predicted, counts[pairs[1]], dataset.scale)
    assert factors.record == {
        "latent_dimensions": 3,
        "sweeps": 4,
        "held_out": 0.1,
        "seed": 5,
        "held_out_rmse": pytest.approx(rmse(factors, dataset, kept_back), rel=1e-6),
        "train_rmse": pytest.approx(rmse(factors, dataset, ~kept_back), rel=1e-6),
        "held_out_ratings": round(0.1 * len(dataset.ratings)),
        "train_ratings": len(dataset.ratings) - round(0.1 * len(dataset.ratings)),
        "calibration": [pytest.approx(band) for band in calibrated],
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


@pytest.mark.slow
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


@pytest.mark.parametrize("changes", [{"latent_dimensions": -1}, {"sweeps": 0}, {"held_out": 0.0}, {"held_out": 1.0}])
def test_settings_that_cannot_be(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="factorization needs"):
        FactorizationSettings(**changes)


def test_a_single_rating_is_too_few(dataset: Dataset) -> None:
    first = {name: getattr(dataset, name)[:1] for name in ("user_index", "item_index", "ratings")}
    one = replace(dataset, name="one", **first)
    with pytest.raises(InputError, match="one: one rating is too few"):
        factorize(one)


def off_calibration(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Bands whose mean prediction is more than 0.05 stars off with 1,000 ratings, three standard errors with fewer."""
    return [
        band
        for band in record["calibration"]
        if band["band"] != "0"
        and abs(band["mean_predicted"] - band["mean_rated"])
        > (0.05 if band["ratings"] >= 1000 else 3 * band["standard_error"])
    ]


def check_rarely_rated_items(vectors: Factors | World, dataset: Dataset, most_favourites: float) -> None:
    """Favourites with fewer than 20 ratings are few, and no item of 2 to 9 ratings is among the 20 best-rated."""
    counts = np.bincount(dataset.item_index, minlength=len(dataset.items))
    scores = vectors.user_vectors @ vectors.item_vectors.T
    assert np.mean(counts[scores.argmax(axis=1)] < 20) <= most_favourites
    best = np.argsort(-scores.clip(1, 5).mean(axis=0))[:20]
    assert counts[best].min() >= 10


def test_movielens_100k_is_predicted_and_calibrated(shared_data: Path) -> None:
    dataset = read_movielens(shared_data / "ml-100k.zip")
    factors = factorize(dataset)
    assert factors.record["held_out_rmse"] <= 0.880
    expected = rmse(factors, dataset, held_out(dataset, FactorizationSettings()))
    assert factors.record["held_out_rmse"] == pytest.approx(expected, rel=1e-6)
    assert off_calibration(factors.record) == []
    check_rarely_rated_items(factors, dataset, most_favourites=0.02)


@pytest.mark.xdist_group("ml-1m")
def test_movielens_1m_is_predicted_and_calibrated(ml_1m: Dataset, ml_1m_world: World) -> None:
    assert ml_1m_world.record["held_out_rmse"] <= 0.835
    expected = rmse(ml_1m_world, ml_1m, held_out(ml_1m, FactorizationSettings()))
    assert ml_1m_world.record["held_out_rmse"] == pytest.approx(expected, rel=1e-6)
    assert off_calibration(ml_1m_world.record) == []
    check_rarely_rated_items(ml_1m_world, ml_1m, most_favourites=0.01)


@pytest.mark.slow
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
