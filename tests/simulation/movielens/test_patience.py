import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydeeprecsys.errors import InputError
from pydeeprecsys.simulation.movielens.patience import Patience


@pytest.mark.parametrize(
    ("rating", "left"),
    [
        (0.0, 7.0),  # nothing chosen: 3 of 10
        (1.0, 9.0),  # below neutral: the whole cost of 1
        (3.0, 9.0),
        (4.0, 9.25),  # half of the way from 3 to 5 stars gives half of 0.5 back
        (5.0, 9.5),
    ],
)
def test_what_a_slate_takes(rating: float, left: float) -> None:
    patience = Patience(gain=0.5, neutral=3.0, refusal_cost=3.0)
    assert patience.spend(np.array([10.0]), np.array([rating]), np.array([1]))[0].tolist() == [left]


@given(st.lists(st.one_of(st.just(0.0), st.floats(1, 5)), min_size=1, max_size=9), st.floats(0, 0.99))
def test_every_slate_costs_something_and_liking_never_costs_more(ratings: list[float], gain: float) -> None:
    patience, budgets = Patience(gain=gain, refusal_cost=1.5), np.full(len(ratings), 20.0)
    left, *_ = patience.spend(budgets, np.array(ratings), np.ones(len(ratings), dtype=np.int64))
    assert (left < budgets).all()
    assert (np.diff(left[np.argsort(ratings)]) >= 0).all()
    assert (budgets == 20.0).all()


def test_a_session_ends_by_its_budget_first_and_is_cut_off_otherwise() -> None:
    patience = Patience(refusal_cost=3.0, max_steps=7)
    left, terminated, truncated = patience.spend(np.array([3.0, 3.5, 3.0, 3.5]), np.zeros(4), np.array([6, 6, 7, 7]))
    assert left.tolist() == [0.0, 0.5, 0.0, 0.5]
    assert terminated.tolist() == [True, False, True, False]
    assert truncated.tolist() == [False, False, False, True]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("budget", 0.0),
        ("budget", np.inf),
        ("gain", 1.0),
        ("gain", -0.1),
        ("neutral", 5.0),
        ("refusal_cost", 0.0),
        ("refusal_cost", np.nan),
        ("max_steps", 0),
    ],
)
def test_numbers_that_cannot_be(name: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{name} must be .*, it is {value}"):
        Patience(**{name: value})
