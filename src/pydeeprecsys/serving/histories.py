"""Users and their histories as services know them, read into the arrays of a policy's graph."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from itertools import chain, repeat
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from pydeeprecsys.arrays import Flags, Floats, Ints, Singles
from pydeeprecsys.errors import InputError
from pydeeprecsys.scale import MAX_RATING, MIN_RATING
from pydeeprecsys.serving.demographics import User, encode

Pair = tuple[str, float | None]
"""The id of an item and its rating, None for an item that was shown and refused."""

History = Sequence[Pair | Sequence[Pair]]
"""Pairs, and lists of the pairs of a slate that was shown together, oldest first."""


class BatchError(InputError):
    """A user or a history of a batch that cannot be used.

    Attributes:
        reason: the message without the number of the user.
        user: its number in the batch, from 0.
        pair: number of the pair in its history, from 0, pairs of slates one by one; None if no pair is meant.
    """

    def __init__(self, reason: str, user: int, pair: int | None = None) -> None:
        super().__init__(f"user {user}: {reason}")
        self.reason, self.user, self.pair = reason, user, pair


class Batch(NamedTuple):
    """The graph's inputs, and what was consumed before the slates that it reads."""

    demographics: Singles  # (n, 4)
    items: Ints  # (n, h, k)
    chosen: Flags  # (n, h, k)
    ratings: Singles  # (n, h, k)
    earlier: tuple[Ints, Ints]  # (m,) users and items


class Pairs(NamedTuple):
    """The pairs of a batch of histories, oldest first."""

    owner: Ints  # (slates,) the user of each slate
    slate: Ints  # (m,) the slate of each pair
    items: Ints  # (m,) -1 for an item that is not in the catalogue
    ratings: Floats  # (m,)
    are_rated: Flags  # (m,)


