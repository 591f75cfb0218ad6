"""How good slates are, and whom and what they expose: relevance, coverage, concentration, diversity, novelty.

Slates are (n, k) items, the first position first. Where a formula has relevance, positions count from 0.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from pydeeprecsys.errors import InputError

Floats = NDArray[np.float64]


def discounts(k: int) -> Floats:
    """What relevance counts for at each position, 1 / log2(position + 2): (k,), from 1 downwards."""
    return 1 / np.log2(np.arange(k) + 2)


def dcg(relevance: ArrayLike) -> Floats:
    """Discounted cumulative gain: Σ relevance / log2(position + 2).

    Järvelin & Kekäläinen, Cumulated Gain-Based Evaluation of IR Techniques, 2002; with the relevance itself for a gain,
    not 2^relevance − 1.

    Args:
        relevance: (n, k) of the items shown, in their order.

    Returns:
        (n,) the gains.

    Raises:
        InputError: for no slates of finite numbers.
    """
    table = _table("relevance", relevance)
    # Not by BLAS, whose sums depend on how many rows there are.
    gains: Floats = (table * discounts(table.shape[1])).sum(axis=1)
    return gains


def ndcg(relevance: ArrayLike, best: float = 5.0) -> Floats:
    """DCG divided by that of a slate whose every item has the best relevance there is, as the environment tells it.

    Args:
        relevance: (n, k) of the items shown, in their order.
        best: the highest relevance, above 0; 5 stars.

    Returns:
        (n,) at most 1 where no relevance is above `best`; it reaches 1 only where k items are that good.

    Raises:
        InputError: for no slates of finite numbers, or a `best` that is not above 0.
    """
    if not 0 < best < np.inf:
        raise InputError(f"the best relevance must be a finite number above 0, it is {best:g}")
    gains = dcg(relevance)
    shares: Floats = gains / (best * discounts(np.shape(relevance)[1]).sum())
    return shares


def ndcg_of_possible(slates: ArrayLike, relevance: ArrayLike, masks: ArrayLike | None = None) -> Floats:
    """DCG divided by that of the best slate that could have been shown: the k most relevant items, the best first.

    Järvelin & Kekäläinen 2002, with the ideal ranking over all items that were allowed. An item that a slate holds
    again, or that was not allowed, brings it nothing, so no slate is better than the best.

    Args:
        slates: (n, k) items, in their order.
        relevance: (n, items) of every item to each user, 0 or more.
        masks: (n, items) which items were allowed; all when not given.

    Returns:
        (n,) in 0..1; 1 for the best slate, and where nothing that was allowed is relevant at all.

    Raises:
        InputError: for arrays that do not fit together, or a relevance below 0.
    """
    worth = _table("relevance", relevance)
    shown = _slates(slates, worth.shape[1])
    n, k = shown.shape
    if len(worth) != n or k > worth.shape[1]:
        raise InputError(
            f"slates have the shape {shown.shape}, relevance {worth.shape}; give a row of both for each user, and no "
            "more positions than items"
        )
    if worth.min() < 0:
        raise InputError(f"relevance must be 0 or more, one is {worth.min():g}")
    if masks is not None:
        allowed = np.asarray(masks, dtype=np.bool_)
        if allowed.shape != worth.shape:
            raise InputError(f"masks must have the shape of relevance, {worth.shape}, they have {allowed.shape}")
        worth = np.where(allowed, worth, 0.0)
    gains = dcg(np.where(_held_before(shown), 0.0, np.take_along_axis(worth, shown, axis=1)))
    most = np.partition(worth, worth.shape[1] - k, axis=1)[:, worth.shape[1] - k :]
    ideal = dcg(np.sort(most, axis=1)[:, ::-1])
    return np.divide(gains, ideal, out=np.ones(n), where=ideal > 0)


def hit_rate(hits: ArrayLike) -> float:
    """Share of slates with at least one hit.

    Deshpande & Karypis, Item-Based Top-N Recommendation Algorithms, 2004.

    Args:
        hits: (n, k) whether each item shown was one, for example `relevance >= 4`; or (n,) positions of what was chosen
            of each slate, -1 for nothing, as in `chosen_action`.

    Raises:
        InputError: for no slates, or other numbers.
    """
    table = np.asarray(hits)
    if table.ndim == 1 and table.dtype.kind in "iu" and table.size:
        return float((table >= 0).mean())
    if table.ndim != 2 or table.dtype != np.bool_ or not table.size:
        raise InputError(
            f"hits must be true or false of shape (n, k), or whole numbers of shape (n,); they are {table.dtype} of "
            f"shape {table.shape}"
        )
    return float(table.any(axis=1).mean())


def exposures(slates: ArrayLike, n_items: int) -> NDArray[np.int64]:
    """How often each item was shown, at any position: (n, k) slates to (items,)."""
    return np.bincount(_slates(slates, n_items).ravel(), minlength=n_items)


def coverage(exposure: ArrayLike) -> float:
    """Catalogue coverage: share of all items that were shown at least once.

    Ge, Delgado-Battenfeld & Jannach, Beyond Accuracy: Evaluating Recommender Systems by Coverage and Serendipity, 2010.

    Args:
        exposure: (items,) how often each item was shown, see `exposures`.

    Returns:
        In 0..1; NaN where nothing was shown.

    Raises:
        InputError: for no items, or a number below 0.
    """
    shown = _counts("exposure", exposure) > 0
    return float(shown.mean()) if shown.any() else float("nan")


def gini(exposure: ArrayLike) -> float:
    """Gini coefficient of exposure: 0 where all items were shown equally often, 1 − 1/items where only one was shown.

    Half the mean absolute difference between two items' exposures, divided by the mean exposure; with exposures x
    sorted upwards, Σ (2·i − items − 1) · x_i / (items · Σ x), i from 1. Fleder & Hosanagar, Blockbuster Culture's Next
    Rise or Fall, 2009, for recommendations; over the whole catalogue, items that were never shown included.

    Args:
        exposure: (items,) how often each item was shown, see `exposures`.

    Returns:
        In 0..1; NaN where nothing was shown.

    Raises:
        InputError: for no items, or a number below 0.
    """
    ascending = np.sort(_counts("exposure", exposure))
    n, total = len(ascending), ascending.sum()
    if total == 0:
        return float("nan")
    # Rounding may leave less than nothing where all are equal.
    return max(0.0, float((2 * np.arange(1, n + 1) - n - 1) @ ascending / (n * total)))


def unit_vectors(vectors: ArrayLike) -> Floats:
    """Vectors (items, f) at unit length, for `intra_list_diversity`; zeros, which are not known, stay zeros.

    Raises:
        InputError: for no table of finite numbers.
    """
    table = _table("vectors", vectors)
    lengths = np.linalg.norm(table, axis=1, keepdims=True)
    units: Floats = np.divide(table, lengths, out=np.zeros_like(table), where=lengths > 0)
    return units


def intra_list_diversity(slates: ArrayLike, vectors: ArrayLike) -> Floats:
    """1 − the mean cosine between two different positions of a slate, of those whose vectors are known.

    Ziegler, McNee, Konstan & Lausen, Improving Recommendation Lists through Topic Diversification, 2005; with the mean
    in place of their sum, as in Zhang & Hurley, Avoiding Monotony, 2008.

    Args:
        slates: (n, k) items.
        vectors: (items, f) genres or other vectors of the items; zeros where they are not known.

    Returns:
        (n,) in 0..1 for genres, up to 2 for other vectors; NaN for slates of fewer than two items with known vectors.

    Raises:
        InputError: for an item that has no vector, or vectors that are not finite.
    """
    units = unit_vectors(vectors)
    return diversities(_slates(slates, len(units)), units)


@njit(cache=True)
def diversities(slates: NDArray[np.int64], units: Floats) -> Floats:
    """`intra_list_diversity` of (n, k) checked slates and (items, f) `unit_vectors`, compiled for use at every step."""
    n, k = slates.shape
    found = np.full(n, np.nan)
    for i in range(n):
        known = 0
        for j in range(k):
            known += units[slates[i, j]].any()
        if known < 2:
            continue
        # The squared length of the sum of all is the sum over all pairs, each position with itself included.
        pairs = 0.0
        for f in range(units.shape[1]):
            total, squares = 0.0, 0.0
            for j in range(k):
                value = units[slates[i, j], f]
                total += value
                squares += value * value
            pairs += total * total - squares
        found[i] = 1 - pairs / (known * (known - 1))
    return found


def self_information(rating_counts: ArrayLike) -> Floats:
    """Bits that it takes to name an item that is as popular: −log2 of its share of all ratings.

    The share is estimated by Laplace's rule of succession, (count + 1) / (total + items), which never is 0.

    Args:
        rating_counts: (items,) how often each item was rated.

    Returns:
        (items,) 0 or more; the rarer, the more. log2(items) each where nothing was rated.

    Raises:
        InputError: for no items, or a number below 0.
    """
    counts = _counts("rating_counts", rating_counts) + 1.0
    bits: Floats = np.log2(counts.sum()) - np.log2(counts)
    return bits


def novelty(slates: ArrayLike, rating_counts: ArrayLike) -> Floats:
    """Mean self-information of the items of a slate: −log2 of their shares of all ratings.

    Zhou, Kuscsik, Liu, Medo, Wakeling & Zhang, Solving the Apparent Diversity-Accuracy Dilemma of Recommender Systems,
    2010, who take the share of users that have the item: a constant less for every item than the share of ratings.

    Args:
        slates: (n, k) items.
        rating_counts: (items,) how often each item was rated; see `self_information`.

    Returns:
        (n,) bits, 0 or more.

    Raises:
        InputError: for an item without a count, or a count below 0.
    """
    bits = self_information(rating_counts)
    novelties: Floats = bits[_slates(slates, len(bits))].mean(axis=1)
    return novelties


def _table(name: str, numbers: ArrayLike) -> Floats:
    table = np.asarray(numbers, dtype=np.float64, order="C")
    if table.ndim != 2 or not table.size or not np.isfinite(table).all():
        raise InputError(f"{name} must be finite numbers in a table of two dimensions, the shape is {table.shape}")
    return table


def _counts(name: str, numbers: ArrayLike) -> Floats:
    counts = np.asarray(numbers, dtype=np.float64)
    if counts.ndim != 1 or not counts.size or not np.isfinite(counts).all() or counts.min() < 0:
        raise InputError(f"{name} must be a number of 0 or more for each item, the shape is {counts.shape}")
    return counts


def _slates(slates: ArrayLike, n_items: int) -> NDArray[np.int64]:
    table = np.asarray(slates, order="C")
    if table.ndim != 2 or not table.size or table.dtype.kind not in "iu":
        raise InputError(f"slates must be whole numbers of shape (n, k), they are {table.dtype} of shape {table.shape}")
    if table.min() < 0 or table.max() >= n_items:
        raise InputError(f"slates hold items {table.min()} to {table.max()}; items are 0 to {n_items - 1}")
    return table.astype(np.int64, copy=False)


def _held_before(slates: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(n, k) whether an earlier position of the slate holds the same item."""
    order = np.argsort(slates, axis=1, kind="stable")
    ascending = np.take_along_axis(slates, order, axis=1)
    held = np.zeros(slates.shape, dtype=np.bool_)
    np.put_along_axis(held, order[:, 1:], ascending[:, 1:] == ascending[:, :-1], axis=1)
    return held
