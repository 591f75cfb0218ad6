"""The road of a MovieLens release, from its zip to a comparison, on generated ones: everybody has those."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from contracts.releases import write_ml_1m, write_ml_100k, write_tag_genome
from pydeeprecsys.cli import cli
from pydeeprecsys.data.dataset import Dataset
from pydeeprecsys.data.factorization import FactorizationSettings, factorize
from pydeeprecsys.data.movielens import read_movielens
from pydeeprecsys.data.synthetic import synthetic_dataset
from pydeeprecsys.data.violence import impute

N_ITEMS = 250
N_MEASURED = 225


@pytest.fixture(scope="module")
def generated() -> Dataset:
    dataset = synthetic_dataset(n_users=400, n_items=N_ITEMS, n_ratings=16_000, seed=1)
    # In a release, no genre is called Other.
    genres = dataset.items["genres"].str.replace(r"^Other\|?", "", regex=True)
    return replace(dataset, items=dataset.items.assign(genres=genres))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, generated: Dataset) -> Path:
    folder = tmp_path_factory.mktemp("releases")
    write_ml_1m(folder / "ml-1m.zip", generated)
    write_ml_100k(folder / "ml-100k.zip", generated)
    write_tag_genome(folder / "tag-genome.zip", generated)
    return folder


@pytest.mark.parametrize("release", ["ml-1m", "ml-100k"])
def test_a_release_is_read_as_it_was_written(folder: Path, generated: Dataset, release: str) -> None:
    read = read_movielens(folder / f"{release}.zip", tag_genome=folder / "tag-genome.zip")
    assert read.name == release
    assert read.scale == (1.0, 5.0)
    assert read.users["user_id"].tolist() == generated.users["user_id"].tolist()
    assert read.users["sex"].tolist() == generated.users["sex"].tolist()
    assert read.items["genres"].tolist() == generated.items["genres"].tolist()
    np.testing.assert_array_equal(table_of(read), table_of(generated))
    violence = generated.items["violence"].round(3).to_numpy(np.float32)
    np.testing.assert_allclose(read.items["violence"][:N_MEASURED], violence[:N_MEASURED], atol=1e-6)
    assert read.items["violence"][N_MEASURED:].isna().all()


def table_of(dataset: Dataset) -> np.ndarray:
    """(users, items) the ratings, 0 for none."""
    table = np.zeros((len(dataset.users), len(dataset.items)))
    table[dataset.user_index, dataset.item_index] = dataset.ratings
    return table


def test_a_release_is_predicted_better_than_by_item_means(folder: Path) -> None:
    dataset = read_movielens(folder / "ml-1m.zip", tag_genome=folder / "tag-genome.zip")
    factors = factorize(dataset, FactorizationSettings(8, 10))
    means = pd.Series(dataset.ratings).groupby(dataset.item_index).transform("mean")
    assert factors.record["held_out_rmse"] < 0.97 * np.sqrt(np.mean((dataset.ratings - means) ** 2))
    found = impute(dataset.violence, dataset.genres)
    assert found.measured.sum() == N_MEASURED
    assert found.held_out_rmse < found.rmse_of_the_mean


@pytest.mark.slow
def test_a_release_goes_into_a_comparison(folder: Path, tmp_path: Path) -> None:
    options = ["--agents", "popular,best-rated", "--episodes", "5", "--seeds", "2", "--evaluation-episodes", "40"]
    out = tmp_path / "compared"
    result = CliRunner().invoke(cli, ["compare", "--dataset", str(folder / "ml-1m.zip"), *options, "--out", str(out)])
    assert result.exit_code == 0, result.output
    median = pd.read_csv(out / "summary.csv").set_index("agent")["median"]
    assert median["oracle"] > median["best-rated"] > median["random"]
