import functools
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import MetricFrame

from pydeeprecsys.errors import InputError
from pydeeprecsys.metrics.groups import (
    UNKNOWN,
    by_group,
    difference,
    group_max,
    group_min,
    overall,
    ratio,
    worst_group,
)
from pydeeprecsys.metrics.harm import cvar

RETURNS = [4.0, 1.0, 2.0, 3.0, 9.0]
SEX = ["M", "F", "M", "F", None]
METHODS = ["between_groups", "to_overall"]
STATISTICS = [np.mean, functools.partial(np.quantile, q=0.2), functools.partial(cvar, level=0.85), len]


def test_a_table_by_hand() -> None:
    table = by_group(RETURNS, SEX)
    assert table.to_dict() == {"F": 2, "M": 3, UNKNOWN: 9}
    assert list(table.index) == ["F", "M", UNKNOWN]
    assert overall(RETURNS) == 19 / 5
    assert (group_min(RETURNS, SEX), group_max(RETURNS, SEX)) == (2, 9)
    assert (worst_group(RETURNS, SEX), worst_group(RETURNS, SEX, worst="highest")) == ("F", UNKNOWN)
    assert difference(RETURNS, SEX) == 7
    assert difference(RETURNS, SEX, method="to_overall") == pytest.approx(9 - 19 / 5)
    assert ratio(RETURNS, SEX) == pytest.approx(2 / 9)
    # 2, 3 and 9 beside 3.8: the last is farthest, its ratio turned round.
    assert ratio(RETURNS, SEX, method="to_overall") == pytest.approx(3.8 / 9)
    assert by_group(RETURNS, SEX, len).to_dict() == {"F": 2, "M": 2, UNKNOWN: 1}


def test_conditional_on_a_control_feature() -> None:
    age = ["young", "young", "old", "old", "old"]
    assert by_group(RETURNS, SEX, control=age).to_dict() == {
        ("old", "F"): 3,
        ("old", "M"): 2,
        ("old", UNKNOWN): 9,
        ("young", "F"): 1,
        ("young", "M"): 4,
    }
    assert overall(RETURNS, control=age).to_dict() == pytest.approx({"old": 14 / 3, "young": 2.5})
    assert difference(RETURNS, SEX, control=age).to_dict() == {"old": 7, "young": 3}
    assert ratio(RETURNS, SEX, control=age).to_dict() == pytest.approx({"old": 2 / 9, "young": 1 / 4})
    assert worst_group(RETURNS, SEX, control=age).to_dict() == {"old": "M", "young": "F"}


def test_crossings_list_only_groups_with_sessions() -> None:
    crossing = {"sex": SEX, "age": [25, 1, 25, 1, np.nan]}
    table = by_group(RETURNS, crossing)
    assert table.to_dict() == {("F", 1): 2, ("M", 25): 3, (UNKNOWN, UNKNOWN): 9}
    assert table.index.names == ["sex", "age"]
    assert worst_group(RETURNS, crossing) == ("F", 1)
    pd.testing.assert_series_equal(by_group(RETURNS, pd.DataFrame(crossing)), table)


def test_each_step_is_a_column_of_its_own() -> None:
    # The session of the second woman ends after one step.
    steps = np.column_stack([RETURNS, [1.0, 5.0, 3.0, np.nan, np.nan]])
    assert by_group(steps, SEX).to_numpy() == pytest.approx(np.array([[2, 5], [3, 2], [9, np.nan]]), nan_ok=True)
    assert overall(steps).tolist() == [3.8, 3]
    assert difference(steps, SEX).tolist() == [7, 3]
    assert difference(steps, SEX, control=SEX[::-1]).shape == (3, 2)
    assert worst_group(steps, SEX).tolist() == ["F", "M"]
    assert list(by_group(pd.DataFrame(steps, columns=["first", "second"]), SEX).columns) == ["first", "second"]


def test_groups_are_in_the_order_of_categories_otherwise_sorted() -> None:
    bands = pd.Categorical(["old", "young", "old"], categories=["young", "old", "none"])
    assert list(by_group([1, 2, 3], bands).index) == ["young", "old"]
    assert list(by_group([1, 2, 3], ["b", UNKNOWN, "a"]).index) == ["a", "b", UNKNOWN]
    assert list(by_group([1, 2, 3], [56, np.nan, 1]).index) == [1, 56, UNKNOWN]
    assert list(difference([1, 2, 3, 5], ["a", "b", "a", "b"], control=bands.take([0, 0, 1, 1])).index) == [
        "young",
        "old",
    ]


