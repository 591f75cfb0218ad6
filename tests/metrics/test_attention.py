import math
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from pydeeprecsys.errors import InputError
from pydeeprecsys.metrics.attention import (
    attention_shares,
    awrf,
    expected_exposure,
    geometric_attention,
    target_exposure,
    weighted_exposures,
)
from pydeeprecsys.metrics.exposure import category_exposures, exposures
from pydeeprecsys.metrics.relevance import discounts

GROUPS = [[True, False], [False, True], [True, True], [False, False]]


def test_exposure_weighted_by_position() -> None:
    assert geometric_attention(3, 0.5).tolist() == [1, 0.5, 0.25]
    assert weighted_exposures([[0, 1], [0, 2], [2, 0]], 4, [1, 0.5]).tolist() == [2.5, 0.5, 1.5, 0]
    assert weighted_exposures([[3, 1, 2]], 4, discounts(3)) == pytest.approx([0, 1 / math.log2(3), 1 / 2, 1])
    slates = [[0, 3], [3, 2]]
    assert weighted_exposures(slates, 4, geometric_attention(2, 1)).tolist() == exposures(slates, 4).tolist()


def test_expected_exposure_of_a_fixed_and_a_fair_policy() -> None:
    attention = [1, 0.5]
    # Two items of relevance 5 share both positions; nothing is left for the others.
    target = target_exposure([[1, 5, 5, 3]], attention)[0]
    assert target.tolist() == [0, 0.75, 0.75, 0]
    fixed = weighted_exposures([[1, 2]], 4, attention)
    fair = weighted_exposures([[1, 2], [2, 1]], 4, attention) / 2
    assert expected_exposure(fixed, target) == pytest.approx((1.25, 1.125, 0.125))
    assert expected_exposure(fair, target) == pytest.approx((1.125, 1.125, 0))
    # The worst: both positions for irrelevant items.
    assert expected_exposure(weighted_exposures([[0, 3]], 4, attention), target) == pytest.approx((1.25, 0, 2.375))


def test_the_target_follows_grades_and_shares_the_attention_among_equals() -> None:
    # Item 2 takes the first position; items 0 and 3 share the second and the third, of which only one is seen.
    assert target_exposure([[2, 1, 3, 2]], [1, 0.5]).tolist() == [[0.25, 0, 1, 0.25]]
    assert target_exposure([[7, 7, 7, 7], [1, 2, 3, 4]], [1, 0.5]).tolist() == [[0.375] * 4, [0, 0, 0.5, 1]]


def test_expected_exposure_of_categories_and_of_many_users() -> None:
    exposure, target = [[1, 0.5, 0, 0], [0, 1, 0.5, 0]], [[0.75, 0.75, 0, 0], [1, 0.5, 0, 0]]
    both = expected_exposure(exposure, target)
    assert both.disparity == pytest.approx([1.25, 1.25])
    assert both.relevance == pytest.approx([1.125, 0.5])
    assert both.loss == pytest.approx([0.125, 1.5])
    of_groups = expected_exposure(category_exposures(exposure[1], GROUPS), category_exposures(target[1], GROUPS))
    assert of_groups == pytest.approx((0.25**2 + 1.25**2, 0.25 * 1 + 1.25 * 0.5, 0.75**2 * 2))


def test_attention_is_shared_among_groups() -> None:
    # The second slate: 1 for the second group, half of 0.5 for each; the last item belongs to none.
    shares = attention_shares([[0, 1], [1, 2], [3, 0], [3, 3]], GROUPS, [1, 0.5])
    assert shares[:3] == pytest.approx(np.array([[2 / 3, 1 / 3], [1 / 6, 5 / 6], [1, 0]]))
    assert np.isnan(shares[3]).all()


def test_awrf_compares_the_shares_with_those_of_the_population() -> None:
    # Over all items both groups have the same share, 1.5 of 3.
    fair = awrf([[0, 1], [2, 2], [0, 0], [3, 3]], GROUPS, [1, 1])
    # All attention to one group: divergence of (1, 0) and (1/2, 1/2), with (3/4, 1/4) between them.
    divergence = (math.log2(4 / 3) + 0.5 * math.log2(2 / 3) + 0.5 * math.log2(2)) / 2
    assert fair == pytest.approx([1, 1, 1 - divergence, np.nan], nan_ok=True)
    assert awrf([[0, 0]], GROUPS, [1, 1], population=[0, 3]) == pytest.approx([0])
    assert awrf([[0, 1]], GROUPS, [1, 0.5], population=[2, 1]) == pytest.approx([1])


def test_the_distance_of_awrf_is_scipys() -> None:
    rng = np.random.default_rng(0)
    flags, slates = rng.random((30, 4)) < 0.4, rng.integers(30, size=(50, 5))
    flags[:, 0] |= ~flags.any(axis=1)
    population, attention = rng.random(4), discounts(5)
    expected = 1 - jensenshannon(attention_shares(slates, flags, attention), population[None], 2, axis=1) ** 2
    assert awrf(slates, flags, attention, population) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: geometric_attention(3, 0), r"in \(0, 1\], it is 0"),
        (lambda: geometric_attention(3, np.nan), "persistence"),
        (lambda: weighted_exposures([[0, 1]], 2, [1]), "each of the 2 positions"),
        (lambda: weighted_exposures([[0, 1]], 2, [1, -1]), "attention"),
        (lambda: expected_exposure([1, 2], [1]), "the same items"),
        (lambda: target_exposure([[1, 2]], [1, 1, 1]), "only 2 items"),
        (lambda: target_exposure([[np.nan, 2]], [1]), "relevance"),
        (lambda: attention_shares([[4]], GROUPS, [1]), "items are 0 to 3"),
        (lambda: awrf([[0]], GROUPS, [1], [0, 0]), "not all of them 0"),
        (lambda: awrf([[0]], GROUPS, [1], [1, 1, 1]), "2 shares"),
    ],
)
def test_bad_input_is_refused(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
