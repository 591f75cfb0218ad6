from typing import Any

import numpy as np
import pytest

from pydeeprecsys.data.variational import Prior, Side, grouped, prior_step


def side(ratings: Any, fixed: Any, latents: Any, variances: Any, predictors: Any = None) -> Side:
    """A side whose (row, column, rating) are `ratings`."""
    rows, columns, values = (np.array(column) for column in zip(*ratings, strict=True))
    predictors = np.ones((len(fixed), 1)) if predictors is None else predictors
    return Side(
        grouped(rows.astype(np.int32), columns.astype(np.int32), values.astype(np.float64), len(fixed)),
        fixed=np.asarray(fixed, dtype=np.float64),
        predictors=predictors,
        learned=np.ones((predictors.shape[1], len(variances)), dtype=np.bool_),
        variances=np.asarray(variances, dtype=np.float64),
        latents=np.asarray(latents, dtype=np.float64),
    )


def test_a_row_with_one_rating_shrinks_as_bayes_theorem_says() -> None:
    # Biases alone, prior N(0, 1/2), noise 1: with a rating x it is N(x / 3, 1/3), with two N((x + y) / 4, 1/4).
    nothing = np.zeros((3, 0))
    other = side([(0, 0, 0.0)], np.ones((3, 1)), nothing, [0.2])
    own = side([(0, 0, 2.0), (1, 0, 2.0), (1, 1, 1.0)], np.ones((3, 1)), nothing, [0.5])
    own.update(other, 1.0)
    np.testing.assert_allclose(own.posterior.means[:, 0], [2 / 3, 3 / 4, 0], rtol=1e-12)
    np.testing.assert_allclose(own.posterior.bias_variance, [1 / 3, 1 / 4, 1 / 2], rtol=1e-12)


def test_uncertainty_of_the_other_side_shrinks_further() -> None:
    # One latent dimension, and a bias that is multiplied by 0: x is 2 for certain, or 2 with a variance of 1.
    other = side([(0, 0, 0.0)], np.zeros((2, 1)), [[2.0], [2.0]], [1.0, 1.0])
    other.posterior.second[1] += 1
    own = side([(0, 0, 3.0), (1, 1, 3.0)], np.zeros((2, 1)), np.zeros((2, 1)), [1.0, 1.0])
    squares = own.update(other, 1.0)
    np.testing.assert_allclose(own.posterior.means[:, 0], [6 / 5, 6 / 6], rtol=1e-6)
    np.testing.assert_allclose(own.posterior.second[:, 0], [36 / 25 + 1 / 5, 1 + 1 / 6], rtol=1e-6)
    # E[(3 - x m)^2] = 9 - 2 * 3 * E[x] E[m] + E[x^2] E[m^2]
    expected = (9 - 12 * 6 / 5 + 4 * (36 / 25 + 1 / 5)) + (9 - 12 + 5 * (1 + 1 / 6))
    assert squares == pytest.approx(expected, rel=1e-6)


def test_posteriors_agree_with_dense_algebra() -> None:
    # The other side: 2 latent dimensions and 3 coefficients, with covariances; the own one: 2 and one bias.
    rng = np.random.default_rng(0)
    latents, fixed = rng.normal(size=(4, 2)), np.array([[1, 0, 0.5], [1, 2, 0], [1, 0, 0]])
    other = side([(0, 0, 0.0)], np.ones((4, 1)), latents, np.ones(5))
    other.posterior.means[:] = rng.normal(size=(4, 5))
    root = rng.normal(0, 0.5, (4, 5, 5))
    covariance = root @ root.transpose(0, 2, 1)
    of_latents = other.posterior.means[:, :2, None] * other.posterior.means[:, None, :2] + covariance[:, :2, :2]
    other.posterior.second[:] = of_latents[:, [0, 1, 1], [0, 0, 1]]
    other.posterior.cross[:] = covariance[:, 2:, :2]
    ratings = [(0, 0, 1.0), (0, 2, -0.5), (0, 3, 0.3), (1, 1, 2.0)]
    own = side(ratings, fixed, np.zeros((3, 2)), [0.3, 0.3, 0.2])
    prior, tau = np.diag(1 / own.prior.variances), 4.0
    own.update(other, 1 / tau)
    for row in range(3):
        precision, moment = prior.copy(), np.zeros(3)
        for _, column, rating in (rating for rating in ratings if rating[0] == row):
            mean, spread = other.posterior.means[column], covariance[column]
            x = np.array([*mean[:2], 1])
            precision += tau * (np.outer(x, x) + np.pad(spread[:2, :2], (0, 1)))
            crossed = np.array([*(fixed[row] @ spread[2:, :2]), 0])
            moment += tau * (x * (rating - fixed[row] @ mean[2:]) - crossed)
        inverse = np.linalg.inv(precision)
        np.testing.assert_allclose(own.posterior.means[row], inverse @ moment, rtol=1e-5, atol=1e-8)
        np.testing.assert_allclose(own.posterior.cross[row], inverse[2:, :2], rtol=1e-5, atol=1e-8)
        assert own.posterior.bias_variance[row] == pytest.approx(inverse[2, 2], rel=1e-5)


def test_the_prior_follows_the_posteriors() -> None:
    # One number, Lambda = 2, posteriors N(1, 1/4) and N(3, 1/4). Curvature 2 * 2 - 2 * (1/4 + 1/4) * 2 + 1 = 3,
    # gradient 2 * (1 + 3) = 8, so the mean is 8 / 3; residuals -5 / 3 and 1 / 3.
    prior = Prior(
        predictors=np.ones((2, 1)),
        weights=np.zeros((1, 1)),
        learned=np.ones((1, 1), dtype=np.bool_),
        precision=np.array([[2.0]]),
        variances=np.array([0.1]),
    )
    after = prior_step(prior, np.array([[1.0], [3.0]]), np.full((1, 1, 1, 1), 0.5))
    assert after.weights[0, 0] == pytest.approx(8 / 3)
    assert 1 / after.precision[0, 0] == pytest.approx((25 / 9 + 1 / 9 + 0.5 + 0.1) / 3)


def test_a_number_that_no_rating_depends_on_keeps_a_prior() -> None:
    # The posterior is the prior, N(0, 1/2): without a prior on the mean, the step would be 0 / 0.
    prior = Prior(
        predictors=np.ones((4, 1)),
        weights=np.zeros((1, 1)),
        learned=np.ones((1, 1), dtype=np.bool_),
        precision=np.array([[2.0]]),
        variances=np.array([0.5]),
    )
    after = prior_step(prior, np.zeros((4, 1)), np.full((1, 1, 1, 1), 2.0))
    assert after.weights[0, 0] == 0
    assert after.precision[0, 0] == pytest.approx(2.0)


def test_weights_that_are_not_learned_stay_0() -> None:
    rng = np.random.default_rng(0)
    learned = np.array([[False, True], [False, True]])
    prior = Prior(
        predictors=np.stack([np.ones(9), np.arange(9.0)], axis=1),
        weights=np.zeros((2, 2)),
        learned=learned,
        precision=np.array([[2.0, 0.5], [0.5, 1.0]]),
        variances=np.ones(2),
    )
    after = prior_step(prior, rng.normal(1, 1, (9, 2)), np.zeros((2, 2, 2, 2)))
    assert (after.weights[~learned] == 0).all()
    assert (after.weights[learned] != 0).all()