def test_rows_are_matched_by_position() -> None:
    # As they are left by a selection of sessions.
    values, sex = pd.Series([1.0, 2, 3], index=[7, 5, 9]), pd.Series(["F", "M", "F"], index=[0, 1, 2], name="sex")
    table = by_group(values, sex)
    assert (table.to_dict(), table.index.name) == ({"F": 2, "M": 2}, "sex")


def test_unknown_values_are_left_out_and_are_not_zero() -> None:
    assert by_group([1, np.nan, np.nan], ["a", "a", "b"]).to_dict() == pytest.approx({"a": 1, "b": np.nan}, nan_ok=True)
    assert difference([1, np.nan, 2, np.nan], ["a", "a", "b", "c"]) == 1
    # Only a control value, or a step, with two groups has a difference.
    assert difference([1, 4, 2], ["a", "b", "a"], control=[0, 0, 1]).to_dict() == pytest.approx(
        {0: 3, 1: np.nan}, nan_ok=True
    )
    assert math.isnan(ratio([0, 0], ["a", "b"]))
    assert worst_group([1, np.nan], ["a", "b"], control=[0, 1]).isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: difference(RETURNS, ["M"] * 5), "two or more have known values, here: M"),
        (lambda: difference(RETURNS, [None] * 5), "here: unknown"),
        (lambda: ratio([1, np.nan], ["a", "b"]), "here: a"),
        (lambda: difference([np.nan, np.nan], ["a", "b"]), "here: none"),
        (lambda: worst_group([np.nan, np.nan], ["a", "b"]), "none is the worst"),
        (lambda: worst_group([1, 2], ["a", "b"], worst="high"), "'high' is neither 'lowest' nor 'highest'"),  # type: ignore[arg-type]
        (lambda: ratio([-1, 1], ["a", "b"]), "take the difference"),
        (lambda: ratio([1, 1], ["a", "b"], method="to_all"), "'to_all' is neither"),  # type: ignore[arg-type]
        (lambda: by_group([], []), "at least one"),
        (lambda: by_group([1, np.inf], ["a", "b"]), "finite or NaN"),
        (lambda: by_group(["much"], ["a"]), "must be numbers"),
        (lambda: by_group(np.zeros((2, 2, 2)), ["a", "b"]), r"\(n, steps\)"),
        (lambda: by_group([1, 2], ["a"]), "each of the 2 sessions"),
        (lambda: by_group([1, 2], None), "each of the 2 sessions"),  # type: ignore[arg-type]
        (lambda: by_group([1, 2], {}), "at least one group column"),
        (lambda: by_group([1, 2], ["a", "b"], control=pd.DataFrame()), "at least one control column"),
        (lambda: by_group([1, 2], {"income": [1.5, 2.5]}), "income holds fractions such as 1.5"),
    ],
)
def test_bad_input_is_refused(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize(
    ("groups", "control"),
    [(["sex"], []), (["sex", "job"], []), (["job"], ["age"]), (["sex", "job"], ["town"]), (["sex"], ["age", "town"])],
    ids=lambda columns: "-".join(columns) or "none",
)
def test_figures_equal_those_of_fairlearn(groups: list[str], control: list[str], statistic: Any) -> None:
    rng = np.random.default_rng(7)
    values, n = rng.random(38), 38  # some crossings have no sessions, no control value has fewer than two groups
    users = pd.DataFrame(
        {
            "sex": rng.choice(["F", "M"], n),
            "job": rng.choice(["artist", "clerk", "writer"], n, p=[0.05, 0.45, 0.5]),
            "age": rng.choice([1, 18], n),
            "town": rng.choice(["east", "west"], n),
        }
    )
    frame = MetricFrame(
        metrics=lambda y_true, y_pred: statistic(y_true),
        y_true=values,
        y_pred=values,
        sensitive_features=users[groups],
        control_features=users[control] if control else None,
    )
    conditions = users[control] if control else None
    given: dict[str, Any] = {"groups": users[groups], "statistic": statistic, "control": conditions}

    def same(ours: Any, theirs: Any) -> None:
        if isinstance(theirs, pd.Series):
            # Crossings without sessions are NaN in fairlearn and not listed here.
            pd.testing.assert_series_equal(
                ours, theirs.dropna(), check_names=False, check_dtype=False, check_index_type=False
            )
        else:
            assert ours == pytest.approx(theirs)

    same(by_group(values, **given), frame.by_group)
    same(overall(values, statistic, conditions), frame.overall)
    same(group_min(values, **given), frame.group_min())
    same(group_max(values, **given), frame.group_max())
    for method in METHODS:
        same(difference(values, **given, method=method), frame.difference(method=method))
        same(ratio(values, **given, method=method), frame.ratio(method=method))
