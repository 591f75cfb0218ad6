"""Figures by group of users: table, difference, ratio and worst group, with fairlearn's definitions and names.

`fairlearn.metrics.MetricFrame`: Bird et al., Fairlearn: A toolkit for assessing and improving fairness in AI, 2020;
Weerts et al., Fairlearn: Assessing and Improving Fairness of AI Systems, 2023. A test compares all figures with it.

Every function takes the same arguments:

- `values`: (n,) a figure of each session, or (n, steps) the figure of each of its steps; NaN where not known.
  Statistics are of the known values; a group without any has NaN.
- `groups`: (n,) names or whole numbers; for the crossings of several columns a mapping or frame of them. Rows are
  matched by position. Only groups with sessions are listed, in the order of a categorical column, otherwise sorted.
  Sessions whose group is missing (None, NaN) are a group of their own, `UNKNOWN`, listed last.
- `statistic`: function of the (m,) known values of a group; the mean by default. `len` counts them, for a quantile give
  `functools.partial(np.quantile, q=0.1)`, for the CVaR `functools.partial(harm.cvar, level=0.95)`.
- `control`: columns like `groups`. The figures are then conditional on these: one for each of their values.

Numbers become series over the control values, and series become frames with a column per step, where these are given.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from pydeeprecsys.errors import InputError

UNKNOWN = "unknown"
"""The group of the sessions whose group is missing."""

Statistic = Callable[[Any], Any]
Columns = ArrayLike | pd.DataFrame | Mapping[str, ArrayLike]
Method = Literal["between_groups", "to_overall"]


def by_group(values: ArrayLike, groups: Columns, statistic: Statistic = np.mean, control: Columns | None = None) -> Any:
    """The statistic of each group.

    Returns:
        A series over the groups, (groups, steps) as a frame for (n, steps); control values are the first index levels.

    Raises:
        InputError: values that are no numbers or infinite, columns of another length, or groups that are fractions.
    """
    figures = _figures(values, groups, statistic, control)
    return figures.shaped(figures.by_group, rows=True)


def overall(values: ArrayLike, statistic: Statistic = np.mean, control: Columns | None = None) -> Any:
    """The statistic of all sessions together, those of `UNKNOWN` groups included.

    Raises:
        InputError: see `by_group`.
    """
    figures = _figures(values, np.zeros(len(_numbers(values))), statistic, control)
    return figures.shaped(figures.overall)


def group_min(
    values: ArrayLike, groups: Columns, statistic: Statistic = np.mean, control: Columns | None = None
) -> Any:
    """The lowest figure of any group; NaN where no group has one.

    Raises:
        InputError: see `by_group`.
    """
    figures = _figures(values, groups, statistic, control)
    return figures.shaped(figures.within(figures.by_group).min())


def group_max(
    values: ArrayLike, groups: Columns, statistic: Statistic = np.mean, control: Columns | None = None
) -> Any:
    """The highest figure of any group; NaN where no group has one.

    Raises:
        InputError: see `by_group`.
    """
    figures = _figures(values, groups, statistic, control)
    return figures.shaped(figures.within(figures.by_group).max())


def worst_group(
    values: ArrayLike,
    groups: Columns,
    statistic: Statistic = np.mean,
    control: Columns | None = None,
    *,
    worst: Literal["lowest", "highest"] = "lowest",
) -> Any:
    """Name of the group with the worst figure, the first of equals; a tuple of names for a crossing.

    The worst is the "lowest" of figures such as the return, and the "highest" of those such as violence.

    Returns:
        The name; NaN for a step or control value at which no group has a figure.

    Raises:
        InputError: no group has a figure, an unknown `worst`, or see `by_group`.
    """
    figures = _figures(values, groups, statistic, control)
    if not figures.by_group.notna().any(axis=None):
        raise InputError("no group has a known value, so none is the worst")
    table = -figures.by_group if _is_second(worst, "lowest", "highest") else figures.by_group
    names = {step: figures.within(column.dropna()).idxmin() for step, column in table.items()}
    group_only = pd.DataFrame(names, index=figures.overall.index).map(figures.group_name, na_action="ignore")
    return figures.shaped(group_only)


def difference(
    values: ArrayLike,
    groups: Columns,
    statistic: Statistic = np.mean,
    control: Columns | None = None,
    *,
    method: Method = "between_groups",
) -> Any:
    """The largest absolute difference "between_groups", max − min, or of a group "to_overall", the figure of all.

    Returns:
        0 or more; NaN for a step or control value at which fewer than two groups have a figure.

    Raises:
        InputError: fewer than two groups have a figure, an unknown method, or see `by_group`.
    """
    figures = _figures(values, groups, statistic, control)
    if _is_second(method, "between_groups", "to_overall"):
        found = figures.within((figures.by_group - figures.overall_of_rows()).abs()).max()
    else:
        found = figures.within(figures.by_group).max() - figures.within(figures.by_group).min()
    return figures.shaped(figures.of_two(found))


def ratio(
    values: ArrayLike,
    groups: Columns,
    statistic: Statistic = np.mean,
    control: Columns | None = None,
    *,
    method: Method = "between_groups",
) -> Any:
    """The smallest ratio "between_groups", min / max, or of a group "to_overall", the smaller over the larger.

    Returns:
        In [0, 1]; NaN where all figures are 0, and where fewer than two groups have a figure.

    Raises:
        InputError: a figure below 0, which has no ratio to others, or see `difference`.
    """
    figures = _figures(values, groups, statistic, control)
    if (figures.by_group < 0).any(axis=None):
        raise InputError("ratios need figures of 0 or more, and a group's is below; take the difference")
    if _is_second(method, "between_groups", "to_overall"):
        ratios = figures.by_group / figures.overall_of_rows()
        found = figures.within(ratios.where(~(ratios > 1), 1 / ratios)).min()
    else:
        found = figures.within(figures.by_group).min() / figures.within(figures.by_group).max()
    return figures.shaped(figures.of_two(found))


class _Figures(NamedTuple):
    """Figures as frames with a column per step; without control columns there is one control value, 0."""

    by_group: pd.DataFrame  # (control values and their groups, steps); the control levels come first
    overall: pd.DataFrame  # (control values, steps)
    steps: bool
    control: bool

    def within(self, table: Any) -> Any:
        """The rows of a table like `by_group`, grouped by control value."""
        return table.groupby(level=list(range(self.overall.index.nlevels)), sort=False)

    def overall_of_rows(self) -> pd.DataFrame:
        """The overall figures, a row for each row of `by_group`."""
        levels: list[Hashable] = [*range(self.overall.index.nlevels, self.by_group.index.nlevels)]
        return self.overall.loc[self.by_group.droplevel(levels).index].set_axis(self.by_group.index)

    def group_name(self, key: tuple[Hashable, ...]) -> Any:
        """The name of a row of `by_group`, without the control values."""
        names = key[self.overall.index.nlevels :]
        return names if len(names) > 1 else names[0]

    def of_two(self, found: pd.DataFrame) -> pd.DataFrame:
        """What was found, NaN where fewer than two groups have figures."""
        enough = self.within(self.by_group).count() >= 2
        if not enough.any(axis=None):
            known = self.by_group.dropna(how="all").index.map(self.group_name)
            names = ", ".join(map(str, dict.fromkeys(known))) or "none"
            raise InputError(f"groups are compared where two or more have known values, here: {names}")
        return found.where(enough)

    def shaped(self, table: pd.DataFrame, rows: bool = False) -> Any:
        """The table without the levels that the caller did not ask for."""
        if rows and not self.control:
            table = table.droplevel(0)
        narrowed: Any = table if self.steps else table.iloc[:, 0].rename(None)
        return narrowed if rows or self.control else narrowed.set_axis([None]).iloc[0]


def _figures(values: ArrayLike, groups: Columns, statistic: Statistic, control: Columns | None) -> _Figures:
    numbers = _numbers(values)
    inner = _columns("group", groups, len(numbers))
    outer = [pd.Series(np.zeros(len(numbers)))] if control is None else _columns("control", control, len(numbers))

    def figure(column: pd.Series[float]) -> float:
        known = column.dropna().to_numpy()
        return float(statistic(known)) if len(known) else np.nan

    def table(columns: list[pd.Series[Any]]) -> pd.DataFrame:
        found = numbers.groupby(columns, observed=True).agg(figure)
        names = [column.name for column in columns]
        return found.set_axis(pd.Index(list(found.index)).set_names(names))  # without the categories that do not occur

    return _Figures(table(outer + inner), table(outer), np.ndim(values) == 2, control is not None)


def _numbers(values: Any) -> pd.DataFrame:
    try:
        numbers = pd.DataFrame(values).astype(np.float64)
    except (TypeError, ValueError):
        numbers = pd.DataFrame()
    if numbers.empty or np.isinf(numbers.to_numpy()).any():
        raise InputError("values must be numbers of shape (n,) or (n, steps), finite or NaN, and at least one")
    return numbers.reset_index(drop=True)


def _columns(kind: str, columns: Columns, n: int) -> list[pd.Series[Any]]:
    if isinstance(columns, Mapping | pd.DataFrame):
        if not len(columns.keys()):
            raise InputError(f"give at least one {kind} column")
        return [_categorical(name, column, n) for name, column in columns.items()]
    return [_categorical(getattr(columns, "name", None) or kind, columns, n)]


def _categorical(name: Hashable, column: Any, n: int) -> pd.Series[Any]:
    """The column as categories in order, `UNKNOWN` the last."""
    if np.shape(column) != (n,):
        raise InputError(f"{name} must have a value for each of the {n} sessions, its shape is {np.shape(column)}")
    found = pd.Categorical(column)
    names = [name for name in found.categories if name != UNKNOWN]
    fractions = [name for name in names if isinstance(name, float) and name % 1]
    if fractions:
        raise InputError(f"{name} holds fractions such as {fractions[0]}; cut it into bands first, with pandas.qcut")
    whole = [int(name) if isinstance(name, float) else name for name in names]
    known = pd.Series(found, dtype=object, name=name).fillna(UNKNOWN)
    return known.astype(pd.CategoricalDtype([*whole, UNKNOWN]))


def _is_second(given: str, first: str, second: str) -> bool:
    if given not in (first, second):
        raise InputError(f"{given!r} is neither {first!r} nor {second!r}")
    return given == second
