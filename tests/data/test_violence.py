import numpy as np
import pytest

from pydeeprecsys.data.dataset import Dataset
from pydeeprecsys.data.violence import impute

GENRES = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [1, 0], [0, 0]], dtype=bool)


def measured(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_imputed_by_hand() -> None:
    found = impute(measured(0.8, 0.8, 0.2, 0.2, np.nan, np.nan), GENRES)
    # Flags deviate by ±1/2 and violence by ±0.3: D'D = [[1, -1], [-1, 1]], D'v = (0.6, -0.6). With 3 on the diagonal
    # the effects are ±0.6 / 5, so that the genre is imputed as 0.5 + (0.12 + 0.12) / 2; without genres it is the mean.
    np.testing.assert_allclose(found.values, [0.8, 0.8, 0.2, 0.2, 0.62, 0.5], rtol=1e-6)
    assert found.measured.tolist() == [True, True, True, True, False, False]
    assert found.held_out_rmse is None


def test_a_single_measurement_is_the_mean() -> None:
    np.testing.assert_allclose(impute(measured(0.3, *[np.nan] * 5), GENRES).values, 0.3, rtol=1e-6)


def test_items_of_unknown_genres_do_not_move_the_effects() -> None:
    found = impute(measured(0.8, 0.8, 0.2, 0.2, np.nan, 1.0), GENRES)
    assert found.values[4] == pytest.approx(0.62)


def test_what_is_imputed_lies_in_0_to_1() -> None:
    genres = np.eye(2, dtype=bool)[[0] * 50 + [1] * 50 + [0]]
    both = np.vstack([genres, [[True, True]]])
    found = impute(measured(*[1.0] * 50, *[0.0] * 50, np.nan, np.nan), both)
    assert ((found.values >= 0) & (found.values <= 1)).all()


def test_where_nothing_was_measured_nothing_is_known() -> None:
    found = impute(measured(*[np.nan] * 6), GENRES)
    assert np.isnan(found.values).all()
    assert found.record == {"measured": 0.0, "method": None, "held_out_rmse": None, "rmse_of_the_mean": None}


def test_the_held_out_error_is_that_of_items_it_was_not_told_of() -> None:
    generator = np.random.default_rng(0)
    genres = generator.random((2_000, 2)) < 0.5
    noise = generator.normal(0, 0.05, 2_000)
    violence = (0.5 + genres @ [0.2, -0.2] + noise).clip(0, 1).astype(np.float32)
    found = impute(violence, genres)
    # The noise, and with it the spread of the two effects, each of variance 0.01.
    assert found.held_out_rmse == pytest.approx(0.05, rel=0.05)
    assert found.rmse_of_the_mean == pytest.approx(np.sqrt(0.05**2 + 2 * 0.01), rel=0.05)


def test_genres_tell_of_violence_in_movielens_1m(ml_1m: Dataset) -> None:
    found = impute(ml_1m.violence, ml_1m.genres)
    assert found.measured.mean() == pytest.approx(0.8993, abs=1e-4)
    assert found.held_out_rmse == pytest.approx(0.1852, abs=5e-4)
    assert found.rmse_of_the_mean == pytest.approx(0.2126, abs=5e-4)
