from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pydeeprecsys.errors import InputError
from pydeeprecsys.evaluation.gaps import COLUMNS, FEWEST_USERS, group_gaps
from pydeeprecsys.evaluation.paired import session_difference


def sessions(**values_of_group: Any) -> pd.DataFrame:
    """One session per user, with the given returns of each group."""
    groups = [(group, value) for group, values in values_of_group.items() for value in values]
    return pd.DataFrame(groups, columns=["sex", "return"]).assign(user=[str(i) for i in range(len(groups))], seed=0)


TWO_VALUES = sessions(F=[1, 3] * 15, M=[2, 6] * 20)
"""Of two values that are as frequent, the variance has all its degrees of freedom."""


def row(table: pd.DataFrame, group: str) -> pd.Series:  # type: ignore[type-arg]
    return table.set_index("group").loc[group]


def test_the_gap_of_means_has_welchs_interval_and_p_value() -> None:
    table = group_gaps(TWO_VALUES, "return", "sex")
    women, men = (TWO_VALUES.loc[TWO_VALUES["sex"] == sex, "return"] for sex in "FM")
    welch = stats.ttest_ind(women, men, equal_var=False)
    low, high = welch.confidence_interval(0.95)
    assert list(table.columns) == COLUMNS
    assert table["group"].tolist() == ["F", "M"]
    assert table["value"].tolist() == [2, 4]
    assert table["gap"].tolist() == [-2, 2]
    assert table["gap_low"].tolist() == pytest.approx([low, -high])
    assert table["gap_high"].tolist() == pytest.approx([high, -low])
    assert table["p"].tolist() == pytest.approx([welch.pvalue] * 2)
    assert table["p_holm"].tolist() == pytest.approx([2 * welch.pvalue] * 2)
    assert not table["too_small"].any()
    assert table["note"].eq("").all()


def test_the_mean_of_a_group_has_students_interval() -> None:
    women = row(group_gaps(TWO_VALUES, "return", "sex", confidence=0.9), "F")
    half = stats.t.ppf(0.95, 29) * np.sqrt(1 / 29)  # the variance is 30 / 29
    assert [women["low"], women["high"]] == pytest.approx([2 - half, 2 + half])


def test_the_effect_of_the_mean_is_hedges_g() -> None:
    # Squares around the means: 30 · 1 and 40 · 4, over 68 degrees of freedom.
    expected = -2 / np.sqrt((30 + 160) / 68) * (1 - 3 / (4 * 68 - 1))
    assert row(group_gaps(TWO_VALUES, "return", "sex"), "F")["effect"] == pytest.approx(expected)


def test_sessions_of_one_user_count_once() -> None:
    repeated = pd.concat([TWO_VALUES] * 5)
    pd.testing.assert_frame_equal(
        group_gaps(repeated, "return", "sex").drop(columns="sessions"),
        group_gaps(TWO_VALUES, "return", "sex").drop(columns="sessions"),
    )


def test_a_user_with_most_of_the_sessions_widens_the_interval() -> None:
    many = pd.concat([TWO_VALUES, *[TWO_VALUES.iloc[[0]]] * 25])
    (few, more) = (row(group_gaps(each, "return", "sex"), "F") for each in (TWO_VALUES, many))
    assert more["high"] - more["low"] > 3 * (few["high"] - few["low"])


def test_the_cvar_is_the_mean_of_the_highest_values() -> None:
    values = np.arange(1, 61)
    women = row(group_gaps(sessions(F=values, M=values + 1), "return", "sex", "cvar", level=0.5), "F")
    assert women["value"] == pytest.approx(np.mean(values[30:]))
    assert women["gap"] == pytest.approx(-1)
    influence = np.maximum(values, 30)  # VaR 30; twice what lies beyond it
    error = 2 * np.std(influence, ddof=1) / np.sqrt(60)
    assert (women["high"] - women["low"]) / 2 == pytest.approx(stats.t.ppf(0.975, 59) * error, rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statistic", "level", "least"), [("mean", 0.5, 0.92), ("quantile", 0.8, 0.92), ("cvar", 0.4, 0.9)]
)
@pytest.mark.parametrize("skewed", [False, True])
def test_intervals_of_groups_of_30_users_hold_the_true_value(
    statistic: Any, level: float, least: float, skewed: bool
) -> None:
    generator = np.random.default_rng(8)

    def drawn(users: int, group: str) -> pd.DataFrame:
        of_session = np.repeat(np.arange(users), 1 + generator.poisson(1, users))
        draw = generator.exponential if skewed else generator.normal
        values = draw(size=users)[of_session] + draw(size=len(of_session))
        return pd.DataFrame({"seed": 0, "sex": group, "user": [f"{group}{i}" for i in of_session], "return": values})

    tables = [
        row(group_gaps(pd.concat([drawn(30, "F"), drawn(300, "M")]), "return", "sex", statistic, level=level), "F")
        for _ in range(250)
    ]
    gaps = pd.DataFrame(tables).dropna(subset=["gap_low", "gap_high"])
    assert len(gaps) > 100
    assert ((gaps["gap_low"] <= 0) & (gaps["gap_high"] >= 0)).mean() >= least
    assert (gaps["p"] < 0.05).mean() <= 1 - least


