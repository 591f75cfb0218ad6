"""The options that stand for the settings of runs, comparisons and searches, each described once: with its setting."""

from __future__ import annotations

from inspect import Parameter
from pathlib import Path
from typing import Any

import click
import torch
from click.core import ParameterSource

from pydeeprecsys.arguments import Argument, arguments_of
from pydeeprecsys.cli.agent_options import click_type
from pydeeprecsys.cli.common import building_bar, screen
from pydeeprecsys.data.library import SYNTHETIC
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.task import DEFAULT_ENV, Task, env_option, env_options, read_env_option

ENV_OPTION = click.Option(
    ["--env-option"],
    multiple=True,
    metavar="NAME=VALUE",
    help="An option of the environment, of the type that its constructor declares; may be repeated.",
)
JOBS = click.Option(
    ["--jobs"],
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Processes side by side; the numbers are the same for any.",
)
RAY = click.Option(
    ["--ray"],
    metavar="ADDRESS|local",
    help="Run the trainings on a Ray cluster: HOST:PORT of its head, or 'local' for all cores of this machine. "
    "All machines see the --out folder under the same path. The numbers are the same.",
)
_WORLD_VERSION = click.Option(
    ["--world-version"],
    type=click.IntRange(0, 1),
    show_default="0",
    help="Short for --env MovieLensFairness-v0 or -v1: in v1 users choose or leave, tire of what they have had, and go "
    "when their patience is used up.",
)
_THREADS = click.Option(
    ["--threads"],
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Threads of torch. More may be faster for many users on an idle machine; other numbers, other last bits.",
)
_OUT = click.Option(
    ["--out"],
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the results; by default a new one under runs/.",
)
_OVERWRITE = click.Option(
    ["--overwrite"],
    is_flag=True,
    help="Delete the run, comparison or search in --out and start over; refused if it holds anything else.",
)

# Options of the environment that have names of their own on the command line.
_SHORTHANDS = ("slate_size", "delta", "observe_time", "lambda_non_violent")
_NOT_HERE = {"task", "agent", "agents", "hyperparameters", "evaluation_envs", "steps", "stop_at"}


def click_option(argument: Argument) -> click.Option:
    """An option of the command line for a documented argument."""
    flag = "--" + argument.name.replace("_", "-")
    kind = click_type(argument)
    common: dict[str, Any] = {"help": argument.help, "required": argument.default is Parameter.empty}
    if not common["required"]:
        common |= {"default": argument.default, "show_default": argument.default is not None}
    if kind is click.BOOL:
        return click.Option([f"{flag}/--no-{flag[2:]}"], **common)
    return click.Option([flag], type=kind, **common)


def settings_options(kind: type) -> list[click.Parameter]:
    """The options for a kind of settings: those of the environment, of the settings, and of the command."""
    task, env = arguments_of(Task), env_options(DEFAULT_ENV)
    shorthands = [env[name]._replace(default=None) for name in _SHORTHANDS]
    own = [argument for name, argument in arguments_of(kind).items() if name not in _NOT_HERE]
    described = [click_option(argument) for argument in (task["env"], task["dataset"], *shorthands, *own)]
    return [*described, ENV_OPTION, _WORLD_VERSION, _THREADS, _OUT, _OVERWRITE]


def take_settings(arguments: dict[str, Any], kind: type) -> dict[str, Any]:
    """The settings of a kind that the arguments of a command hold, without those of single agents.

    The world is opened, with a line on screen that describes it.

    Raises:
        InputError: an option that has no effect on the environment, or another that cannot be.
    """
    torch.set_num_threads(arguments["threads"])
    env, version = arguments["env"], arguments["world_version"]
    if version is not None:
        by_default = click.get_current_context().get_parameter_source("env") is ParameterSource.DEFAULT
        if not by_default and env != f"MovieLensFairness-v{version}":
            raise InputError(f"--world-version is without effect on {env}; leave it out")
        env = f"MovieLensFairness-v{version}"
    options = dict(read_env_option(env, text) for text in arguments["env_option"])
    for name in _SHORTHANDS:
        if (value := arguments[name]) is not None:
            env_option(env, name)
            if name in options:
                raise InputError(f"{name} is given twice; leave out one of --{name.replace('_', '-')} and --env-option")
            options[name] = value
    dataset = arguments["dataset"]
    with building_bar(dataset or SYNTHETIC) as progress:
        task = Task(env=env, env_options=options, dataset=dataset, progress=progress)
    describe(task)
    return {"task": task, **{name: arguments[name] for name in arguments_of(kind) if name not in _NOT_HERE}}


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
