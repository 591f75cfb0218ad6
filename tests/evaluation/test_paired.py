import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pydeeprecsys.errors import InputError
from pydeeprecsys.evaluation.paired import session_difference


def sessions(returns: list[list[float]]) -> pd.DataFrame:
    """Sessions of users (columns) from seeds (rows)."""
    rows = [(seed, str(user), value) for seed, row in enumerate(returns) for user, value in enumerate(row)]
    return pd.DataFrame(rows, columns=["seed", "user", "return"])


def test_of_one_seed_it_is_the_paired_t_interval() -> None:
    ours, theirs = [3.0, 5.0, 4.0, 8.0], [2.0, 5.0, 1.0, 4.0]
    difference, low, high = session_difference(sessions([ours]), sessions([theirs]))
    expected = stats.ttest_rel(ours, theirs).confidence_interval()
    assert difference == pytest.approx(2.0)
    assert (low, high) == pytest.approx((expected.low, expected.high))


def test_where_all_users_agree_it_is_the_t_interval_of_the_seeds() -> None:
    ours = [[1.0, 2.0], [2.0, 3.0], [6.0, 7.0]]
    difference, low, high = session_difference(sessions(ours), sessions([[0.0, 1.0]] * 3))
    expected = stats.ttest_1samp([1.0, 2.0, 6.0], 0).confidence_interval()
    assert difference == pytest.approx(3.0)
    assert (low, high) == pytest.approx((expected.low, expected.high))


def test_users_count_by_their_sessions() -> None:
    ours = pd.concat([sessions([[3.0, 1.0]]), sessions([[5.0]])])
    theirs = pd.concat([sessions([[0.0, 0.0]]), sessions([[0.0]])])
    assert session_difference(ours, theirs)[0] == pytest.approx(3.0)


def test_one_user_has_no_interval() -> None:
    difference, low, high = session_difference(sessions([[3.0], [4.0]]), sessions([[1.0], [1.0]]))
    assert difference == pytest.approx(2.5)
    assert np.isnan([low, high]).all()


def test_equal_agents_differ_by_nothing() -> None:
    same = sessions([[3.0, 1.0], [4.0, 2.0]])
    assert session_difference(same, same) == (0.0, 0.0, 0.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seeds", "of_seeds", "of_users"), [(3, 0.0, 1.0), (3, 0.3, 1.0), (3, 1.0, 1.0), (5, 0.3, 0.0)]
)
def test_it_holds_the_true_difference_as_often_as_it_says(seeds: int, of_seeds: float, of_users: float) -> None:
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        effects = generator.normal(0, of_seeds, (seeds, 1)) + generator.normal(0, of_users, (1, 40))
        ours = 2.0 + effects + generator.normal(size=(seeds, 40))
        _, low, high = session_difference(sessions(ours.tolist()), sessions(np.zeros_like(ours).tolist()))
        held += low <= 2.0 <= high
    assert held / 400 >= 0.93  # 0.95 less two standard errors of 0.011


def test_other_sessions_are_refused() -> None:
    with pytest.raises(InputError, match="same seeds and users"):
        session_difference(sessions([[1.0, 2.0]]), sessions([[1.0, 2.0, 3.0]]))
    with pytest.raises(InputError, match="same seeds and users"):
        session_difference(sessions([]), sessions([]))
    with pytest.raises(InputError, match="confidence"):
        session_difference(sessions([[1.0, 2.0]]), sessions([[1.0, 2.0]]), confidence=1.0)
