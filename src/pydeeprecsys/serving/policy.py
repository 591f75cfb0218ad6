"""Policies in use: from what a service knows of users to slates with propensities, without torch."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike

from pydeeprecsys.arguments import Count, check_arguments
from pydeeprecsys.arrays import Array, Floats, Ints
from pydeeprecsys.errors import InputError
from pydeeprecsys.serving.contract import Item, Run, read_policy, run_by_onnxruntime
from pydeeprecsys.serving.demographics import User
from pydeeprecsys.serving.exploration import EpsilonGreedy, Ranking, Softmax
from pydeeprecsys.serving.histories import Batch, BatchError, History, Reader, as_slate
from pydeeprecsys.serving.slates import OPTIMIZERS, Blocks, Choice, Variety, blocks_of, fill, top_k

_AT_ONCE = 64  # users: what the graph computes of more leaves the processor's cache, and may take gigabytes
_RANKED_AT_ONCE, _SCORES_AT_ONCE = 512, 2**22  # users; numbers, which take some times their size

Candidates = Sequence[str]
"""Ids of items; their order does not matter, and repeated ones count once."""


class Recommendation(NamedTuple):
    """An item of a slate.

    Attributes:
        item: its id.
        score: what the policy ranks it by, before variety lowers it.
        propensity: probability of the item at its place, given the items before it; 1 without exploration. The product
            over a slate is the probability of the slate.
    """

    item: str
    score: float
    propensity: float


class Policy:
    """A trained policy, which ranks the items of its catalogue for users by their demographics and histories.

    It has no state: threads may share it.

    Args:
        contract: what was exported: the content of `contract.json`.
        items: the catalogue, in the order of the graph's item numbers.
        run: computes the graph, from its named inputs to its named outputs.

    Attributes:
        contract: what was exported: the content of `contract.json`.
        items: the catalogue by the items' ids.
    """

    def __init__(self, contract: Mapping[str, Any], items: Sequence[Item], run: Run) -> None:
        self.contract = contract
        self.items = {item.id: item for item in items}
        self._run, self._ids = run, list(self.items)
        self._numbers = {item: number for number, item in enumerate(self._ids)}
        self._reader = Reader(contract, self._numbers)

    @classmethod
    def load(cls, path: str | Path, *, threads: Count = 1) -> Self:
        """Load an exported policy.

        Args:
            path: the folder that `pydeeprecsys export` wrote.
            threads: of ONNX Runtime for one call.

        Raises:
            InputError: it is not the folder of a policy, or not as it was exported, or of another version; or ONNX
                Runtime is missing.
        """
        check_arguments(cls.load, {"threads": threads})
        contract, items, graph = read_policy(Path(path))
        return cls(contract, items, run_by_onnxruntime(graph, threads))

    def outputs(
        self, demographics: ArrayLike, items: ArrayLike, chosen: ArrayLike, ratings: ArrayLike
    ) -> Mapping[str, Array]:
        """The outputs of the graph: `scores` (n, items), `slate` (n, slate_size), and others that its contract names.

        Args:
            demographics: (n, 4) sex, age, occupation and zip code in [0, 1], as the contract encodes them.
            items: (n, h, k) numbers of the items shown, the latest slate last; -1 for none.
            chosen: (n, h, k) flags of the items that were chosen, at most one in a slate.
            ratings: (n, h, k) in stars, of items that were consumed; 0 for others.
        """
        inputs: dict[str, Array] = {
            "demographics": np.asarray(demographics, dtype=np.float32),
            "items": np.asarray(items, dtype=np.int64),
            "chosen": np.asarray(chosen, dtype=np.bool_),
            "ratings": np.asarray(ratings, dtype=np.float32),
        }
        rows = [slice(start, start + _AT_ONCE) for start in range(0, max(1, len(inputs["items"])), _AT_ONCE)]
        parts = [self._run({name: array[part] for name, array in inputs.items()}) for part in rows]
        return (
            parts[0] if len(parts) == 1 else {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        )

    def rank(
        self,
        user: User | None = None,
        history: History = (),
        *,
        candidates: Candidates | None = None,
        k: Count = 10,
        explore: Softmax | EpsilonGreedy | None = None,
        random: np.random.Generator | None = None,
        skip_unknown: bool = False,
    ) -> list[Recommendation]:
        """The slate for one user.

        Args:
            user: any of `sex`, `age` in years, `occupation`, as a code or a name, and `zip_code`; what is left out or
                None is unknown, and so are zip codes of other countries than the United States.
            history: pairs of an item's id and its rating, oldest first; the rating is None for an item that was shown
                and refused. Items that were shown together are a list of such pairs, of which the one with the highest
                rating was chosen. Empty for a new user.
            candidates: ids of the items to choose from; None for the whole catalogue.
            k: items in the slate, at most those of the catalogue.
            explore: how to draw the slate; None for the best one.
            random: of the draws; by default with fresh entropy.
            skip_unknown: leave out items of history and candidates that are not in the catalogue, such as newer ones;
                `unknown_items` names them.

        Returns:
            The k items, in their order; fewer if no more candidates are left. Policies that do not repeat items leave
            out all that have a rating in the history.

        Raises:
            InputError: an item that is not in the catalogue, a rating off the contract's scale, demographics that
                cannot be, or an argument out of range.
        """
        try:
            (slate,) = self.rank_batch(
                [user],
                [history],
                candidates=[candidates],
                k=k,
                explore=explore,
                random=random,
                skip_unknown=skip_unknown,
            )
        except BatchError as error:
            raise InputError(error.reason) from error
        return slate

    def rank_batch(
        self,
        users: Sequence[User | None],
        histories: Sequence[History],
        *,
        candidates: Sequence[Candidates | None] | None = None,
        k: Count = 10,
        explore: Softmax | EpsilonGreedy | None = None,
        random: np.random.Generator | None = None,
        skip_unknown: bool = False,
    ) -> list[list[Recommendation]]:
        """The slates for many users, computed in parts that bound the memory; arguments as of `rank`, one per user.

        Raises:
            BatchError: as `rank`, with the number of the user.
            InputError: an argument out of range, or lists of different lengths.
        """
        given: dict[str, Any] = {"users": users, "histories": histories, "candidates": candidates}
        given |= {"k": k, "explore": explore, "random": random, "skip_unknown": skip_unknown}
        check_arguments(Policy.rank_batch, given)
        if k > len(self.items):
            raise InputError(f"k is {k}, but the catalogue has {len(self.items):,} items; give at most as many")
        if len(users) != len(histories) or len(users) != len(histories if candidates is None else candidates):
            raise InputError("users, histories and candidates differ in number; give one of each per user")
        random = random or np.random.default_rng()
        size = max(1, min(_RANKED_AT_ONCE, _SCORES_AT_ONCE // len(self.items)))
        slates: list[list[Recommendation]] = []
        for start in range(0, len(users), size):
            part = slice(start, start + size)
            try:
                batch = self._reader.read(users[part], histories[part], skip_unknown)
                outputs = self.outputs(*batch[:4])
                offered = None if candidates is None else candidates[part]
                scores = self._allowed(outputs["scores"], batch, offered, skip_unknown)
            except BatchError as error:
                raise BatchError(error.reason, start + error.user, error.pair) from error
            chosen, propensities = self._slates(outputs, scores, k, explore=explore, random=random)
            slates += self._named(chosen, scores, propensities)
        return slates

    def _slates(
        self,
        outputs: Mapping[str, Array],
        scores: Array,
        k: int,
        *,
        explore: Softmax | EpsilonGreedy | None,
        random: np.random.Generator,
    ) -> tuple[Ints, Floats]:
        """The slates, and the propensities of their items."""
        if explore is None:
            slates = self._greedy(outputs, scores, k)
            return slates, np.ones(slates.shape)
        ranking = Ranking(
            scores,
            k,
            greedy=lambda: self._greedy(outputs, scores, k),
            blocks=self._blocks,
            variety=self._variety(outputs),
        )
        return explore.draw(ranking, random)

    def unknown_items(self, history: History) -> list[str]:
        """The ids in a history that are not in the catalogue, which `skip_unknown` leaves out; each once, in order."""
        try:
            pairs = [pair for slate in map(as_slate, history) for pair in slate]
            return list(dict.fromkeys(item for item, _ in pairs if item not in self.items))
        except (TypeError, ValueError) as error:
            raise InputError(
                f"a history is pairs of an item's id and its rating, not {reprlib.repr(history)}"
            ) from error

    @property
    def _rule(self) -> str:
        return str(self.contract["slates"]["rule"])

    @cached_property
    def _blocks(self) -> Blocks:
        categories = self.contract["categories"] if self._rule == "varied" else ()
        return blocks_of(list(self.items.values()), categories)

    def _variety(self, outputs: Mapping[str, Array]) -> Variety:
        if self._rule == "varied":
            return Variety(outputs["weights"], outputs["memories"], np.array(self.contract["slates"]["decays"]))
        n = len(outputs["scores"])
        return Variety(np.zeros((n, 0)), np.zeros((n, 0, 0)), np.zeros(0))

    def _allowed(
        self, scores: Array, batch: Batch, candidates: Sequence[Candidates | None] | None, skip_unknown: bool
    ) -> Array:
        """The scores, minus infinity for items that were consumed earlier and for those that are no candidates."""
        numbers = [self._candidates(*each, skip_unknown) for each in enumerate(candidates or ())]
        bars = not self.contract["repeats"] and len(batch.earlier[0]) > 0
        if not bars and all(each is None for each in numbers):
            return scores
        scores = scores.copy()
        if bars:
            scores[batch.earlier] = -np.inf
        for row, kept in zip(scores, numbers, strict=False):
            if kept is not None:
                values = row[kept]
                row[:] = -np.inf
                row[kept] = values
        return scores

    def _candidates(self, user: int, candidates: Candidates | None, skip_unknown: bool) -> Ints | None:
        """The numbers of candidates."""
        if candidates is None:
            return None
        are_ids = isinstance(candidates, Sequence) and not isinstance(candidates, str)
        if not are_ids or not all(issubclass(kind, str) for kind in set(map(type, candidates))):
            raise BatchError(f"candidates are a list of ids, which are text, not {reprlib.repr(candidates)}", user)
        numbers = [self._numbers.get(item, -1) for item in candidates]
        if -1 in numbers and not skip_unknown:
            raise BatchError(self._reader.not_in_catalogue(candidates[numbers.index(-1)]), user)
        return np.array([number for number in numbers if number >= 0], dtype=np.int64)

    def _greedy(self, outputs: Mapping[str, Array], scores: Array, k: int) -> Ints:
        """The slates without exploration: those of the graph, unless they are too short or not all of it is allowed."""
        given, size = outputs["slate"][:, :k], outputs["slate"].shape[1]
        are_long = k == size or (k < size and self._rule != "choice")  # the best choice of few may be another
        if are_long and not np.isneginf(_of(scores, given)).any():
            return given
        if self._rule == "varied":
            return fill(scores, k, self._blocks, variety=self._variety(outputs))[0]
        if self._rule == "choice":
            value, weight = outputs["nothing"][:, :1], outputs["nothing"][:, 1:]
            choice = Choice(scores, outputs["choice_weights"], nothing=value, weight_of_nothing=weight)
            return OPTIMIZERS[self.contract["slates"]["optimizer"]](choice, k)
        return top_k(scores, k)

    def _named(self, slates: Ints, scores: Array, propensities: Floats) -> list[list[Recommendation]]:
        """The items of slates by their ids."""
        ids = self._ids
        rows = zip(slates.tolist(), _of(scores, slates).tolist(), propensities.tolist(), strict=True)
        return [
            [Recommendation(ids[item], score, chance) for item, score, chance in zip(*row, strict=True) if item >= 0]
            for row in rows
        ]


def _of(scores: Array, slates: Ints) -> Array:
    """(n, k) the scores of the items of slates."""
    found: Array = scores[np.arange(len(slates))[:, None], slates]  # half the time of `take_along_axis`
    return found
