import numpy as np
import pytest

from pydeeprecsys.rl.ops.evolution import AdamState, adam, antithetic_noise, centered_ranks, smoothed_gradient


@pytest.mark.parametrize(
    ("returns", "ranks"),
    [
        ([10.0, -3.0, 700.0], [0.0, -0.5, 0.5]),
        ([1.0, 2.0, 3.0, 4.0, 5.0], [-0.5, -0.25, 0.0, 0.25, 0.5]),
        ([2.0, 2.0, 1.0], [0.25, 0.25, -0.5]),  # equal returns share the mean of their ranks 1 and 2
        ([7.0, 7.0], [0.0, 0.0]),
    ],
)
def test_centered_ranks(returns: list[float], ranks: list[float]) -> None:
    assert centered_ranks(np.array(returns)).tolist() == ranks


def test_noise_comes_in_antithetic_pairs() -> None:
    noise = antithetic_noise(3, 2, np.random.default_rng(0))
    assert noise.shape == (6, 2)
    assert (noise[:3] == -noise[3:]).all()
    assert (noise[:3] == np.random.default_rng(0).standard_normal((3, 2))).all()


def test_smoothed_gradient() -> None:
    noise = np.array([[1.0, 2.0], [-1.0, -2.0]])
    # ((0.5 · [1, 2]) + (-0.5 · [-1, -2])) / 2 / 0.1
    assert smoothed_gradient(noise, np.array([0.5, -0.5]), 0.1).tolist() == [5.0, 10.0]


def test_the_gradient_of_a_linear_function_is_its_slope() -> None:
    noise = antithetic_noise(200_000, 2, np.random.default_rng(0))
    fitness = (np.array([3.0, -1.0]) + 0.1 * noise) @ np.array([2.0, 5.0])
    np.testing.assert_allclose(smoothed_gradient(noise, fitness, 0.1), [2.0, 5.0], atol=0.05)


def test_adam() -> None:
    state = AdamState(np.zeros(2), np.zeros(2), steps=0)
    step, state = adam(np.array([4.0, -0.01]), state, 0.1)
    np.testing.assert_allclose(step, [0.1, -0.1], rtol=1e-5)  # the first step has the same length in each parameter
    np.testing.assert_allclose(state.mean, [0.4, -0.001])
    np.testing.assert_allclose(state.square, [0.016, 1e-7])
    step, state = adam(np.array([2.0, 0.01]), state, 0.1)
    # mean 0.9 · 0.4 + 0.2 = 0.56, corrected 0.56 / 0.19; square 0.999 · 0.016 + 0.004 = 0.019984, corrected / 0.001999
    np.testing.assert_allclose(step[0], 0.1 * (0.56 / 0.19) / np.sqrt(0.019984 / 0.001999), rtol=1e-6)
    assert state.steps == 2
