import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from pydeeprecsys.errors import InputError
from pydeeprecsys.simulation.choice import MultinomialLogit
from pydeeprecsys.simulation.interest_evolution import TOPIC_QUALITIES, EvolvingInterests, InterestState
from pydeeprecsys.simulation.streams import CHOICE_LANE, DRIFT_LANE, philox, uniform_pair, uniforms


def always(position: int) -> Any:
    """A choice model by which one position is always chosen, or nothing by -1."""

    def choice(scores: NDArray[np.float64]) -> NDArray[np.float64]:
        probabilities = np.zeros((len(scores), scores.shape[1] + 1))
        probabilities[:, position] = 1.0
        return probabilities

    return choice


def numbers_at(seed: int, episode: int, step: int, lane: int, number: int = 0) -> tuple[float, float]:
    """Two numbers of the stream, from Philox's words by plain Python."""
    words = philox(*map(np.uint64, (step, episode, 0, lane + 256 * number)), np.uint64(seed))
    a, b, c, d = map(int, words)
    return ((a >> 5) * 2**26 + (b >> 6)) / 2**53, ((c >> 5) * 2**26 + (d >> 6)) / 2**53


def test_topics_have_the_published_qualities() -> None:
    assert len(TOPIC_QUALITIES) == 20
    assert (TOPIC_QUALITIES < 0).sum() == 13
    assert TOPIC_QUALITIES[[0, 1, 13, 14, 15, 19]].tolist() == pytest.approx([-3, -3 + 3 / 13, 0, 0, 0.6, 3])
    assert TOPIC_QUALITIES.mean() == pytest.approx((14 * -1.5 + 6 * 1.5) / 20)


def test_a_session_begins_as_its_stream_says() -> None:
    # Pinned, lanes and all: a seed has to mean the same sessions in every version.
    rules = EvolvingInterests(n_candidates=4, slate_size=2)
    state = rules.reset([7, 2**64 - 1])
    state = rules.next_sessions(state, np.array([True, True]))
    state, _ = rules.step(state, np.array([[0, 1], [2, 3]]))
    fresh = rules.next_sessions(state, np.array([False, True]))
    for row, seed, episode, step in ((0, 7, 1, 1), (1, 2**64 - 1, 2, 0)):
        for j in range(4):
            topic = math.floor(numbers_at(seed, episode, step, 17, j)[0] * 20)
            u, v = numbers_at(seed, episode, step, 18, j)
            quality = TOPIC_QUALITIES[topic] + 0.1 * math.sqrt(-2 * math.log(1 - u)) * math.cos(2 * math.pi * v)
            assert fresh.topics[row, j] == topic
            assert fresh.qualities[row, j] == pytest.approx(quality, rel=1e-12)
    interests = [2 * numbers_at(2**64 - 1, 2, 0, 16, topic)[0] - 1 for topic in range(20)]
    assert fresh.interests[1].tolist() == interests
    assert fresh.interests[0].tolist() == state.interests[0].tolist()
    assert fresh.budgets.tolist() == [state.budgets[0], 200.0]
    assert fresh.steps.tolist() == [1, 0]
    assert fresh.episodes.tolist() == [1, 2]


def test_a_pair_of_numbers_begins_with_the_single_one() -> None:
    single = uniforms(np.array([3], dtype=np.uint64), np.array([2**40]), np.array([9]), CHOICE_LANE)
    assert uniform_pair(np.uint64(3), np.int64(2**40), np.int64(9), CHOICE_LANE)[0] == single[0]


def test_users_and_documents_are_spread_as_described() -> None:
    # Many, and a low bar: of 2,000 users at 0.01, one range of seeds in a hundred fails by chance, that from 0 too.
    state = EvolvingInterests().reset(range(20_000))
    assert stats.kstest(state.interests.ravel(), stats.uniform(-1, 2).cdf).pvalue > 0.001
    assert stats.chisquare(np.bincount(state.topics.ravel(), minlength=20)).pvalue > 0.001
    noise = (state.qualities - TOPIC_QUALITIES[state.topics]) / 0.1
    assert stats.kstest(noise.ravel(), stats.norm.cdf).pvalue > 0.001
    for number, of_the_same in ((noise, state.topics), (noise[:, 0], noise[:, 1]), (state.topics[:, 0], noise[:, 1])):
        assert abs(np.corrcoef(number.ravel(), of_the_same.ravel())[0, 1]) < 0.02


def placed(rules: EvolvingInterests, interest: float, budget: float, quality: float, n: int = 400) -> InterestState:
    """n sessions in which all interests are `interest`, and all candidates of topic 5 and of one quality."""
    state = rules.reset(range(n))
    return state._replace(
        interests=np.full((n, 20), interest),
        budgets=np.full(n, budget),
        topics=np.full_like(state.topics, 5),
        qualities=np.full_like(state.qualities, quality),
    )


