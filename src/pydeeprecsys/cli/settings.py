"""The settings that the options of a command stand for."""

from __future__ import annotations

from typing import Any

import torch

from pydeeprecsys.cli.common import building_bar, screen
from pydeeprecsys.cli.options import read_environment, settings_of
from pydeeprecsys.data.releases import SYNTHETIC
from pydeeprecsys.experiments.task import Task


def take_settings(arguments: dict[str, Any], kind: str) -> dict[str, Any]:
    """The settings of a kind that the arguments of a command hold, without those of single agents.

    The world is opened, with a line on screen that describes it.

    Raises:
        InputError: an option that has no effect on the environment, or another that cannot be.
    """
    torch.set_num_threads(arguments["threads"])
    env, options = read_environment(arguments)
    dataset = arguments["dataset"]
    with building_bar(dataset or SYNTHETIC) as progress:
        task = Task(env=env, env_options=options, dataset=dataset, progress=progress)
    describe(task)
    return {"task": task, **{setting.name: arguments[setting.name] for setting in settings_of(kind)}}


def describe(task: Task) -> None:
    """Say which users and items an environment has, if it has any."""
    world = task.world
    if world is None:
        return
    screen.print(
        f"data set {world.name}: {world.n_users:,} users, {world.n_items:,} items, "
        f"{world.record['ratings']:,} ratings, held-out RMSE {world.record['held_out_rmse']:.3f} "
        f"on the scale {'..'.join(f'{end:g}' for end in world.record['scale'])}",
        soft_wrap=True,
    )
    if task.dataset == SYNTHETIC:
        screen.print(
            "it is generated, in MovieLens 1M's shape; 'pydeeprecsys data list' names real ones", soft_wrap=True
        )
