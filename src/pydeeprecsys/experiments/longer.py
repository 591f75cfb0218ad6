"""Training for longer: a run is given a larger budget than it was begun with."""

from __future__ import annotations

from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.config import RunConfig
from pydeeprecsys.experiments.run_folder import RunFolder

BUDGET = ("episodes", "steps")
"""The settings of a run that are its budget."""


def check_longer(folder: RunFolder, config: RunConfig) -> None:
    """Check that a run which has begun can continue to the budget of its new settings.

    Raises:
        InputError: that budget is not above the training so far, or of the other unit; or the run kept no state.
    """
    before = folder.begun or folder.config
    if all(before[name] == getattr(config, name) for name in BUDGET):
        return
    unit, other = BUDGET if config.steps is None else reversed(BUDGET)
    if before[unit] is None:
        raise InputError(f"the budget of {folder.path} is in {other}; give more {other}, not {unit}")
    state = folder.load_checkpoint()
    if state is None and (not folder.is_done or not before[unit]):
        return  # it begins anew
    if state is None or state["manager"] is None:
        raise InputError(f"{folder.path} kept no state to train on from; train again in another folder")
    rollout = state["manager"]["rollout"]
    done = rollout[unit] + (rollout.get("given", 0) if unit == "episodes" else 0)
    if getattr(config, unit) <= done:
        raise InputError(f"{folder.path} has {done} {unit} of training behind it; give more")


def lengthen(folder: RunFolder, config: RunConfig) -> None:
    """Check that a run can continue to the budget of its new settings, and make it unfinished.

    Raises:
        InputError: as `check_longer`.
    """
    check_longer(folder, config)
    folder.reopen()
