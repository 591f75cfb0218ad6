import numpy as np
import pytest

from pydeeprecsys.rl.neural_networks.value_estimator import ValueEstimator

STATES = np.random.default_rng(0).normal(size=(50, 3))


def test_it_learns_values() -> None:
    estimator = ValueEstimator(3, [32], learning_rate=0.01, device="cpu")
    wanted = STATES[:, :1] - 2 * STATES[:, 1:2]
    losses = [estimator.update(STATES, wanted) for _ in range(400)]
    assert losses[-1] < 0.01 * losses[0]
    assert estimator.predict(STATES).shape == (50, 1)
    assert np.abs(estimator.predict(STATES) - wanted).mean() < 0.1
    assert estimator.predict(STATES[0]).shape == (1,)


def test_the_loss_is_half_the_mean_squared_error_and_values_may_be_flat() -> None:
    estimator, other = (ValueEstimator(3, [4], device="cpu") for _ in range(2))
    expected = 0.5 * np.mean((estimator.predict(STATES)[:, 0] - 1) ** 2)
    assert estimator.update(STATES, np.ones(50)) == pytest.approx(expected, rel=1e-5)
    assert other.update(STATES, np.ones((50, 1))) == pytest.approx(expected, rel=1e-5)


def test_a_broken_value_is_told_and_not_learned() -> None:
    estimator = ValueEstimator(3, [4], device="cpu")
    before = estimator.predict(STATES).tolist()
    with pytest.raises(FloatingPointError, match="ValueEstimator"):
        estimator.update(STATES, np.full(50, np.nan))
    assert estimator.predict(STATES).tolist() == before


def test_the_seed_makes_the_network() -> None:
    first, second, other = (ValueEstimator(3, [4], random_state=seed, device="cpu") for seed in (0, 0, 1))
    assert first.predict(STATES).tolist() == second.predict(STATES).tolist()
    assert first.predict(STATES).tolist() != other.predict(STATES).tolist()
