"""Columns of transitions that environments give in `info`."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydeeprecsys.arrays import Array
from pydeeprecsys.errors import InputError


class InfoColumns:
    """Reads columns of a step from `info`, where the environments give them at every step.

    - `cost`: `costs`;
    - `group`, the number of the user's group: `groups`;
    - `chosen_action`, the position of the chosen item in the slate, -1 for none: `slates` and `choices`, with the
      chosen items as `actions`, or the first of a slate if none was chosen; a single action is a slate of one;
    - `rewards` (slate_size,), the reward of each item shown, NaN if it was not consumed: `item_rewards`.

    Args:
        slate_size: items per slate; above 1, actions are slates, and `chosen_action` is required.
    """

    def __init__(self, slate_size: int) -> None:
        self.slate_size = slate_size
        self._given: dict[str, bool] = {}  # by name, whether `info` holds it; unknown before the first step

    def read(self, actions: Array, infos: dict[str, Any]) -> dict[str, Array]:
        """Columns of a `Transition` by name, of n actions or slates (n, ...).

        Raises:
            InputError: a column is given at some steps or by some environments only, or has the wrong shape; a cost is
                not finite; a group is no whole number from 0; a choice is no position in the slate; or the choice from
                a slate of several is missing.
        """
        columns = {"actions": actions}
        costs, groups = self._column("cost", infos), self._column("group", infos)
        choices, item_rewards = self._column("chosen_action", infos), self._column("rewards", infos)
        if costs is not None:
            if costs.shape != (len(actions),) or not np.isfinite(costs).all():
                raise InputError(f"info['cost'] must be a finite number for each environment, it is {infos['cost']}")
            columns["costs"] = costs.astype(np.float64, copy=False)
        if groups is not None:
            if groups.shape != (len(actions),) or groups.dtype.kind not in "iu" or groups.min() < 0:
                raise InputError(f"info['group'] must be a whole number from 0, it is {infos['group']}")
            columns["groups"] = groups.astype(np.int64, copy=False)
        if choices is None and self.slate_size > 1:
            raise InputError("info lacks 'chosen_action', the position of the chosen item in the slate, -1 for none")
        if self.slate_size == 1 and actions.ndim > 1:
            return columns  # points of a box, not items
        slates = actions.reshape(-1, self.slate_size)
        if item_rewards is not None:
            if item_rewards.shape != slates.shape:
                raise InputError(
                    f"info['rewards'] must have one reward per item of the slate, of shape {slates.shape}; "
                    f"it is of shape {item_rewards.shape}"
                )
            columns["item_rewards"] = item_rewards
        if choices is not None:
            if not self._are_positions(choices, len(slates)):
                raise InputError(
                    "info['chosen_action'] must be the position of the chosen item in the slate, "
                    f"0 to {self.slate_size - 1}, or -1 for none; it is {infos['chosen_action']}"
                )
            items = slates[np.arange(len(slates)), np.maximum(choices, 0)]
            columns |= {"actions": items, "slates": slates, "choices": choices}
        return columns

    def _are_positions(self, choices: Array, n: int) -> bool:
        whole = choices.shape == (n,) and choices.dtype.kind in "iu"
        return bool(whole and choices.min() >= -1 and choices.max() < self.slate_size)

    def _column(self, name: str, infos: dict[str, Any]) -> Array | None:
        """(n, ...) values, if the environments give them; Gymnasium's `_name` masks those that do."""
        given = name in infos
        if self._given.setdefault(name, given) != given:
            raise InputError(f"the environment gives info[{name!r}] at some steps only; give it at each step")
        if not given:
            return None
        if not np.all(infos.get(f"_{name}", True)):
            raise InputError(f"some of the environments give no info[{name!r}]; give it in each")
        return np.asarray(infos[name])