def test_a_cvar_with_few_users_beyond_the_var_is_given_without_a_claim() -> None:
    table = group_gaps(sessions(F=range(60), M=range(60)), "return", "sex", "cvar", level=0.95)
    assert row(table, "F")["value"] == pytest.approx(58)
    assert table[["low", "high", "gap_low", "gap_high", "effect", "p", "p_holm"]].isna().all(axis=None)
    assert "under 20 users beyond the VaR" in row(table, "F")["note"]


def test_the_median_lies_between_order_statistics() -> None:
    values = np.arange(101)
    women = row(group_gaps(sessions(F=values, M=values + 1000), "return", "sex", "quantile", level=0.5), "F")
    # 51 of 101 values are up to the median; their share has the error sqrt(51 · 50 / 101² / 100).
    reach = stats.t.ppf(0.975, 100) * np.sqrt(51 * 50 / 101**2 / 100)
    assert [women["low"], women["high"]] == [np.floor(100 * (0.5 - reach)), np.ceil(100 * (0.5 + reach))]
    assert women["gap"] == -1000


def test_the_gap_of_medians_reaches_as_far_as_both_reach_towards_it() -> None:
    table = group_gaps(
        sessions(F=np.arange(101), M=2 ** np.linspace(0, 10, 101)), "return", "sex", "quantile", level=0.5
    )
    women, men = row(table, "F"), row(table, "M")
    down = np.hypot(women["value"] - women["low"], men["high"] - men["value"])
    up = np.hypot(women["high"] - women["value"], men["value"] - men["low"])
    assert down > 1.5 * up  # the values of men have a long upper tail
    assert women["gap"] - women["gap_low"] == pytest.approx(down, rel=0.01)
    assert women["gap_high"] - women["gap"] == pytest.approx(up, rel=0.01)


def test_an_interval_beyond_the_extremes_is_not_known_at_that_end() -> None:
    table = group_gaps(sessions(F=range(30), M=range(300)), "return", "sex", "quantile", level=0.95)
    women = row(table, "F")
    assert women["low"] < women["value"]
    assert np.isnan(women["high"])
    assert "too few values beyond the quantile" in women["note"]


def test_the_effect_is_not_known_where_the_means_of_users_are_equal() -> None:
    wide = sessions(F=[3] * 15 + [4] * 15, M=[3] * 15 + [5] * 15)
    spread = pd.concat([wide, wide.assign(**{"return": -wide["return"]})])  # each user's mean is 0
    women = row(group_gaps(spread, "return", "sex", "quantile", level=0.75), "F")
    assert np.isfinite(women["p"])
    assert np.isnan(women["effect"])
    assert women["note"] == "no differences between users' means"


@pytest.mark.parametrize("statistic", ["mean", "cvar", "quantile"])
def test_p_is_the_miss_probability_of_the_interval_that_ends_at_0(statistic: Any) -> None:
    generator = np.random.default_rng(4)
    drawn = sessions(F=generator.normal(0.4, size=80), M=generator.normal(size=200))
    p = row(group_gaps(drawn, "return", "sex", statistic, level=0.5), "F")["p"]
    ends = [
        row(group_gaps(drawn, "return", "sex", statistic, level=0.5, confidence=1 - miss), "F")["gap_low"]
        for miss in (p * 0.99, p * 1.01)
    ]
    assert ends[0] <= 1e-6
    assert ends[1] >= -1e-6


def test_seeds_widen_an_interval_as_those_of_a_paired_difference() -> None:
    shifts = {0: 0.0, 1: 0.6, 2: -0.9}
    others = [TWO_VALUES.assign(seed=seed) for seed in shifts]
    ours = [each.assign(**{"return": each["return"] + shifts[each["seed"].iloc[0]]}) for each in others]
    women = [pd.concat(each).query("sex == 'F'") for each in (ours, others)]
    difference, low, _ = session_difference(women[0], women[1])
    gained = women[0].assign(**{"return": women[0]["return"].to_numpy() - women[1]["return"].to_numpy()})
    gained["return"] += gained["user"].astype(int) % 2  # users differ, in the same way with each seed
    table = group_gaps(pd.concat([gained, gained.assign(sex="M", user=gained["user"] + "m")]), "return", "sex")
    users = stats.t.ppf(0.975, 29) * 0.5 / np.sqrt(29)
    assert row(table, "F")["value"] == pytest.approx(difference + 0.5)
    assert row(table, "F")["value"] - row(table, "F")["low"] == pytest.approx(np.hypot(difference - low, users))
    assert row(table, "F")["gap_high"] == pytest.approx(
        np.sqrt(2) * users * stats.t.ppf(0.975, 58) / stats.t.ppf(0.975, 29)
    )


