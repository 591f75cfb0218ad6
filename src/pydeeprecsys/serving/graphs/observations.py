"""Observations of the MovieLens worlds, computed from the context as the environments compute them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from pydeeprecsys.envs.observations import UNKNOWN, ChosenItems, Observation, ShownItems, WithTime
from pydeeprecsys.errors import InputError
from pydeeprecsys.history import HistoryLayout
from pydeeprecsys.scale import MAX_RATING
from pydeeprecsys.serving.graphs.context import Context


class ChosenItemsGraph(nn.Module):
    """`ChosenItems`: demographics, and categories, rating and violence of the item chosen from each of the last slates.

    Args:
        observation: what it computes.
    """

    facts: Tensor
    is_rating: Tensor

    def __init__(self, observation: ChosenItems) -> None:
        super().__init__()
        world = observation.simulator.world
        violence = np.nan_to_num(world.violence, nan=UNKNOWN)
        facts = np.column_stack([world.genres, np.zeros(world.n_items), violence])
        facts = np.vstack([facts, np.zeros(facts.shape[1])])  # the last row is of no item
        self.register_buffer("facts", torch.from_numpy(facts).float())
        self.register_buffer("is_rating", torch.eye(facts.shape[1])[-2])
        self.length = observation.simulator.history_length

    def forward(self, context: Context) -> Tensor:
        """(n, size) observations."""
        slates = context.latest(self.length)
        item = slates.consumed(whole_slates=False).items  # the chosen one
        rating = slates.chosen_ratings[:, :, None] / MAX_RATING
        facts = self.facts[torch.where(item >= 0, item, len(self.facts) - 1)] + rating * self.is_rating
        return torch.cat([context.demographics, facts.flatten(1)], dim=1)


class ShownItemsGraph(nn.Module):
    """`ShownItems`: the numbers of a `HistoryLayout`.

    Args:
        layout: of the observation.
    """

    def __init__(self, layout: HistoryLayout) -> None:
        super().__init__()
        self.layout = layout

    def forward(self, context: Context) -> Tensor:
        """(n, size) observations."""
        shown = context.latest(self.layout.length)
        positions = torch.arange(1, shown.items.shape[2] + 1, device=shown.items.device)
        choice = torch.where(shown.chosen, positions, 0).sum(dim=2, keepdim=True)
        ratings = shown.ratings if context.whole_slates else shown.chosen_ratings[:, :, None]
        parts = [_of_width(shown.items + 1, self.layout.slate_size), _of_width(ratings, self.layout.n_rated), choice]
        slates = torch.cat([part.float() for part in parts], dim=2)
        return torch.cat([context.demographics, slates.flatten(1)], dim=1)


def _of_width(numbers: Tensor, width: int) -> Tensor:
    """(n, h, width) the first numbers of each slate, with zeros where there are fewer."""
    return nn.functional.pad(numbers, (0, width))[:, :, :width]


class WithTimeGraph(nn.Module):
    """`WithTime`: an observation with the elapsed time appended.

    Args:
        observation: the graph of the observation before it.
        session_steps: most slates in a session.
    """

    def __init__(self, observation: nn.Module, session_steps: int) -> None:
        super().__init__()
        self.observation, self.session_steps = observation, session_steps

    def forward(self, context: Context) -> Tensor:
        """(n, size) observations."""
        time = (context.steps.double() / self.session_steps).float()
        return torch.cat([self.observation(context), time[:, None]], dim=1)


def observation_graph(observation: Observation) -> nn.Module:
    """The graph of an observation: a `Context` to (n, size).

    Raises:
        InputError: the observation holds what no recommender knows.
    """
    if isinstance(observation, WithTime):
        return WithTimeGraph(observation_graph(observation.observation), observation.session_steps)
    if isinstance(observation, ChosenItems):
        return ChosenItemsGraph(observation)
    if isinstance(observation, ShownItems):
        return ShownItemsGraph(observation.layout)
    raise InputError(
        f"the policy observes {type(observation).__name__}, which only a simulator knows; train one with the "
        "observation 'last', 'history' or 'items'"
    )
