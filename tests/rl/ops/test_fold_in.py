import numpy as np
import pytest

from contracts.estimates import drawn_estimates, estimates
from pydeeprecsys.arrays import Floats, Ints
from pydeeprecsys.rl.ops.fold_in import Posterior, fold_in, predicted_ratings, predicted_variances


def history(rows: list[list[tuple[int, float]]]) -> tuple[Ints, Floats]:
    """Items and ratings of each user, filled up with none."""
    longest = max(map(len, rows))
    padded = [row + [(-1, 0.0)] * (longest - len(row)) for row in rows]
    return np.array([[item for item, _ in row] for row in padded]), np.array([[r for _, r in row] for row in padded])


def test_one_rating_by_hand() -> None:
    # The user's bias has the prior N(0, 0.5) and the item the offset 3. A rating of 5 with noise of variance 1 is a
    # residual of 2: precision 1 / 0.5 + 1 = 3, mean 2 / 3.
    posterior = fold_in(estimates(np.ones((1, 1)), np.array([[0.5]])), *history([[(0, 5.0)]]))
    np.testing.assert_allclose(posterior.means, [[2 / 3]])
    np.testing.assert_allclose(posterior.covariances, [[[1 / 3]]])


def test_two_dimensions_by_hand() -> None:
    # Prior N((1, 0), I), items (1, 0) and (1, 1), offsets 3 and 2, noise 0.5. Ratings of 5 and 3 leave the residuals
    # 2 and 1: precision I + 2 [[2, 1], [1, 1]] = [[5, 2], [2, 3]], with the inverse [[3, -2], [-2, 5]] / 11; moment
    # (1, 0) + 2 (2 + 1, 1) = (7, 2); mean (17, -4) / 11.
    known = estimates(
        np.array([[1.0, 0.0], [1.0, 1.0]]),
        np.eye(2),
        offsets=np.array([3.0, 2.0]),
        prior_mean=np.array([1.0, 0.0]),
        noise=0.5,
    )
    posterior = fold_in(known, *history([[(1, 3.0), (0, 5.0)], []]))
    np.testing.assert_allclose(posterior.means, [[17 / 11, -4 / 11], [1.0, 0.0]])
    np.testing.assert_allclose(posterior.covariances[0], np.array([[3, -2], [-2, 5]]) / 11)
    np.testing.assert_allclose(posterior.covariances[1], np.eye(2))
    np.testing.assert_allclose(predicted_ratings(known, posterior.means), [[3 + 17 / 11, 2 + 13 / 11], [4.0, 3.0]])
    variances = predicted_variances(known, posterior.covariances)
    np.testing.assert_allclose(variances, [[3 / 11, 4 / 11], [1.0, 2.0]], rtol=1e-6)


def test_it_is_the_closed_form_of_bayesian_linear_regression() -> None:
    known, rng = drawn_estimates(), np.random.default_rng(1)
    items, ratings = rng.integers(-1, 30, (9, 12)), rng.integers(1, 6, (9, 12)).astype(np.float32)
    posterior = fold_in(known, items, ratings)
    for user in range(9):
        rated = items[user] >= 0
        x = known.vectors[items[user, rated]]
        residuals = ratings[user, rated] - known.offsets[items[user, rated]]
        # The dual form: the gain of m ratings.
        gain = known.prior_covariance @ x.T @ np.linalg.inv(x @ known.prior_covariance @ x.T + 0.7 * np.eye(len(x)))
        np.testing.assert_allclose(
            posterior.means[user], known.prior_mean + gain @ (residuals - x @ known.prior_mean), rtol=1e-9
        )
        covariance = known.prior_covariance - gain @ x @ known.prior_covariance
        np.testing.assert_allclose(posterior.covariances[user], covariance, atol=1e-12)
        np.testing.assert_allclose(
            predicted_variances(known, posterior.covariances)[user],
            np.diag(known.vectors @ covariance @ known.vectors.T),
            rtol=1e-4,
        )


def test_users_and_the_order_of_ratings_do_not_matter_to_each_other() -> None:
    known, rng = drawn_estimates(), np.random.default_rng(2)
    items, ratings = rng.integers(-1, 30, (7, 6)), rng.integers(1, 6, (7, 6)).astype(np.float64)
    together = fold_in(known, items, ratings)
    for user in range(7):
        alone = fold_in(known, items[user : user + 1], ratings[user : user + 1])
        np.testing.assert_array_equal(alone.means[0], together.means[user])
        np.testing.assert_array_equal(alone.covariances[0], together.covariances[user])
    backwards = fold_in(known, items[:, ::-1], ratings[:, ::-1])
    np.testing.assert_allclose(backwards.means, together.means, rtol=1e-9)


@pytest.mark.parametrize("items", [np.zeros((0, 4), dtype=np.int64), np.zeros((3, 0), dtype=np.int64)])
def test_without_users_or_ratings_the_prior_is_left(items: Ints) -> None:
    known = drawn_estimates()
    posterior: Posterior = fold_in(known, items, np.zeros(items.shape))
    np.testing.assert_allclose(posterior.means, np.tile(known.prior_mean, (len(items), 1)))
    np.testing.assert_allclose(posterior.covariances, np.tile(known.prior_covariance, (len(items), 1, 1)))
    assert predicted_ratings(known, posterior.means).shape == (len(items), 30)
    expected = np.tile(known.expected_ratings, (len(items), 1))
    np.testing.assert_allclose(predicted_ratings(known, posterior.means), expected, rtol=1e-5)
