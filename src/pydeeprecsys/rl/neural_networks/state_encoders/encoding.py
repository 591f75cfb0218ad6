"""The state encoders by name, and how one is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch

from pydeeprecsys.errors import InputError
from pydeeprecsys.history import HistoryLayout
from pydeeprecsys.rl.item_estimates import ItemEstimates
from pydeeprecsys.rl.neural_networks.state_encoders.attention import AttentionEncoder
from pydeeprecsys.rl.neural_networks.state_encoders.features import Features
from pydeeprecsys.rl.neural_networks.state_encoders.fold_in import FoldInEncoder
from pydeeprecsys.rl.neural_networks.state_encoders.gru import GRUEncoder
from pydeeprecsys.rl.neural_networks.state_encoders.state_encoder import Observed, StateEncoder

ENCODERS_OF_HISTORIES: dict[str, Callable[[Observed, torch.Generator], StateEncoder]] = {
    "fold-in": FoldInEncoder,
    "gru": GRUEncoder,
    "attention": AttentionEncoder,
}
"""State encoders of the observation "items"; the encoder "features" takes every observation."""


@dataclass(frozen=True, eq=False)
class StateEncoding:
    """How all networks of an agent encode observations, each by an encoder of its own.

    Attributes:
        name: "features", or one of `ENCODERS_OF_HISTORIES`.
        state_size: size of an observation.
        history: layout of the observation, if it is "items".
        item_estimates: what ratings tell of the items, if anything.

    Raises:
        InputError: the observations are not those that the encoder takes.
    """

    name: str
    state_size: int
    history: HistoryLayout | None = None
    item_estimates: ItemEstimates | None = None

    def __post_init__(self) -> None:
        if self.name == "features":
            return
        if self.history is None:
            raise InputError(
                f"state_encoder {self.name!r} reads the items shown in the session: give MovieLensFairness with "
                "observation='items'"
            )
        if self.history.size != self.state_size:
            raise InputError(
                f"an observation has {self.state_size} numbers, the history that state_encoder {self.name!r} reads has "
                f"{self.history.size}"
            )
        if self.item_estimates is not None and len(self.item_estimates.offsets) != self.history.n_items:
            raise InputError(
                f"estimates are of {len(self.item_estimates.offsets)} items, the history of {self.history.n_items}"
            )

    def make(self, generator: torch.Generator) -> StateEncoder:
        """A new encoder, with initial parameters from a generator on the CPU."""
        if self.history is None or self.name == "features":
            return Features(self.state_size)
        return ENCODERS_OF_HISTORIES[self.name](Observed(self.history, self.item_estimates), generator)

    @cached_property
    def size(self) -> int:
        """Numbers per encoded state."""
        return self.make(torch.Generator()).out_size


def make_encoder(states: int | StateEncoding, generator: torch.Generator) -> StateEncoder:
    """The encoder of a network: of a `StateEncoding`, or the features of observations of a size."""
    return Features(states) if isinstance(states, int) else states.make(generator)
