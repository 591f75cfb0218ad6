"""`MovieLensFairness-v1`: the same environment with the parts that make users more like people. See docs/worlds.md."""

from __future__ import annotations

from typing import ClassVar

from pydeeprecsys.envs.options import WorldOptions
from pydeeprecsys.envs.single import MovieLensFairness
from pydeeprecsys.envs.vector import MovieLensFairnessVector
from pydeeprecsys.simulation.choice import MultinomialLogit
from pydeeprecsys.simulation.dynamics import SatiatingTaste
from pydeeprecsys.simulation.patience import Patience

FAITHFUL: WorldOptions = {
    "consumption": "chosen",
    # In logits of 2 a star, choosing nothing is worth as much as a movie of 2.5 stars.
    "choice": MultinomialLogit(no_choice_score=5.0),
    "choice_scale": 2.0,
    "dynamics": SatiatingTaste(),
    "repeats": "bore",
    "patience": Patience(),
    "observation": "history",
}
"""What is other than in v0 where the option is not given."""


class FaithfulMovieLensVector(MovieLensFairnessVector):
    """Many users of `MovieLensFairness-v1`: a `MovieLensFairnessVector` with other defaults."""

    defaults: ClassVar[WorldOptions] = FAITHFUL


class FaithfulMovieLens(MovieLensFairness):
    """One user of `MovieLensFairness-v1`: a `MovieLensFairness` with other defaults."""

    batch_of: ClassVar[type[MovieLensFairnessVector]] = FaithfulMovieLensVector
