"""The options of the commands, each described once: with its setting, in the catalogue. Nothing slow is imported."""

from __future__ import annotations

from collections.abc import Iterable
from inspect import Parameter
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from pydeeprecsys.arguments import Argument
from pydeeprecsys.cli.groups import HomePath
from pydeeprecsys.data.releases import GENERATED, GENOME, RELEASES, is_name, path_of
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments import catalogue
from pydeeprecsys.experiments.environments import DEFAULT_ENV, described, env_option, read_env_option, spec
from pydeeprecsys.extras import is_installed

_Completions = list[str] | list[CompletionItem]


def complete_agents(ctx: click.Context, param: click.Parameter, incomplete: str) -> _Completions:
    """The agents of this package, for the last one of a list."""
    before = incomplete[: incomplete.rfind(",") + 1]
    return [before + name for name in catalogue.agent_names() if (before + name).startswith(incomplete)]


def complete_learners(ctx: click.Context, param: click.Parameter, incomplete: str) -> _Completions:
    """The agents of this package that can be tuned."""
    return [name for name in catalogue.learners() if name.startswith(incomplete)]


def complete_hyperparameters(ctx: click.Context, param: click.Parameter, incomplete: str) -> _Completions:
    """Each hyperparameter of each agent, as AGENT.OPTION=."""
    options = (f"{name}.{option}=" for name in catalogue.agent_names() for option in catalogue.agent(name).arguments)
    return [option for option in options if option.startswith(incomplete)]


def complete_datasets(ctx: click.Context, param: click.Parameter, incomplete: str) -> _Completions:
    """The data sets by name, and files."""
    names = [name for name in (*GENERATED, *RELEASES) if name != GENOME and name.startswith(incomplete)]
    return [CompletionItem(incomplete, type="file"), *map(CompletionItem, names)]


def complete_releases(ctx: click.Context, param: click.Parameter, incomplete: str) -> _Completions:
    """The data sets that can be fetched."""
    return [name for name in RELEASES if name.startswith(incomplete)]


def complete_environments(ctx: click.Context, param: click.Parameter, incomplete: str) -> _Completions:
    """The environments that Gymnasium knows, or of this package where it is not installed."""
    known: Iterable[str] = catalogue.environment_names()
    if is_installed("gymnasium"):
        from gymnasium import registry as known
    return [name for name in known if name.startswith(incomplete)]


def _complete_env_options(ctx: click.Context, param: click.Parameter, incomplete: str) -> _Completions:
    known = catalogue.environment(ctx.params.get("env") or DEFAULT_ENV)
    return [f"{name}=" for name in (known.arguments if known else ()) if name.startswith(incomplete)]


_COMPLETED = {"env": complete_environments, "dataset": complete_datasets}

# The oracle is always evaluated along; soft actor-critic, which learns at every step, takes an hour over catalogues of
# thousands; the others want more than 300 sessions, or slates.
_NOT_BY_DEFAULT = ("oracle", "sac", "ppo", "linucb", "thompson", "slate-q")
BY_DEFAULT = [name for name in catalogue.agent_names() if name not in _NOT_BY_DEFAULT]

ENV_OPTION = click.Option(
    ["--env-option"],
    multiple=True,
    metavar="NAME=VALUE",
    shell_complete=_complete_env_options,
    help="An option of the environment, see 'pydeeprecsys env ENV'; may be repeated.",
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
OUT = click.Option(
    ["--out"],
    type=HomePath(file_okay=False),
    help="Folder for the results; by default a new one under runs/.",
)
OVERWRITE = click.Option(
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
    return click.Option([flag], type=kind, shell_complete=_COMPLETED.get(argument.name), **common)


def settings_of(kind: str) -> list[Argument]:
    """The settings of a kind, "run", "compare" or "tune", that are options of its command."""
    return [setting for name, setting in catalogue.settings(kind).items() if name not in _NOT_HERE]


def settings_options(kind: str) -> list[click.Parameter]:
    """The options for a kind of settings: those of the environment, of the settings, and of the command."""
    task, simulated = catalogue.settings("task"), described(DEFAULT_ENV).arguments
    shorthands = [simulated[name]._replace(default=None) for name in _SHORTHANDS]
    described_once = (task["env"], task["dataset"], *shorthands, *settings_of(kind))
    options = [click_option(argument) for argument in described_once]
    for option in options[2 : 2 + len(shorthands)]:
        option.show_default = "that of the environment"
    return [*options, ENV_OPTION, _WORLD_VERSION, _THREADS, OUT, OVERWRITE]


def check_kind(folder: Path) -> None:
    """Raise an InputError if a folder is not of a run, a comparison or a search."""
    from pydeeprecsys.experiments.claimed_folder import ClaimedFolder

    _ = ClaimedFolder(folder).kind


def check_dataset(name: str) -> None:
    """Raise an InputError if a data set is neither known by its name nor a path to something."""
    if not is_name(name):
        path_of(name)


def read_environment(arguments: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The environment and its options that the arguments of a command hold.

    Raises:
        InputError: there is no such environment or data set, or an option that has no effect on the environment, or
            another that cannot be.
    """
    env, version, dataset = arguments["env"], arguments["world_version"], arguments["dataset"]
    if version is not None:
        by_default = click.get_current_context().get_parameter_source("env") is ParameterSource.DEFAULT
        if not by_default and env != f"MovieLensFairness-v{version}":
            raise InputError(f"--world-version is without effect on {env}; leave it out")
        env = f"MovieLensFairness-v{version}"
    spec(env)
    if dataset is not None:
        check_dataset(dataset)
    options = dict(read_env_option(env, text) for text in arguments["env_option"])
    for name in _SHORTHANDS:
        if (value := arguments[name]) is not None:
            env_option(env, name)
            if name in options:
                raise InputError(f"{name} is given twice; leave out one of --{name.replace('_', '-')} and --env-option")
            options[name] = value
    return env, options


_NAMES = {int: "integer", float: "float", list[int]: "n,n,..."}


class _InRange(click.ParamType[Any]):
    """Values of an argument's type, within its range."""

    def __init__(self, argument: Argument) -> None:
        self.argument, self.name = argument, _NAMES.get(argument.type, "text")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read and check the value."""
        try:
            if isinstance(value, str):
                return self.argument.read(value)
            self.argument.check(value)
        except InputError as error:
            self.fail(str(error), param, ctx)
        return value


def click_type(option: Argument) -> click.ParamType[Any]:
    """The type that reads a hyperparameter from text."""
    if get_origin(option.type) is Literal:
        return click.Choice(get_args(option.type))
    return click.BOOL if option.type is bool else _InRange(option)
