"""Many simulated users of the MovieLens world behind Gymnasium's vector interface."""

from __future__ import annotations

from typing import Unpack

import numpy as np
import pandas as pd
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode
from numba import njit
from numpy.typing import ArrayLike

from pydeeprecsys.arrays import Array, Flags, Floats, Ints, Singles
from pydeeprecsys.data.user_groups import as_groups, known_demographics
from pydeeprecsys.data.world import World
from pydeeprecsys.envs.options import WorldOptions, make_observation, make_simulator
from pydeeprecsys.envs.sessions import Arrays, Info, SessionVector
from pydeeprecsys.errors import InputError, did_you_mean
from pydeeprecsys.metrics.diversity import diversities, unit_vectors
from pydeeprecsys.metrics.novelty import self_information, slate_means
from pydeeprecsys.metrics.relevance import discounted_sums, discounts
from pydeeprecsys.scale import MAX_RATING
from pydeeprecsys.simulation.movielens.state import Response, State


class MovieLensFairnessVector(SessionVector[State, Response]):
    """n simulated users who rate what they are shown, and change by it.

    Args:
        num_envs: number of users.
        slate_size: items shown at a time. Actions are (n,) items for 1, (n, slate_size) for more.
        seed: of the random streams where `reset` is given none; user i has the stream seed + i.
        autoreset_mode: what follows the end of a session, as Gymnasium defines it: NEXT_STEP (its default), SAME_STEP,
            or DISABLED (`reset` with `options={"reset_mask": ...}` begins the next).
        **options: of the simulated world, see `WorldOptions`.

    Each `info` has, besides Gymnasium's masks, per user: `ratings` (n, k) of the slate; its `dcg` and `ndcg` (see
    `metrics.relevance`, `ndcg` being `ndcg_of_fives`); its mean `violence` (measured or imputed; absent if the world
    knows of none) and the share of its items whose violence is `unmeasured`; the `cost` that the option of this name
    describes (absent where it is of violence that is not known); the number of the user's `group`, if there is such an
    option, a number of their own for users whose group is not known; for k > 1 the position of the chosen item
    as `chosen_action`, whether there was one as `hit` (a click), the `diversity` of the slate's categories (NaN with
    fewer than two items of known categories), its `novelty` in bits and, if the whole slate is consumed, the `rewards`
    (n, k) of its items, each that of a slate of this item alone; after a reset, the row of the `user` in the world.
    Where the chosen item alone is consumed, k = 1 has the position (-1 for none), the hit and the novelty too. Where
    consumed items are not to be shown again, `action_mask` (n, items) marks the others at each reset and step.

    `reset` takes `options={"users": (n,) rows}` of the users of the sessions that it begins.

    Attributes:
        history_layout: layout of the observation "items"; None for the others.

    Raises:
        InputError: an invalid option, or a consumed item where these are refused.
        ValueError: an action out of range.
    """

    reset_options = ("reset_mask", "users")

    def __init__(
        self,
        num_envs: int = 1,
        slate_size: int = 1,
        seed: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        **options: Unpack[WorldOptions],
    ) -> None:
        self.simulator = make_simulator(slate_size, **options)
        self.observation = make_observation(self.simulator, **options)
        world = self.simulator.world
        layout = self.history_layout = self.simulator.history_layout
        space = Box(0.0, 1.0 if layout is None else layout.highest, (self.observation.size,), np.float32)
        super().__init__(self.simulator, world.n_items, space, num_envs, seed=seed, autoreset_mode=autoreset_mode)
        self._discounts = discounts(slate_size)
        self._ideal_dcg = discounted_sums(np.full((1, slate_size), MAX_RATING), self._discounts)[0]
        self._units, self._bits = unit_vectors(world.known_genres), self_information(world.rating_counts)
        self._violence, self._unmeasured = (a.astype(np.float64) for a in (world.violence, ~world.violence_measured))
        self._knows_violence = bool(world.violence_measured.any())
        self._cost = options.get("cost", "shown")
        if not isinstance(self._cost, str) and not callable(self._cost):
            raise InputError(f"cost must be a name, such as shown or consumed, or a function, it is {self._cost!r}")
        group = options.get("group")
        self._groups = None if group is None else user_groups(world, group)

    def begun(self, state: State, mask: Flags, options: Info) -> State:
        """The state, with the users in `options["users"]` (n,) where sessions have just begun."""
        if "users" not in options:
            return state
        users = np.asarray(options["users"])
        if users.shape != mask.shape or not np.issubdtype(users.dtype, np.integer):
            raise InputError(f"users are rows of the world, one per session of {len(mask)}; they are {users.tolist()}")
        (rows,) = mask.nonzero()
        if len(others := np.setdiff1d(users[rows], self.simulator.users)):
            raise InputError(
                f"user {others[0]} is not of the {len(self.simulator.users)} users that are simulated here"
            )
        return self.simulator.with_users(state, users[rows], rows)

    def observe(self) -> Singles:
        """(n, size of the observation) observations of every user now."""
        return self.observation(self._begun())

    def step_info(self, response: Response) -> Arrays:
        """Infos of a step: (n, k) ratings, and (n,) facts of the slates."""
        slates, ratings, facts = response.slates, response.ratings, (self._violence, self._unmeasured)
        violence, unmeasured, dcg, ndcg = _measures(slates, ratings, facts, self._discounts, ideal_dcg=self._ideal_dcg)
        infos: Arrays = {"ratings": ratings, "unmeasured": unmeasured, "dcg": dcg, "ndcg": ndcg}
        if self._knows_violence:
            infos["violence"] = violence
        if self.slate_size > 1 or self.simulator.consumption == "chosen":
            infos["chosen_action"] = response.chosen
            infos["hit"] = (response.chosen >= 0).astype(np.float64)
            if self.slate_size > 1:
                infos["diversity"] = diversities(slates, self._units)
                if self.simulator.consumption == "slate":
                    infos["rewards"] = self.simulator.item_rewards(response)
            infos["novelty"] = slate_means(slates, self._bits)
        costs = self._costs(response, infos)
        if costs is not None:
            infos["cost"] = costs
        if self._groups is not None:
            infos["group"] = self._groups[self._begun().users]
        return infos

    def _costs(self, response: Response, infos: Arrays) -> Array | None:
        """(n,) costs of the slates; None where they are of violence that is not known."""
        if not isinstance(self._cost, str):
            return self._cost(response.ratings, response.violence)
        name = "violence" if self._cost in ("shown", "consumed") else self._cost
        if name not in infos:
            if name == "violence":
                return None
            raise InputError(f"info has no {name!r} to take for the cost; {did_you_mean(name, infos)}")
        if infos[name].ndim > 1:
            raise InputError(f"info[{name!r}] has several numbers, and a cost is one; give another")
        if self._cost != "consumed" or self.simulator.consumption == "slate":
            return infos[name]
        chosen = np.take_along_axis(response.violence, np.maximum(response.chosen, 0)[:, None], axis=1)[:, 0]
        return np.where(response.chosen >= 0, chosen, 0.0)

    def reset_info(self) -> Arrays:
        """Infos of sessions that have just begun: the (n,) rows of their users."""
        return {"user": self._begun().users.copy()}

    def mask_info(self) -> Arrays:
        """The (n, items) mask of the items that may be shown, if not all may."""
        if self.simulator.repeats == "allow":
            return {}
        mask = self._begun().allowed.view()
        mask.setflags(write=False)  # the state's own: copying it would take longer than the step
        return {"action_mask": mask}

    def autoreset(self, state: State, over: Flags) -> State:
        """The state with the next sessions where `over` (n,) is set; nobody else holds the given state."""
        return self.simulator.next_sessions(state, over, donated=True)

    def slates(self, actions: ArrayLike) -> Ints:
        """Check actions of shape (n,) or (n, k) and give them as (n, k) slates.

        Raises:
            ValueError: another shape, not whole numbers, or an item that does not exist.
            InputError: an item that was consumed already, where these are refused.
        """
        slates = super().slates(actions)
        if self.simulator.repeats == "refuse":
            running = ~self._over[:, None]  # nothing is shown in a session that is over
            repeated = ~np.take_along_axis(self._begun().allowed, slates, axis=1) & running
            for row, position in np.argwhere(repeated)[:1]:
                raise InputError(
                    f"item {slates[row, position]} at position {position} of user {row} was consumed in this session; "
                    "keep to info['action_mask'], or make the environment with repeats='bore'"
                )
        return slates


@njit(cache=True)
def _measures(
    slates: Ints, ratings: Floats, facts: tuple[Floats, Floats], discounts: Floats, ideal_dcg: float
) -> tuple[Floats, Floats, Floats, Floats]:
    """(n,) mean violence, share of unmeasured items, DCG and NDCG, given (items,) violence and whether unmeasured."""
    dcg = discounted_sums(ratings, discounts)
    return slate_means(slates, facts[0]), slate_means(slates, facts[1]), dcg, dcg / ideal_dcg


def user_groups(world: World, demographic: str) -> Ints:
    """(users,) numbers of groups by a demographic, ages by band; users whose demographic is unknown are the last group.

    Raises:
        InputError: it is known of no user.
    """
    known = known_demographics(world)
    if demographic not in known:
        raise InputError(f"{world.name} knows the {demographic} of no user; leave out the group")
    names = as_groups(demographic, known[demographic])
    numbers: Ints = pd.factorize(names, sort=True, use_na_sentinel=False)[0].astype(np.int64)
    return numbers
