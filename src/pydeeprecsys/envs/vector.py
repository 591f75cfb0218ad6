"""Many simulated users at once, behind Gymnasium's vector interface. The environment of one user is a batch of one."""

from __future__ import annotations

from typing import Any, ClassVar, Unpack

import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode
from numba import njit
from numpy.typing import ArrayLike, NDArray

from pydeeprecsys.envs.options import WorldOptions, make_observation, make_simulator, with_defaults
from pydeeprecsys.envs.sessions import SessionVector
from pydeeprecsys.errors import InputError
from pydeeprecsys.simulation.kernels import MAX_RATING
from pydeeprecsys.simulation.ranking import discounts, diversities, self_information, unit_vectors
from pydeeprecsys.simulation.state import Response, State


class MovieLensFairnessVector(SessionVector[State, Response]):
    """n simulated users who rate what they are shown, and change by it.

    Args:
        num_envs: how many users at once.
        slate_size: items shown at a time. Actions are (n,) items for 1, (n, slate_size) for more.
        seed: of the random streams when `reset` is given none; user i has the stream seed + i.
        autoreset_mode: what follows the end of a session, as Gymnasium defines it: NEXT_STEP (its default), SAME_STEP,
            or DISABLED (`reset` with `options={"reset_mask": ...}` begins the next).
        **options: the simulated world, see `WorldOptions`.

    Each `info` has, besides Gymnasium's masks, for each user the `ratings` (n, k) of the slate, its `dcg` and `ndcg`,
    its mean `violence` (measured or imputed; left out where the world knows of none), the share of its items whose
    violence is `unmeasured`; for k > 1 the position of the chosen item as `chosen_action`, whether there was one as
    `hit`, the `diversity` of the slate's genres (NaN without two items of known ones) and its `novelty` in bits (see
    `simulation.ranking`); after a reset, the row of the `user` in the world. Where the chosen item alone is consumed,
    these are told for k = 1 as well, but for the diversity, and the position is -1 where nothing was chosen; where
    consumed items are not to be shown again, `action_mask` (n, items) at each reset and step tells what may be.

    Raises:
        InputError: an option that cannot be, or a consumed item where these are refused.
        ValueError: an action that is out of range.
    """

    defaults: ClassVar[WorldOptions] = {}
    """Of options that are not given, where other than `WorldOptions` says."""

    def __init__(
        self,
        num_envs: int = 1,
        slate_size: int = 1,
        seed: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        **options: Unpack[WorldOptions],
    ) -> None:
        options = with_defaults(self.defaults, options)
        self.simulator = make_simulator(slate_size, **options)
        self.observation = make_observation(self.simulator, **options)
        items = self.simulator.world.n_items
        space = Box(0.0, 1.0, (self.observation.size,), np.float32)
        super().__init__(self.simulator, State, num_envs, items, slate_size, space, seed, autoreset_mode)
        self._discounts = discounts(slate_size)
        # Summed in the order of a slate's own DCG, or rounding would lift the NDCG of a slate of fives above 1.
        self._ideal_dcg = np.cumsum(MAX_RATING * self._discounts)[-1]
        world = self.simulator.world
        self._units = unit_vectors(world.genres & world.genres_known[:, None])
        self._bits = self_information(world.rating_counts)
        self._unmeasured = (~world.violence_measured).astype(np.float64)
        self._knows_violence = bool(world.violence_measured.any())

    def observe(self) -> NDArray[np.float32]:
        """(n, size of the observation) what is seen of every user now: 25 numbers by default."""
        return self.observation(self._begun())

    def measures(self, response: Response) -> dict[str, NDArray[Any]]:
        """What `info` tells of a step: (n, k) ratings, and (n,) of the slates."""
        violence, unmeasured, dcg, ndcg = self.judge(response)
        infos: dict[str, NDArray[Any]] = {"ratings": response.ratings, "dcg": dcg, "ndcg": ndcg}
        infos["unmeasured"] = unmeasured
        if self._knows_violence:
            infos["violence"] = violence
        if self.slate_size > 1 or self.simulator.consumption == "chosen":
            infos["chosen_action"] = response.chosen
            infos["hit"] = (response.chosen >= 0).astype(np.float64)
            if self.slate_size > 1:
                infos["diversity"] = diversities(response.slates, self._units)
            # A third of the time of indexing and mean().
            infos["novelty"] = np.add.reduce(self._bits.take(response.slates), axis=1) / self.slate_size
        return infos

    def beginnings(self) -> dict[str, NDArray[Any]]:
        """What `info` tells of sessions that have just begun: the (n,) rows of their users."""
        return {"user": self._begun().users.copy()}

    def standing(self) -> dict[str, NDArray[Any]]:
        """The (n, items) mask of what may be shown, where not everything may."""
        if self.simulator.repeats == "allow":
            return {}
        mask = self._begun().allowed.view()
        mask.setflags(write=False)  # the state's own: copying it would take longer than the step
        return {"action_mask": mask}

    def truncated(self, response: Response) -> NDArray[np.bool_]:
        """(n,) the session is cut off, though its user would go on."""
        return response.truncated

    def renewed(self, shown: State, over: NDArray[np.bool_]) -> State:
        """The state with the next sessions where `over` (n,) is set, of one that a step has made and nobody holds."""
        return self.simulator.next_sessions(shown, over, given_up=True)

    def slates(self, actions: ArrayLike) -> NDArray[np.int64]:
        """Check actions of shape (n,) or (n, k) and give them as (n, k) slates.

        Raises:
            ValueError: they have another shape, are not whole numbers, or name an item that does not exist.
            InputError: they name an item that was consumed already, where these are refused.
        """
        slates = super().slates(actions)
        if self.simulator.repeats == "refuse":
            running = ~self._over[:, None]  # what is given for a session that is over is not shown
            repeated = ~np.take_along_axis(self._begun().allowed, slates, axis=1) & running
            for row, position in np.argwhere(repeated)[:1]:
                raise InputError(
                    f"item {slates[row, position]} at position {position} of user {row} was consumed in this session; "
                    "keep to info['action_mask'], or make the environment with repeats='bore'"
                )
        return slates

    def judge(self, response: Response) -> tuple[NDArray[np.float64], ...]:
        """Mean violence, share of items whose violence is unmeasured, DCG and NDCG of the slates, each (n,).

        DCG is the sum of rating / log2(position + 2), positions from 0; NDCG divides it by that of a slate of fives.
        """
        judged: tuple[NDArray[np.float64], ...] = _judge(
            response.slates, response.ratings, response.violence, self._unmeasured, self._discounts, self._ideal_dcg
        )
        return judged


@njit(cache=True)
def _judge(
    slates: NDArray[np.int64],
    ratings: NDArray[np.float64],
    violence: NDArray[np.float64],
    unmeasured: NDArray[np.float64],
    discounts: NDArray[np.float64],
    ideal_dcg: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """What `judge` gives; compiled: sums by BLAS depend on how many users there are."""
    n, k = ratings.shape
    means, shares, dcg, ndcg = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    for i in range(n):
        total, missing, gain = 0.0, 0.0, 0.0
        for j in range(k):
            total += violence[i, j]
            missing += unmeasured[slates[i, j]]
            gain += ratings[i, j] * discounts[j]
        means[i], shares[i], dcg[i], ndcg[i] = total / k, missing / k, gain, gain / ideal_dcg
    return means, shares, dcg, ndcg
