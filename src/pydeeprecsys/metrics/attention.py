"""Fairness of rankings by the attention that users pay to their positions: expected exposure and group shares.

Attention is (k,) to the positions of a slate: `geometric_attention`, or that of DCG, `relevance.discounts`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from pydeeprecsys.arrays import Floats
from pydeeprecsys.errors import InputError
from pydeeprecsys.metrics.checks import check_counts, check_slates, check_table, divided, number_or_array
from pydeeprecsys.metrics.exposure import category_shares


def geometric_attention(k: int, persistence: float) -> Floats:
    """Attention to each position, persistence^position: (k,), from 1 downwards.

    The user model of rank-biased precision: who looks at a position looks at the next with this probability. Moffat &
    Zobel, Rank-biased precision for measurement of retrieval effectiveness, 2008.

    Raises:
        InputError: a persistence outside (0, 1].
    """
    if not 0 < persistence <= 1:
        raise InputError(f"persistence must lie in (0, 1], it is {persistence:g}")
    attention: Floats = persistence ** np.arange(float(k))
    return attention


def weighted_exposures(slates: ArrayLike, n_items: int, attention: ArrayLike) -> Floats:
    """Rank-weighted exposure of each item: the attention to all positions at which it was shown.

    Singh & Joachims, Fairness of Exposure in Rankings, 2018. Divided by the number of slates, for slates that a policy
    drew for one user, it is the expected exposure of Diaz et al., see `expected_exposure`.

    Args:
        slates: (n, k) items.
        n_items: number of items.
        attention: (k,) to each position, 0 or more.

    Returns:
        (items,).

    Raises:
        InputError: slates that are not items in 0..n_items-1, or attention that is not a number for each position.
    """
    shown = check_slates(slates, n_items)
    weights = np.broadcast_to(_check_attention(attention, shown.shape[1]), shown.shape)
    return np.bincount(shown.ravel(), weights.ravel(), minlength=n_items).astype(np.float64, copy=False)


class ExpectedExposure(NamedTuple):
    """What `expected_exposure` returns, a number or (...) each."""

    disparity: Any  # EE-D
    relevance: Any  # EE-R
    loss: Any  # EE-L


def expected_exposure(exposure: ArrayLike, target: ArrayLike) -> ExpectedExposure:
    """Expected-exposure disparity, relevance and loss of exposures ε with the target ε*.

    EE-D = ‖ε‖², low where exposure is spread; EE-R = ε · ε*, high where it goes to what is relevant; EE-L = ‖ε − ε*‖²
    = EE-D − 2·EE-R + ‖ε*‖², 0 on the target. Diaz, Mitra, Ekstrand, Biega & Carterette, Evaluating Stochastic Rankings
    with Expected Exposure, 2020. Of categories, if both are their `category_exposures`.

    Args:
        exposure: (..., items) mean attention to each item over the slates that the policy draws for a user, see
            `weighted_exposures`.
        target: (..., items) see `target_exposure`.

    Raises:
        InputError: a number below 0, or shapes that differ.
    """
    shown, aim = check_counts("exposure", exposure, rows=True), check_counts("target", target, rows=True)
    if shown.shape != aim.shape:
        raise InputError(f"exposure has the shape {shown.shape}, target {aim.shape}; give both for the same items")
    sums = ((shown * shown).sum(axis=-1), (shown * aim).sum(axis=-1), np.square(shown - aim).sum(axis=-1))
    return ExpectedExposure(*map(number_or_array, sums))


def target_exposure(relevance: ArrayLike, attention: ArrayLike) -> Floats:
    """Expected exposure under the ideal policy, which ranks by relevance and draws among equally relevant items.

    Items of the same relevance have the mean attention of the positions that they take together: Diaz et al., 2020,
    for any grades of relevance.

    Args:
        relevance: (n, items) of every item to each user.
        attention: (k,) to the positions of a slate, 0 or more; lower positions get none.

    Returns:
        (n, items).

    Raises:
        InputError: relevance that is not a table of finite numbers, or more positions than items.
    """
    from scipy.stats import rankdata

    table = check_table("relevance", relevance)
    weights = check_counts("attention", attention)
    if len(weights) > table.shape[1]:
        raise InputError(f"attention is to {len(weights)} positions, there are only {table.shape[1]} items")
    above = np.concatenate([[0.0], np.cumsum(weights), np.full(table.shape[1] - len(weights), weights.sum())])
    first, last = (rankdata(-table, method, axis=1).astype(np.int64) for method in ("min", "max"))
    target: Floats = (above[last] - above[first - 1]) / (last - first + 1)
    return target


def attention_shares(slates: ArrayLike, categories: ArrayLike, attention: ArrayLike) -> Floats:
    """Share of the attention to a slate that each category has, among items with categories.

    Args:
        slates: (n, k) items.
        categories: (items, c) flags; an item of several categories counts in equal shares.
        attention: (k,) to each position, 0 or more.

    Returns:
        (n, c); NaN for slates without any attention to an item with a category.

    Raises:
        InputError: shapes that do not fit together, or attention below 0.
    """
    shares = category_shares(categories)
    shown = check_slates(slates, len(shares))
    seen = np.einsum("k,nkc->nc", _check_attention(attention, shown.shape[1]), shares[shown])
    return divided(seen, seen.sum(axis=1, keepdims=True))


def awrf(slates: ArrayLike, categories: ArrayLike, attention: ArrayLike, population: ArrayLike | None = None) -> Floats:
    """Attention-weighted rank fairness (AWRF): 1 − distance of `attention_shares` from those of the population.

    Sapiezynski, Zeng, Robertson, Mislove & Wilson, Quantifying the Impact of User Attention on Fair Group
    Representation in Ranked Lists, 2019. The distance is the Jensen-Shannon divergence in bits, as in the Fair Ranking
    Track of TREC 2021; for another one compare `attention_shares` with the population.

    Args:
        slates: (n, k) items.
        categories: (items, c) flags of the groups of items; an item of several counts in equal shares.
        attention: (k,) to each position, 0 or more.
        population: (c,) share, or number, that each group should have; by default of all items with categories.

    Returns:
        (n,) in [0, 1], 1 for the shares of the population; NaN for slates without any item with a category.

    Raises:
        InputError: shapes that do not fit together, numbers below 0, or a population of nothing.
    """
    from scipy.special import rel_entr

    shares = attention_shares(slates, categories, attention)
    aim = check_counts("population", category_shares(categories).sum(axis=0) if population is None else population)
    if len(aim) != shares.shape[1] or not aim.any():
        raise InputError(f"population must be {shares.shape[1]} shares, not all of them 0; there are {len(aim)}")
    aim = aim / aim.sum()
    middle = (shares + aim) / 2
    bits = (rel_entr(shares, middle) + rel_entr(aim, middle)).sum(axis=1) / 2 / np.log(2)
    fair: Floats = 1 - np.clip(bits, 0, 1)
    return fair


def _check_attention(attention: ArrayLike, k: int) -> Floats:
    weights = check_counts("attention", attention)
    if len(weights) != k:
        raise InputError(f"attention must be a number for each of the {k} positions, there are {len(weights)}")
    return weights
