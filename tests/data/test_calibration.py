import numpy as np
import pytest

from pydeeprecsys.data.calibration import calibration


def test_means_are_compared_by_how_often_the_item_was_rated() -> None:
    records = calibration(
        rated=np.array([1.0, 2.0, 5.0, 4.0, 3.0]),
        predicted=np.array([2.0, 2.0, 4.0, 4.5, 3.5]),
        counts=np.array([1, 4, 4, 100, 0]),
        scale=(1, 5),
    )
    # Errors 1, 0, -1 of items with 1 to 4 ratings: standard deviation 1, over the root of 3.
    assert records == [
        {
            "predicted_from": 1,
            "band": "0",
            "ratings": 1,
            "mean_rated": 3,
            "mean_predicted": 3.5,
            "standard_error": None,
        },
        {
            "predicted_from": 1,
            "band": "1-4",
            "ratings": 3,
            "mean_rated": pytest.approx(8 / 3),
            "mean_predicted": pytest.approx(8 / 3),
            "standard_error": pytest.approx(3**-0.5),
        },
        {
            "predicted_from": 1,
            "band": "100+",
            "ratings": 1,
            "mean_rated": 4,
            "mean_predicted": 4.5,
            "standard_error": None,
        },
        {
            "predicted_from": 4,
            "band": "1-4",
            "ratings": 1,
            "mean_rated": 5,
            "mean_predicted": 4,
            "standard_error": None,
        },
        {
            "predicted_from": 4,
            "band": "100+",
            "ratings": 1,
            "mean_rated": 4,
            "mean_predicted": 4.5,
            "standard_error": None,
        },
    ]


def test_every_number_of_ratings_has_its_band() -> None:
    counts = np.array([0, 1, 4, 5, 9, 10, 19, 20, 49, 50, 99, 100, 10**6])
    records = calibration(np.zeros(13), np.zeros(13), counts, (0, 10))
    assert [(band["band"], band["ratings"]) for band in records] == [
        ("0", 1), ("1-4", 2), ("5-9", 2), ("10-19", 2), ("20-49", 2), ("50-99", 2), ("100+", 2),
    ]  # fmt: skip


def test_high_predictions_are_three_quarters_of_the_scale() -> None:
    records = calibration(np.full(2, 5.0), np.array([4.9, 5.0]), np.array([1, 1]), (-10, 10))
    assert [(band["predicted_from"], band["ratings"]) for band in records] == [(-10, 2), (5, 1)]