@pytest.mark.parametrize(
    ("budget", "quality", "minutes", "left", "over"),
    [
        (10.0, 1.7, 4.0, 7.8, False),  # 10 - 4 + 0.9 / 3.4 * 4 * 1.7
        (10.0, -1.7, 4.0, 4.2, False),
        (10.0, 0.0, 4.0, 6.0, False),
        (4.0, 0.0, 4.0, 0.0, True),
        (3.0, 1.7, 3.0, 1.35, False),  # 3 - 3 + 0.45 * 3
        (3.0, -1.7, 3.0, -1.35, True),
        (5.0, -1.7, 4.0, -0.8, True),
    ],
)
def test_watching_costs_time_and_quality_gives_it_back(
    budget: float, quality: float, minutes: float, left: float, over: bool
) -> None:
    rules = EvolvingInterests(choice=always(1))
    state, watched = rules.step(placed(rules, 0.0, budget, quality, 1), np.array([[4, 2, 7]]))
    assert watched.rewards.tolist() == [minutes]
    assert watched.qualities.tolist() == [quality]
    assert watched.chosen.tolist() == [1]
    assert state.budgets[0] == pytest.approx(left, abs=1e-12)
    assert watched.terminated.tolist() == [over]


@pytest.mark.parametrize(("budget", "over"), [(10.0, False), (0.75, False), (0.5, True), (0.25, True)])
def test_choosing_nothing_costs_half_a_minute(budget: float, over: bool) -> None:
    rules = EvolvingInterests(choice=always(-1))
    before = placed(rules, 0.3, budget, 2.0, 1)
    state, watched = rules.step(before, np.array([[4, 2, 7]]))
    assert watched.chosen.tolist() == [-1]
    assert watched.rewards.tolist() == watched.qualities.tolist() == [0.0]
    assert state.budgets.tolist() == [budget - 0.5]
    assert watched.terminated.tolist() == [over]
    assert state.interests.tolist() == before.interests.tolist()


@pytest.mark.parametrize(
    ("interest", "drift"),
    [(0.5, 0.075), (-0.5, 0.225), (0.0, 0.3), (-0.9, 0.057), (0.9, 0.003), (1.0, 0.0), (-1.0, 0.0)],
)
def test_interest_in_what_is_watched_drifts(interest: float, drift: float) -> None:
    rules = EvolvingInterests(choice=always(0))
    before = placed(rules, interest, 100.0, 0.0)
    state, _ = rules.step(before, np.tile([1, 0, 2], (400, 1)))
    others = np.arange(20) != 5
    assert (state.interests[:, others] == interest).all()
    moves = state.interests[:, 5] - interest
    assert np.abs(moves).tolist() == pytest.approx([drift] * 400, abs=1e-15)
    if drift:
        assert stats.binomtest(int((moves > 0).sum()), 400, (1 + interest) / 2).pvalue > 0.01
        flips = uniforms(before.seeds, before.episodes, before.steps, DRIFT_LANE)
        assert (moves > 0).tolist() == (flips < (1 + interest) / 2).tolist()


def test_the_choice_goes_by_interest_in_topics() -> None:
    rules = EvolvingInterests(n_candidates=3, slate_size=2)
    n = 40_000
    state = rules.reset(range(n))
    interests = np.zeros((n, 20))
    interests[:, [2, 3]] = 0.9, -0.7
    state = state._replace(interests=interests, topics=np.tile([0, 2, 3], (n, 1)))
    for slate, scores in (([1, 2], [0.9, -0.7]), ([2, 1], [-0.7, 0.9]), ([1, 1], [0.9, 0.9]), ([0, 2], [0.0, -0.7])):
        _, watched = rules.step(state, np.tile(slate, (n, 1)))
        weights = np.exp([*scores, 1.0])
        counts = np.bincount(np.where(watched.chosen < 0, 2, watched.chosen), minlength=3)
        assert stats.chisquare(counts, n * weights / weights.sum()).pvalue > 0.01


def test_arrays_of_a_state_stay_what_they_were() -> None:
    rules = EvolvingInterests()
    state = rules.reset(range(5))
    copies = [array.copy() for array in state]
    after, _ = rules.step(state, np.tile([1, 2, 3], (5, 1)))
    rules.next_sessions(after, np.arange(5) > 2)
    assert all((array == copy).all() for array, copy in zip(state, copies, strict=True))
    assert (after.budgets < state.budgets).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_candidates": 0}, "n_candidates must be at least 1, it is 0"),
        ({"slate_size": 0}, r"slate_size must be in \[1, 10\], the number of candidates, it is 0"),
        ({"slate_size": 11}, "slate_size must be .*, it is 11"),
        ({"n_candidates": 2}, r"slate_size must be in \[1, 2\], the number of candidates, it is 3"),
        ({"time_budget": 0.0}, "time_budget must be above 0, it is 0.0"),
        ({"time_budget": math.inf}, "time_budget must be a finite number, it is inf"),
        ({"time_budget": math.nan}, "time_budget must be a number, it is nan"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        EvolvingInterests(**options)


def test_by_default_choosing_nothing_scores_one() -> None:
    assert EvolvingInterests().choice == MultinomialLogit(1.0)