def test_a_group_without_sessions_with_some_seed_is_given_without_a_claim() -> None:
    two = pd.concat([TWO_VALUES, TWO_VALUES.query("sex == 'M'").assign(seed=1)])
    table = group_gaps(two, "return", "sex")
    assert row(table, "F")["note"] == "no session with some of the seeds"
    assert row(table, "M")["note"] == "others: no session with some of the seeds"
    assert table["gap_low"].isna().all()
    assert np.isfinite(row(table, "M")["low"])


def test_a_small_group_is_listed_without_a_claim_and_so_is_the_gap_to_it() -> None:
    table = group_gaps(sessions(F=[1.0, 3.0], M=[2, 6] * 20, X=[5.0]), "return", "sex")
    assert table["too_small"].tolist() == [True, False, True]
    assert table["users"].tolist() == [2, 40, 1]
    assert table["value"].tolist() == [2, 4, 5]
    assert row(table, "M")["note"] == f"others: under {FEWEST_USERS} users"
    assert np.isfinite(row(table, "M")["low"])
    assert table["p"].isna().all()
    assert row(table, "X")["note"] == f"under {FEWEST_USERS} users"
    assert np.isnan(row(table, "X")["low"])


def test_equal_values_have_no_interval() -> None:
    table = group_gaps(sessions(F=[0.1] * 30, M=[0.1] * 40), "return", "sex")
    assert table["gap"].abs().max() < 1e-12
    assert table[["low", "high", "gap_low", "gap_high", "effect", "p"]].isna().all(axis=None)
    assert row(table, "F")["note"] == "no differences between users; others: no differences between users"


def test_unknown_figures_are_left_out_and_counted() -> None:
    unknown = TWO_VALUES.assign(**{"return": TWO_VALUES["return"].where(TWO_VALUES.index > 0)})
    women = row(group_gaps(unknown, "return", "sex"), "F")
    assert women["users"] == women["sessions"] == 29
    assert women["note"].startswith("not known in 1 of 30 sessions")
    nothing = group_gaps(TWO_VALUES.assign(**{"return": np.nan}), "return", "sex")
    assert nothing[["value", "gap", "p"]].isna().all(axis=None)
    assert row(nothing, "F")["note"].startswith("not known in 30 of 30 sessions")


def test_users_of_unknown_group_are_in_no_group_and_not_among_the_others() -> None:
    strangers = sessions(X=[1000] * 50).assign(sex=np.nan)
    strangers["user"] += "x"
    pd.testing.assert_frame_equal(
        group_gaps(pd.concat([TWO_VALUES, strangers]), "return", "sex"), group_gaps(TWO_VALUES, "return", "sex")
    )


def test_groups_that_are_whole_numbers_are_named_as_such() -> None:
    ages = TWO_VALUES.assign(sex=TWO_VALUES["sex"].map({"F": 25.0, "M": 18.0}))
    assert group_gaps(ages, "return", "sex")["group"].tolist() == ["18", "25"]


def test_a_single_group_has_no_gap() -> None:
    table = group_gaps(sessions(F=[1, 3] * 15), "return", "sex")
    assert row(table, "F")["note"] == "no other users"
    assert np.isfinite(row(table, "F")["low"])
    assert np.isnan(row(table, "F")["gap"])


@pytest.mark.parametrize(
    ("changes", "arguments", "message"),
    [
        ({}, {"figure": "retrun"}, "did you mean 'return'"),
        ({}, {"group": "gender"}, "no column 'gender'"),
        ({"sex": np.nan}, {}, "sex is not known of any user"),
        ({"sex": np.arange(70) / 4}, {}, "sex holds fractions; cut it into bands"),
        ({"return": "high"}, {}, "other things than finite numbers"),
        ({"return": np.inf}, {}, "other things than finite numbers"),
        ({"user": "7"}, {}, "user 7 is in several groups of sex"),
        ({"agent": ["a", "b"] * 35}, {}, "of several agents"),
        ({}, {"statistic": "median"}, "no statistic 'median'"),
        ({}, {"level": 1.0}, "level 1"),
        ({}, {"confidence": 0.0}, "confidence 0"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        group_gaps(TWO_VALUES.assign(**changes), **{"figure": "return", "group": "sex", **arguments})
