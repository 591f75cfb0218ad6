import math
from typing import Any

import numpy as np
import pytest

from pydeeprecsys.errors import InputError
from pydeeprecsys.metrics.exposure import coverage, exposures, gini


def test_coverage_and_gini_by_hand() -> None:
    shown = exposures([[0, 1], [1, 2], [1, 1]], 5)
    assert shown.tolist() == [1, 4, 1, 0, 0]
    assert coverage(shown) == 3 / 5
    # Differences of all 25 ordered pairs add up to 2 · (3 + 0 + 1 + 1 + 3 + 4 + 4 + 1 + 1 + 0) = 36; half their mean is
    # 18 / 25, the mean exposure 6 / 5.
    assert gini(shown) == pytest.approx(18 / 25 / (6 / 5))
    assert gini([3, 3, 3]) == 0
    assert gini([0, 0, 7, 0]) == pytest.approx(1 - 1 / 4)
    # Where nothing was shown there is nothing to tell.
    assert math.isnan(gini([0, 0]))
    assert math.isnan(coverage([0, 0]))


def test_gini_is_half_the_relative_mean_difference() -> None:
    for seed in range(20):
        exposure = np.random.default_rng(seed).integers(9, size=13)
        differences = abs(exposure[:, None] - exposure[None])
        assert gini(exposure) == pytest.approx(differences.mean() / 2 / exposure.mean())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: exposures([[0.5]], 2), "whole numbers"),
        (lambda: exposures([0, 1], 2), "whole numbers"),
        (lambda: coverage([]), "exposure"),
        (lambda: gini([-1, 2]), "exposure"),
    ],
)
def test_what_cannot_be_is_refused(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
