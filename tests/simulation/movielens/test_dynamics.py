import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pydeeprecsys.data.movielens_layouts import GENRES
from pydeeprecsys.errors import InputError
from pydeeprecsys.simulation.movielens.dynamics import GenreReinforcement

N_GENRES = len(GENRES)
ACTION, COMEDY, DRAMA = (GENRES.index(name) for name in ("Action", "Comedy", "Drama"))
# Item 0 is action, item 1 an action comedy, item 2 a drama.
CATALOGUE = np.zeros((3, N_GENRES), dtype=np.bool_)
CATALOGUE[0, ACTION] = CATALOGUE[1, ACTION] = CATALOGUE[1, COMEDY] = CATALOGUE[2, DRAMA] = True


def user(action: float = 0.5, comedy: float = -0.2, drama: float = 0.1) -> NDArray[np.float64]:
    """One user of two other dimensions and three affinities."""
    vector = np.zeros((1, 2 + N_GENRES))
    vector[0, :2] = 1.5, 1.0
    vector[0, [2 + ACTION, 2 + COMEDY, 2 + DRAMA]] = action, comedy, drama
    return vector


def affinities(vectors: NDArray[np.float64]) -> list[float]:
    return vectors[0, [2 + ACTION, 2 + COMEDY, 2 + DRAMA]].tolist()


def moved(dynamics: GenreReinforcement, items: list[int], ratings: list[float]) -> NDArray[np.float64]:
    return dynamics(user(), np.array([items]), np.array([ratings]), CATALOGUE)


@pytest.mark.parametrize(
    ("delta", "items", "ratings", "expected"),
    [
        (1.0, [0], [4.0], [1.0, -0.2, 0.1]),
        (1.0, [0], [3.0], [1.0, -0.2, 0.1]),  # 3.0 is liked
        (1.0, [0], [2.999], [0.5, -0.2, 0.1]),  # less is not
        (1.0, [1], [5.0], [1.0, -0.4, 0.1]),  # all genres of the item, and a dislike grows as well
        (1.0, [0, 2], [4.0, 2.0], [1.0, -0.2, 0.1]),
        (1.0, [0, 1, 2], [4.0, 4.0, 4.0], [2.0, -0.4, 0.2]),
        (1.0, [0, 0], [4.0, 4.0], [2.0, -0.2, 0.1]),  # shown twice, moves twice
        (-0.5, [1, 0], [4.0, 4.0], [0.125, -0.1, 0.1]),
        (0.25, [2], [3.5], [0.5, -0.2, 0.125]),
        (0.0, [0, 1, 2], [5.0, 5.0, 5.0], [0.5, -0.2, 0.1]),
        (99.0, [2], [5.0], [0.5, -0.2, 10.0]),
    ],
)
def test_liking_moves_the_affinities_for_the_genres(
    delta: float, items: list[int], ratings: list[float], expected: list[float]
) -> None:
    after = moved(GenreReinforcement(delta), items, ratings)
    assert affinities(after) == pytest.approx(expected, rel=1e-15)
    assert after.sum() == pytest.approx(2.5 + sum(expected), rel=1e-15)  # nothing else has moved


def test_threshold() -> None:
    assert affinities(moved(GenreReinforcement(threshold=4.5), [0], [4.4])) == [0.5, -0.2, 0.1]
    assert affinities(moved(GenreReinforcement(threshold=1.0), [0], [1.0])) == [1.0, -0.2, 0.1]


def test_the_vectors_before_stay_what_they_were() -> None:
    before = user()
    before.setflags(write=False)
    after = GenreReinforcement()(before, np.array([[1]]), np.array([[5.0]]), CATALOGUE)
    assert affinities(before) == [0.5, -0.2, 0.1]
    assert not np.shares_memory(before, after)


def test_no_bound_is_felt_within_50_ratings() -> None:
    vectors, expected = user(), [0.5, -0.2, 0.1]
    for _ in range(50):
        vectors = GenreReinforcement(99.0)(vectors, np.array([[1]]), np.array([[5.0]]), CATALOGUE)
        expected = [expected[0] * 100, expected[1] * 100, expected[2]]
    assert affinities(vectors) == expected
    assert expected[0] > 1e99


@pytest.mark.parametrize("delta", [99.0, 1.0, 0.01, -0.5, -0.999])
def test_affinities_stay_finite_however_often_an_item_is_liked(delta: float) -> None:
    slates, ratings = np.full((1, 1000), 1), np.full((1, 1000), 5.0)
    vectors = user()
    for _ in range(100):
        vectors = GenreReinforcement(delta)(vectors, slates, ratings, CATALOGUE)
    action, comedy, drama = affinities(vectors)
    assert drama == 0.1
    assert math.isfinite(action)
    assert math.isfinite(comedy)
    if delta > 0:
        assert action == -comedy > 1e100  # both are at the bound, each on its side
    else:
        assert abs(action) < 1e-100
        assert abs(comedy) < 1e-100


@st.composite
def showings(draw: st.DrawFn) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    n, k, items, others = (draw(st.integers(1, high)) for high in (4, 6, 5, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return (
        rng.normal(size=(n, others + N_GENRES)),
        rng.integers(0, items, (n, k)),
        rng.choice([1.0, 2.5, 3.0, 3.5, 5.0], (n, k)),
        rng.random((items, N_GENRES)) < 0.3,
    )


@given(showings(), st.floats(-0.99, 99.0))
def test_any_batch_moves_as_its_users_would_one_by_one_in_plain_python(
    showing: tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]], delta: float
) -> None:
    vectors, slates, ratings, genres = showing
    expected = vectors.tolist()
    for vector, items, stars in zip(expected, slates, ratings, strict=True):
        for item, rating in zip(items, stars, strict=True):
            for genre in range(N_GENRES):
                if rating >= 3.0 and genres[item, genre]:
                    vector[genre - N_GENRES] *= 1 + delta
    assert GenreReinforcement(delta)(vectors, slates, ratings, genres).tolist() == expected


@pytest.mark.parametrize("delta", [-1.0, -3.0, 99.5, math.inf, -math.inf, math.nan])
def test_a_delta_that_cannot_be(delta: float) -> None:
    with pytest.raises(InputError, match=f"delta must be .*, it is {delta}"):
        GenreReinforcement(delta)


def test_a_threshold_that_is_no_number() -> None:
    with pytest.raises(InputError, match="threshold must be a number, it is nan"):
        GenreReinforcement(threshold=math.nan)
