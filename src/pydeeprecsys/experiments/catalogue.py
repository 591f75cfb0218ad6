"""The agents, settings and environments of this package and their arguments, from a file: no class is imported.

Importing agents imports torch, which takes seconds; help, usage errors and shell completion need no more than this.
`python -m pydeeprecsys.experiments.catalogue` writes the file anew; run it when arguments have changed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from inspect import Parameter, cleandoc
from pathlib import Path
from types import UnionType
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydeeprecsys.arguments import Argument, Range, arguments_of
from pydeeprecsys.errors import InputError, did_you_mean

FILE = Path(__file__).with_suffix(".json")
_TYPES: dict[str, Any] = {"int": int, "float": float, "bool": bool, "str": str, "list[int]": list[int], "Any": Any}


class Entry(NamedTuple):
    """An agent, a kind of settings or an environment.

    Attributes:
        help: What it is: its docstring without the sections.
        traits: "tuned" for an agent with a search space, "search" for a policy search; "users" for an environment that
            simulates users of a data set, "open" for one that takes options of any name.
        arguments: Those that can be set, by name. A type whose values no text stands for is given by its name.
    """

    help: str
    traits: Sequence[str]
    arguments: dict[str, Argument]


def agent_names() -> list[str]:
    """The agents of this package."""
    return list(_entries("agents"))


def learners() -> list[str]:
    """The agents of this package that declare a search space of hyperparameters."""
    return [name for name, entry in _entries("agents").items() if "tuned" in entry.traits]


def agent(name: str) -> Entry:
    """An agent by its name, or as package.module:Class, which is imported. Its arguments are its hyperparameters.

    Raises:
        InputError: there is none; the message names the nearest.
    """
    if ":" in name:
        return _agent_now(name)
    known = _entries("agents")
    if name not in known:
        raise InputError(f"there is no agent {name!r}; {did_you_mean(name, known)}")
    return known[name]


def agent_option(name: str, option: str) -> Argument:
    """One hyperparameter of an agent.

    Raises:
        InputError: There is no such agent, or it has no such hyperparameter; the message names the nearest.
    """
    options = agent(name).arguments
    if option not in options:
        raise InputError(f"the agent {name!r} has no option {option!r}; {did_you_mean(option, options)}")
    return options[option]


def not_tuned(name: str) -> InputError:
    """The error about an agent that has nothing to search for."""
    return InputError(f"the agent {name!r} has no search space; {', '.join(learners())} have one")


def settings(kind: str) -> dict[str, Argument]:
    """The settings of a kind, "task", "run", "compare" or "tune", that text stands for; or the options of "tables"."""
    return _entries("settings")[kind].arguments


def environment(name: str) -> Entry | None:
    """An environment of this package by its Gymnasium id; None for any other."""
    return _entries("environments").get(name)


def environment_names() -> list[str]:
    """The environments of this package."""
    return list(_entries("environments"))


@cache
def _entries(section: str) -> dict[str, Entry]:
    read: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))[section]
    return {
        name: Entry(entry["help"], entry["traits"], {each["name"]: _argument(each) for each in entry["arguments"]})
        for name, entry in read.items()
    }


def _argument(told: dict[str, Any]) -> Argument:
    kind = told["type"]
    return Argument(
        name=told["name"],
        type=Literal[tuple(kind)] if isinstance(kind, list) else _TYPES.get(kind, kind),
        optional=told.get("optional", False),
        range=Range(**told["range"]) if "range" in told else None,
        default=told.get("default", Parameter.empty),
        help=told["help"],
    )


def described() -> dict[str, dict[str, Any]]:
    """What the file has to hold, from the classes."""
    import gymnasium as gym

    from pydeeprecsys.data.library import table_options
    from pydeeprecsys.experiments.compare import Comparison
    from pydeeprecsys.experiments.config import RunConfig
    from pydeeprecsys.experiments.environments import described_now
    from pydeeprecsys.experiments.registry import AGENTS
    from pydeeprecsys.experiments.task import Task
    from pydeeprecsys.experiments.tuning import Tuning

    kinds = {"task": Task, **{kind.kind: kind for kind in (RunConfig, Comparison, Tuning)}}
    settings = {
        name: {arg.name: arg for arg in arguments_of(kind).values() if _is_read(arg.type)}
        for name, kind in kinds.items()
    }
    settings["tables"] = dict(table_options())
    ours = [name for name, spec in gym.registry.items() if str(spec.entry_point).startswith("pydeeprecsys.")]
    return {
        "agents": {name: _told(_agent_now(name)) for name in AGENTS},
        "settings": {name: _told(Entry("", [], arguments)) for name, arguments in settings.items()},
        "environments": {name: _told(described_now(name)) for name in ours},
    }


def _agent_now(name: str) -> Entry:
    from pydeeprecsys.experiments.registry import agent_class, agent_options
    from pydeeprecsys.rl.agents.policy_search import PolicySearch

    agent = agent_class(name)
    traits = ["tuned"] * bool(agent.search_space) + ["search"] * issubclass(agent, PolicySearch)
    doc = cleandoc(agent.__doc__ or "").split("\nArgs:")[0].strip()
    return Entry(doc, traits, {option.name: option for option in agent_options(name)})


def _told(entry: Entry) -> dict[str, Any]:
    return {**entry._asdict(), "arguments": [_told_argument(argument) for argument in entry.arguments.values()]}


def _told_argument(argument: Argument) -> dict[str, Any]:
    kind = argument.type
    told: dict[str, Any] = {"name": argument.name, "help": argument.help}
    if get_origin(kind) is Literal:
        told["type"] = get_args(kind)
    else:
        named = (word for word, read in _TYPES.items() if read == kind)
        told["type"] = next(named, None) or " or ".join(part.__name__ for part in _members(kind))
    if argument.optional:
        told["optional"] = True
    if argument.range:
        told["range"] = {end: value for end, value in vars(argument.range).items() if value != getattr(Range, end)}
    if argument.default is not Parameter.empty:
        told["default"] = argument.default
    return told


def _members(kind: Any) -> Sequence[Any]:
    return get_args(kind) if isinstance(kind, UnionType) else [kind]


def _is_read(kind: Any) -> bool:
    return get_origin(kind) is Literal or kind in _TYPES.values()


if __name__ == "__main__":
    FILE.write_text(json.dumps(described(), indent=1) + "\n", encoding="utf-8")
