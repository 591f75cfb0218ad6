import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pydeeprecsys.errors import InputError
from pydeeprecsys.simulation.choice import (
    Cascade,
    Choice,
    ExponentialCascade,
    MultinomialLogit,
    PositionBiasedLogit,
    draw_choice,
    position,
    uniform_choice,
)

MODELS: list[Choice] = [
    uniform_choice,
    MultinomialLogit(0.5),
    MultinomialLogit(-np.inf),
    PositionBiasedLogit(0.7, -1.0),
    Cascade(0.9, 0.2),
    ExponentialCascade(0.9, 0.3),
]


def test_numbers_become_positions() -> None:
    numbers = np.array([0.0, 0.333, 0.334, 0.666, 0.667, 0.999])
    assert [position(uniform_choice(np.ones((1, 3)))[0], number) for number in numbers] == [0, 0, 1, 1, 2, 2]
    with_nothing = np.array([0.2, 0.5, 0.3])
    assert [position(with_nothing, number) for number in (0.19, 0.21, 0.69, 0.71)] == [0, 1, 1, -1]


@pytest.mark.parametrize("slate_size", [1, 2, 3, 7, 10, 1023, 1024, 3883])
def test_the_largest_number_below_1_is_the_last_position(slate_size: int) -> None:
    largest = np.nextafter(1.0, 0.0)
    assert position(uniform_choice(np.ones((1, slate_size)))[0], largest) == slate_size - 1


def test_what_cannot_be_chosen_is_not_chosen_where_rounding_left_a_rest() -> None:
    assert position(np.array([0.6, 0.3, 0.0, 0.0]), 0.95) == 1
    assert position(np.array([0.6, 0.3, 0.0, 0.1]), 0.95) == -1


def test_uniform_whatever_the_ratings() -> None:
    assert uniform_choice(np.array([[5.0, 1.0, 1.0, 2.0]])).tolist() == [[0.25] * 4 + [0.0]]


# exp(0), exp(ln 2), exp(ln 5) against exp(ln 2) for nothing: 1, 2, 5 of 10, and 2.
SCORES = np.log([[1.0, 2.0, 5.0]])


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (MultinomialLogit(np.log(2)), [0.1, 0.2, 0.5, 0.2]),
        (MultinomialLogit(-np.inf), [0.125, 0.25, 0.625, 0.0]),
        # 1, 2/2, 5/3 and 2 of 17/3.
        (PositionBiasedLogit(1.0, np.log(2)), [3 / 17, 3 / 17, 5 / 17, 6 / 17]),
        # 1, 2/4, 5/9 of 37/18.
        (PositionBiasedLogit(2.0, -np.inf), [18 / 37, 9 / 37, 10 / 37, 0.0]),
        # 0.1·1, 0.1·2, 0.1·5 in turn, each looked at half of the time: 0.05, 0.95·0.1, 0.95·0.9·0.25.
        (ExponentialCascade(0.5, 0.1), [0.05, 0.095, 0.21375, 0.64125]),
    ],
)
def test_closed_forms(model: Choice, expected: list[float]) -> None:
    np.testing.assert_allclose(model(SCORES), [expected], rtol=1e-12, atol=0)


def test_cascade_by_hand() -> None:
    # 0.8 · (0.2 · 4, 0.2 · 5, cut to 1 of 0.2 · 6): 0.64, 0.36 · 0.8, 0.36 · 0.2 · 0.8.
    model = Cascade(attention=0.8, scale=0.2)
    expected = [[0.64, 0.288, 0.0576, 0.0144]]
    np.testing.assert_allclose(model(np.array([[4.0, 5.0, 6.0]])), expected, rtol=1e-12)
    assert model(np.array([[-3.0]])).tolist() == [[0.0, 1.0]]


def test_a_logit_goes_by_differences_and_survives_huge_scores() -> None:
    np.testing.assert_allclose(MultinomialLogit(1001.0)(SCORES + 1000), MultinomialLogit(1.0)(SCORES), rtol=1e-9)
    assert MultinomialLogit(0.0)(np.array([[1e9, -1e9]])).tolist() == [[1.0, 0.0, 0.0]]
    assert ExponentialCascade(1.0, 1.0)(np.array([[1e9, 0.0]])).tolist() == [[1.0, 0.0, 0.0]]


@pytest.mark.parametrize("model", MODELS)
@given(
    scores=st.lists(st.lists(st.floats(-50, 50), min_size=3, max_size=3), min_size=1, max_size=5),
)
@settings(max_examples=40, deadline=None)
def test_probabilities_are_probabilities_and_rows_have_nothing_to_do_with_each_other(
    model: Choice, scores: list[list[float]]
) -> None:
    table = np.array(scores)
    probabilities = model(table)
    assert probabilities.shape == (len(table), 4)
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-12)
    for row, alone in zip(probabilities, table, strict=True):
        np.testing.assert_allclose(row, model(alone[None])[0], rtol=1e-12)


@pytest.mark.parametrize("model", MODELS)
def test_what_is_drawn_has_these_frequencies(model: Choice) -> None:
    n = 20_000
    scores = np.tile([[0.3, 1.2, 0.8]], (n, 1))
    zeros = np.zeros(n, dtype=np.int64)
    drawn = draw_choice(model(scores), np.arange(n, dtype=np.uint64), zeros, zeros)
    expected = model(scores[:1])[0]
    counted = np.array([np.mean(drawn == place) for place in (0, 1, 2, -1)])
    assert (np.abs(counted - expected) <= 4.5 * np.sqrt(expected * (1 - expected) / n)).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MultinomialLogit(float("nan")), "no_choice_score must be a number, it is nan"),
        (lambda: PositionBiasedLogit(-1.0), "decay must be at least 0, it is -1"),
        (lambda: PositionBiasedLogit(1.0, float("inf")), "no_choice_score must be finite or minus infinity, it is inf"),
        (lambda: Cascade(attention=1.1), r"attention must be in \[0, 1\], it is 1.1"),
        (lambda: Cascade(scale=-0.1), "scale must be at least 0, it is -0.1"),
        (lambda: ExponentialCascade(scale=float("nan")), "scale must be a number, it is nan"),
    ],
)
def test_numbers_out_of_range_are_refused(make: type, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_a_position_bias_divides_odds_where_examination_divides_probabilities() -> None:
    # Alone at the second position the odds against nothing are e⁴ / 2 to 1.
    probabilities = PositionBiasedLogit(1.0, 0.0)(np.array([[-np.inf, 4.0]]))
    assert probabilities[0].tolist() == pytest.approx([0, np.exp(4) / (np.exp(4) + 2), 2 / (np.exp(4) + 2)])
    assert probabilities[0, 1] == pytest.approx(0.965, abs=5e-4)
