import numpy as np
import pytest

from pydeeprecsys.rl.ops.importance import importance_weights


# Four experiences, drawn with probabilities 1/2, 1/4, 1/8, 1/8.
@pytest.mark.parametrize(
    ("exponent", "smallest", "expected"),
    [
        # 1 / (4 · P) = 1/2, 1, 2, 2; divided by the largest, 2.
        (1.0, None, [0.25, 0.5, 1, 1]),
        # The roots of these.
        (0.5, None, [0.5, 0.5**0.5, 1, 1]),
        (0.0, None, [1, 1, 1, 1]),
        # Another one, that was not drawn, has half the probability of the last: its weight would be twice theirs.
        (1.0, 1 / 16, [0.125, 0.25, 0.5, 0.5]),
    ],
)
def test_hand_computed(exponent: float, smallest: float | None, expected: list[float]) -> None:
    weights = importance_weights(np.array([1 / 2, 1 / 4, 1 / 8, 1 / 8]), exponent, smallest)
    np.testing.assert_allclose(weights, expected)


def test_the_formula_of_the_paper() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.random(100)
    probabilities /= probabilities.sum()
    weights = (100 * probabilities) ** -0.4
    np.testing.assert_allclose(importance_weights(probabilities, 0.4), weights / weights.max())


def test_the_whole_correction_makes_expectations_those_of_uniform_draws() -> None:
    rng = np.random.default_rng(0)
    probabilities, values = rng.random(50), rng.normal(size=50)
    probabilities /= probabilities.sum()
    weights = importance_weights(probabilities, 1.0)
    expectation = (probabilities * weights * values).sum() / (probabilities * weights).sum()
    assert expectation == pytest.approx(values.mean())


def test_a_smallest_probability_of_another_precision_is_taken_for_the_least() -> None:
    probabilities = np.array([0.1, 0.3], dtype=np.float32)
    smallest = float(probabilities[0]) * (1 + 1e-8)
    assert importance_weights(probabilities, 1.0, smallest)[0] == 1.0


@pytest.mark.parametrize("exponent", [-0.1, 1.1, np.nan])
def test_exponents_out_of_range_are_refused(exponent: float) -> None:
    with pytest.raises(ValueError, match="exponent"):
        importance_weights(np.array([0.5]), exponent)


@pytest.mark.parametrize(
    ("probabilities", "smallest"), [([0.0, 0.5], None), ([np.nan, 0.5], None), ([0.2, 0.5], 0.3), ([0.2, 0.5], 0.0)]
)
def test_probabilities_that_cannot_be_are_refused(probabilities: list[float], smallest: float | None) -> None:
    with pytest.raises(ValueError, match="probabilities must be above 0"):
        importance_weights(np.array(probabilities), 0.5, smallest)


def test_columns_are_refused() -> None:
    with pytest.raises(ValueError, match=r"probabilities is of shape \(2, 1\)"):
        importance_weights(np.full((2, 1), 0.5), 0.5)
