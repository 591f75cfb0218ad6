"""Calibration: whether ratings average what was predicted, for items that are rated rarely or often."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydeeprecsys.arrays import Floats, Ints

BANDS = {"0": 0, "1-4": 1, "5-9": 5, "10-19": 10, "20-49": 20, "50-99": 50, "100+": 100}
"""Bands of how often an item was rated: the name and the lowest number of each."""


def calibration(rated: Floats, predicted: Floats, counts: Ints, scale: tuple[float, float]) -> list[dict[str, Any]]:
    """Compare means of ratings and of predictions, by how often the item was rated.

    Args:
        rated: (n,) held-out ratings.
        predicted: (n,) predictions of them.
        counts: (n,) how many other ratings each one's item had to learn from.
        scale: lowest and highest possible rating.

    Returns:
        For all predictions, then for those of at least three quarters of the scale (4 of 1..5 stars), one record for
        each band of `counts` with at least one rating: `predicted_from`, the lowest prediction; `band`, as "1-4";
        `ratings`, their number; `mean_rated` and `mean_predicted`; `standard_error` of the difference of these, None
        for a single rating.
    """
    low, high = scale
    bands = np.searchsorted([*BANDS.values()], counts, side="right") - 1
    records = []
    for predicted_from in (float(low), float(low + 0.75 * (high - low))):
        for band, name in enumerate(BANDS):
            mask = (predicted >= predicted_from) & (bands == band)
            number = int(mask.sum())
            if number == 0:
                continue
            errors = (predicted - rated)[mask]
            records.append(
                {
                    "predicted_from": predicted_from,
                    "band": name,
                    "ratings": number,
                    "mean_rated": float(rated[mask].mean()),
                    "mean_predicted": float(predicted[mask].mean()),
                    "standard_error": float(errors.std(ddof=1) / np.sqrt(number)) if number > 1 else None,
                }
            )
    return records