class Reader:
    """Reads users and histories.

    Args:
        contract: of the policy.
        numbers: of the items, by id.
    """

    def __init__(self, contract: Mapping[str, Any], numbers: Mapping[str, int]) -> None:
        self.contract, self.numbers = contract, numbers

    def read(self, users: Sequence[User | None], histories: Sequence[History], skip_unknown: bool) -> Batch:
        """Read a batch of n users; items that are not in the catalogue are left out, or refused.

        Raises:
            BatchError: a user or a history that cannot be used.
        """
        demographics = np.array([self._demographics(*each) for each in enumerate(users)], dtype=np.float32)
        try:
            pairs = self._pairs(histories)
        except (TypeError, ValueError, LookupError, OverflowError) as error:
            raise self._complaint(histories, skip_unknown) from error
        are_known = pairs.items >= 0
        if not self._fit(pairs) or not (skip_unknown or are_known.all()):
            raise self._complaint(histories, skip_unknown)
        if not are_known.all():
            left, slate = np.unique(pairs.slate[are_known], return_inverse=True)
            pairs = Pairs(
                owner=pairs.owner[left],
                slate=slate,
                items=pairs.items[are_known],
                ratings=pairs.ratings[are_known],
                are_rated=pairs.are_rated[are_known],
            )
        return self._arranged(demographics, pairs)

    def _pairs(self, histories: Sequence[History]) -> Pairs:
        """The pairs of all histories; raises some error, or gives pairs that do not fit, if they are no histories."""
        if not all(isinstance(history, Sequence) and not isinstance(history, str | bytes) for history in histories):
            raise TypeError
        entries: list[Any] = list(chain.from_iterable(histories))
        sizes = [1] * len(entries)
        try:
            ids, given = _columns(entries)
        except TypeError:  # there are slates
            slates = list(map(as_slate, entries))
            sizes = list(map(len, slates))
            ids, given = _columns(list(chain.from_iterable(slates)))
        return Pairs(
            owner=np.repeat(np.arange(len(histories)), list(map(len, histories))),
            slate=np.repeat(np.arange(len(entries)), sizes),
            items=np.fromiter(map(self.numbers.get, ids, repeat(-1)), dtype=np.int64, count=len(ids)),
            ratings=np.array(given, dtype=np.float64),
            are_rated=np.array([each is not None for each in given], dtype=np.bool_),
        )

    def _fit(self, pairs: Pairs) -> bool:
        """Whether ratings are on the scale, and slates as they may be."""
        low, high = self.contract["rating_scale"]
        if not ((pairs.ratings >= low) & (pairs.ratings <= high))[pairs.are_rated].all():
            return False
        if len(pairs.slate) == len(pairs.owner):  # items alone
            return True
        are_short = np.bincount(pairs.slate).max() <= self.contract["slate_size"]
        once = np.unique(pairs.slate[pairs.are_rated]).size == pairs.are_rated.sum()
        known = pairs.items >= 0
        different = np.unique((pairs.slate * len(self.numbers) + pairs.items)[known]).size == known.sum()
        return bool(are_short and different and (once or self.contract["consumption"] != "chosen"))

    def _arranged(self, demographics: Singles, pairs: Pairs) -> Batch:
        """Put pairs in their places; the latest slate is last."""
        owner, slate, longest = pairs.owner, pairs.slate, self.contract["history"]
        low, high = self.contract["rating_scale"]
        stars = MIN_RATING + (pairs.ratings - low) * ((MAX_RATING - MIN_RATING) / (high - low))
        counts, sizes = np.bincount(owner, minlength=len(demographics)), np.bincount(slate)
        later = np.cumsum(counts)[owner] - 1 - np.arange(len(owner))  # slates of the user after each
        shape = (len(demographics), min(int(counts.max(initial=1)), longest), int(sizes.max(initial=1)))
        items, ratings = np.full(shape, -1), np.zeros(shape, dtype=np.float32)
        place = np.arange(len(slate)) - (np.cumsum(sizes) - sizes)[slate]
        is_read = (later < longest)[slate]
        at = tuple(axis[is_read] for axis in (owner[slate], shape[1] - 1 - later[slate], place))
        items[at], ratings[at] = pairs.items[is_read], np.where(pairs.are_rated, stars, 0.0)[is_read]
        chosen = (np.arange(shape[2]) == ratings.argmax(axis=2)[:, :, None]) & (ratings > 0)
        before = ~is_read & pairs.are_rated
        return Batch(demographics, items, chosen, ratings, earlier=(owner[slate[before]], pairs.items[before]))

    def _complaint(self, histories: Sequence[History], skip_unknown: bool) -> BatchError:
        """The first fault of histories that cannot be used."""
        for user, history in enumerate(histories):
            if not isinstance(history, Sequence) or isinstance(history, str | bytes):
                return BatchError(f"a history is a list, not {reprlib.repr(history)}", user)
            pair = 0
            for entry in history:
                slate: Any = [entry] if _is_pair(entry) else entry
                if fault := self._fault_of_slate(slate):
                    return BatchError(fault, user, pair)
                for item, rating in slate:
                    if fault := self._fault(item, rating, skip_unknown):
                        return BatchError(fault, user, pair)
                    pair += 1
        raise AssertionError("these histories have no fault")

    def _fault_of_slate(self, slate: Any) -> str:
        """What is wrong with the pairs of a slate; empty if nothing is."""
        if not isinstance(slate, (list, tuple)) or not slate or not all(map(_is_pair, slate)):
            return (
                "an entry of a history is a pair of an item's id, a text, and its rating or None, or the list of pairs "
                f"of a slate, not {reprlib.repr(slate)}"
            )
        if len(slate) > self.contract["slate_size"]:
            return f"a slate has {len(slate)} items; the policy's have at most {self.contract['slate_size']}"
        if len({item for item, _ in slate}) < len(slate):
            return f"a slate has an item twice: {reprlib.repr(slate)}"
        if self.contract["consumption"] == "chosen" and sum(rating is not None for _, rating in slate) > 1:
            return f"a slate has several ratings, of which users give one at most here: {reprlib.repr(slate)}"
        return ""

    def _fault(self, item: str, rating: float | None, skip_unknown: bool) -> str:
        """What is wrong with a pair; empty if nothing is."""
        low, high = self.contract["rating_scale"]
        if rating is not None and not low <= rating <= high:
            shown = "of a billion or more" if isinstance(rating, int) and abs(rating) >= 10**9 else rating
            return f"the rating {shown} of the item {reprlib.repr(item)} is off the scale, {low:g} to {high:g}"
        return "" if skip_unknown or item in self.numbers else self.not_in_catalogue(item)

    def not_in_catalogue(self, item: object) -> str:
        """That there is no such item."""
        return f"the item {reprlib.repr(item)} is not in the catalogue of {len(self.numbers):,} items"

    def _demographics(self, number: int, user: User | None) -> list[float]:
        try:
            return encode(user, self.contract["demographics"])
        except InputError as error:
            raise BatchError(str(error), number) from error


def _columns(pairs: list[Any]) -> tuple[list[str], list[Any]]:
    """Ids and ratings of pairs; a TypeError unless they are pairs."""
    if not all(issubclass(kind, (tuple, list)) for kind in set(map(type, pairs))):
        raise TypeError
    flat = list(chain.from_iterable(pairs))
    ids, ratings = flat[::2], flat[1::2]
    are_pairs = set(map(len, pairs)) <= {2} and all(map(_is_text, set(map(type, ids))))
    if not are_pairs or not all(map(_is_rating, set(map(type, ratings)))):
        raise TypeError
    return ids, ratings


def as_slate(entry: Any) -> Any:
    """The pairs of an entry of a history."""
    return (entry,) if isinstance(entry[0], str) else entry


def _is_text(kind: type) -> bool:
    return issubclass(kind, str)


def _is_rating(kind: type) -> bool:
    return kind is type(None) or (issubclass(kind, Real) and not issubclass(kind, bool))


def _is_pair(entry: Any) -> bool:
    is_two = isinstance(entry, (list, tuple)) and len(entry) == 2
    return is_two and _is_text(type(entry[0])) and _is_rating(type(entry[1]))
