"""The observation "items": what a recommender knows of a user and of the session, as one row of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numba import njit

from pydeeprecsys.arrays import Array, Flags, Ints, Singles
from pydeeprecsys.errors import InputError
from pydeeprecsys.scale import MAX_RATING, MIN_RATING

DEMOGRAPHICS = 4
"""Sex, age, occupation and zip code, the first entries of every observation."""


class History(NamedTuple):
    """Demographics and last slates of n users, latest slate first."""

    demographics: Singles  # (n, 4) in [0, 1]
    slates: Ints  # (n, h, k) items shown, best first; -1 before the first slate
    choices: Ints  # (n, h) position of the chosen item in the slate, -1 for none
    items: Ints  # (n, h · r) consumed items, -1 for none
    ratings: Singles  # (n, h · r) their ratings in stars, 0 for none

    @property
    def steps(self) -> Ints:
        """(n,) slates shown, as far as the history goes back."""
        shown: Ints = np.count_nonzero(self.slates[:, :, 0] >= 0, axis=1)
        return shown

    @property
    def in_order(self) -> tuple[Ints, Singles]:
        """(n, h · r) consumed items and their ratings, oldest first."""
        n, length = self.choices.shape
        items, ratings = self.items.reshape(n, length, -1), self.ratings.reshape(n, length, -1)
        return items[:, ::-1].reshape(n, -1), ratings[:, ::-1].reshape(n, -1)

    @property
    def last_ratings(self) -> Singles:
        """(n,) rating of the item chosen from the last slate, in stars; 0 for none."""
        n, (_, h) = len(self.choices), self.choices.shape
        last = self.ratings.reshape(n, h, -1)[:, 0]
        position = np.clip(self.choices[:, 0], 0, last.shape[1] - 1)
        rating: Singles = np.where(self.choices[:, 0] >= 0, last[np.arange(n), position], 0)
        return rating


@dataclass(frozen=True)
class HistoryLayout:
    """Layout of the observation "items": 4 demographics, and k + r + 1 numbers for each of the last h slates.

    The latest slate comes first. Its numbers are the k items shown, counted from 1; the r ratings of consumed items, in
    stars, 0 for an item that was not consumed; and the position of the chosen item, counted from 1, 0 for none. A slate
    that was not shown yet is all zeros.

    Attributes:
        n_items: number of items.
        slate_size: items per slate, k.
        n_rated: ratings per slate, r: 1 if only the chosen item is consumed, k if the whole slate is.
        length: number of slates, h.
        whole_session: whether no session has more slates, so that what was consumed in it follows.
    """

    n_items: int
    slate_size: int
    n_rated: int
    length: int
    whole_session: bool = False

    @property
    def width(self) -> int:
        """Numbers per slate."""
        return self.slate_size + self.n_rated + 1

    @property
    def size(self) -> int:
        """Numbers of an observation."""
        return DEMOGRAPHICS + self.length * self.width

    @cached_property
    def highest(self) -> Singles:
        """(size,) upper bound of each number; the lower bounds are 0."""
        slate = [self.n_items] * self.slate_size + [MAX_RATING] * self.n_rated + [self.slate_size]
        return np.array([1.0] * DEMOGRAPHICS + slate * self.length, dtype=np.float32)

    def read(self, observations: Array) -> History:
        """The history in (n, size) observations.

        Raises:
            InputError: the observations have another size, an item that does not exist, or a rating off the scale.
        """
        if observations.ndim != 2 or observations.shape[1] != self.size:
            raise InputError(
                f"observations have shape {observations.shape}, a history of {self.length} slates of {self.slate_size} "
                f"takes (n, {self.size})"
            )
        n, k = len(observations), self.slate_size
        shown = observations[:, DEMOGRAPHICS:].reshape(n, self.length, self.width)
        slates, ratings = shown[:, :, :k].astype(np.int64) - 1, shown[:, :, k:-1].astype(np.float32)
        choices = shown[:, :, -1].astype(np.int64) - 1
        self._check(slates, ratings, choices)
        if self.n_rated == k:
            items = np.where(ratings > 0, slates, -1)
        else:
            chosen = np.take_along_axis(slates, np.maximum(choices, 0)[:, :, None], axis=2)
            items = np.where(choices[:, :, None] >= 0, chosen, -1)
        demographics = observations[:, :DEMOGRAPHICS].astype(np.float32)
        return History(demographics, slates, choices, items=items.reshape(n, -1), ratings=ratings.reshape(n, -1))

    def _check(self, slates: Ints, ratings: Singles, choices: Ints) -> None:
        if slates.size and (slates.min() < -1 or slates.max() >= self.n_items):
            item = slates.max() if slates.max() >= self.n_items else slates.min()
            raise InputError(f"the history has the item {item}; items are 0 to {self.n_items - 1}")
        wrong = (ratings != 0) & ~((ratings >= MIN_RATING) & (ratings <= MAX_RATING))
        if wrong.any():
            raise InputError(
                f"the history has a rating of {ratings[wrong][0]:g}; ratings are {MIN_RATING:g} to {MAX_RATING:g} stars"
            )
        if choices.size and (choices.min() < -1 or choices.max() >= self.slate_size):
            raise InputError(f"the history has a choice out of a slate of {self.slate_size}; positions start at 0")

    def row(
        self,
        demographics: Sequence[float],
        slates: Sequence[Sequence[int]],
        choices: Sequence[int],
        ratings: Sequence[Sequence[float]],
    ) -> Singles:
        """(size,) the observation of one user.

        Args:
            demographics: 4 numbers in [0, 1], 0.5 for unknown.
            slates: items of each slate shown, latest slate first.
            choices: position of the chosen item in each, -1 for none.
            ratings: ratings of consumed items of each, in stars: of the chosen item, or of all; 0 for none.

        Raises:
            InputError: more slates than the history holds, slates of another size, an item that does not exist, or a
                rating off the scale.
        """
        if not len(slates) == len(choices) == len(ratings):
            raise InputError(
                f"{len(slates)} slates have {len(choices)} choices and {len(ratings)} ratings; give as many"
            )
        if len(slates) > self.length:
            raise InputError(f"the history has {len(slates)} slates; give the last {self.length}")
        row = np.zeros(self.size, dtype=np.float32)
        row[:DEMOGRAPHICS] = demographics
        shown = row[DEMOGRAPHICS:].reshape(self.length, self.width)
        for t, (slate, choice, stars) in enumerate(zip(slates, choices, ratings, strict=True)):
            if len(slate) != self.slate_size or len(stars) != self.n_rated:
                raise InputError(
                    f"a slate has {len(slate)} items and {len(stars)} ratings; "
                    f"give {self.slate_size} and {self.n_rated}"
                )
            if min(slate) < 0:
                raise InputError(f"the history has the item {min(slate)}; items are 0 to {self.n_items - 1}")
            shown[t] = [*(item + 1 for item in slate), *stars, choice + 1]
        self.read(row[None])
        return row

    def allowed(self, observations: Array) -> Flags:
        """(n, items) the items that were not consumed, as far as the history goes back."""
        return _allowed(self.read(observations).items, self.n_items)


@njit(cache=True)
def _allowed(consumed: Ints, n_items: int) -> Flags:
    allowed = np.ones((len(consumed), n_items), dtype=np.bool_)
    for i in range(consumed.shape[0]):
        for j in range(consumed.shape[1]):
            if consumed[i, j] >= 0:
                allowed[i, consumed[i, j]] = False
    return allowed
